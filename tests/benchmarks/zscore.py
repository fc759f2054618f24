"""The benchmark's rule, twice: as a strategy of the system, and as a bare loop over NumPy columns.

z = (close - mean(close, 20)) / population std(close, 20), per symbol. Flat and z < entry_z: buy 10 shares;
held and z > exit_z: sell them. Both trade at the next minute's open; the last minute decides nothing.
"""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.market.rings import Ring
from actors.strategies.base import Bars, SignalRaised, Strategy
from runtime.messages.market import CLOSE, OPEN, FloatArray
from runtime.messages.trading import LotChanged, SignalDropped

WINDOW, SHARES = 20, 10
FARTHEST = 0.9
"""Stop and target rest this share of the price away: the contract wants them, the rule does not use them."""

Mask = NDArray[np.bool_]


class ZScore(Strategy):
    """The rule as any user would write it: columns in, signals out."""

    name = "z_score"

    class Params(msgspec.Struct, frozen=True, kw_only=True):
        entry_z: float = -2.0
        exit_z: float = 0.0

    def start(self) -> None:
        count = self.context.count
        self.ring = Ring(count, WINDOW)
        self.engaged: Mask = np.zeros(count, dtype=np.bool_)
        self.holding: Mask = np.zeros(count, dtype=np.bool_)
        for holding in self.context.holdings.values():
            place = self.context.index[holding.symbol]
            self.engaged[place] = self.holding[place] = True
        self.minutes = 0

    def on_bars(self, bars: Bars) -> Iterator[SignalRaised] | None:
        ring, close = self.ring, bars.values[CLOSE]
        ring.push(bars.ids, close)
        self.minutes += 1
        if self.minutes < WINDOW or self.now >= self.context.close:
            return None
        gap, deviation = close - ring.mean(), ring.std()
        buys = (gap < self.params.entry_z * deviation) & ~self.engaged
        sells = (gap > self.params.exit_z * deviation) & self.holding
        if not (buys.any() or sells.any()):
            return None
        return self._signals(close, buys, sells)

    def _signals(self, close: FloatArray, buys: Mask, sells: Mask) -> Iterator[SignalRaised]:
        places = np.flatnonzero(buys)
        self.engaged |= buys
        self.holding &= ~sells
        for place, price in zip(places.tolist(), close[places].tolist(), strict=True):
            yield self.buy(
                place,
                price=price,
                stop=price * (1 - FARTHEST),
                target=price * (1 + FARTHEST),
                reason="far below its mean",
                quantity=SHARES,
                strength=1.0,
                confidence=1.0,
            )
        for place in np.flatnonzero(sells).tolist():
            yield self.close(place, "back at its mean")

    def on_lot(self, lot: LotChanged) -> None:
        place = self.context.index[lot.symbol]
        self.engaged[place] = self.holding[place] = lot.state == "open"

    def on_signal_dropped(self, dropped: SignalDropped) -> None:
        raise AssertionError(f"the benchmark's limits are in the way: {dropped}")


class Loop(msgspec.Struct):
    """What the bare loop did: orders sent (entries among them), fills, cash spent in USD, shares held."""

    orders: int = 0
    entries: int = 0
    fills: int = 0
    spent: float = 0.0
    held: int = 0


def bare_loop(sessions: list[FloatArray], entry_z: float, exit_z: float = 0.0) -> Loop:
    """The same rule over (7, minutes, symbols) sessions, nothing else: no tape, messages, books or risk."""
    done = Loop()
    symbols = sessions[0].shape[2]
    held = np.zeros(symbols, dtype=np.bool_)
    for columns in sessions:
        opens, closes = columns[OPEN], columns[CLOSE]
        minutes = len(closes)
        buys = sells = np.zeros(symbols, dtype=np.bool_)
        for minute in range(minutes):
            if buys.any() or sells.any():
                price = opens[minute]
                done.spent += SHARES * (float(price[buys].sum()) - float(price[sells].sum()))
                done.fills += int(buys.sum()) + int(sells.sum())
                held = (held | buys) & ~sells
            if minute < WINDOW - 1 or minute == minutes - 1:
                buys = sells = np.zeros(symbols, dtype=np.bool_)
                continue
            window = closes[minute - WINDOW + 1 : minute + 1]
            gap, deviation = closes[minute] - window.mean(axis=0), window.std(axis=0)
            buys = (gap < entry_z * deviation) & ~held
            sells = (gap > exit_z * deviation) & held
            entries = int(buys.sum())
            done.entries += entries
            done.orders += entries + int(sells.sum())
    done.held = SHARES * int(held.sum())
    return done
