"""What gap fading would have earned: paper trades minute by minute, and how often gaps were filled."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from actors.strategies.context import StrategyContext

GAPS_KEPT = 250


class Bucket(Protocol):
    """Which gaps are of one kind, and how far they must close."""

    @property
    def gap_min(self) -> float: ...
    @property
    def gap_max(self) -> float: ...
    @property
    def fill_frac(self) -> float: ...


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of past gaps.

    Attributes:
        bucket: Which gaps the fills are of.
        trades: Results of the last paper trades before costs, bp, oldest first.
        fills: By `<symbol> up|down`: 1 for each gap of the bucket that was filled, 0 for each that was not.
        through: yyyymmdd of the last session that the fills cover.
    """

    bucket: str
    trades: tuple[float, ...] = ()
    fills: dict[str, tuple[int, ...]] = {}
    through: int = 0

    def fills_of(self, symbol: str, side: int) -> tuple[int, ...]:
        """The gaps that a trade of this side (1: long, against a gap down) fades."""
        return self.fills.get(_key(symbol, side), ())


class PaperTrade:
    """One hypothetical trade while it is open; its stop distance is set by the entry.

    Attributes:
        symbol: Id. side: 1 long, -1 short. target: USD. distance: of the stop before its bounds, USD.
        entry: USD, 0 before it. minute: of the entry. last: latest close, USD.
    """

    __slots__ = ("distance", "entry", "last", "minute", "side", "stop", "symbol", "target")

    def __init__(self, symbol: int, side: int, target: float, distance: float) -> None:
        self.symbol, self.side, self.target, self.distance = symbol, side, target, distance
        self.entry = self.stop = self.last = 0.0
        self.minute = -1

    def enter(self, price: float, minute: int, least: float, most: float) -> None:
        """Enter at a bar's open; the stop stays within these fractions of it."""
        self.entry = self.last = price
        self.minute = minute
        self.stop = price - self.side * min(max(self.distance, least * price), most * price)

    def left_at(self, first: float, high: float, low: float) -> float | None:
        """Price at which a bar took the trade out; None: still in.

        The open comes first, whichever price it jumped over; inside the bar the stop counts before the
        target, as at the simulated broker (strategies 0).
        """
        if self.side > 0:
            if first >= self.target or first <= self.stop:
                return first
            if low <= self.stop:
                return self.stop
            return self.target if high >= self.target else None
        if first <= self.target or first >= self.stop:
            return first
        if high >= self.stop:
            return self.stop
        return self.target if low <= self.target else None


def learn(record: Record, context: StrategyContext, members: Iterable[int], bucket: Bucket) -> Record:
    """Add what the daily history says of gaps in sessions the record has not seen.

    A gap counts as filled when the day's range reached the target, entry time and stop apart.
    """
    daily = context.daily
    sessions = daily.sessions
    fills = dict(record.fills)
    for at in members:
        closes, opens = daily.close[at].tolist(), daily.open[at].tolist()
        highs, lows = daily.high[at].tolist(), daily.low[at].tolist()
        for day in range(1, len(closes)):
            if sessions[day] <= record.through:
                continue
            before, opened = closes[day - 1], opens[day]
            if not (before > 0 and opened > 0):
                continue
            gap = opened / before - 1
            if not bucket.gap_min <= abs(gap) <= bucket.gap_max:
                continue
            target = opened + bucket.fill_frac * (before - opened)
            filled = lows[day] <= target if gap > 0 else highs[day] >= target
            key = _key(context.symbols[at], -1 if gap > 0 else 1)
            fills[key] = (*fills.get(key, ()), int(filled))[-GAPS_KEPT:]
    through = max(record.through, int(sessions[-1])) if len(sessions) else record.through
    return msgspec.structs.replace(record, fills=fills, through=through)


def _key(symbol: str, side: int) -> str:
    return f"{symbol} {'down' if side > 0 else 'up'}"
