"""`status`: as a health check, with what a running engine tells, and watched."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runtime import kill_switch
from runtime.messages.machine import ActorStopped
from runtime.messages.screen import ActorRow, Frame, Head, PositionRow, Table
from runtime.messages.screen_wire import Wire, pack
from storage.books import Books
from storage.lock import RootLock
from storage.projection import Projection
from storage.statements import Mark
from tests.demo_run import demo
from tests.storage.books_samples import DAY, SESSION, trading_day
from tests.tui.commands.engines import engine_at
from tests.tui.commands.test_main import PROGRAM, environment
from tui.commands import exits
from tui.commands.main import main
from tui.commands.standing import code_of, standing

Captured = pytest.CaptureFixture[str]
ASKED_FOR = (
    *("phase", "halted", "streams", "positions", "orders", "breakers", "regime", "strategies", "actors"),
    *("tasks", "error_counts", "engine", "unwell"),
)


def write(root: Path, *, books: str = "paper:PA1") -> None:
    projection = Projection(SESSION, ["AAA", "SPY"])
    with Books(root, books) as kept:
        for seq, at, message, caused in trading_day():
            kept.apply(projection.rows(seq, at, message, caused), Mark(DAY, seq), at)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An account's root in good order."""
    write(tmp_path)
    kill_switch.prepare(tmp_path)
    resolve(tmp_path)
    return tmp_path


def resolve(root: Path) -> None:
    link = sqlite3.connect(root / "db" / "performance.db")
    link.execute("UPDATE error_log SET is_resolved = 1")
    link.commit()
    link.close()


