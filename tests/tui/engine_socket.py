"""An engine's end of the socket for tests: sends the frames it is given, keeps what it was asked."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from runtime import control_socket
from runtime.messages.screen import Frame
from runtime.messages.screen_wire import Answer, Ask, Wire, pack
from tests.walls import WALL_S


class EngineSocket:
    """Listens where the engine of a root would."""

    def __init__(self, root: Path, first: Frame) -> None:
        self.root = root
        self.path = root / control_socket.FOLDER / control_socket.NAME
        self.first = first
        self.asked: list[Ask] = []
        self.answer = Answer(ok=True, text="done")
        self.silent = False
        self.attached = asyncio.Event()
        self._news = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "EngineSocket":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def listen(self) -> None:
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        """As an engine that ends: nobody listens, and every connection is closed."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        self.attached.clear()
        self.path.unlink(missing_ok=True)

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(WALL_S):
            while not what():
                self._news.clear()
                await self._news.wait()

    def send(self, frame: Frame) -> None:
        for writer in self._writers:
            writer.write(pack(Wire(frame=frame)))

    def send_raw(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            while line := await reader.readline():
                ask = msgspec.json.decode(line, type=Ask)
                self.asked.append(ask)
                self._news.set()
                if ask.command == "attach":
                    self._writers.append(writer)
                    writer.write(pack(Wire(frame=self.first)))
                    self.attached.set()
                elif not self.silent:
                    answer = msgspec.structs.replace(self.answer, id=ask.id)
                    writer.write(pack(Wire(answer=answer)))
        writer.close()
