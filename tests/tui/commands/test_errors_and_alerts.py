"""`errors` and `alerts`: what is listed, shown, resolved with and without an engine, and tried."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.error_fallback import FALLBACK, read_fallback
from storage.books import Books
from storage.lock import RootLock
from tests.actors.gateways.http_sink import http_sink
from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.demo_run import demo
from tests.system.live_day import lay_files
from tests.tui.commands.test_main import environment
from tests.tui.commands.test_strategies import engine_at
from tui.commands import exits
from tui.commands.main import main

Captured = pytest.CaptureFixture[str]
SECOND = 1_000_000_000
T0 = 1_795_618_860 * SECOND
LONG = "b143fb00-6280-40cd-836f-79cfe6eab164"
HOSTILE = "\x1b]52;c;x\x07 evil \u202e"
TOKEN = "t0ken-of-this-sink"


def error_row(id: str, level: str, component: str, at: int, **other: Any) -> tuple[str, tuple[Any, ...]]:
    return "error", (
        *(id, at, level, f"actors.{component}", other.get("message", f"{component} broke")),
        *("/x/y.py", 3, "ValueError", other.get("traceback", ""), component),
        *(other.get("count", 1), other.get("last", at), None, None, other.get("context", "")),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Books(tmp_path, "replay:sample") as books:
        books.log(
            [
                error_row("20261125-1-0", "WARNING", "regime", T0),
                error_row("20261125-2-0", "ERROR", "portfolio", T0 + SECOND, count=7, last=T0 + 9 * SECOND),
                error_row(
                    LONG,
                    "CRITICAL",
                    "order_gateway",
                    T0 + 2 * SECOND,
                    message=HOSTILE,
                    traceback=f"Traceback\n  {HOSTILE}\nValueError: no",
                    context='{"order": "SPY-1"}',
                ),
            ]
        )
    return tmp_path


def said(capsys: Captured, root: Path, *words: str, code: int = exits.OK) -> str:
    capsys.readouterr()
    assert main([*words, "--root", str(root)]) == code
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "\u202e" not in shown.out + shown.err
    return shown.out if code == exits.OK else shown.err


def listed(capsys: Captured, root: Path, *words: str) -> list[str]:
    found = json.loads(said(capsys, root, "errors", "list", "--json", *words))
    assert found["schema"] == 1
    return [row["id"] for row in found["errors"]]


# ---- errors --------------------------------------------------------------------------------------


def test_the_list_is_filtered_and_the_latest_comes_first(root: Path, capsys: Captured) -> None:
    everything = ["20261125-2-0", LONG, "20261125-1-0"]
    assert listed(capsys, root) == everything
    assert listed(capsys, root, "--level", "error") == everything[:2]
    assert listed(capsys, root, "--component", "regime") == ["20261125-1-0"]
    assert listed(capsys, root, "--since", "2026-11-25T10:01:02-05:00") == everything[:2]
    assert listed(capsys, root, "--since", "2026-11-26") == []
    assert listed(capsys, root, "-n", "1") == everything[:1]
    assert listed(capsys, root, "-n", "0") == everything


def test_the_list_counts_levels_and_repetitions_in_words(root: Path, capsys: Captured) -> None:
    shown = said(capsys, root, "errors", "list")
    assert "1 CRITICAL, 1 ERROR, 1 WARNING; 0 resolved" in shown
    assert LONG[:8] in shown
    assert LONG not in shown
    assert said(capsys, root, "errors", "list", "--component", "none") == "no errors\n"


def test_one_row_is_shown_with_its_traceback_and_context(root: Path, capsys: Captured) -> None:
    shown = said(capsys, root, "errors", "show", LONG[:5])
    assert "Traceback" in shown
    assert "order" in shown
    assert "SPY-1" in shown
    assert "/x/y.py:3" in shown
    found = json.loads(said(capsys, root, "errors", "show", LONG, "--json"))
    assert found["error"]["context"] == {"order": "SPY-1"}
    assert "7 times" in said(capsys, root, "errors", "show", "20261125-2-0")


def test_an_id_that_is_none_or_several_is_refused_with_those_there_are(root: Path, capsys: Captured) -> None:
    assert "several errors: 20261125-2-0, 20261125-1-0" in said(
        capsys, root, "errors", "show", "2026", code=exits.USAGE
    )
    assert "the latest are 20261125-2-0" in said(capsys, root, "errors", "show", "nope", code=exits.USAGE)


def test_without_an_engine_a_note_is_written_into_the_books(root: Path, capsys: Captured) -> None:
    said(capsys, root, "errors", "resolve", LONG[:8], "--note", f"known {HOSTILE}")
    assert listed(capsys, root, "--unresolved") == ["20261125-2-0", "20261125-1-0"]
    found = json.loads(said(capsys, root, "errors", "show", LONG, "--json"))["error"]
    assert found["is_resolved"] == 1
    assert found["note"].startswith("known ")
    assert found["resolved_by"] == f"user {os.getuid()} on the command line"
    assert found["resolved_at"]["ns"] > 0
    assert "known" in said(capsys, root, "errors", "show", LONG)


def test_a_running_engine_is_asked(root: Path, capsys: Captured) -> None:
    with engine_at(root, b'{"ok": true, "text": "error x is resolved"}\n') as asked:
        assert "is resolved" in said(capsys, root, "errors", "resolve", LONG[:8], "--note", "seen")
    (request,) = asked
    assert request["command"] == "resolve_error"
    assert (request["target"], request["note"]) == (LONG, "seen")
    assert listed(capsys, root, "--unresolved") == listed(capsys, root)


def test_an_engine_that_refuses_or_does_not_listen_is_told(root: Path, capsys: Captured) -> None:
    with engine_at(root, b'{"ok": false, "text": "not now"}\n'):
        assert "not now" in said(capsys, root, "errors", "resolve", LONG, code=exits.FAILED)
    with RootLock(root):
        assert "does not listen" in said(capsys, root, "errors", "resolve", LONG, code=exits.RUNNING)


def test_a_root_without_books_is_told(tmp_path: Path, capsys: Captured) -> None:
    said(capsys, tmp_path, "errors", "list", code=exits.DATA)
    said(capsys, tmp_path, "alerts", "list", code=exits.DATA)


def test_what_a_replay_could_not_write_is_in_its_books_the_next_time(
    tmp_path: Path, capsys: Captured
) -> None:
    tape = str(next(iter(sorted((demo()[0] / "tapes").glob("*.tape.zst")))))
    (tmp_path / "db").write_text("a file where the books should be")
    assert main(["replay", tape, "--headless", "--root", str(tmp_path)]) == exits.DATA
    (tmp_path / "db").unlink()
    assert (tmp_path / "logs" / FALLBACK).exists()
    assert main(["replay", tape, "--headless", "--root", str(tmp_path)]) == exits.OK
    assert not (tmp_path / "logs" / FALLBACK).exists()
    found = json.loads(said(capsys, tmp_path, "errors", "list", "--json", "--component", "database"))
    (row,) = found["errors"]
    assert (row["level"], row["exception_type"]) == ("CRITICAL", "storage.database.DatabaseRefused")


# ---- alerts --------------------------------------------------------------------------------------


def test_the_history_of_the_demo_says_what_would_have_been_told(capsys: Captured) -> None:
    root = demo()[0]
    shown = said(capsys, root, "alerts", "list")
    assert "not sent: replay" in shown
    assert "breaker daily_loss: HALT all strategies" in shown
    found = json.loads(said(capsys, root, "alerts", "list", "--json", "--level", "critical"))
    assert found["schema"] == 1
    assert {row["level"] for row in found["alerts"]} == {"CRITICAL"}
    assert said(capsys, root, "alerts", "list", "--since", "2030-01-01") == "no alerts\n"


def test_a_test_reaches_every_sink_or_the_one_asked_for(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_sink() as sink, http_sink() as other:
        monkeypatch.setenv("TRADING_ALERT_PHONE", sink.url(TOKEN))
        env = tmp_path / ".env"
        env.write_text(f"TRADING_ALERT_MAIL={other.url(TOKEN)}\n")
        env.chmod(0o600)
        assert said(capsys, tmp_path, "alerts", "test") == "mail: sent\nphone: sent\n"
        assert said(capsys, tmp_path, "alerts", "test", "--sink", "MAIL") == "mail: sent\n"
        assert (len(sink.got), len(other.got)) == (1, 2)
        assert sink.titles() == ["PAPER INFO: a test"]
        other.status = 500
        capsys.readouterr()
        assert main(["alerts", "test", "--json", "--root", str(tmp_path)]) == exits.FAILED
        shown = capsys.readouterr()
        assert TOKEN not in shown.out + shown.err
        results = {one["sink"]: one["sent"] for one in json.loads(shown.out)["sinks"]}
        assert results == {"mail": False, "phone": True}
        assert "did you mean" in said(capsys, tmp_path, "alerts", "test", "--sink", "phon", code=exits.USAGE)


def test_without_a_sink_the_test_says_where_one_is_named(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("TRADING_ALERT_")]:
        monkeypatch.delenv(name)
    assert "TRADING_ALERT_NAME=URL" in said(capsys, tmp_path, "alerts", "test", code=exits.CONFIG)


def test_addresses_are_nowhere_to_be_seen(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADING_ALERT_PHONE", f"json://127.0.0.1:9/{TOKEN}")
    assert main(["config", "show"]) == exits.OK
    assert main(["config", "show", "--json"]) == exits.OK
    shown = capsys.readouterr()
    assert TOKEN not in shown.out + shown.err
    assert "TRADING_ALERT_PHONE" in shown.out


def test_listing_errors_imports_neither_numpy_nor_apprise(root: Path) -> None:
    code = (
        "import sys; from tui.commands.main import main; "
        f"[main([name, 'list', '--root', {str(root)!r}]) for name in ('errors', 'alerts')]; "
        "print([name for name in ('numpy', 'pandas', 'apprise', 'textual') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_engine_that_ends_with_an_error_tells_a_person_and_keeps_the_error(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_files(tmp_path)
    start = "2026-11-20T09:29:00-05:00"
    with http_sink() as sink, HostedAlpacaServer(symbols=("SPY",), start=start) as server:
        for name, value in server.server.urls.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ALPACA_API_KEY", "PKWRONGWRONGWRONG123")
        monkeypatch.setenv("ALPACA_SECRET_KEY", "wrong-secret-of-nobody")
        monkeypatch.setenv("TRADING_ALERT_PHONE", sink.url(TOKEN))
        code = main(["run", "--headless", "--clock", start, "--root", str(tmp_path)])
        shown = capsys.readouterr()
    assert code == exits.AUTH
    assert TOKEN not in shown.out + shown.err
    (title,) = sink.titles()
    assert title == "PAPER CRITICAL: the engine has ended with an error: nothing trades"
    assert "KeysRefused" in sink.got[0]["message"]
    kept, bad = read_fallback(tmp_path / "logs" / FALLBACK)
    assert bad == 0
    assert [(entry.level, entry.exception_type) for entry in kept] == [
        ("CRITICAL", "runtime.errors.KeysRefused")
    ]
    log = (tmp_path / "logs" / "engine.log").read_text()
    assert "ended with an error" in log
    assert "wrong-secret-of-nobody" not in log + repr(kept)
