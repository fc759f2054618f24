"""The screen on a real terminal: what it leaves behind when it is ended, and what it sends."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

SIZE = (24, 80)


class Terminal:
    """A desk in a pseudo-terminal."""

    def __init__(self, **environment: str) -> None:
        self.end, line = pty.openpty()
        fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        command = [sys.executable, "-m", "tests.tui.desk"]
        without = ("NO_COLOR", "COLUMNS", "LINES")  # it has colours, and a size of its own
        kept = {name: value for name, value in os.environ.items() if name not in without}
        self.process = subprocess.Popen(
            command, stdin=line, stdout=line, stderr=line, close_fds=True, start_new_session=True,
            env=kept | {"TERM": "xterm-256color", "PYTHONPATH": str(Path.cwd())} | environment,
        )  # fmt: skip
        os.close(line)
        self.seen = b""

    def until(self, *words: bytes) -> None:
        while not all(word in self.seen for word in words):
            self.seen += os.read(self.end, 65_536)

    def rest(self) -> bytes:
        """Everything that still comes until it has ended."""
        found = b""
        try:
            while more := os.read(self.end, 65_536):
                found += more
        except OSError:  # the other end is closed
            pass
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.end)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_screen_that_is_ended_leaves_the_terminal_as_it_was(number: signal.Signals) -> None:
    terminal = Terminal(NO_COLOR="1") if number is signal.SIGHUP else Terminal()
    try:
        terminal.until(b"\x1b[?1049h", b"PAPER", b"order rejected TSLA")
        coloured = re.search(rb"\x1b\[[0-9;]*[34]8;[25];", terminal.seen)
        assert (coloured is None) == (number is signal.SIGHUP)  # NO_COLOR sends none
        terminal.process.send_signal(number)
        rest = terminal.rest()
        assert b"\x1b[?1049l" in rest
        assert b"\x1b[?25h" in rest
        assert b"\x1b[?1000l" in rest
        assert terminal.process.wait(200) == 128 + number
    finally:
        terminal.close()
