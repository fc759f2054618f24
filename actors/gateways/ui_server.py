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
from typing import Protocol

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread
import msgspec

from actors.gateways.ui_line import SILENCE, Connection
from runtime.kernel.clock import Clock, sleep_until
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.log import get_logger
from runtime.messages.screen import SCHEMA, Frame
from runtime.messages.screen_wire import Answer, Ask, Wire, pack
from runtime.text import one_line

PERIOD = 250_000_000
"""Least time between two frames, ns."""
MOST_OPEN = 64
MOST_ATTACHED = 16
PATIENCE = 30_000_000_000
"""How long an answer may take, ns."""
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
        self._open: dict[Connection, None] = {}
        self._attached: dict[Connection, None] = {}
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
        client = Connection(self, user)
        self._open[client] = None
        if len(self._open) >= MOST_OPEN:
            self._stop_accepting()
        self._group.start_soon(self._connect, client, line)

    async def _connect(self, client: Connection, line: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: client, line)
        except BaseException as error:
            line.close()
            self.lost(client)
            if not isinstance(error, OSError):
                raise

    def lost(self, client: Connection) -> None:
        """A connection is over."""
        self._open.pop(client, None)
        self._detach(client)
        self._accept_again()

    def attach(self, client: Connection, ask: Ask) -> str:
        """Send this client frames from now on; why not, or empty."""
        if ask.schema != SCHEMA:
            return f"the engine speaks schema {SCHEMA} of the screen, you speak {ask.schema}"
        if len(self._attached) >= MOST_ATTACHED:
            return f"{MOST_ATTACHED} screens are attached already"
        self._attached[client] = None
        self._source.clients = len(self._attached)
        self._someone.set()
        return ""

    def _detach(self, client: Connection) -> None:
        if client in self._attached:
            del self._attached[client]
            self._source.clients = len(self._attached)
            if not self._attached:
                self._someone.clear()

    # ---- commands ---------------------------------------------------------------------------

    def ask(self, client: Connection, ask: Ask) -> None:
        """Have a question answered."""
        self._group.start_soon(self._ask, client, ask)

    async def _ask(self, client: Connection, ask: Ask) -> None:
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


def _peer(line: socket.socket) -> int:
    """User id of the process at the other end."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(user)
