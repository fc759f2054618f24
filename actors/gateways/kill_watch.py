"""The kill switch as a running engine knows it: latched, seen at once, written back, lifted by a person only.

`KillSwitch` is the knowledge; it outlives the gateway's instances, and whoever sends orders asks it right
before one that adds exposure. `KillWatch` is the gateway that waits for the file system, for signals and for
the operator.
"""

import asyncio
import os
import signal
from pathlib import Path

import anyio
import anyio.to_thread
from watchfiles import Change, awatch

from runtime import kill_switch
from runtime.kernel.clock import Clock
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.kill_switch import CLEAR, State
from runtime.log import get_logger
from runtime.messages.base import Message
from runtime.messages.risk import HaltLifted, HaltThrown, PhaseChanged

_STEP_MS = 20
"""How long the watching thread gathers events: the most by which a halt is seen late, nearly."""
_AGAIN_MS = 2_000
"""A look without an event: the kernel drops events when too many come at once. A watch ends no faster."""

_log = get_logger(__name__)


class KillSwitch:
    """Whether trading is allowed, and that a halt stays one until a person lifts it.

    Used from the event loop's thread, but for `why_halted`. Its inputs are the operator's, so they overtake
    what is queued.

    Args:
        root: Whose switch.
        port: Where `HaltThrown` and `HaltLifted` go.
        clock: Their time.
        was_halted: Whether the books say that trading was halted when they were last written.
        flattens: Whether every halt closes all positions (`kill_switch.flatten`).
    """

    def __init__(
        self,
        root: Path,
        port: Port,
        clock: Clock,
        *,
        was_halted: bool = False,
        flattens: bool = False,
    ) -> None:
        self.root = root
        self.wake = asyncio.Event()
        """Set when the file has to be written."""
        self._port = port
        self._clock = clock
        self._was_halted = was_halted
        self._trouble = ""
        self._flattens = flattens
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_lifting = False
        self._state = CLEAR
        self._flatten = self._everything = False
        self._writing = asyncio.Lock()

    @property
    def state(self) -> State:
        """What is known, without a look."""
        return self._state

    async def start(self) -> State:
        """The look before anything trades.

        A halt of the books without its file was lifted while no engine ran if there is a receipt of it; else
        the file was only removed, and the halt stands.
        """
        self._loop = asyncio.get_running_loop()
        # A wish to resume that lies there was meant for an engine that is no more.
        await anyio.to_thread.run_sync(kill_switch.take_back, self.root)
        if self.look().halted or not self._was_halted:
            return self._state
        self._was_halted = False
        by = kill_switch.resumed_by(self.root)
        if by is None:
            return self.throw("HALT was removed while no engine ran; only `resume` lifts it")
        self._port("operator", HaltLifted(ts_event=self._clock.now(), by=by))
        return CLEAR

    def look(self) -> State:
        """Whether nothing that adds exposure may leave now; a halt found by this look is told at once."""
        if self._state.halted:
            return self._state
        found = kill_switch.look(self.root)
        if found.halted and not self._is_lifting:
            self._find()
        return found

    def why_halted(self) -> str:
        """Why nothing that adds exposure may leave now, or empty; from any thread, right before it leaves."""
        state = self._state
        if state.halted:
            return state.reason
        if self._loop is None:
            return "the kill switch has not been looked at yet"
        found = kill_switch.look(self.root)
        if found.halted:
            self._loop.call_soon_threadsafe(self.look)  # which tells and latches it
        return found.reason

    def throw(self, reason: str, *, flatten: bool = False, everything: bool = False) -> State:
        """Halt now; the file is written by the gateway right after."""
        self._tell(reason, flatten=flatten, everything=everything)
        self.wake.set()
        return self._state

    def signalled(self) -> None:
        """What a SIGUSR1 means: the file's words if it is there."""
        if kill_switch.look(self.root).halted:
            self._find()
        else:
            self.throw("signal SIGUSR1")

    async def lift(self, by: str) -> None:
        """Remove the file and resume, for a person.

        A halt thrown meanwhile is not the one the person lifts: it stands, and its file is written again.

        Raises:
            NotLifted: The file or its directory is in the way, or another halt came; trading stays halted.
        """
        self._is_lifting = True
        try:
            async with self._writing:  # what is being written for the halt must not come after its lifting
                lifted = self._state
                await anyio.to_thread.run_sync(lambda: kill_switch.lift(self.root, by, at=self._clock.now()))
                if self._state is not lifted:
                    raise kill_switch.NotLifted(f"halted again meanwhile: {self._state.reason}")
                self._state, self._flatten, self._everything = CLEAR, False, False
                self._port("operator", HaltLifted(ts_event=self._clock.now(), by=by))
        finally:
            self._is_lifting = False
            if self._state.halted:
                self.wake.set()

    async def attend(self) -> None:
        """Look because something may have happened to the file; write it where it should be and is not."""
        if self._is_lifting:
            return
        if (by := kill_switch.asked_to_lift(self.root)) is not None:
            await self.grant(by)
        if kill_switch.look(self.root).halted:
            self._find()
        if self._state.halted:
            await self._keep()

    async def grant(self, by: str) -> None:
        """Lift because a person asked for it; why it stays halted is in the log."""
        try:
            await self.lift(by)
        except kill_switch.NotLifted as error:
            _log.error(f"trading stays halted: {error}")
        await anyio.to_thread.run_sync(kill_switch.take_back, self.root)

    def _find(self) -> None:
        """The file or its directory says halt: tell it, once, and again each time that it says more."""
        order = kill_switch.read(self.root)
        is_more = (order.flatten and not self._flatten) or (order.everything and not self._everything)
        if not self._state.halted or is_more:
            self._tell(order.reason, flatten=order.flatten, everything=order.everything)
            self.wake.set()

    def _tell(self, reason: str, *, flatten: bool, everything: bool) -> None:
        """Latch it; what was asked for before stays asked for."""
        self._state = State(True, reason or "halted")
        self._everything = self._everything or everything
        self._flatten = self._flatten or flatten or self._everything or self._flattens
        said = HaltThrown(
            ts_event=self._clock.now(),
            reason=self._state.reason,
            flatten=self._flatten,
            everything=self._everything,
        )
        self._port("operator", said)

    async def _keep(self) -> None:
        """See that a file lies there while the halt stands, and no receipt of an earlier lifting.

        One at a time: two threads that write the same draft would leave a link in the place of the file.
        """
        async with self._writing:
            if not self._state.halted:
                return  # lifted while another wrote
            wish = HaltThrown(
                ts_event=self._clock.now(),
                reason=self._state.reason,
                flatten=self._flatten,
                everything=self._everything,
            )
            try:
                trouble = await anyio.to_thread.run_sync(_keep_file, self.root, wish)
            except OSError as error:
                trouble = (
                    f"HALT cannot be written: {error.strerror or error}; the engine stays halted all the same"
                )
        if trouble and trouble != self._trouble:
            _log.error(trouble)
        self._trouble = trouble


