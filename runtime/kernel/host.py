"""Runs a sequencer live under asyncio: two lanes of inputs, live timers, a fair share of the loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import anyio.lowlevel
import msgspec

from runtime.kernel.clock import Cancel, Clock
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Input
from runtime.messages.machine import Source

SLICE = 2_000_000
"""How long inputs are handled before other tasks run, ns; a cascade is never cut."""
REMEMBERED = 1_024
"""Latest inputs whose waits are kept."""
SLICE_INPUTS = 256
"""The same as a count, for clocks that stand still."""


class LaneFull(RuntimeError):
    """More inputs wait than the lane may hold: the poster still has this one and must act on it."""


class HostStopped(RuntimeError):
    """Nothing handles inputs any more: the poster still has this one."""


class HostFigures(msgspec.Struct):
    """What waits, and how long it waited.

    Attributes:
        depth, high_water: Inputs in both lanes. lag, worst_lag: from posting to handling, ns.
        refused: Posts that raised. abandoned: inputs left over by a stop that did not drain.
    """

    handled: int = 0
    timers: int = 0
    slices: int = 0
    depth: int = 0
    high_water: int = 0
    lag: int = 0
    worst_lag: int = 0
    refused: int = 0
    abandoned: int = 0


class Host:
    """Feeds one sequencer from gateways, threads and timers.

    Inputs are stamped when they are handled, so tape order is time order. Between two inputs the system
    lane goes first, then timers that are due, then the normal lane; a timer never fires twice in a row
    while normal inputs wait, so timers that re-arm themselves cannot starve the market.

    Args:
        sequencer: Made with `virtual_time=False`.
        clock: Time of inputs and timers.
        capacity: Most inputs that may wait in the normal lane; the system lane has no limit.
        clean: What every posted input goes through before anybody sees it.
    """

    def __init__(
        self,
        sequencer: Sequencer,
        clock: Clock,
        *,
        capacity: int = 100_000,
        clean: Callable[[Input], Input] = lambda message: message,
    ) -> None:
        self.sequencer = sequencer
        self._clean = clean
        self.figures = HostFigures()
        self.waits: deque[int] = deque(maxlen=REMEMBERED)
        """From posting to handled, of the latest inputs, ns."""
        self._handled_since = 0
        self._clock = clock
        self._capacity = capacity
        self._system: deque[tuple[int, Source, Input]] = deque()
        self._normal: deque[tuple[int, Source, Input]] = deque()
        self._lock = threading.Lock()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._stopping = False
        self._drain_until: int | None = None
        self._fired_last = False
        self._armed: tuple[int, Cancel] | None = None

    # ---- posting ----------------------------------------------------------------------------

    def post(self, source: Source, message: Input, *, system: bool | None = None) -> None:
        """Queue an input, from the event loop's thread.

        Args:
            system: Overtake what waits; None: the operator does, others do not.

        Raises:
            LaneFull: too many wait; counted.
            HostStopped: the run is over.
        """
        self._queue(source, message, system)
        self._wake.set()

    def post_threadsafe(self, source: Source, message: Input, *, system: bool | None = None) -> None:
        """`post` from any other thread; raises in that thread, so nothing is lost unseen."""
        self._queue(source, message, system)
        loop = self._loop
        if loop is not None:
            _call_in(loop, self._wake.set)

    def _queue(self, source: Source, message: Input, system: bool | None) -> None:
        message = self._clean(message)
        urgent = source == "operator" if system is None else system
        now = self._clock.now()
        figures = self.figures
        with self._lock:
            if self._closed:
                figures.refused += 1
                raise HostStopped(f"{type(message).__name__} after the run was over")
            if urgent:
                self._system.append((now, source, message))
            elif len(self._normal) < self._capacity:
                self._normal.append((now, source, message))
            else:
                figures.refused += 1
                raise LaneFull(f"{type(message).__name__} found {self._capacity} inputs before it")
            depth = len(self._system) + len(self._normal)
            if depth > figures.high_water:
                figures.high_water = depth

    # ---- running ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Handle inputs until stopped; whatever the sequencer raises ends the run and comes out here.

        Cancelling it takes effect between two inputs.
        """
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                if self._slice():
                    await anyio.lowlevel.checkpoint()
                elif self._stopping and self._try_close():
                    return
                else:
                    await self._sleep()
        finally:
            self._close()

    def _slice(self) -> bool:
        """Handle inputs for one slice; whether more may be waiting."""
        self.figures.slices += 1
        end = self._clock.now() + SLICE
        for _ in range(SLICE_INPUTS):
            now = self._clock.now()
            if self._handled_since:
                self.waits.append(now - self._handled_since)
                self._handled_since = 0
            if now >= end:
                return True
            if self._drain_until is not None and now >= self._drain_until:
                return False
            if not self._step(now):
                return False
        return True

    def _step(self, now: int) -> bool:
        """Handle the next input, if there is one."""
        if self._system:
            self._handle(self._system.popleft(), now)
        elif not (self._fired_last and self._normal) and self._fire(now):
            return True
        elif self._normal:
            self._handle(self._normal.popleft(), now)
        else:
            return False
        self._fired_last = False
        return True

    def _fire(self, now: int) -> bool:
        timers = self.sequencer.timers
        if self._stopping or not timers.heap or timers.heap[0][0] > now:
            return False
        fired = timers.pop_due(now)
        if fired is None:
            return False
        self.figures.timers += 1
        self._fired_last = True
        self.sequencer.post("timer", fired, now)
        return True

    def _handle(self, waiting: tuple[int, Source, Input], now: int) -> None:
        posted, source, message = waiting
        figures = self.figures
        self._handled_since = posted
        figures.handled += 1
        figures.lag = lag = now - posted
        if lag > figures.worst_lag:
            figures.worst_lag = lag
        self.sequencer.post(source, message, now)

    async def _sleep(self) -> None:
        """Wait for an input, the next timer or the stop."""
        self._wake.clear()
        # Looked at again after clearing: what a thread queued before that would otherwise wait for the next.
        if self._system or self._normal:
            await anyio.lowlevel.checkpoint()
            return
        self._arm()
        await self._wake.wait()

    def _arm(self) -> None:
        due = None if self._stopping else self.sequencer.timers.next_due()
        if self._armed is not None:
            if self._armed[0] == due:
                return
            self._armed[1]()
            self._armed = None
        if due is not None:
            self._armed = due, self._clock.call_at(due, self._alarm)

    def _alarm(self) -> None:
        self._armed = None
        self._wake.set()

    # ---- stopping ---------------------------------------------------------------------------

    def stop(self, *, deadline: int | None = None) -> None:
        """End the run once every queued input is handled, or at `deadline` (ns UTC) if that is sooner.

        Timers no longer fire. Until the run is over inputs are still taken. From the loop's thread.
        """
        self._stopping = True
        self._drain_until = deadline
        self._wake.set()

    def _try_close(self) -> bool:
        """Close unless a thread queued something in the meantime that there is still time for."""
        with self._lock:
            late = self._drain_until is not None and self._clock.now() >= self._drain_until
            if (self._system or self._normal) and not late:
                return False
            self._closed = True
            return True

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            self.figures.abandoned = len(self._system) + len(self._normal)
        if self._armed is not None:
            self._armed[1]()
            self._armed = None

    def depth(self) -> int:
        """Inputs that wait now; also kept in the figures."""
        self.figures.depth = len(self._system) + len(self._normal)
        return self.figures.depth


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    # The loop may close between queueing and waking; then the run is over and counts what was left.
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)