def status(root: Path, capsys: Captured) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["status", "--root", str(root), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


def frame(**head: Any) -> bytes:
    actors = (
        ActorRow(key="portfolio", kind="decision", state="running", handled=7),
        ActorRow(key="market_stream", kind="gateway", state="back-off", detail="429 from the server"),
    )
    known = {"stream": "up", "orders": "up", "phase": "TRADING", **head}
    return pack(Wire(frame=Frame(head=Head(mode="PAPER", **known), actors=Table(rows=actors, whole=True))))


# ---- a health check -------------------------------------------------------------------------------


def test_every_part_is_there_running_or_stopped(root: Path, capsys: Captured) -> None:
    for _, found in (status(root, capsys), status(demo()[0], capsys)):
        assert set(ASKED_FOR) <= set(found)
        assert found["schema"] == 1


def test_an_accounts_root_without_an_engine_says_so(root: Path, capsys: Captured) -> None:
    code, found = status(root, capsys)
    assert (code, found["engine"]) == (exits.NO_ENGINE, {"running": False, "pid": None, "tells": False})
    assert (found["phase"], found["streams"]["market"]) == ("TRADING", "none")


def test_with_an_engine_and_nothing_to_complain_of_all_is_well(root: Path, capsys: Captured) -> None:
    with engine_at(root, frame(bar_at=1_518_791_520_000_000_000)):
        code, found = status(root, capsys)
        assert code == exits.OK
        assert main(["status", "--root", str(root)]) == exits.OK
        words = capsys.readouterr().out
    assert found["unwell"] == []
    assert found["engine"] == {"running": True, "pid": os.getpid(), "tells": True}
    assert (found["streams"]["market"], found["streams"]["orders"]) == ("up", "up")
    assert found["streams"]["last_bar"]["et"] == "2018-02-16T09:32:00-05:00"
    assert [each["actor"] for each in found["actors"]] == ["portfolio", "market_stream"]
    assert "market stream up, last minute 09:32:00 ET; order stream up" in words
    assert "429 from the server" in words


def test_positions_stand_at_the_prices_of_a_running_engine_and_stops_where_they_rest(
    root: Path, capsys: Captured
) -> None:
    link = sqlite3.connect(root / "db" / "trades.db")
    link.execute(
        "INSERT OR REPLACE INTO positions (symbol, strategy, side, quantity, entry_price, entry_timestamp, "
        "current_price, unrealized_pnl, unrealized_pnl_pct, status, updated_at, session, seq) "
        "VALUES ('AAA', 'x', 'short', -30, 50.0, 1, 50.0, 0.0, 0.0, 'open', 1, 1, 1)"
    )
    link.commit()
    link.close()
    (before,) = status(root, capsys)[1]["positions"]
    here = {
        "symbol": before["symbol"],
        "strategy": "x",
        "pnl": 0.0,
        "pnl_frac": 0.0,
        "entry": 1.0,
        "entry_at": 0,
    }
    rows = (
        PositionRow(key="small", quantity=1, last=before["entry_price"] + 2, stop=1.0, **here),
        PositionRow(
            key="l", quantity=before["quantity"], last=before["entry_price"] + 2, stop=3.0, target=9.0, **here
        ),
        PositionRow(key="external", quantity=10_000, last=7.0, external=True, **here),
    )
    said = Frame(head=Head(mode="PAPER", stream="up", orders="up"), positions=Table(rows=rows, whole=True))
    with engine_at(root, pack(Wire(frame=said))):
        (found,) = status(root, capsys)[1]["positions"]
    assert found["current_price"] == before["entry_price"] + 2
    assert found["unrealized_pnl"] == pytest.approx(2 * before["quantity"])
    assert found["unrealized_pnl_pct"] == pytest.approx(-2 / before["entry_price"])
    assert (found["stop_loss"], found["target_price"]) == (3.0, 9.0)
    assert found["quantity"] == before["quantity"]


def test_a_stream_that_is_down_while_the_market_trades_is_not_well(root: Path, capsys: Captured) -> None:
    with engine_at(root, frame(stream="down")):
        code, found = status(root, capsys)
    assert (code, found["unwell"]) == (exits.UNHEALTHY, ["the market stream is down"])
    with engine_at(root, frame(stream="down", phase="OVERNIGHT")):
        assert status(root, capsys)[0] == exits.OK


def test_an_engine_that_does_not_answer_is_not_well(root: Path, capsys: Captured) -> None:
    with engine_at(root, b""):
        code, found = status(root, capsys)
    assert (code, found["unwell"]) == (exits.UNHEALTHY, ["the engine does not answer"])
    with RootLock(root):  # one that starts has no socket yet
        assert status(root, capsys)[0] == exits.OK


def test_a_halt_comes_before_everything_else(root: Path, capsys: Captured) -> None:
    kill_switch.throw(root, "odd fills", at=1)
    with engine_at(root, frame(stream="down")):
        assert status(root, capsys)[0] == exits.HALTED
    assert status(root, capsys)[0] == exits.HALTED


def test_a_critical_error_and_a_stopped_actor_are_told_until_somebody_resolves_them(
    root: Path, capsys: Captured
) -> None:
    projection = Projection(SESSION, ["AAA", "SPY"])
    at, message = trading_day()[-1][1:3]
    stopped = ActorStopped(ts_event=at, cause=900, actor="executor", reason="too many crashes")
    with Books(root, "paper:PA1") as kept:
        rows = projection.rows(900, at, message, [stopped])
        kept.apply(rows, Mark(DAY, 900), at)
    with RootLock(root):
        code, found = status(root, capsys)
    assert code == exits.UNHEALTHY
    assert found["unwell"] == ["executor has stopped", "1 critical errors are not resolved"]
    assert {"actor": "executor", "state": "stopped", "crashes": 0, "restarts": 0} in found["actors"]


def test_of_a_replay_nothing_but_a_halt_is_complained_of(tmp_path: Path, capsys: Captured) -> None:
    write(tmp_path, books="replay:sample")
    code, found = status(tmp_path, capsys)
    assert (code, found["unwell"]) == (exits.OK, [])
    assert found["error_counts"]


def test_hostile_words_of_an_engine_are_inert(root: Path, capsys: Captured) -> None:
    hostile = "\x1b]0;x\x07[/]\u202e"
    rows = (ActorRow(key=hostile, kind="gateway", state=hostile, detail=hostile),)
    said = Frame(head=Head(mode="PAPER", stream=hostile, orders="up"), actors=Table(rows=rows))
    with engine_at(root, pack(Wire(frame=said))):
        main(["status", "--root", str(root)])
        assert not set(capsys.readouterr().out) & {"\x1b", "\x07", "\u202e"}


def test_the_same_moment_reads_the_same(root: Path) -> None:
    assert standing(root) == standing(root)
    assert code_of(standing(root)) == exits.NO_ENGINE


# ---- watched --------------------------------------------------------------------------------------


@contextmanager
def watching(root: Path, *words: str) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        [*PROGRAM, "status", "--watch", "0", "--root", str(root), *words], env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_in_a_pipe_each_change_is_a_line(root: Path) -> None:
    with watching(root) as process:
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        assert "phase TRADING" in first and "HALTED" not in first and "engine stopped" in first
        kill_switch.throw(root, "odd fills", at=1)
        assert process.stdout.readline().rstrip().endswith("HALTED odd fills")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=200) == exits.INTERRUPTED
        assert "Traceback" not in process.stderr.read()


