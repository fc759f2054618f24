"""Raises whatever signals chance suggests: every kind of entry and exit, good and bad, always the same."""

from collections.abc import Iterator

import msgspec

from actors.strategies.base import Bars, EntryStyle, SignalRaised, Strategy
from actors.strategies.context import MINUTE


class RandomSignals(Strategy):
    """Trades on nothing at all; what it says depends on seed, day, minute and symbol alone."""

    class Params(msgspec.Struct, frozen=True, kw_only=True):
        """Of 1,000 bars: how many bring an entry, how many a close."""

        seed: int = 0
        entries: int = 120
        closes: int = 60

    def on_bars(self, bars: Bars) -> Iterator[SignalRaised]:
        minute = self.context.minute_of(bars.ts_event)
        for symbol, price in zip(bars.ids.tolist(), bars.close.tolist(), strict=True):
            draw = Draw(self.params.seed, self.context.date, minute, symbol)
            if draw.below(1_000) < self.params.closes:
                yield self.close(symbol, "chance")
            if draw.below(1_000) < self.params.entries:
                yield self._entry(symbol, price, draw)

    def _entry(self, symbol: int, price: float, draw: "Draw") -> SignalRaised:
        sign = 1 if draw.below(2) else -1
        risk = price * (1 + draw.below(40)) / 2_000  # 5 to 200 basis points
        beyond = 1 + sign * draw.below(12) / 4_000
        styles = (
            EntryStyle(),
            EntryStyle(),
            EntryStyle(type="marketable"),
            EntryStyle(type="limit", limit=price * (2 - beyond)),
            EntryStyle(type="stop", stop=price * beyond),
            EntryStyle(type="stop_limit", stop=price * beyond, limit=price * (beyond + sign * 0.002)),
        )
        more = {"quantity": 1 + draw.below(300)} if draw.below(4) == 0 else {}
        return (self.buy if sign > 0 else self.sell_short)(
            symbol,
            stop=price - sign * risk,
            target=price + sign * risk * (1 + draw.below(3)),
            reason="chance",
            strength=0.3 + draw.below(8) / 10,  # now and then beyond 1: invalid
            confidence=0.3 + draw.below(7) / 10,
            entry=styles[draw.below(len(styles))],
            expires_at=self.now + (1 + draw.below(8)) * MINUTE // 2,
            not_before=self.now + MINUTE if draw.below(10) == 0 else 0,
            target_follows_fill=draw.below(3) == 0,
            stop_follows_fill=draw.below(3) == 0,
            **more,
        )


class Draw:
    """Whole numbers that look random: a hash of where they are asked for, then one linear step each."""

    def __init__(self, *where: int) -> None:
        self._state = 0x9E3779B97F4A7C15
        for part in where:
            self._state = (self._state ^ part) * 0xBF58476D1CE4E5B9 % 2**64
            self._state ^= self._state >> 31

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % limit
