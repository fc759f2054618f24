"""Rings of the last values of many symbols, pushed a frame at a time: O(symbols in the frame)."""

import numpy as np
from numpy.typing import NDArray

from runtime.messages.market import Bars, FloatArray, IdArray

CountArray = NDArray[np.int64]


class Ring:
    """The last `window` values of each symbol, with their running mean and deviation.

    A symbol's window counts its own values: a frame without it leaves it as it was. Sums are kept
    against a base near the values and rebuilt once a turn, so they neither drift nor cancel.

    Args:
        symbols: Rows; a frame with a higher id makes the ring grow.
        window: Values kept of each symbol, at least 1.
    """

    __slots__ = ("_base", "_even", "_next", "_square", "_sum", "_turn", "_values", "count", "window")

    def __init__(self, symbols: int, window: int) -> None:
        if window < 1:
            raise ValueError(f"a ring needs a window of at least 1, was {window}")
        self.window = window
        self.count: CountArray = np.zeros(symbols, dtype=np.int64)
        """(symbols,) values ever pushed."""
        self._values: FloatArray = np.full((window, symbols), np.nan)
        self._next: CountArray = np.zeros(symbols, dtype=np.int64)
        self._base: FloatArray = np.zeros(symbols)
        self._sum: FloatArray = np.zeros(symbols)
        self._square: FloatArray = np.zeros(symbols)
        self._even = True
        """Whether every push so far had every symbol: then one row of the ring is the frame."""
        self._turn = 0

    def __len__(self) -> int:
        return len(self.count)

    def push(self, ids: IdArray, values: FloatArray) -> None:
        """Add one value to each of the given symbols; ids ascending and unique."""
        if not len(ids):
            return
        if ids[-1] >= len(self.count):
            self._grow(int(ids[-1]) + 1)
        if self._even and len(ids) == len(self.count):
            self._push_row(values)
            return
        if self._even:
            self._even = False
            self._next[:] = self._turn
        self._push_some(ids, values)

    def _push_row(self, values: FloatArray) -> None:
        turn = self._turn
        if not turn:
            self._rebase(values)
        row = self._values[turn]
        offset = values - self._base
        if self.count[0] >= self.window:
            leaving = row - self._base
            self._sum += offset - leaving
            self._square += offset * offset - leaving * leaving
        else:
            self._sum += offset
            self._square += offset * offset
        row[:] = values
        self.count += 1
        self._turn = (turn + 1) % self.window

    def _push_some(self, ids: IdArray, values: FloatArray) -> None:
        at = self._next[ids]
        begins = at == 0
        if begins.any():
            self._rebase_some(ids[begins], values[begins])
        base = self._base[ids]
        offset = values - base
        leaving = np.where(self.count[ids] >= self.window, self._values[at, ids] - base, 0.0)
        self._sum[ids] += offset - leaving
        self._square[ids] += offset * offset - leaving * leaving
        self._values[at, ids] = values
        self.count[ids] += 1
        self._next[ids] = (at + 1) % self.window

    def _rebase(self, values: FloatArray) -> None:
        self._base = values.copy()
        self._sum = np.zeros(len(values))
        self._square = np.zeros(len(values))
        if self.count[0]:
            for row in self._values:
                offset = row - self._base
                self._sum += offset
                self._square += offset * offset

    def _rebase_some(self, ids: IdArray, values: FloatArray) -> None:
        self._base[ids] = values
        sums, squares = np.zeros(len(ids)), np.zeros(len(ids))
        old = self.count[ids] > 0
        for row in self._values:
            offset = np.where(old, row[ids] - values, 0.0)
            sums += offset
            squares += offset * offset
        self._sum[ids] = sums
        self._square[ids] = squares

    def _grow(self, symbols: int) -> None:
        if self._even:
            self._even = False
            self._next[:] = self._turn
        more = symbols - len(self.count)
        self._values = np.concatenate([self._values, np.full((self.window, more), np.nan)], axis=1)
        self.count = np.concatenate([self.count, np.zeros(more, dtype=np.int64)])
        self._next = np.concatenate([self._next, np.zeros(more, dtype=np.int64)])
        self._base = np.concatenate([self._base, np.zeros(more)])
        self._sum = np.concatenate([self._sum, np.zeros(more)])
        self._square = np.concatenate([self._square, np.zeros(more)])

    @property
    def full(self) -> NDArray[np.bool_]:
        """(symbols,) whether the whole window is there."""
        return np.asarray(self.count >= self.window)

    def mean(self) -> FloatArray:
        """(symbols,) mean of the window; NaN until it is full."""
        if self._even:
            return self._base + self._sum / self.window if self._is_full else self._nothing
        return np.where(self.full, self._base + self._sum / self.window, np.nan)

    def std(self, ddof: int = 0) -> FloatArray:
        """(symbols,) standard deviation of the window; NaN until it is full."""
        variance = self._square - self._sum * self._sum / self.window
        np.maximum(variance, 0.0, out=variance)
        deviation = np.sqrt(variance / max(self.window - ddof, 1))
        if self._even:
            return deviation if self._is_full else self._nothing
        return np.where(self.full, deviation, np.nan)

    def last(self, back: int = 0) -> FloatArray:
        """(symbols,) the value `back` pushes ago, 0 being the newest; NaN where there is none."""
        if not 0 <= back < self.window:
            raise ValueError(f"a ring of {self.window} was asked for value {back}")
        if self._even:
            return np.array(self._values[(self._turn - 1 - back) % self.window])
        at = (self._next - 1 - back) % self.window
        return np.asarray(self._values[at, np.arange(len(self.count))])

    def values(self, symbol: int) -> FloatArray:
        """Values of one symbol, oldest first, at most `window`."""
        at = self._turn if self._even else int(self._next[symbol])
        column = np.roll(self._values[:, symbol], -at)
        return column[self.window - min(int(self.count[symbol]), self.window) :]

    @property
    def _is_full(self) -> bool:
        return bool(len(self.count)) and bool(self.count[0] >= self.window)

    @property
    def _nothing(self) -> FloatArray:
        return np.full(len(self.count), np.nan)