def test_a_kill_switch_whose_folder_is_made_later_is_seen(tmp_path: Path) -> None:
    write(tmp_path, books="replay:sample")
    with watching(tmp_path) as process:
        assert process.stdout is not None
        assert "HALTED" not in process.stdout.readline()
        kill_switch.prepare(tmp_path)
        kill_switch.throw(tmp_path, "odd fills", at=1)
        assert process.stdout.readline().rstrip().endswith("HALTED odd fills")


def test_as_json_each_change_is_an_object_and_the_books_are_watched(root: Path) -> None:
    with watching(root, "--json") as process:
        assert process.stdout is not None
        before = json.loads(process.stdout.readline())
        seq, at, message, _ = trading_day()[-1]
        later = msgspec.structs.replace(message, ts_event=at)
        stopped = ActorStopped(ts_event=at, cause=900, actor="executor", reason="too many crashes")
        with Books(root, "paper:PA1") as kept:
            rows = Projection(SESSION, ["AAA", "SPY"]).rows(seq + 900, at, later, [stopped])
            kept.apply(rows, Mark(DAY, seq + 900), at)
        # Of two databases one is written first, which is a change of its own where somebody looks between.
        after = next(found for line in process.stdout if (found := json.loads(line))["error_counts"])
    assert (before["unwell"], before["schema"]) == ([], 1)
    assert after["error_counts"] == [{"level": "CRITICAL", "rows": 1, "occurrences": 1}]


def test_on_a_terminal_the_picture_is_drawn_over_itself_and_cut_to_its_size(root: Path) -> None:
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 40, 0, 0))
    process = subprocess.Popen(
        [*PROGRAM, "status", "--watch", "0", "--root", str(root)],
        env=environment(), stdout=follower, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    written = b""
    with process:
        try:
            while b"\x1b[J" not in written:
                written += os.read(leader, 65_536)
            kill_switch.throw(root, "odd fills", at=1)
            while written.count(b"\x1b[J") < 2:
                written += os.read(leader, 65_536)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=200) == exits.INTERRUPTED
        finally:
            process.kill()
    os.close(leader)
    assert written.count(b"\x1b[2J") == 1
    for picture in written.split(b"\x1b[H")[1:]:
        lines = picture.split(b"\x1b[J")[0].split(b"\r\n")
        assert len(lines) <= 12
        assert all(len(line.replace(b"\x1b[K", b"")) <= 40 for line in lines)
    assert b"HALTED" in written


def test_watching_a_root_without_books_is_the_same_error(tmp_path: Path, capsys: Captured) -> None:
    assert main(["status", "--watch", "--root", str(tmp_path)]) == exits.DATA
    assert main(["status", "--watch", "soon", "--root", str(tmp_path)]) == exits.USAGE
    capsys.readouterr()
