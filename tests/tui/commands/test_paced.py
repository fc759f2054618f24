"""`demo` and `replay` as engines of their own: reached by a socket, stopped in order, verified afterwards."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.verification import verify
from tui.commands import engine, exits
from tui.commands.launch import EngineProcess, NotStarted, start_engine_process
from tui.commands.main import main


@pytest.fixture
def started():
    """Starts engines that do not outlive the test."""
    running: list[EngineProcess] = []

    def start(root: Path, *words: str) -> EngineProcess:
        running.append(start_engine_process([*words, "--root", str(root)], root))
        return running[-1]

    yield start
    for one in running:
        if one.ended() is None:
            os.kill(one.pid, signal.SIGKILL)
            one.wait(200)


def test_a_served_demo_can_be_asked_and_stopped_and_a_tape_of_it_served_again(tmp_path, started):
    root = tmp_path / "demo"
    process = started(root, "demo", "--serve", "--speed", "1")
    assert engine.ask(root, {"command": "hello"}) == str(process.pid)
    assert "halted" in engine.ask(root, {"command": "halt", "reason": "a test"})
    assert engine.ask(root, {"command": "pause"}) == "paused"
    assert engine.ask(root, {"command": "seek_order"})
    assert engine.ask(root, {"command": "stop"})
    assert process.wait(200) == exits.OK
    tapes = sorted((root / "tapes").glob("*.tape*"))
    assert tapes
    verdicts = [verify(path) for path in tapes]
    assert all(one.identical for one in verdicts), [one.text() for one in verdicts]
    again = tmp_path / "again"
    process = started(again, "replay", str(tapes[0]), "--serve", "--speed", "1")
    assert engine.ask(again, {"command": "step"}) == "one minute on"
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(200) == exits.OK
    assert main(["status", "--root", str(again), "--json"]) in (exits.OK, exits.UNHEALTHY)


def test_a_served_demo_is_halted_and_resumed_from_the_command_line(tmp_path, started, capsys):
    started(tmp_path, "demo", "--serve", "--speed", "1")
    where = ["--root", str(tmp_path)]
    assert main(["halt", *where]) == exits.OK
    assert "socket  reached: halted" in capsys.readouterr().out
    assert main(["resume", "-y", *where]) == exits.OK
    assert "resumed" in capsys.readouterr().out
    assert not (tmp_path / "killswitch" / "HALT").exists()
    assert main(["stop", "--wait", "200", *where]) == exits.OK


def test_a_hang_up_of_the_terminal_it_was_started_from_ends_it_in_order(tmp_path):
    reading, writing = os.pipe()
    words = ["demo", "--serve", "--headless", "--root", str(tmp_path), "--ready-fd", str(writing)]
    with subprocess.Popen(
        [sys.executable, "-m", "runtime", *words], pass_fds=(writing,), stdout=subprocess.DEVNULL
    ) as process:
        os.close(writing)
        try:
            assert os.read(reading, 64) == b"ready\n"
            os.close(reading)
            process.send_signal(signal.SIGHUP)
            assert process.wait(200) == exits.OK
        finally:
            process.kill()


def test_a_socket_needs_a_folder(tmp_path, capsys):
    assert main(["demo", "--serve", "--no-books"]) == exits.USAGE
    assert "--no-books" in capsys.readouterr().err


@pytest.mark.parametrize("speed", ["-1", "1e9", "nan", "fast"])
def test_a_speed_is_a_number_that_can_be_kept(tmp_path, started, speed):
    with pytest.raises(NotStarted) as refused:
        started(tmp_path, "demo", "--serve", "--speed", speed)
    assert refused.value.code == exits.USAGE
    assert "must be 0 or from" in refused.value.output
