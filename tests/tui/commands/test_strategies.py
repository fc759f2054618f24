"""`strategies`: what is shown, and a pause with and without an engine."""

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.messages.screen import Frame, Head, StrategyRow, Table
from runtime.messages.screen_wire import Wire, pack
from storage.lock import RootLock
from storage.readers.ledger import open_ledger
from storage.readers.report import report
from storage.readers.strategies import strategies
from storage.wishes import read_wishes, wishes_file
from tests.demo_run import demo
from tests.tui.commands.engines import engine_at
from tui.commands import exits
from tui.commands.main import main

Captured = pytest.CaptureFixture[str]


def listed(root: Path, capsys: Captured) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert main(["strategies", "list", "--root", str(root), "--json"]) == exits.OK
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    return {row["strategy"]: {**row, "source": found["source"]} for row in found["strategies"]}


def test_the_list_adds_up_to_the_books(capsys: Captured) -> None:
    root = demo()[0]
    rows = listed(root, capsys)
    with open_ledger(root) as ledger:
        found = report(ledger)
    change = found["equity_last"]["equity"] - 97_000.0
    assert sum(row["total_pnl"] for row in rows.values()) == pytest.approx(change, abs=0.01)
    assert sum(row["trades"] for row in rows.values()) == found["trades"]["closed"]
    assert rows["gap_fill"]["win_rate"] == pytest.approx(8 / 11)
    assert rows["gap_fill"]["silent"] == "the session has ended"
    assert rows["orb"]["silent"] == "NOT_BUILT"
    assert rows["gap_fill"]["source"] == "books"
    assert rows["gap_fill"]["since"]["et"].startswith("2026-11-27T18:00")


def test_the_list_in_words_says_the_same(capsys: Captured) -> None:
    assert main(["strategies", "list", "--root", str(demo()[0])]) == exits.OK
    shown = capsys.readouterr().out
    assert "as the books stand" in shown
    assert "72.73%" in shown


def test_a_halt_is_why_everything_is_silent() -> None:
    with open_ledger(demo()[0]) as ledger:
        rows = {row["strategy"]: row for row in strategies(ledger, "odd fills")}
    assert rows["gap_fill"]["silent"] == "halted: odd fills"
    assert rows["orb"]["silent"] == "NOT_BUILT"


def test_without_an_engine_a_pause_is_kept_for_the_next_start(tmp_path: Path, capsys: Captured) -> None:
    assert main(["strategies", "pause", "gap_fill", "--root", str(tmp_path)]) == exits.OK
    assert capsys.readouterr().out == "gap_fill is paused from the next start\n"
    (kept,) = read_wishes(tmp_path)
    assert (kept.strategy, kept.paused) == ("gap_fill", True)
    assert main(["strategies", "unpause", "gap_fill", "--root", str(tmp_path), "--json"]) == exits.OK
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1, "strategy": "gap_fill", "paused": False, "holds_from": "next start",
        "text": "gap_fill is unpaused from the next start",
    }  # fmt: skip
    assert [one.paused for one in read_wishes(tmp_path)] == [False]


def test_a_kept_wish_shows_in_the_list(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "db").symlink_to(demo()[0] / "db")
    assert main(["strategies", "pause", "gap_fill", "--root", str(tmp_path)]) == exits.OK
    rows = listed(tmp_path, capsys)
    assert (rows["gap_fill"]["wish"], rows["orb"]["wish"]) == ("pause", None)
    assert main(["strategies", "list", "--root", str(tmp_path)]) == exits.OK
    assert "ACTIVE (pause from the next start)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["gap_fil", "\x1b[2J", "", "gap_fill' OR 1"])
def test_a_name_nobody_knows_is_refused_with_the_one_meant(
    name: str, tmp_path: Path, capsys: Captured
) -> None:
    assert main(["strategies", "pause", name, "--root", str(tmp_path)]) == exits.USAGE
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "gap_fill" in shown
    assert not wishes_file(tmp_path).exists()


def test_a_running_engine_is_asked(tmp_path: Path, capsys: Captured) -> None:
    with engine_at(tmp_path, b'{"ok": true, "text": "gap_fill is paused"}\n') as asked:
        assert main(["strategies", "pause", "gap_fill", "--root", str(tmp_path)]) == exits.OK
        assert capsys.readouterr().out == "gap_fill is paused\n"
    (said,) = asked
    assert (said["command"], said["strategy"]) == ("pause_strategy", "gap_fill")
    assert said["by"].startswith("user ")
    assert not wishes_file(tmp_path).exists()


def test_what_the_engine_refuses_is_told(tmp_path: Path, capsys: Captured) -> None:
    with engine_at(tmp_path, b'{"ok": false, "text": "not while it rains"}\n'):
        assert main(["strategies", "unpause", "gap_fill", "--root", str(tmp_path)]) == exits.FAILED
    assert capsys.readouterr().err == "error: the engine refused: not while it rains\n"


def test_a_process_that_does_not_listen_is_not_passed_by(tmp_path: Path, capsys: Captured) -> None:
    with RootLock(tmp_path):
        assert main(["strategies", "pause", "gap_fill", "--root", str(tmp_path)]) == exits.RUNNING
    assert "does not listen" in capsys.readouterr().err
    assert not wishes_file(tmp_path).exists()


def test_a_running_engine_tells_what_the_books_cannot_know(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "db").symlink_to(demo()[0] / "db")
    row = StrategyRow(
        key="gap_fill", state="PAUSED", allocation=0.1, why="by a person", day_pnl=1.5, total_pnl=2.5,
        silent="paused by a person",
    )  # fmt: skip
    new = StrategyRow(key="brand_new", state="ACTIVE", allocation=0.2)
    frame = Frame(head=Head(mode="PAPER"), whole=True, strategies=Table(rows=(row, new), whole=True))
    with engine_at(tmp_path, pack(Wire(frame=frame))) as asked:
        rows = listed(tmp_path, capsys)
    assert asked == [{"command": "attach", "read_only": True, "schema": 1}]
    assert rows["gap_fill"]["source"] == "engine"
    assert (rows["gap_fill"]["state"], rows["gap_fill"]["day_pnl"]) == ("PAUSED", 1.5)
    assert rows["mean_reversion"]["state"] == "ACTIVE"
    assert (rows["brand_new"]["allocation"], rows["brand_new"]["wish"]) == (0.2, None)


@pytest.mark.parametrize("answer", [b"", b"\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"{}\n"])
def test_an_engine_that_talks_nonsense_leaves_the_books(
    answer: bytes, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "db").symlink_to(demo()[0] / "db")
    with engine_at(tmp_path, answer):
        assert listed(tmp_path, capsys)["gap_fill"]["source"] == "books"
