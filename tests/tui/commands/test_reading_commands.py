import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from runtime import kill_switch
from runtime.messages.broker import OrderRejected
from storage.books import Books
from storage.database import DatabaseRefused
from storage.projection import Projection
from storage.statements import Mark
from tests.storage.books_samples import DAY, LOT, SESSION, trading_day
from tui.commands import exits, explain, report, status


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    projection = Projection(SESSION, ["AAA", "SPY"])
    with Books(root, "replay:sample") as books:
        for seq, at, message, caused in trading_day():
            books.apply(projection.rows(seq, at, message, caused), Mark(DAY, seq), at)
    return root


def call(*words: object) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for module in (status, report, explain):
        module.add(commands)
    arguments = parser.parse_args([str(word) for word in words])
    return int(arguments.run(arguments))


def test_explain_prints_the_chain_from_the_bar_to_the_profit(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("explain", LOT, "--root", root) == exits.OK
    said = capsys.readouterr().out
    kinds = ["input", "signal", "sized", "approved", "order sent", "fill", "lot"]
    places = [said.index(f"ET  {kind} ") for kind in kinds]
    assert places == sorted(places)
    for words in (
        "2018-02-16 09:31:00 ET",
        "input=Bars input_ts=09:30:00ET open=99.5 high=100.5 low=99 close=100 volume=5000",
        "features: gap=-0.012",
        "binding=SLOT",
        "sizing: SLOT=1000 PCT=4850",
        "price=101.5",
        "trade CLOSED: SPY long 10 at 100.50, out at 101.50 (time), P&L 9.50 USD (0.95%)",
    ):
        assert words in said


@pytest.mark.parametrize("id", [LOT, f"{LOT}:e1", f"{LOT}:x1", "x-1", "x-2", "gap_fill-20180216-5"])
def test_any_id_of_the_chain_finds_the_whole_of_it(
    id: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("explain", id, "--root", root, "--json") == exits.OK
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    assert [lot["lot_id"] for lot in found["lots"]] == [LOT]
    fills = [link for link in found["lots"][0]["links"] if link["kind"] == "fill"]
    assert [fill["id"] for fill in fills] == ["x-1", "x-2"]
    assert fills[0]["ts"] == {
        "ns": 1_518_791_520_000_000_000,
        "utc": "2018-02-16T14:32:00+00:00",
        "et": "2018-02-16T09:32:00-05:00",
    }


@pytest.mark.parametrize("id", ["gap_fill-20180216-2", "gap_fill-20180216-2:e1"])
def test_a_denied_signal_is_explained_by_the_rule_its_value_and_its_limit(
    id: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("explain", id, "--root", root) == exits.OK
    said = capsys.readouterr().out
    assert "DENIED" in said
    assert "rule=daily_loss" in said
    assert "value=0.021 limit=0.02" in said


def test_an_unknown_id_names_what_was_perhaps_meant(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("explain", "gap_fill-20180216-99", "--root", root) == exits.FAILED
    assert "did you mean gap_fill-20180216-6" in capsys.readouterr().err


def test_a_symbol_in_place_of_an_id_names_its_own_latest_signals(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    books = shutil.copytree(root, tmp_path / "books")
    with closing(sqlite3.connect(books / "db" / "trades.db")) as ledger, ledger:
        ledger.execute("UPDATE signals SET symbol = 'ZZZ' WHERE id = ?", (LOT,))
    assert call("explain", "ZZZ", "--root", books) == exits.FAILED
    assert capsys.readouterr().err.endswith(f"; its latest signals: {LOT}\n")


def test_status_shows_every_part(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("status", "--root", root, "--json") == exits.OK
    found = json.loads(capsys.readouterr().out)
    assert found["books"] == "replay:sample"
    assert found["session"]["date"] == SESSION
    assert found["session"]["phase"] == "TRADING"
    assert found["equity"]["equity"] == 97_009.5
    assert found["positions"] == []
    assert found["tasks"][0]["status"] == "skipped"
    assert found["tasks"][0]["detail"] == "not available"
    assert found["breakers"] == []
    assert [s["strategy"] for s in found["strategies"]] == ["gap_fill"]
    assert {e["level"]: e["rows"] for e in found["error_counts"]} == {"CRITICAL": 1, "ERROR": 1, "WARNING": 3}


def test_status_in_words_says_what_was_skipped(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("status", "--root", root) == exits.OK
    said = capsys.readouterr().out
    assert "fetch_news" in said
    assert "not available" in said
    assert "97,009.50 USD" in said
    assert "\x1b" not in said


def test_report_adds_up(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("report", "--root", root, "--json") == exits.OK
    found = json.loads(capsys.readouterr().out)
    assert found["trades"] == {
        "open": 0,
        "closed": 1,
        "cancelled": 1,
        "wins": 1,
        "losses": 0,
        "realised_pnl": 9.5,
    }
    assert found["costs"] == {
        "fills": 2,
        "commission": 0.5,
        "slippage": 0.1,
        "turnover": 2020.0,
        "cash_micros": 9_500_000,
    }
    assert found["strategies"][0]["win_rate"] == 1.0
    assert call("report", "--root", root) == exits.OK
    assert "97,000.00 -> 97,009.50 USD (0.01%)" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_root_without_books_is_a_clear_error(command: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match="no such database"):
        call(command, "--root", tmp_path)


@pytest.mark.parametrize("command", ["status", "report"])
def test_empty_books_are_no_error(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Books(tmp_path, "replay:empty").close()
    assert call(command, "--root", tmp_path) == exits.OK
    assert call(command, "--root", tmp_path, "--json") == exits.OK
    assert "replay:empty" in capsys.readouterr().out


def test_hostile_text_from_outside_is_made_visible(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    projection = Projection(SESSION)
    hostile = OrderRejected(
        ts_event=1, client_order_id="a:e1", symbol="SPY", code=1, reason="\x1b]0;x\x07[red]\n\u202e"
    )
    with Books(tmp_path, "replay:a") as books:
        books.apply(projection.rows(1, 1, hostile, []), Mark(DAY, 1), 1)
    assert call("status", "--root", tmp_path) == exits.OK
    said = capsys.readouterr().out
    assert "\\x1b]0;x\\x07[red]\\n\\x202e" in said
    assert "\x1b" not in said


def test_status_starts_without_numpy_pandas_or_textual(root: Path) -> None:
    program = (
        "import sys; from tui.commands.main import main; "
        f"code = main(['status', '--root', {str(root)!r}, '--json']); "
        "heavy = {'numpy', 'pandas', 'textual', 'anyio', 'msgspec', 'runtime.messages.market'}; "
        "sys.exit(code or bool(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr.decode()


def test_an_id_like_no_other_names_the_latest_signals(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for strange in ("%%%", "x", "no such thing", "a" * 10_000):
        assert call("explain", strange, "--root", root) == exits.FAILED
        shown = capsys.readouterr().err
        assert "its latest signals: gap_fill-20180216-" in shown
        assert len(shown) < 1_000


def test_an_id_is_also_mistyped_by_its_end(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("explain", f"{LOT}:e9", "--root", root, "--json") == exits.OK  # an order of a known lot
    capsys.readouterr()
    assert call("explain", "x-7", "--root", root) == exits.FAILED
    assert "latest signals" in capsys.readouterr().err


def test_the_default_root_without_books_names_the_runs_that_have_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_SYSTEM_ROOT", str(tmp_path))
    with pytest.raises(DatabaseRefused, match="python -m runtime demo"):
        call("status")
    Books(tmp_path / "runs" / "one", "replay:one").close()
    with pytest.raises(DatabaseRefused, match=f"runs with books: --root {tmp_path}/runs/one"):
        call("status")
    Books(tmp_path, "paper:one").close()
    assert call("status") == exits.HALTED  # an account's root without its kill switch is not trusted
    kill_switch.prepare(tmp_path)
    assert call("status") == exits.NO_ENGINE


@pytest.mark.parametrize("command", ["status", "report"])
def test_books_of_an_older_version_say_what_brings_them_up_to_date(command: str, tmp_path: Path) -> None:
    Books(tmp_path, "replay:old").close()
    for name, table in (("trades", "executions"), ("performance", "session_log")):
        link = sqlite3.connect(tmp_path / "db" / f"{name}.db")
        link.execute(f"DROP TABLE {table}")
        link.execute("PRAGMA user_version = 0")
        link.commit()
        link.close()
    with pytest.raises(DatabaseRefused, match="an older version wrote them"):
        call(command, "--root", tmp_path)
