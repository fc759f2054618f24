"""`run` as a process of its own: started, looked at, stopped and gone on with; and what it refuses."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from actors.verification import verify
from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.system.live_day import ONE_STRATEGY, lay_files
from tests.walls import WALL_S
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
    server.call(lambda one: one.until(lambda: one.stream.subscribed("bars"), WALL_S))
    server.call(lambda one: one.until(lambda: one.history.requests("GET /v2/positions"), WALL_S))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_engine_starts_ends_and_goes_on(root, capsys, end):
    with HostedAlpacaServer(symbols=("SPY",), start=CLOCK) as server:
        with engine(server, root) as process:
            until_ready(server)
            process.send_signal(end)
            out, err = process.communicate(timeout=200)
        assert process.returncode == (exits.OK if end is signal.SIGTERM else -end), err
        assert out.startswith("session 2026-11-20, books paper:PA3LOOPBACK1")
        before = verify(root / "tapes" / "2026-11-20.tape")
        assert before.identical
        server.call(lambda one: one.history.exchanges.clear())
        with engine(server, root) as process:
            until_ready(server)
            process.send_signal(signal.SIGTERM)
            assert process.wait(200) == exits.OK
        after = verify(root / "tapes" / "2026-11-20.tape")
        assert after.identical
        assert after.inputs > before.inputs > 0
        secret = server.server.options.secret.encode()
    assert main(["status", "--root", str(root), "--json"]) == exits.NO_ENGINE
    assert json.loads(capsys.readouterr().out)["schema"]
    assert not any(secret in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_a_clock_of_its_own_is_for_a_broker_on_this_machine_only(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ALPACA_API_KEY", "a")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "b")
    assert main(["run", "--root", str(tmp_path), "--clock", CLOCK]) == exits.USAGE
    assert "loopback" in capsys.readouterr().err


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "1e9"])
@pytest.mark.parametrize("begins", [CLOCK, "broker"])
def test_a_clock_runs_at_a_speed_at_which_somebody_can_still_ask(
    speed, begins, monkeypatch, tmp_path, capsys
):
    here = {"TRADING": "http", "DATA": "http", "TRADING_STREAM": "ws", "DATA_STREAM": "ws"}
    for name, scheme in here.items():
        monkeypatch.setenv(f"ALPACA_{name}_URL", f"{scheme}://127.0.0.1:1")
    monkeypatch.setenv("ALPACA_API_KEY", "a")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "b")
    words = ["run", "--headless", "--root", str(tmp_path), "--clock", begins, "--speed", speed]
    assert main(words) == exits.USAGE
    assert "speed must be" in capsys.readouterr().err


def test_real_money_needs_more_than_a_word(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ALPACA_API_KEY", "a")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "b")
    assert main(["run", "--root", str(tmp_path), "--live"]) == exits.CONFIG
    assert 'broker.mode = "live"' in capsys.readouterr().err


def test_a_start_asks_again_when_the_broker_does_not_answer_at_once(root):
    with HostedAlpacaServer(symbols=("SPY",), start=CLOCK) as server:
        server.call(lambda one: one.faults.add("gateway_timeout_before", on="GET /v2/account", times=2))
        with engine(server, root) as process:
            until_ready(server)
            process.send_signal(signal.SIGTERM)
            assert process.wait(200) == exits.OK
        assert len(server.server.history.requests("GET /v2/account")) >= 3
