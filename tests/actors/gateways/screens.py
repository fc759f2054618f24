"""A client of the engine's socket as a screen is one, and a source of frames that a test drives."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from runtime import control_socket
from runtime.messages.screen import Frame, Head, LogRow, Table
from runtime.messages.screen_wire import HEADER, Answer, Ask, Wire, unpack
from tests.walls import WALL_S


class Screen:
    """One connection; reads when asked to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._asked = 0

    @classmethod
    async def connect(cls, root: Path) -> "Screen":
        line = await anyio.to_thread.run_sync(control_socket.connect, root, WALL_S)
        line.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=line))

    @classmethod
    async def attach(cls, root: Path, **fields: Any) -> "Screen":
        screen = await cls.connect(root)
        await screen.say(Ask(command="attach", **fields))
        return screen

    async def say(self, ask: Ask) -> None:
        self.writer.write(msgspec.json.encode(ask) + b"\n")
        await self.writer.drain()

    async def wire(self, within: float = WALL_S) -> Wire:
        with anyio.fail_after(within):
            size = int.from_bytes(await self.reader.readexactly(HEADER), "big")
            return unpack(await self.reader.readexactly(size))

    async def frame(self) -> Frame:
        while True:
            wire = await self.wire()
            if wire.frame is not None:
                return wire.frame

    async def ask(self, command: str, **fields: Any) -> Answer:
        """Ask on an attached connection; frames on the way are passed over."""
        self._asked += 1
        await self.say(Ask(command=command, id=self._asked, **fields))
        while True:
            wire = await self.wire()
            if wire.answer is not None and wire.answer.id == self._asked:
                return wire.answer

    async def line(self) -> Answer:
        """The one-line answer of a connection that is not attached."""
        with anyio.fail_after(WALL_S):
            return msgspec.json.decode(await self.reader.readline(), type=Answer)

    async def ended(self) -> None:
        """Read to the end of the connection."""
        with anyio.fail_after(WALL_S), suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


async def ask(root: Path, command: str, **fields: Any) -> Answer:
    """Ask on a connection of its own."""
    screen = await Screen.connect(root)
    try:
        await screen.say(Ask(command=command, **fields))
        return await screen.line()
    finally:
        await screen.close()


class Shown:
    """A source of frames: `lines` are those not told yet."""

    def __init__(self) -> None:
        self.clients = 0
        self.crowded = asyncio.Event()
        self.lines: list[LogRow] = []
        self.all: list[LogRow] = []
        self.folds = self.told = 0
        self.text = "x"
        self.folded = asyncio.Event()

    def fold(self) -> bool:
        self.folds += 1
        self.crowded.clear()
        self.folded.set()
        return False

    def put(self, count: int = 1) -> None:
        for _ in range(count):
            key = str(len(self.all))
            row = LogRow(key=key, at=0, level="INFO", component="", text=self.text)
            self.lines.append(row)
            self.all.append(row)

    def changes(self) -> Frame:
        self.told += 1
        lines, self.lines = self.lines, []
        return Frame(
            at=self.told, head=Head(mode="PAPER", clients=self.clients), log=Table(rows=tuple(lines))
        )

    def whole(self) -> Frame:
        head = Head(mode="PAPER", clients=self.clients)
        return Frame(at=self.told, whole=True, head=head, log=Table(rows=tuple(self.all), whole=True))