class SessionVwap:
    """Volume-weighted price since the open: sum(hlc3 volume) / sum(volume), USD per symbol."""

    __slots__ = ("value", "volume")

    def __init__(self, symbols: int) -> None:
        self.value: FloatArray = np.zeros(symbols)
        self.volume: FloatArray = np.zeros(symbols)

    def push(self, ids: IdArray, bars: Bars) -> None:
        """Add the bars of one minute; ids below the number of symbols, as long as the columns."""
        typical = (bars.high + bars.low + bars.close) / 3.0
        self.value[ids] += typical * bars.volume
        self.volume[ids] += bars.volume

    @property
    def price(self) -> FloatArray:
        """(symbols,) USD; NaN before the first share."""
        result = np.full(len(self.value), np.nan)
        np.divide(self.value, self.volume, out=result, where=self.volume > 0)
        return result


class OpeningRange:
    """The first minutes of a session as one bar per symbol.

    Attributes:
        open, high, low, close: (symbols,) USD, NaN where there was no bar.
        volume: (symbols,) shares. bars: (symbols,) minutes with a bar.
        prompt: (symbols,) whether there was a bar in one of the first two minutes.
    """

    __slots__ = ("bars", "close", "high", "low", "open", "prompt", "volume")

    def __init__(self, symbols: int) -> None:
        self.open: FloatArray = np.full(symbols, np.nan)
        self.high: FloatArray = np.full(symbols, np.nan)
        self.low: FloatArray = np.full(symbols, np.nan)
        self.close: FloatArray = np.full(symbols, np.nan)
        self.volume: FloatArray = np.zeros(symbols)
        self.bars: CountArray = np.zeros(symbols, dtype=np.int64)
        self.prompt: NDArray[np.bool_] = np.zeros(symbols, dtype=np.bool_)

    def push(self, ids: IdArray, bars: Bars, minute: int) -> None:
        """Add the bars of one minute, counted from the open; ids below the number of symbols."""
        opened = self.open[ids]
        self.open[ids] = np.where(np.isnan(opened), bars.open, opened)
        self.high[ids] = np.fmax(self.high[ids], bars.high)
        self.low[ids] = np.fmin(self.low[ids], bars.low)
        self.close[ids] = bars.close
        self.volume[ids] += bars.volume
        self.bars[ids] += 1
        if minute <= 1:
            self.prompt[ids] = True
