"""Timers as data: set by messages, fired as inputs, first in first out on ties."""

import heapq

from runtime.messages.base import Input
from runtime.messages.machine import CancelTimer, SetTimer, TimerFired


class Timers:
    """Pending timers of one session."""

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, str, str]] = []
        self._live: dict[tuple[str, str], int] = {}
        self._count = 0

    def apply(self, request: SetTimer | CancelTimer) -> None:
        """Set, replace or forget a timer."""
        key = (request.actor, request.key)
        if isinstance(request, CancelTimer):
            self._live.pop(key, None)
            return
        self._count += 1
        self._live[key] = self._count
        heapq.heappush(self.heap, (request.due, self._count, request.actor, request.key))

    def pop_due(self, until: int) -> TimerFired | None:
        """The next timer due at or before `until`, or None."""
        while self.heap and self.heap[0][0] <= until:
            due, count, actor, key = heapq.heappop(self.heap)
            if self._live.get((actor, key)) == count:
                del self._live[actor, key]
                return TimerFired(ts_event=due, actor=actor, key=key)
        return None

    def next_due(self) -> int | None:
        """When the earliest timer is due, ns UTC."""
        while self.heap:
            due, count, actor, key = self.heap[0]
            if self._live.get((actor, key)) == count:
                return due
            heapq.heappop(self.heap)
        return None

    def forget_fired(self, message: Input) -> None:
        """A recorded firing replaces our own."""
        if type(message) is TimerFired:
            self._live.pop((message.actor, message.key), None)
