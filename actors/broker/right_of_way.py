"""A minute's way from the stream to the broker goes first: what can wait waits until its orders have left.

Behind every minute come the running days of all symbols, and every decision is written into the books. Read
and written at once they would take the interpreter and the disk from the order that the minute caused. They
wait until the minute is decided and the broker has answered its orders, and never longer than `MOST`.
"""

import asyncio
from collections.abc import Sequence

from runtime.kernel.clock import Cancel, Clock
from runtime.messages.base import Input, Message
from runtime.messages.broker import SubmitOrder
from runtime.messages.market import Bars

MOST = 10_000_000
"""How long anything waits, ns of real time: an order that takes longer is on its way without us."""


class RightOfWay:
    """Who may go; from the event loop's thread only.

    Args:
        real: Real time.

    Attributes:
        free: Set exactly while nobody has the right of way; what can wait awaits it.
    """

    def __init__(self, real: Clock) -> None:
        self._real = real
        self.free = asyncio.Event()
        self.free.set()
        self._is_decided = True
        self._on_way: set[str] = set()
        self._cancel: Cancel | None = None

    def take(self) -> None:
        """A minute is about to be decided."""
        self._is_decided = False
        self._on_way.clear()
        self.free.clear()
        if self._cancel is not None:
            self._cancel()
        self._cancel = self._real.call_at(self._real.now() + MOST, self._give_back)

    def observe(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        """The minute is decided: its orders are on their way now."""
        if self._is_decided or type(message) is not Bars:
            return
        self._is_decided = True
        self._on_way.update(one.client_order_id for one in caused if type(one) is SubmitOrder)
        if not self._on_way:
            self._give_back()

    def passed(self, client_order_id: str) -> None:
        """What became of an order is known."""
        if client_order_id in self._on_way:
            self._on_way.discard(client_order_id)
            if not self._on_way:
                self._give_back()

    def _give_back(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        self._on_way.clear()
        self._is_decided = True
        self.free.set()
