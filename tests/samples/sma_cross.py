"""Buy when the fast average of minute closes crosses above the slow one, sell when it falls below."""

from collections.abc import Iterator

import msgspec

from actors.market.rings import Ring
from actors.strategies.base import Bars, SignalRaised, Strategy


class SmaCross(Strategy):
    class Params(msgspec.Struct, frozen=True, kw_only=True):
        fast: int = 5
        slow: int = 20

    def start(self) -> None:
        self.fast, self.slow = (Ring(self.context.count, n) for n in (self.params.fast, self.params.slow))
        self.above: dict[int, bool] = {}

    def on_bars(self, bars: Bars) -> Iterator[SignalRaised]:
        self.fast.push(bars.ids, bars.close)
        self.slow.push(bars.ids, bars.close)
        above = self.fast.mean() > self.slow.mean()
        for symbol in bars.ids[self.slow.full[bars.ids]].tolist():
            before, self.above[symbol] = self.above.get(symbol), bool(above[symbol])
            price = self.context.price_of(symbol)
            if before is False and above[symbol] and not self.busy(symbol):
                yield self.buy(symbol, stop=0.98 * price, target=1.04 * price, reason="crossed above")
            elif before and not above[symbol] and self.held(symbol):
                yield self.close(symbol, "crossed below")
