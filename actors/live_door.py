"""The socket of an engine process, one over all its sessions, and what is asked between two of them.

While a session is at work its operator answers. Between two, and while the last one ends, no tape takes an
input: a halt goes into the kill switch's file, which the next session finds before it trades; what needs a
session waits a moment for the next one, then is refused in words.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio.lowlevel
import anyio.to_thread
import msgspec

from actors.gateways.ui_server import Answerer, Source, UiServer
from actors.operator import explain
from actors.screen.shown import Shown, Still
from runtime import control_socket, kill_switch
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox
from runtime.kernel.host import HostStopped
from runtime.kernel.supervisor import GatewayFigures
from runtime.log import get_logger
from runtime.messages.screen_wire import Answer, Ask
from runtime.text import one_line

WAIT = 1_500_000_000
"""How long what needs a session waits for the next one, ns: less than whoever asks waits for an answer."""

_log = get_logger(__name__)


class Door:
    """Where screens and commands come in.

    Args:
        root: Whose socket. real: time of waits. stop: ends the process's work in order.
        ready: Called once the socket is there.

    Attributes:
        opened: Set from the first session on. figures: of the gateway that serves it, if no session has it.
    """

    def __init__(
        self, root: Path, real: Clock, *, stop: Callable[[], None], ready: Callable[[], None]
    ) -> None:
        self.opened = asyncio.Event()
        self.figures: Callable[[], Mapping[str, GatewayFigures]] = dict
        self._root, self._real = root, real
        self._stop, self._ready = stop, ready
        self._shown = Shown()
        self._frames: Source
        self._operator: Answerer | None = None
        self._is_open = asyncio.Event()
        self._writing: set[asyncio.Future[None]] = set()

    def gateway(self, inbox: Inbox) -> Gateway:
        """The gateway that listens."""
        return UiServer(
            inbox,
            lambda source, message: None,
            listen=lambda: control_socket.listen(self._root),
            leave=lambda: control_socket.remove(self._root),
            source=self._shown,
            answer=self.answer,
            real=self._real,
            ready=self._ready,
        )

    # ---- sessions ---------------------------------------------------------------------------

    def open(self, frames: Source, operator: Answerer) -> None:
        """A session is at work from now on."""
        self._frames, self._operator = frames, operator
        self._shown.show(frames)
        self._is_open.set()
        self.opened.set()

    async def close(self, why: str) -> None:
        """The session takes no commands any more; screens keep what was last seen.

        Args:
            why: For people, why nothing can be entered now.
        """
        self._operator = None
        self._is_open.clear()
        # The session's own watch is about to end, and what it was told last it could not write down.
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._signalled)
        frames = self._frames
        while frames.fold():
            await anyio.lowlevel.checkpoint()
        frames.changes()
        last = frames.whole()
        head = last.head and msgspec.structs.replace(last.head, entries=why)
        self._frames = Still(msgspec.structs.replace(last, head=head))
        self._shown.show(self._frames)

    # ---- what is asked ----------------------------------------------------------------------

    async def answer(self, ask: Ask) -> Answer:
        """Do what is asked, whether a session is at work or not."""
        operator = self._operator
        if operator is not None:
            try:
                return await operator(ask)
            except HostStopped as error:
                _log.info("asked of a session that has just ended", command=ask.command, error=str(error))
        match ask.command:
            case "halt" | "flatten":
                return await self._halt(ask)
            case "hello":
                return Answer(ok=True, text=str(os.getpid()))
            case "explain":
                return await anyio.to_thread.run_sync(explain, self._root, one_line(ask.target.strip(), 200))
            case "stop":
                self._stop()
                return Answer(ok=True, text="the engine ends before its next session")
        return await self._later(ask)

    async def _later(self, ask: Ask) -> Answer:
        """Have it answered by the next session, if that is there in a moment."""
        await happens_by(self._real, self._is_open, self._real.now() + WAIT)
        if self._operator is None:
            return Answer(ok=False, text="no session is at work just now: ask again in a few seconds")
        return await self._operator(ask)

    async def _halt(self, ask: Ask) -> Answer:
        flatten = ask.flatten or ask.everything or ask.command == "flatten"
        reason = one_line(ask.reason.strip()) or f"halt by {ask.by}"
        try:
            await anyio.to_thread.run_sync(self._throw, reason, flatten, ask.everything)
        except OSError as error:
            return Answer(ok=False, text=f"HALT cannot be written: {error.strerror or error}")
        then = "closes our positions" if flatten else "enters nothing"
        then = "closes the whole account, what is not ours too" if ask.everything else then
        return Answer(ok=True, text=f"halted between two sessions: HALT is written, the next one {then}")

    def _throw(self, reason: str, flatten: bool, everything: bool = False) -> None:
        at = self._real.now()
        trouble = kill_switch.throw(self._root, reason, flatten=flatten, everything=everything, at=at)
        if trouble:
            _log.error(trouble)

    def _signalled(self) -> None:
        """A SIGUSR1 that no session hears."""
        task = asyncio.get_running_loop().run_in_executor(None, self._throw_unless_thrown)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def _throw_unless_thrown(self) -> None:
        if kill_switch.look(self._root).halted:
            return
        try:
            self._throw("signal SIGUSR1", flatten=False)
        except OSError as error:
            _log.critical(f"HALT cannot be written: {error.strerror or error}")