class KillWatch(Gateway):
    """Watches the file, answers SIGUSR1, obeys the operator, looks at each change of phase.

    As commands it takes `HaltThrown` (throw and write the file), `HaltLifted` (lift) and `PhaseChanged`.

    Args:
        switch: The same one for every instance.
    """

    def __init__(self, name: str, inbox: Inbox, port: Port, *, switch: KillSwitch) -> None:
        super().__init__(name, inbox, port)
        self._switch = switch

    async def run(self) -> None:
        """Watch until asked to stop."""
        # Not taken back at the end: without a handler the next SIGUSR1 would end the process.
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._switch.signalled)
        await self._switch.start()
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            group.start_soon(self._write)
            await super().run()
            group.cancel_scope.cancel()
        if self._switch.wake.is_set():
            await self._switch.attend()

    async def handle(self, command: Message) -> None:
        """Throw, lift or look."""
        match command:
            case HaltThrown(reason=reason, flatten=flatten, everything=everything):
                self._switch.throw(reason, flatten=flatten, everything=everything)
            case HaltLifted(by=by):
                await self._switch.grant(by)
            case PhaseChanged():
                self._switch.look()
            case _:
                await super().handle(command)

    async def _write(self) -> None:
        while True:
            await self._switch.wake.wait()
            self._switch.wake.clear()
            await self._switch.attend()

    async def _watch(self) -> None:
        directory = self._switch.root / kill_switch.DIRECTORY
        while not self.stopping.is_set():
            await self._switch.attend()
            seen = await anyio.to_thread.run_sync(_identity, directory)
            places = [self._switch.root, *([directory] if seen else [])]
            async for _ in awatch(
                *places,
                watch_filter=_concerns(directory),
                step=_STEP_MS,
                debounce=2 * _STEP_MS,
                rust_timeout=_AGAIN_MS,
                yield_on_timeout=True,
                recursive=False,
                force_polling=False,
                stop_event=self.stopping,
            ):
                await self._switch.attend()
                if await anyio.to_thread.run_sync(_identity, directory) != seen:
                    break  # another directory has taken its place: watch that one


def _keep_file(root: Path, wish: HaltThrown) -> str:
    """Write HALT unless it lies there with this wish; what could not be done."""
    if os.path.lexists(root / kill_switch.DIRECTORY / kill_switch.FILE):
        order = kill_switch.read(root)
        if wish.flatten <= order.flatten and wish.everything <= order.everything:
            kill_switch.discard_receipt(root)
            return ""
    return kill_switch.throw(
        root, wish.reason, flatten=wish.flatten, everything=wish.everything, at=wish.ts_event
    )


def _identity(directory: Path) -> tuple[int, int] | None:
    try:
        about = directory.lstat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


class _concerns:  # noqa: N801 - used like a function
    """Whether a change below the root can be one of the switch."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)

    def __call__(self, _: Change, path: str) -> bool:
        return path.startswith(self._directory)
