"""At most so many requests a minute, the urgent ones first.

The budget is a bucket whose tokens come back a minute after they were taken, so no minute, wherever it
begins, sees more requests than the broker allows. The last tokens are kept for what cannot wait: reads leave
some for orders, entries some for exits and cancellations.
Source: alpaca.md 3.0 (200 a minute); faults.md C 31.
"""

import asyncio
import heapq
from collections import deque
from enum import IntEnum

from runtime.kernel.clock import Cancel, Clock

_SECOND = 1_000_000_000
WINDOW = 61 * _SECOND
"""A minute, and a second for requests that travel at different speeds."""


class Priority(IntEnum):
    """Who goes first."""

    CANCEL = 0
    EXIT = 1
    ENTRY = 2
    READ = 3


class Budget:
    """Which request may be sent when; pure: time is what it is told, ns of any clock that goes forward.

    Args:
        limit: Requests a window.
        kept: Tokens that a priority leaves for more urgent ones; more urgent ones leave fewer.

    Raises:
        ValueError: A priority could never send.
    """

    def __init__(
        self, limit: int = 200, window: int = WINDOW, kept: tuple[int, int, int, int] = (0, 10, 30, 80)
    ) -> None:
        if sorted(kept) != list(kept) or kept[0] < 0 or kept[-1] >= limit:
            raise ValueError(f"of {limit} requests {kept} cannot be kept back")
        self.limit = limit
        self.window = window
        self.kept = kept
        self.closed_until = 0
        self._taken: deque[int] = deque()

    def wait(self, priority: Priority, now: int) -> int:
        """How long until a request of this priority may be sent, ns; 0: now."""
        closed = max(0, self.closed_until - now)
        taken = self._taken
        while taken and taken[0] <= now - self.window:
            taken.popleft()
        over = len(taken) - (self.limit - self.kept[priority])
        return closed if over < 0 else max(closed, taken[over] + self.window - now)

    def take(self, priority: Priority, now: int) -> bool:
        """Count a request if it may be sent now; whether it may."""
        if self.wait(priority, now):
            return False
        self._taken.append(now)
        return True

    def close(self, until: int) -> None:
        """The broker wants nothing before `until`."""
        self.closed_until = max(self.closed_until, until)

    @property
    def left(self) -> int:
        """Requests that the most urgent could still send in this window."""
        return self.limit - len(self._taken)


class Gate:
    """Lets requests pass by priority, first come first served within one, as the budget allows.

    Args:
        clock: Real time: the broker's minute does not run faster when a session is compressed.
    """

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self.budget = budget
        self._clock = clock
        self._waiting: list[tuple[Priority, int, asyncio.Event]] = []
        self._count = 0
        self._alarm: Cancel | None = None

    async def enter(self, priority: Priority) -> None:
        """Wait for the turn and take a token; one who is cancelled while waiting takes none."""
        if not self._waiting and self.budget.take(priority, self._clock.now()):
            return
        self._count += 1
        turn = asyncio.Event()
        mine = (priority, self._count, turn)
        heapq.heappush(self._waiting, mine)
        self._serve()
        try:
            await turn.wait()
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
                heapq.heapify(self._waiting)
                self._serve()
            raise

    def pause(self, seconds: float) -> None:
        """The broker said it is too much: nothing passes for so long, at most a minute."""
        self.budget.close(self._clock.now() + round(min(max(seconds, 0.5), 60.0) * _SECOND))

    @property
    def depth(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def _serve(self) -> None:
        """Let pass who may; a timer looks again when the first in line may."""
        if self._alarm is not None:
            self._alarm()
            self._alarm = None
        while self._waiting:
            now = self._clock.now()
            # Who is first may use the most tokens: while he must wait, so must everybody behind him.
            wait = self.budget.wait(self._waiting[0][0], now)
            if wait:
                self._alarm = self._clock.call_at(now + wait, self._serve)
                return
            priority, _, turn = heapq.heappop(self._waiting)
            self.budget.take(priority, now)
            turn.set()
