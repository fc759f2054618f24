"""`run` as a process of its own: started, looked at, stopped and gone on with; and what it refuses."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.verification import verify
from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.system.live_day import FLAT, ONE_STRATEGY, UP, lay_files
from tui.commands import exits
from tui.commands.main import main

CLOCK = "2026-11-20T09:29:00-05:00"
SETTINGS = [word for each in ONE_STRATEGY for word in ("--set", each)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


def environment(server: HostedAlpacaServer, root: Path) -> dict[str, str]:
    found = server.server
    keys = {"ALPACA_API_KEY": found.options.key, "ALPACA_SECRET_KEY": found.options.secret}
    return os.environ | found.urls.environment() | keys | {"TRADING_SYSTEM_ROOT": str(root)}


@contextmanager
def process_of(*words: str, env: dict[str, str]) -> "Iterator[subprocess.Popen[str]]":
    """A Python process that does not outlive the block, whatever fails in it."""
    command = [sys.executable, "-m", *words]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def engine(server: HostedAlpacaServer, root: Path) -> "AbstractContextManager[subprocess.Popen[str]]":
    return process_of("runtime", "--headless", "--clock", CLOCK, *SETTINGS, env=environment(server, root))


def until_ready(server: HostedAlpacaServer) -> None:
    """Both streams are up, and the account was compared."""
    server.call(lambda one: one.until(lambda: one.stream.subscribed("bars"), 20))
    server.call(lambda one: one.until(lambda: one.history.requests("GET /v2/positions"), 20))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_engine_starts_ends_and_goes_on(root, capsys, end):
    with HostedAlpacaServer(symbols=("SPY",), start=CLOCK) as server:
        with engine(server, root) as process:
            until_ready(server)
            process.send_signal(end)
            out, err = process.communicate(timeout=10)
        assert process.returncode == (exits.OK if end is signal.SIGTERM else -end), err
        assert out.startswith("session 2026-11-20, books paper:PA3LOOPBACK1")
        before = verify(root / "tapes" / "2026-11-20.tape")
        assert before.identical
        server.call(lambda one: one.history.exchanges.clear())
        with engine(server, root) as process:
            until_ready(server)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == exits.OK
        after = verify(root / "tapes" / "2026-11-20.tape")
        assert after.identical
        assert after.inputs > before.inputs > 0
        secret = server.server.options.secret.encode()
    assert main(["status", "--root", str(root), "--json"]) in (exits.OK, exits.UNHEALTHY)
    assert json.loads(capsys.readouterr().out)["schema"]
    assert not any(secret in path.read_bytes() for path in root.rglob("*") if path.is_file())


def recorded_day(path: Path) -> Path:
    """Nine minutes of SPY as Alpaca's frames: the gap, and in the last one the target."""
    opens = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    with gzip.open(path, "wt") as lines:
        for minute in range(9):
            row = dict(zip("ohlcv", UP if minute == 8 else FLAT, strict=True))
            begins = (opens + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.write(json.dumps({"T": "b", "S": "SPY", "t": begins, **row}) + "\n")
    return path


@pytest.mark.slow
def test_a_session_sixty_times_as_fast_trades_and_its_tape_replays_identically(root):
    words = ["--start", "2026-11-20T09:20:00-05:00", "--speed", "60", "--stay"]
    day = recorded_day(root / "day.jsonl.gz")
    paced = ["runtime", "run", "--clock", "broker", "--speed", "60", *SETTINGS]
    with process_of("tests.alpaca_server", "--session", str(day), *words, env=dict(os.environ)) as server:
        assert server.stdout is not None
        found = os.environ | json.loads(server.stdout.readline()) | {"TRADING_SYSTEM_ROOT": str(root)}
        begun = time.monotonic()
        with process_of(*paced, env=found) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("session 2026-11-20")
            if time.monotonic() - begun > 8:  # of the ten until the opening
                pytest.skip("this machine is too busy to start an engine within eight seconds")
            until_closed(root / "db" / "trades.db")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == exits.OK
        server.send_signal(signal.SIGTERM)
        left = json.loads(server.communicate(timeout=10)[0])
    assert (left["requests"]["POST /v2/orders"], left["twice"], left["leaks"]) == (1, [], [])
    assert left["statuses"] == {"filled": 2, "canceled": 1}
    assert (left["positions"], left["open_orders"]) == ({}, [])
    verdict = verify(root / "tapes" / "2026-11-20.tape")
    assert verdict.identical, verdict.text()


def until_closed(path: Path) -> None:
    """Until the books, which the engine writes as it goes, have a closed lot."""
    pause, until = threading.Event(), time.monotonic() + 30
    while time.monotonic() < until:
        pause.wait(0.2)
        if path.exists():
            link = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
            try:
                if link.execute("SELECT 1 FROM lots WHERE state = 'closed'").fetchall():
                    return
            except sqlite3.OperationalError:
                continue  # its tables are being made
            finally:
                link.close()
    raise AssertionError("no lot was closed")


def test_a_clock_of_its_own_is_for_a_broker_on_this_machine_only(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ALPACA_API_KEY", "a")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "b")
    assert main(["run", "--root", str(tmp_path), "--clock", CLOCK]) == exits.USAGE
    assert "loopback" in capsys.readouterr().err


def test_real_money_needs_more_than_a_word(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ALPACA_API_KEY", "a")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "b")
    assert main(["run", "--root", str(tmp_path), "--live"]) == exits.CONFIG
    assert 'broker.mode = "live"' in capsys.readouterr().err
