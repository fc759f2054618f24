"""The socket that screens attach to and commands come in by; it never waits for whoever is at the other end.

Frames are made at most four times a second, and only while somebody is attached. A client that does not read
has frames dropped, then gets a whole one. Everything from the other end is bounded: how many connections, how
long a line, how long a silence, how many questions at once.
Source: terminal 2.2 and 2.8; architecture 6.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread
import msgspec

from runtime.kernel.clock import Cancel, Clock, sleep_until
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.log import get_logger
from runtime.messages.screen import SCHEMA, Answer, Ask, Frame, Wire, pack
from runtime.text import one_line

PERIOD = 250_000_000
"""Least time between two frames, ns."""
MOST_WAITING = 256 << 10
"""Bytes a client may leave unread before frames are dropped."""
MOST_OPEN = 64
MOST_ATTACHED = 16
MOST_LINE = 64 << 10
MOST_ASKS = 4
"""Questions of one connection that are being answered at once; then it is not read from."""
SILENCE = 5_000_000_000
"""How long a new connection may say nothing, ns."""
LINGER = 2_000_000_000
"""How long a refused client may take to read why, ns."""
PATIENCE = 30_000_000_000
"""How long an answer may take, ns."""
READ_ONLY = ("hello", "explain")

_decoder = msgspec.json.Decoder(Ask)
_log = get_logger(__name__)


class Source(Protocol):
    """What is shown (actors/screen has it).

    Attributes:
        clients: Set to how many are attached. crowded: set when so much waits that it should be folded.
    """

    clients: int

    @property
    def crowded(self) -> asyncio.Event: ...

    def fold(self) -> bool:
        """Take in a piece of what has happened; whether there is more."""

    def changes(self) -> Frame:
        """What has changed since the last call."""

    def whole(self) -> Frame:
        """Everything, as of the last call of `changes`."""


Answerer = Callable[[Ask], Awaitable[Answer]]
"""Does what is asked; `by` names who asks. What it raises is told as a failure."""


class UiServer(Gateway):
    """Publishes frames and passes commands on.

    Args:
        listen: Makes the listening socket; called in a worker thread. leave: takes its name away again.
        source: What is shown. answer: who does what is asked.
        real: Time of waits.
        ready: Called once it listens.
    """

    def __init__(
        self,
        inbox: Inbox,
        port: Port,
        *,
        listen: Callable[[], socket.socket],
        leave: Callable[[], None],
        source: Source,
        answer: Answerer,
        real: Clock,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__("ui_server", inbox, port)
        self._listen, self._leave = listen, leave
        self._source = source
        self._answer = answer
        self._ready = ready
        self.real = real
        self._line: socket.socket
        self._group: anyio.abc.TaskGroup
        self._open: dict[Client, None] = {}
        self._attached: dict[Client, None] = {}
        self._someone = asyncio.Event()
        self._is_serving = self._is_accepting = False
        self._showing = anyio.Lock()
        self._published = 0
        self._number = 0
        self.dropped = 0
        """Frames that clients missed, over all of them."""

    async def run(self) -> None:
        """Serve until asked to stop."""
        self._line = await anyio.to_thread.run_sync(self._listen)
        try:
            async with anyio.create_task_group() as group:
                self._group, self._is_serving = group, True
                self._accept_again()
                self._ready()
                group.start_soon(self._publish)
                group.start_soon(self._tidy)
                await self.stopping.wait()
                group.cancel_scope.cancel()
        finally:
            self._is_serving = False
            self._stop_accepting()
            self._line.close()
            for client in list(self._open):
                client.close(at_once=True)
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._leave)

    # ---- connections ------------------------------------------------------------------------

    def _accept_again(self) -> None:
        if self._is_serving and not self._is_accepting and len(self._open) < MOST_OPEN:
            self._is_accepting = True
            asyncio.get_running_loop().add_reader(self._line, self._accept)

    def _stop_accepting(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            asyncio.get_running_loop().remove_reader(self._line)

    def _accept(self) -> None:
        """Take one connection a turn of the loop, so that a flood of them takes turns with the engine."""
        try:
            line, _ = self._line.accept()
        except (BlockingIOError, ConnectionError):  # it has gone again
            return
        except OSError as error:  # no descriptor is left: later there may be one
            self._stop_accepting()
            self.real.call_at(self.real.now() + SILENCE, self._accept_again)
            _log.warning("a connection could not be taken", error=error.strerror)
            return
        line.setblocking(False)
        user = _peer(line)
        if user != os.geteuid():
            line.close()
            _log.warning("a connection of another user was refused", user=user)
            return
        client = Client(self, user)
        self._open[client] = None
        if len(self._open) >= MOST_OPEN:
            self._stop_accepting()
        self._group.start_soon(self._connect, client, line)

    async def _connect(self, client: "Client", line: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: client, line)
        except BaseException as error:
            line.close()
            self.lost(client)
            if not isinstance(error, OSError):
                raise

    def lost(self, client: "Client") -> None:
        """A connection is over."""
        self._open.pop(client, None)
        self._detach(client)
        self._accept_again()

    def attach(self, client: "Client", ask: Ask) -> str:
        """Send this client frames from now on; why not, or empty."""
        if ask.schema != SCHEMA:
            return f"the engine speaks schema {SCHEMA} of the screen, you speak {ask.schema}"
        if len(self._attached) >= MOST_ATTACHED:
            return f"{MOST_ATTACHED} screens are attached already"
        self._attached[client] = None
        self._source.clients = len(self._attached)
        self._someone.set()
        return ""

    def _detach(self, client: "Client") -> None:
        if client in self._attached:
            del self._attached[client]
            self._source.clients = len(self._attached)
            if not self._attached:
                self._someone.clear()

    # ---- commands ---------------------------------------------------------------------------

    def ask(self, client: "Client", ask: Ask) -> None:
        """Have a question answered."""
        self._group.start_soon(self._ask, client, ask)

    async def _ask(self, client: "Client", ask: Ask) -> None:
        answer = Answer(ok=False, text=f"{ask.command} was not answered in time")
        with anyio.move_on_after(PATIENCE / 1e9):
            try:
                answer = await self._answer(ask)
            except Exception as error:  # noqa: BLE001 - a failing command must not take the socket with it
                _log.error("a command failed", command=one_line(ask.command, 40), exc_info=error)
                answer = Answer(ok=False, text=f"failed: {one_line(str(error) or type(error).__name__)}")
        client.answered(msgspec.structs.replace(answer, id=ask.id))

    # ---- frames -----------------------------------------------------------------------------

    async def _publish(self) -> None:
        while True:
            await self._someone.wait()
            await sleep_until(self.real, self._published + PERIOD)
            async with self._showing:
                await self._fold()
                await anyio.lowlevel.checkpoint()
                if not self._attached:
                    continue
                self._published = self.real.now()
                self._number += 1
                changes = msgspec.structs.replace(self._source.changes(), number=self._number)
                await anyio.lowlevel.checkpoint()
                await self._send(changes)

    async def _fold(self) -> None:
        while self._source.fold():
            await anyio.lowlevel.checkpoint()

    async def _tidy(self) -> None:
        """Fold what has piled up while nobody was attached."""
        while True:
            await self._source.crowded.wait()
            async with self._showing:  # a whole frame must be as old as the changes beside it
                await self._fold()

    async def _send(self, changes: Frame) -> None:
        """To each client what it lacks; frames that are alike are encoded once."""
        whole: Frame | None = None
        packed: dict[tuple[bool, int], bytes] = {}
        for client in list(self._attached):
            if not client.has_room():
                self.dropped += 1
                continue
            key = client.lacks_all, client.dropped
            if key not in packed:
                if client.lacks_all and whole is None:
                    whole = msgspec.structs.replace(self._source.whole(), number=self._number)
                    await anyio.lowlevel.checkpoint()
                frame = whole if client.lacks_all and whole is not None else changes
                told = msgspec.structs.replace(frame, dropped=client.dropped)
                packed[key] = pack(Wire(frame=told))
                await anyio.lowlevel.checkpoint()
            client.send_frame(packed[key])


class Client(asyncio.Protocol):
    """One connection: its first line decides what it is.

    Attributes:
        lacks_all: Whether its next frame must be whole. dropped: frames it has missed.
    """

    def __init__(self, server: UiServer, user: int) -> None:
        self._server = server
        self._user = user
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._asking = 0
        self._is_attached = self._is_read_only = self._is_closing = False
        self._silent: Cancel = lambda: None
        self.lacks_all = True
        self.dropped = 0

    # ---- what asyncio calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there; it must say something soon."""
        self._transport = cast(asyncio.Transport, transport)
        real = self._server.real
        self._silent = real.call_at(real.now() + SILENCE, self._too_silent)

    def data_received(self, data: bytes) -> None:
        """Part of a line, or several."""
        if self._is_closing:
            return
        self._buffer += data
        self._read_lines()

    def eof_received(self) -> bool:
        """Nothing more will be asked; whether to stay: an answer on a line of its own is still sent."""
        return self._asking > 0 and not self._is_attached

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        self._silent()
        self._transport, self._is_closing = None, True
        self._server.lost(self)

    # ---- lines ------------------------------------------------------------------------------

    def _read_lines(self) -> None:
        while not self._is_closing and self._asking < self._most:
            end = self._buffer.find(b"\n")
            if end > MOST_LINE or (end < 0 and len(self._buffer) > MOST_LINE):
                self._refuse(f"a line may have {MOST_LINE} bytes")
            elif end < 0:
                break
            else:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                self._hear(line)
        self._read_on()

    @property
    def _most(self) -> int:
        return MOST_ASKS if self._is_attached else 1

    def _read_on(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._asking >= self._most:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _hear(self, line: bytes) -> None:
        self._silent()
        try:
            ask = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._refuse(f"that is no question: {one_line(str(error), 200)}")
            return
        if ask.command == "attach":
            self._attach(ask)
        elif self._is_read_only and ask.command not in READ_ONLY:
            self._tell(Answer(ok=False, id=ask.id, text="this screen is attached read-only"))
        else:
            self._asking += 1
            by = one_line(ask.by, 100) or f"user {self._user} on the engine's socket"
            self._server.ask(self, msgspec.structs.replace(ask, by=by))

    def _attach(self, ask: Ask) -> None:
        if self._is_attached or self._asking:
            self._refuse("a connection is attached by its first line")
            return
        self._is_attached, self._is_read_only = True, ask.read_only
        if why := self._server.attach(self, ask):
            self._refuse(why)

    # ---- answers and frames -----------------------------------------------------------------

    def answered(self, answer: Answer) -> None:
        """A question of this connection has been answered."""
        self._asking -= 1
        self._tell(answer)
        if self._is_attached:
            self._read_lines()
        else:
            self.close()

    def _tell(self, answer: Answer) -> None:
        if self._transport is None:
            return
        if self._is_attached:
            self._transport.write(pack(Wire(answer=answer)))
        else:
            self._transport.write(msgspec.json.encode(answer) + b"\n")

    def _refuse(self, why: str) -> None:
        if not self._is_closing:
            self._tell(Answer(ok=False, text=why))
            self.close()

    def _too_silent(self) -> None:
        self._refuse("nothing was asked")

    def has_room(self) -> bool:
        """Whether a frame may be written; one that may not is dropped, and the next must be whole."""
        transport = self._transport
        if transport is None or self._is_closing:
            return False
        if transport.get_write_buffer_size() <= MOST_WAITING:
            return True
        self.dropped += 1
        self.lacks_all = True
        return False

    def send_frame(self, data: bytes) -> None:
        """Write a frame; it waits in this process until it is read."""
        if self._transport is not None and not self._is_closing:
            self._transport.write(data)
            self.lacks_all = False

    def close(self, *, at_once: bool = False) -> None:
        """End it once what was written is read, and after a while in any case.

        Args:
            at_once: Do not wait for the reader.
        """
        self._is_closing = True
        self._silent()
        transport = self._transport
        if transport is None:
            return
        if at_once and transport.get_write_buffer_size():
            transport.abort()
            return
        transport.close()
        real = self._server.real
        self._silent = real.call_at(real.now() + LINGER, transport.abort)


def _peer(line: socket.socket) -> int:
    """User id of the process at the other end."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(user)
