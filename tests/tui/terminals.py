"""A program of ours on a terminal of its own: what it paints is kept, keys and signals are sent to it."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.walls import WALL_S

ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """One program on a pseudo-terminal; it is killed when the block ends, if it still runs."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        size: tuple[int, int] = (100, 30),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.words = list(words)
        self.size = size
        self.painted = b""
        self.environ = {**os.environ, "TERM": "xterm-256color", **(environ or {})}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):  # the terminal has colours, and a size of its own
            self.environ.pop(name, None)
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self.process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", self.size[1], self.size[0], 0, 0))
        os.set_blocking(self._leader, False)
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runtime", *self.words,
            stdin=follower, stdout=follower, stderr=follower, cwd=ROOT, env=self.environ,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(follower)
        asyncio.get_running_loop().add_reader(self._leader, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.freeze()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        os.close(self._leader)

    def freeze(self) -> None:
        """Read no more: the terminal takes nothing."""
        asyncio.get_running_loop().remove_reader(self._leader)

    def thaw(self) -> None:
        """Read on."""
        asyncio.get_running_loop().add_reader(self._leader, self._read)

    def _read(self) -> None:
        try:
            self.painted += os.read(self._leader, 1 << 16)
        except BlockingIOError:
            return
        except OSError:  # the program has closed its end
            asyncio.get_running_loop().remove_reader(self._leader)
            self._over.set()
        self._news.set()

    def press(self, text: str) -> None:
        os.write(self._leader, text.encode())

    async def until(self, words: bytes, seconds: float = WALL_S) -> None:
        """Wait until something was painted since the last `forget`."""
        async with asyncio.timeout(seconds):
            while words not in self.painted:
                self._news.clear()
                await self._news.wait()

    def forget(self) -> None:
        self.painted = b""

    async def ended(self, seconds: float = WALL_S) -> int:
        """Wait for the program's end and its last words; its exit code, or minus the signal."""
        async with asyncio.timeout(seconds):
            await self._over.wait()  # it has closed the terminal, and all it wrote has been read
            return await self.process.wait()
