"""At most so many requests a minute, the urgent ones first.

The budget is a bucket whose tokens come back a minute after they were taken, so no minute, wherever it
begins, sees more requests than the broker allows. The last tokens are kept for what cannot wait: reads leave
some for orders, entries some for exits and cancellations. A few belong to look-ups and reads alone: without
them what is urgent could keep our books from ever being compared with the broker's. When the broker wants
nothing for a while, exits and cancellations ask again after seconds: what they are about may have no stop.
One asks for all of them: what is refused is counted too, and would be missing when the broker takes orders.
Source: alpaca.md 3.0 (200 a minute); faults.md C 31, D 41.
"""

import asyncio
from collections import deque
from enum import IntEnum

from runtime.kernel.clock import Cancel, Clock

_SECOND = 1_000_000_000
WINDOW = 61 * _SECOND
"""A minute, and a second for requests that travel at different speeds."""
_URGENT_FIRST, _URGENT_MOST = _SECOND, 4 * _SECOND
"""How long what is urgent waits after the broker said that it is too much; it doubles while it says so."""


class Priority(IntEnum):
    """Who goes first; a look-up says what became of one order, a read compares or merely shows."""

    CANCEL = 0
    EXIT = 1
    LOOK_UP = 2
    ENTRY = 3
    READ = 4


_URGENT = (Priority.CANCEL, Priority.EXIT)

Tokens = tuple[int, int, int, int, int]
"""One number for each priority."""
KEPT: Tokens = (0, 10, 20, 30, 80)
OWN: Tokens = (0, 0, 12, 0, 6)
"""Reads: three comparisons of positions and orders. Look-ups: six orders with their fills."""
ONE_KIND: Tokens = (0, 0, 0, 0, 0)
"""Nothing kept back: for a host that gets requests of one kind only."""


class Budget:
    """Which request may be sent when; pure: time is what it is told, ns of any clock that goes forward.

    Args:
        limit: Requests a window.
        kept: Tokens that a priority leaves for more urgent ones; more urgent ones leave fewer.
        own: Tokens that a priority has to itself: not even cancellations without end keep the broker's word
            on an order, or the comparison with our books, away for ever.

    Raises:
        ValueError: A priority could never send.
    """

    def __init__(
        self, limit: int = 200, window: int = WINDOW, kept: Tokens = KEPT, own: Tokens = OWN
    ) -> None:
        if sorted(kept) != list(kept) or kept[0] < 0 or kept[-1] >= limit:
            raise ValueError(f"of {limit} requests {kept} cannot be kept back")
        if min(own) < 0 or sum(own) >= limit:
            raise ValueError(f"of {limit} requests {own} cannot be set apart")
        self.limit = limit
        self.window = window
        self.kept = kept
        self.own = own
        self.closed_until = self.urgent_closed_until = self.asked_until = 0
        self._taken: deque[tuple[int, Priority]] = deque()
        self._counts = [0] * len(Priority)

    def wait(self, priority: Priority, now: int) -> int:
        """How long until a request of this priority may be sent, ns; 0: now."""
        urgent_until = max(self.urgent_closed_until, self.asked_until)
        until = urgent_until if priority in _URGENT else self.closed_until
        closed = max(0, until - now)
        taken, counts = self._taken, self._counts
        while taken and taken[0][0] <= now - self.window:
            counts[taken.popleft()[1]] -= 1
        if self._has_room(priority, len(taken), counts):
            return closed
        counts = list(counts)
        for back, (at, whose) in enumerate(taken, 1):
            counts[whose] -= 1
            if self._has_room(priority, len(taken) - back, counts):
                return max(closed, at + self.window - now)
        raise AssertionError("an empty window has room for everybody")

    def _has_room(self, priority: Priority, total: int, counts: list[int]) -> bool:
        """Whether one more fits beside what was taken and what others have to themselves."""
        if counts[priority] < self.own[priority]:
            return True
        apart = sum(max(0, own - count) for own, count in zip(self.own, counts, strict=True))
        return total + apart < self.limit and total < self.limit - self.kept[priority]

    def take(self, priority: Priority, now: int) -> bool:
        """Count a request if it may be sent now; whether it may."""
        if self.wait(priority, now):
            return False
        self._taken.append((now, priority))
        self._counts[priority] += 1
        if priority in _URGENT and now < self.closed_until:
            self.asked_until = min(now + _URGENT_MOST, self.closed_until)  # the others wait for its answer
        return True

    def close(self, until: int, urgent_until: int) -> None:
        """The broker wants nothing before `until`; what is urgent tries before that."""
        self.closed_until = max(self.closed_until, until)
        self.urgent_closed_until = max(self.urgent_closed_until, min(urgent_until, until))
        self.asked_until = 0

    @property
    def left(self) -> int:
        """Requests that could still be sent in this window, by whomever."""
        return self.limit - len(self._taken)


class Gate:
    """Lets requests pass by priority, first come first served within one, as the budget allows.

    Args:
        clock: Real time: the broker's minute does not run faster when a session is compressed.
    """

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self.budget = budget
        self._clock = clock
        self._waiting: dict[Priority, deque[asyncio.Event]] = {one: deque() for one in Priority}
        self._alarm: Cancel | None = None
        self._urgent_wait = 0

    async def enter(self, priority: Priority) -> None:
        """Wait for the turn and take a token; one who is cancelled while waiting takes none."""
        # Who is more urgent and waits has no room now; of the same priority he goes first.
        queue = self._waiting[priority]
        if not queue and self.budget.take(priority, self._clock.now()):
            return
        turn = asyncio.Event()
        queue.append(turn)
        self._serve()
        try:
            await turn.wait()
        except asyncio.CancelledError:
            if turn in queue:
                queue.remove(turn)
                self._serve()
            raise

    def pause(self, seconds: float) -> None:
        """The broker said it is too much: nothing passes for so long, at most a minute.

        What is urgent asks again after a second, and after twice as long as long as the answer is the same.
        """
        now, budget = self._clock.now(), self.budget
        if now >= budget.closed_until:
            self._urgent_wait = _URGENT_FIRST
        elif now >= budget.urgent_closed_until:  # else it was on its way when the first one was refused
            self._urgent_wait = min(2 * self._urgent_wait, _URGENT_MOST)
        span = round(min(max(seconds, 0.5), 60.0) * _SECOND)
        budget.close(now + span, max(now + self._urgent_wait, budget.urgent_closed_until))
        self._serve()

    def answered(self, priority: Priority) -> None:
        """The broker has taken up a request: of those that are urgent the next need not wait any longer."""
        if priority in _URGENT and self.budget.asked_until > self._clock.now():
            self.budget.asked_until = 0
            self._serve()

    @property
    def depth(self) -> int:
        """Requests that wait."""
        return sum(map(len, self._waiting.values()))

    def _serve(self) -> None:
        """Let pass who may, the most urgent first; a timer looks again when the next may."""
        if self._alarm is not None:
            self._alarm()
            self._alarm = None
        now = self._clock.now()
        waits: list[int] = []
        for priority, queue in self._waiting.items():
            while queue and self.budget.take(priority, now):
                queue.popleft().set()
            if queue:
                waits.append(self.budget.wait(priority, now))
        if waits:
            self._alarm = self._clock.call_at(now + min(waits), self._serve)
