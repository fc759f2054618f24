"""The screen on a terminal of its own: attached, left, ended by signals, refused."""

import signal
import subprocess
import sys
from pathlib import Path

import anyio.lowlevel
import pytest

from runtime.messages.screen import Frame
from tests.tui import frames
from tests.tui.engine_socket import EngineSocket
from tests.tui.terminals import ROOT, Terminal

RESTORED = (b"\x1b[?1049l", b"\x1b[?25h")
"""Out of the alternate screen, and the cursor shown."""


async def test_it_attaches_paints_and_leaves_the_terminal_and_the_engine_as_they_were(tmp_path: Path) -> None:
    async with (
        EngineSocket(tmp_path, frames.whole()) as engine,
        Terminal(["tui", "--root", str(tmp_path)]) as tui,
    ):
        await tui.until(b"mean_reversion")
        engine.send(Frame(number=2, at=frames.NOW, head=frames.head(equity=11_111.11)))
        await tui.until(b"11,111.11")
        tui.press("q")
        assert await tui.ended() == 0
        assert all(code in tui.painted for code in RESTORED)
        assert [ask.command for ask in engine.asked] == ["attach"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_the_screen_and_restores_the_terminal(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with (
        EngineSocket(tmp_path, frames.whole()) as engine,
        Terminal(["tui", "--root", str(tmp_path)]) as tui,
    ):
        await tui.until(b"mean_reversion")
        tui.forget()
        tui.process.send_signal(number)
        assert await tui.ended() == 128 + number
        assert all(code in tui.painted for code in RESTORED)
        engine.send(Frame(number=2))  # nobody is there, and nothing breaks


async def test_a_read_only_screen_says_so_and_cannot_halt(tmp_path: Path) -> None:
    words = ["tui", "--root", str(tmp_path), "--read-only"]
    async with EngineSocket(tmp_path, frames.whole()) as engine, Terminal(words) as tui:
        await tui.until(b"READ-ONLY")
        tui.press("K")
        await tui.until(b"it cannot halt")
        tui.press("K")
        engine.send(Frame(number=2, at=frames.NOW, head=frames.head(equity=33_333.33)))
        await tui.until(b"33,333.33")
        tui.process.send_signal(signal.SIGTERM)
        await tui.ended()
        assert [ask.command for ask in engine.asked] == ["attach"]
        assert engine.asked[0].read_only


async def test_a_terminal_that_stops_reading_harms_neither_engine_nor_screen(tmp_path: Path) -> None:
    async with (
        EngineSocket(tmp_path, frames.whole()) as engine,
        Terminal(["tui", "--root", str(tmp_path)]) as tui,
    ):
        await tui.until(b"mean_reversion")
        tui.freeze()
        for number in range(2, 60):
            engine.send(frames.later(number))
            await anyio.lowlevel.checkpoint()
        engine.send(Frame(number=60, head=frames.head(equity=22_222.22)))
        tui.thaw()
        await tui.until(b"22,222.22")
        tui.press("q")
        assert await tui.ended() == 0


def _piped(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "runtime", *words],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=ROOT,
        timeout=200,
    )


def test_without_a_terminal_nothing_is_drawn(tmp_path: Path) -> None:
    done = _piped("tui", "--root", str(tmp_path))
    assert done.returncode == 1
    assert b"no terminal to draw on" in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr


async def test_a_root_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with Terminal(["tui", "--root", str(tmp_path / "none")]) as tui:
        assert await tui.ended() == 6
        assert b"does not exist" in tui.painted
