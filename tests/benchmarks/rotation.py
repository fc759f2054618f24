"""A rule that sends so many entries every minute, with stop and target, whatever the prices do."""

from collections.abc import Iterator

import msgspec

from actors.strategies.base import Bars, SignalRaised, Strategy


class Rotation(Strategy):
    """Buys the next symbols of the table, far from their exits."""

    name = "rotation"

    class Params(msgspec.Struct, frozen=True, kw_only=True):
        orders: int = 1

    def start(self) -> None:
        self.next = 0

    def on_bars(self, bars: Bars) -> Iterator[SignalRaised] | None:
        if self.now >= self.context.close:
            return
        for _ in range(self.params.orders):
            symbol, self.next = self.next, (self.next + 1) % self.context.count
            if not self.busy(symbol):
                price = self.context.price_of(symbol)
                yield self.buy(
                    symbol, stop=0.9 * price, target=1.1 * price, reason="its turn", quantity=10,
                    strength=1.0, confidence=1.0,
                )  # fmt: skip
