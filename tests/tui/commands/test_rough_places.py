"""Every command where things are rough: nobody reads or types, no UTF-8, hardly any room, a full disk."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from tests.demo_run import demo, tapes
from tests.tui.commands.test_main import PROGRAM, environment, shell
from tui.commands import exits
from tui.commands.main import COMMANDS

LINES = (
    "--help",
    "replay {tape} --no-books",
    "replay --verify {tape}",
    "tape info {tape}",
    "status --root {root}",
    "status --root {root} --json",
    "report --root {root}",
    "report --root {root} --html -",
    "report --root {root} --csv -",
    "explain gap_fill-20261116-2 --root {root}",
    "explain señal --root {root}",
    "config show",
    "config check",
    "halt --root {tmp}",
    "resume --root {tmp}",
    "stop --root {tmp}",
    "check --offline",
    "run --headless",
    "strategies list --root {root}",
    "strategies pause orb --root {tmp}",
    "logs --root {root}",
    "errors list --root {root}",
    "alerts test",
    "completion bash",
    "tui --root {tmp}",
    "config init {tmp}/x.toml",
)


def filled(line: str, tmp_path: Path) -> str:
    return line.format(root=demo()[0], tape=tapes()[0], tmp=tmp_path)


def test_every_command_is_tried() -> None:
    left = set(COMMANDS) - {line.split()[0] for line in LINES}
    assert left <= {"demo"}  # the demo plays as replay does


@pytest.mark.parametrize("line", LINES)
def test_no_command_stumbles_where_nobody_reads_or_types(line: str, tmp_path: Path) -> None:
    program = f"$runtime {filled(line, tmp_path)}"
    for rough in (f"{program} | true", f"{program} <&- >&- 2>&-", f"{program} < /dev/null > /dev/full"):
        done = shell(rough, TRADING_SYSTEM_ROOT=str(tmp_path))
        assert done.returncode in exits.MEANINGS, f"{rough}: {done.returncode} {done.stderr}"
        assert "Traceback" not in done.stderr, rough
        assert "Exception ignored" not in done.stderr, rough


@pytest.mark.parametrize("line", LINES)
def test_no_command_stumbles_over_a_narrow_terminal_that_knows_no_utf8(line: str, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 24, 0, 0))
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = subprocess.Popen(
        [*PROGRAM, *filled(line, tmp_path).split()],
        env={**environment(TRADING_SYSTEM_ROOT=str(tmp_path)), **plain},
        stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    written = b""
    with process:
        while True:
            try:
                piece = os.read(leader, 65_536)
            except OSError:
                break
            if not piece:
                break
            written += piece
    os.close(leader)
    assert process.returncode in exits.MEANINGS
    assert b"Traceback" not in written
    said = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", written)
    if "--html" not in line:
        assert said.isascii()
        assert b"\\u2" not in said
