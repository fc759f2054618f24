"""An engine started as a process of its own: when it is ready, what it survives, how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.system.live_day import lay_files
from tests.tui.commands.test_trade import CLOCK, SETTINGS, environment
from tui.commands import engine, exits
from tui.commands.launch import EngineProcess, NotStarted, start_engine_process
from tui.commands.live import frame_of
from tui.commands.main import main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


@pytest.fixture
def server():
    with HostedAlpacaServer(symbols=("SPY",), start=CLOCK) as server:
        yield server


@pytest.fixture
def started(root: Path, server: HostedAlpacaServer, monkeypatch: pytest.MonkeyPatch):
    """Starts engines that do not outlive the test."""
    for name, value in environment(server, root).items():
        monkeypatch.setenv(name, value)
    running: list[EngineProcess] = []

    def start(*words: str) -> EngineProcess:
        running.append(start_engine_process(["run", "--clock", CLOCK, *SETTINGS, *words], root))
        return running[-1]

    yield start
    for one in running:
        if one.ended() is None:
            os.kill(one.pid, signal.SIGKILL)
            one.wait(200)


def test_it_is_ready_when_it_can_be_asked_lives_in_a_session_of_its_own_and_hears_no_hang_up(root, started):
    process = started()
    assert engine.ask(root, {"command": "hello"}) == str(process.pid)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    os.kill(process.pid, signal.SIGHUP)
    assert engine.ask(root, {"command": "hello"}) == str(process.pid)
    assert process.ended() is None
    assert engine.ask(root, {"command": "stop"})
    assert process.wait(200) == exits.OK
    assert "session 2026-11-20" in process.last_words()
    with pytest.raises(FileNotFoundError):
        engine.ask(root, {"command": "hello"})


def test_a_halt_reaches_it_by_file_socket_and_signal_and_by_the_settings_ends_it(root, started, capsys):
    process = started("--set", "kill_switch.exit_process=true")
    assert main(["halt", "--root", str(root), "--reason", "a test"]) == exits.OK
    told = capsys.readouterr().out
    assert "socket  reached: halted" in told
    assert process.wait(200) == exits.HALTED


def test_what_ends_before_it_is_ready_says_why(root, started):
    with pytest.raises(NotStarted) as refused:
        started("--set", "account.trading_capital=-1")
    assert refused.value.code == exits.CONFIG
    assert "trading_capital" in refused.value.output


def test_a_second_engine_of_a_root_is_refused_and_the_first_goes_on(root, started):
    first = started()
    with pytest.raises(NotStarted) as refused:
        started()
    assert refused.value.code == exits.RUNNING
    assert engine.ask(root, {"command": "hello"}) == str(first.pid)


def test_after_a_kill_the_next_engine_takes_the_socket_over(root, started):
    first = started()
    os.kill(first.pid, signal.SIGKILL)
    first.wait(200)
    with pytest.raises(ConnectionRefusedError):
        engine.ask(root, {"command": "hello"})
    second = started()
    assert engine.ask(root, {"command": "hello"}) == str(second.pid)


SCREEN = """
import socket, sys
from runtime import control_socket
line = control_socket.connect(sys.argv[1])
line.sendall(b'{"command": "attach"}\\n')
line.recv(1)
print("attached", flush=True)
while line.recv(1 << 16):
    pass
"""


def test_a_screen_that_is_frozen_and_one_that_is_killed_do_not_matter(root, started):
    process = started()
    screens = [
        subprocess.Popen([sys.executable, "-c", SCREEN, str(root)], stdout=subprocess.PIPE) for _ in range(2)
    ]
    try:
        for screen in screens:
            assert screen.stdout.readline() == b"attached\n"
        frozen, killed = screens
        frozen.send_signal(signal.SIGSTOP)
        killed.kill()
        killed.wait(200)
        seen = frame_of(root)
        assert seen is not None
        assert seen.head.clients in (2, 3)  # the frozen one, this one, and maybe the one that has just gone
        assert seen.head.lag_worst_ns < 60_000_000_000  # a loop that waited for the frozen one would for ever
        assert engine.ask(root, {"command": "halt", "reason": "still heard"})
        assert process.ended() is None
    finally:
        for screen in screens:
            screen.kill()
            screen.wait(200)
            screen.stdout.close()
    assert engine.ask(root, {"command": "stop"})
    assert process.wait(200) == exits.OK
