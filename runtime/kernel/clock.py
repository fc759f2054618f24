"""The one place that reads time: the wall clock of a live run and the driven clock of a replay."""

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Protocol

import anyio

Cancel = Callable[[], None]
"""Takes a wake-up back; calling it late or twice is no error."""

_CHECK_EVERY = 1_000_000_000
_STEP = 50_000_000


class Clock(Protocol):
    """Time in int ns UTC; never goes backwards."""

    def now(self) -> int:
        """The present, ns UTC."""

    def call_at(self, at: int, wake: Callable[[], None]) -> Cancel:
        """Call `wake` once when `now()` has reached `at`, never from inside this call."""


class LiveClock:
    """The wall clock at the start plus monotonic time since.

    So a wall clock that is set back cannot turn time round; it then runs on beside the wall clock (see
    `ahead`). A wall clock that is more than 50 ms ahead is followed: monotonic time stands still while a
    machine sleeps, and a missed 15:45 must be noticed.
    """

    def __init__(self) -> None:
        self._mono = time.monotonic_ns()
        self._wall = time.time_ns()  # noqa: TID251 - the clock itself
        self._check = self._mono + _CHECK_EVERY
        self._last = self._wall
        self.ahead = 0
        """How far this clock was ahead of the wall clock when last compared, ns."""

    def now(self) -> int:
        """The present, ns UTC; safe to call from any thread."""
        mono = time.monotonic_ns()
        if mono >= self._check:
            self._compare(mono)
        now = self._wall + mono - self._mono
        if now > self._last:
            self._last = now
        return self._last

    def _compare(self, mono: int) -> None:
        self._check = mono + _CHECK_EVERY
        wall = time.time_ns()  # noqa: TID251 - the clock itself
        self.ahead = self._wall + mono - self._mono - wall
        if self.ahead < -_STEP:
            self._wall -= self.ahead

    def call_at(self, at: int, wake: Callable[[], None]) -> Cancel:
        """Call `wake` in the running event loop at `at`; within a second if the wall clock jumps past it."""
        loop = asyncio.get_running_loop()
        handle: asyncio.TimerHandle  # replaced by each look, so cancelling must ask for it late

        def look() -> None:
            nonlocal handle
            left = at - self.now()
            if left <= 0:
                wake()
            else:
                handle = loop.call_later(min(left, _CHECK_EVERY) / 1e9, look)

        handle = loop.call_later(max(0, min(at - self.now(), _CHECK_EVERY)) / 1e9, look)
        return lambda: handle.cancel()  # noqa: PLW0108 - see above


class ReplayClock:
    """Stands still until it is told the time; wake-ups are called in order of due time, then of asking."""

    def __init__(self, start: int = 0) -> None:
        self._now = start
        self._count = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._live: set[int] = set()

    def now(self) -> int:
        """The time it was last told, ns UTC."""
        return self._now

    def call_at(self, at: int, wake: Callable[[], None]) -> Cancel:
        """Call `wake` in the first `advance` that reaches `at`."""
        self._count += 1
        number = self._count
        self._live.add(number)
        heapq.heappush(self._heap, (at, number, wake))
        return lambda: self._live.discard(number)

    def next_due(self) -> int | None:
        """When the earliest wake-up is due, ns UTC."""
        while self._heap and self._heap[0][1] not in self._live:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def advance(self, to: int) -> None:
        """Set the time and call what is due by then, each at its own time; an earlier time is ignored."""
        while (due := self.next_due()) is not None and due <= to:
            _, number, wake = heapq.heappop(self._heap)
            self._live.discard(number)
            self._now = max(self._now, due)
            wake()
        self._now = max(self._now, to)


async def sleep_until(clock: Clock, at: int) -> None:
    """Wait until the clock has reached `at` (at once if it has)."""
    if clock.now() >= at:
        return
    reached = asyncio.Event()
    cancel = clock.call_at(at, reached.set)
    try:
        await reached.wait()
    finally:
        cancel()


async def happens_by(clock: Clock, event: asyncio.Event, deadline: int) -> bool:
    """Wait for an event until a deadline; whether it happened."""
    if event.is_set() or clock.now() >= deadline:
        return event.is_set()
    with anyio.CancelScope() as scope:
        cancel = clock.call_at(deadline, scope.cancel)
        try:
            await event.wait()
        finally:
            cancel()
    return event.is_set()
