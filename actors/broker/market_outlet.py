"""What leaves the market stream: minutes when they are due, halts, refusals together, whether the feed is up.

Everything is posted in the order it was joined; what found no room is owed and posted first.
Source: architecture 2; faults 3.3.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from actors.broker.market_halts import Halts
from actors.broker.market_wire import Bad, WireBar
from actors.broker.minute_join import MinuteJoin, Quarantine
from actors.broker.right_of_way import RightOfWay
from runtime.kernel.clock import Clock
from runtime.kernel.gateway import Port
from runtime.messages.base import Input
from runtime.messages.market import Bars, FeedChanged, TradingStatus

STREAM: Final = "market"
"""Name of the stream in `FeedChanged`, and of the source of everything it says."""


class MarketOutlet:
    """Posts what one instance of the stream has to say.

    Args:
        join: The session's minutes. refused: where `join` counts refused bars.
        patience: Refused bars are told at most so often, ns of market time.
        way: A minute takes it, and what comes behind on the stream waits for it.

    Attributes:
        news: Set when something new may be due.
    """

    def __init__(
        self,
        port: Port,
        clock: Clock,
        join: MinuteJoin,
        refused: Quarantine,
        patience: int,
        way: RightOfWay | None,
    ) -> None:
        self.news = asyncio.Event()
        self._port, self._clock = port, clock
        self._join, self._refused, self._way = join, refused, way
        self._patience = patience
        self._halts = Halts()
        self._refused_due = 0
        self._feed_told: tuple[bool, str] | None = None

    def due(self) -> int | None:
        """When something is to be told next, ns of market time; None: nothing waits."""
        waiting = [due for due in (self._join.due(), self._refused_due or None) if due is not None]
        return min(waiting, default=None)

    def tell(self, now: int, *, final: bool = False) -> None:
        """Post the minutes that are due, and the refusals."""
        self._post(self._join.tell(now))
        if final or (self._refused_due and now >= self._refused_due):
            self._refused_due = 0
            self._post(self._refused.tell(now))

    def owed(self) -> None:
        """Post what an instance before had no room for, and what of it may be wrong by now."""
        self._join.revise_owed()
        self._post(())

    # ---- what came --------------------------------------------------------------------------

    def take(self, bars: Sequence[WireBar], now: int) -> None:
        """Bars of the stream: minutes that are complete by them are told at once."""
        self._post(self._join.take(bars, now))
        for status in self._halts.ended_by(bars):
            self.status(status)

    def backfill(self, bars: Sequence[WireBar], now: int) -> None:
        """Bars of a gap, read by REST."""
        self._post(self._join.backfill(bars, now))
        self.settle(now)

    def refuse(self, bad: Sequence[Bad]) -> None:
        """What could not be read at all."""
        self._refused.take(bad)

    def settle(self, now: int) -> None:
        """After what came was taken in: have what it made due told, refusals soon and together."""
        if self._refused.waiting and not self._refused_due:
            self._refused_due = now + self._patience
        self.news.set()

    def status(self, status: TradingStatus) -> None:
        """A halt or its end."""
        if not self._join.knows(status.symbol):
            self._refused.add("status of a symbol that is not subscribed", status.symbol[:20])
            return
        self._halts.note(status)
        self._port(STREAM, status)

    def feed(self, up: bool, reason: str) -> None:
        """Post whether the feed is up, and each new reason why it is not."""
        if (up, reason) != self._feed_told:
            self._feed_told = up, reason
            self._port(STREAM, FeedChanged(ts_event=self._clock.now(), stream=STREAM, up=up, reason=reason))

    def _post(self, inputs: Sequence[Input]) -> None:
        """Post in order; what finds no room ends the gateway and is the first thing the next one posts."""
        owed = self._join.owed
        owed.extend(inputs)
        while owed:
            if self._way is not None and type(owed[0]) is Bars:
                self._way.take()
            self._port(STREAM, owed[0])
            owed.popleft()
