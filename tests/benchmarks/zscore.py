"""The benchmark's rule, twice: as a strategy of the system, and as a bare loop over NumPy columns.

z = (close - mean(close, 20)) / population std(close, 20), per symbol. Flat and z < entry_z: buy 10 shares;
held and z > exit_z: sell them. Both trade at the next minute's open; the last minute decides nothing.
"""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.strategies.base import Bars, SignalRaised, Strategy
from runtime.messages.market import CLOSE, OPEN, FloatArray
from runtime.messages.trading import LotChanged, SignalDropped

WINDOW, SHARES = 20, 10

Mask = NDArray[np.bool_]


class Window:
    """Running sums over the last 20 closes of every symbol.

    Closes are counted in whole cents, so sums of squares stay below 2**53 and are exact: nothing drifts,
    and both sides of the benchmark see the same z to the last bit.
    """

    def __init__(self, symbols: int) -> None:
        self.count = 0
        self._cents = np.zeros((WINDOW, symbols))
        self._squares = np.zeros((WINDOW, symbols))
        self._sum = np.zeros(symbols)
        self._square = np.zeros(symbols)

    def push(self, close: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Add a close; 20 times its distance from the mean, and 20 times the deviation, in cents."""
        row = self.count % WINDOW
        self.count += 1
        cents = np.rint(close * 100.0)
        squares = cents * cents
        self._sum += cents - self._cents[row]
        self._square += squares - self._squares[row]
        self._cents[row], self._squares[row] = cents, squares
        return WINDOW * cents - self._sum, np.sqrt(WINDOW * self._square - self._sum * self._sum)


class ZScore(Strategy):
    """The rule as any user would write it: columns in, signals out."""

    name = "z_score"

    class Params(msgspec.Struct, frozen=True, kw_only=True):
        entry_z: float = -2.0
        exit_z: float = 0.0

    def start(self) -> None:
        count = self.context.count
        self.window = Window(count)
        self.flat: Mask = np.ones(count, dtype=np.bool_)
        self.held_now: Mask = np.zeros(count, dtype=np.bool_)
        for holding in self.context.holdings.values():
            place = self.context.index[holding.symbol]
            self.flat[place], self.held_now[place] = False, True

    def on_bars(self, bars: Bars) -> Iterator[SignalRaised] | None:
        close = bars.values[CLOSE]
        gap, deviation = self.window.push(close)
        if self.window.count < WINDOW or self.now >= self.context.close:
            return None
        buys = ((gap < self.params.entry_z * deviation) & self.flat).nonzero()[0]
        sells = ((gap > self.params.exit_z * deviation) & self.held_now).nonzero()[0]
        return self._signals(close, buys, sells) if len(buys) or len(sells) else None

    def _signals(
        self, close: FloatArray, buys: NDArray[np.intp], sells: NDArray[np.intp]
    ) -> Iterator[SignalRaised]:
        self.flat[buys] = False
        self.held_now[sells] = False
        for place, price in zip(buys.tolist(), close[buys].tolist(), strict=True):
            yield self.buy(
                place,
                price=price,
                stop=None,
                target=None,
                reason="far below its mean",
                quantity=SHARES,
                strength=1.0,
                confidence=1.0,
            )
        for place in sells.tolist():
            yield self.close(place, "back at its mean")

    def on_lot(self, lot: LotChanged) -> None:
        place = self.context.index[lot.symbol]
        is_open = lot.state == "open"
        self.flat[place], self.held_now[place] = not is_open, is_open

    def on_signal_dropped(self, dropped: SignalDropped) -> None:
        raise AssertionError(f"the benchmark's limits are in the way: {dropped}")


class Loop(msgspec.Struct):
    """What the bare loop did: orders sent, fills, cash spent in USD, shares held."""

    orders: int = 0
    fills: int = 0
    spent: float = 0.0
    held: int = 0


def bare_loop(sessions: list[FloatArray], entry_z: float, exit_z: float = 0.0) -> Loop:
    """The same rule over (7, minutes, symbols) sessions, nothing else: no tape, messages, books or risk."""
    done = Loop()
    symbols = sessions[0].shape[2]
    held: Mask = np.zeros(symbols, dtype=np.bool_)
    for columns in sessions:
        window = Window(symbols)
        opens, closes = columns[OPEN], columns[CLOSE]
        last = len(closes) - 1
        buys = sells = np.zeros(0, dtype=np.intp)
        for minute, close in enumerate(closes):
            if len(buys) or len(sells):
                price = opens[minute]
                done.spent += SHARES * (float(price[buys].sum()) - float(price[sells].sum()))
                done.fills += len(buys) + len(sells)
                held[buys], held[sells] = True, False
            gap, deviation = window.push(close)
            if minute < WINDOW - 1 or minute == last:
                continue
            buys = ((gap < entry_z * deviation) & ~held).nonzero()[0]
            sells = ((gap > exit_z * deviation) & held).nonzero()[0]
            done.orders += len(buys) + len(sells)
    done.held = SHARES * int(held.sum())
    return done
