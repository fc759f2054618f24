"""An engine on a terminal: started with its screen, left running, shown again, stopped."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.tui.terminals import ROOT, Terminal
from tui.commands import engine, live


def _stop(root: Path) -> int:
    words = [sys.executable, "-m", "runtime", "stop", "--wait", "150", "--root", str(root)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, timeout=200, check=False).returncode


def _ordered(root: Path) -> bytes:
    """Let the demo go on to its next order; the symbol of the latest."""
    assert engine.ask(root, {"command": "seek_order"})
    while True:
        frame = live.frame_of(root)
        assert frame is not None
        if frame.orders is not None and frame.orders.rows:
            return frame.orders.rows[-1].symbol.encode()


async def test_a_demo_is_shown_left_running_shown_again_and_stopped(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    try:
        async with Terminal(["demo", "--root", str(root), "--speed", "1"], size=(120, 30)) as first:
            await first.until(b"PLAYING")
            first.press("q")
            await first.until(b"stop the engine in order")
            first.press("l")
            assert await first.ended() == 0
            assert b"the engine goes on as process" in first.painted
        async with Terminal(["tui", "--root", str(root)], size=(120, 30)) as again:
            await again.until(await asyncio.to_thread(_ordered, root))  # it trades
            again.press("q")
            assert await again.ended() == 0
    finally:
        assert _stop(root) == 0
    assert _stop(root) == 6


async def test_the_screen_ends_with_its_engine_and_stopping_is_the_default(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    words = ["demo", "--root", str(root), "--palette", "light"]
    async with Terminal(words, size=(80, 24)) as shown:
        await shown.until(b"PLAYING")
        assert _stop(root) == 0
        assert await shown.ended() == 0
    async with Terminal(words, size=(80, 24)) as shown:
        await shown.until(b"PLAYING")
        shown.press("q")
        await shown.until(b"stop the engine in order")
        shown.press("\r")
        assert await shown.ended() == 0
        assert b"Ctrl-C" not in shown.painted
        assert b"python -m runtime report --root" in shown.painted
    assert _stop(root) == 6


async def test_an_engine_that_is_killed_is_told_when_its_screen_has_gone(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    async with Terminal(["demo", "--root", str(root)], size=(80, 24)) as shown:
        await shown.until(b"PLAYING")
        holder = (root / "run" / "engine.lock").read_text()
        os.kill(int("".join(filter(str.isdigit, holder))), signal.SIGKILL)
        assert await shown.ended() == 137
        assert b"the engine was killed (SIGKILL)" in shown.painted


async def test_an_engine_that_cannot_start_says_why_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[breakers]\ndaily_los = 0.1\n")
    words = ["demo", "--root", str(tmp_path / "demo"), "--config", str(tmp_path / "broken.toml")]
    async with Terminal(words) as shown:
        assert await shown.ended() == 3
        assert b"daily_loss" in shown.painted
        assert b"\x1b[?1049h" not in shown.painted
