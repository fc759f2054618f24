"""Nothing that a process wrote has its keys: not after refused keys, lost answers, crashes and tracebacks."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from storage.tape import compress
from storage.tape.files import open_tape
from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.alpaca_server.server import AlpacaServer
from tests.faults import busy
from tests.faults.kill_live import SPEED, START, Figures, Round, _market_runs, _market_stops, nursery
from tests.walls import WALL_S

KEY, SECRET = "PKCANARY7Q2ZX4VB91LM", "canary-secret-8f3b1c9d27e64a50b1aa93c7d4e2f601"
ECHO = f"request signed with {SECRET} by {KEY} refused"
"""A broker, or a proxy, that repeats what it was sent."""


def _hostile(server: AlpacaServer) -> None:
    """Everything that makes a process talk: refusals that echo the keys, lost answers, broken streams."""
    add = server.faults.add
    add("refuse", "POST /v2/orders", times=3, status=403, code=40310000, message=ECHO)
    add("refuse", "DELETE /v2/orders/*", times=2, status=422, code=42210000, message=ECHO)
    add("refuse", "GET /v2/account*", times=2, status=500, message=ECHO)
    add("refuse", "GET /v2/positions", times=2, status=401, html=True)
    add("malformed", "POST /v2/orders", nth=4, how="html")
    add("drop_after", "POST /v2/orders", nth=6)
    add("bad_item", item={"T": "b", "S": SECRET, "o": KEY}, times=3)
    add("garbage_frame", "trades event *", data=SECRET.encode(), times=2)
    add("unknown_event", "trades event *", nth=8, name=SECRET)
    add("abort", "market data", nth=12)
    add("abort", "trades event *", nth=14)


def written(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a root, and what is inside compressed tapes."""
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(root)), path.read_bytes()
            if path.name.endswith(".tape.zst"):
                with open_tape(path) as tape:
                    inside = b""
                    while piece := tape.read(1 << 16):
                        inside += piece
                yield f"inside {path.name}", inside


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_no_key_is_in_anything_that_a_process_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    root = tmp_path / "root"
    root.mkdir()
    busy.lay_files(root)
    options = {"rate_limit": 0, "cash": Decimal(100_000), "key": KEY, "secret": SECRET}
    with (
        nursery() as bears,
        HostedAlpacaServer(symbols=tuple(busy.SYMBOLS), start=START, speed=SPEED, **options) as hosted,
    ):
        hosted.call(_market_runs)
        one = Round(bears, hosted, root, Figures(points={}, missed=[], ready_ms=[], wrong=[]))
        crash = root / "crash"
        pid = one.start(crash="ensemble", crash_while=str(crash))
        assert one.until(one.is_ready), one.log.read_text()
        hosted.call(_hostile)
        assert one.until(lambda: len(hosted.server.faults.fired) >= 12)
        crash.touch()
        (tape,) = one.tapes()
        assert one.until(lambda: b"ActorCrashed" in tape.read_bytes() or b"crash loop" in _log(root))
        with contextlib.closing(sqlite3.connect(root / "db" / "performance.db", timeout=WALL_S)) as lock:
            lock.execute("BEGIN IMMEDIATE")  # what cannot be written goes to the fallback file
            hosted.call(lambda server: server.faults.add("refuse", "* /*", times=8, status=401, message=ECHO))
            one.until(lambda: False, 2.0)
            lock.rollback()
        hosted.call(lambda server: server.faults.clear())
        hosted.call(_market_stops)
        os.kill(pid, signal.SIGTERM)
        bears.wait(pid)
        # Another start with a key that is refused: it says so, and ends.
        refused = one.start(environ={"ALPACA_SECRET_KEY": SECRET[:-1] + "2"})
        assert bears.wait(refused) != 0
    compress(tape)
    found = dict(written(root))
    assert {"output.txt", "logs/engine.log", "db/trades.db", "db/performance.db"} <= found.keys()
    assert any(name.startswith("inside") for name in found)
    assert b"Traceback" in b"".join(found.values())  # there was something to leak into
    assert b"refused" in found["logs/engine.log"] + found["db/performance.db"]
    leaks = [name for name, content in found.items() for key in (KEY, SECRET) if key.encode() in content]
    assert leaks == []


def _log(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (root / "logs").glob("*"))


def test_the_search_finds_a_key_in_a_compressed_tape(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"x" + SECRET.encode())
    assert [name for name, content in written(tmp_path) if SECRET.encode() in content] == ["plain"]
