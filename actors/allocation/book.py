"""What we hold, lot by lot, to the micro-dollar: costs, marks, realised and open profit.

All money is integer micro-dollars (USD * 1e6), so sums do not depend on their order. Partial exits of a lot
take their share of the remaining cost, the last exit takes what is left.
"""

import math

import numpy as np

from actors.allocation.lot import MICRO, Lot, micros
from runtime.messages.market import CLOSE, HIGH, LOW, Bars

__all__ = ["MICRO", "Book", "Lot", "micros"]

_FIRST_CAPACITY = 64
_FEW = 8
"""Slots up to which lots are marked one by one."""


class Book:
    """All open lots, marked by column arithmetic.

    Args:
        capital: Micro-dollars the books began with.
        cash: Micro-dollars now; `capital` in a new book.
        realised: Micro-dollars by strategy since the books began.
        lots: Open lots.
    """

    def __init__(
        self, capital: int, cash: int | None = None, realised: dict[str, int] | None = None,
        lots: tuple[Lot, ...] = (),
    ) -> None:  # fmt: skip
        self.capital = capital
        self.cash = capital if cash is None else cash
        self.realised: dict[str, int] = dict(realised or {})
        self.lots: dict[str, Lot] = {}
        self.by_symbol: dict[str, list[str]] = {}
        self.value = 0
        self._gross = 0
        """Sum of |market value|, micro-dollars."""
        self._strategies: list[str] = list(self.realised)
        self._codes = {name: code for code, name in enumerate(self._strategies)}
        self._unrealised: list[int] = [0] * len(self._strategies)
        self._slots: list[Lot | None] = []
        self._free: list[int] = []
        self._slot_of: dict[str, int] = {}
        self._strangers = False
        """Whether a lot's symbol is not in the session's table (its id is -1): it keeps its last mark."""
        self._ids = np.zeros(_FIRST_CAPACITY, dtype=np.int32)
        self._strategy, self._quantity, self._cost, self._marks = np.zeros(
            (4, _FIRST_CAPACITY), dtype=np.int64
        )
        self._peak, self._trough = np.zeros((2, _FIRST_CAPACITY))
        for lot in lots:
            self._install(lot)

    # ---- fills ------------------------------------------------------------------------------

    def enter(self, lot: Lot, quantity: int, price: float, commission: float, slippage: float) -> None:
        """Add a fill to a lot that opens (signed shares, USD, USD, USD)."""
        mark = round(price * MICRO)  # `micros`, written out: each call of it costs as much as what it does
        paid = quantity * mark
        fee = micros(commission) if commission else 0
        self.cash -= paid + fee
        lot.entered += quantity
        lot.entry_value += paid
        if lot.id in self.lots:
            self._trade(lot, quantity, price, mark, paid, -fee, fee, slippage)
            return
        # A new lot is complete before it gets its slot, so that its columns are written once.
        lot.quantity += quantity
        lot.cost += paid
        if fee:
            lot.realised -= fee
            lot.commission += fee
        if slippage:
            lot.slippage += micros(slippage)
        lot.mark = mark
        lot.peak = lot.trough = price
        self._install(lot)
        self.realised[lot.strategy] -= fee

    def leave(self, lot: Lot, quantity: int, price: float, commission: float, slippage: float) -> int:
        """Take a fill out of a lot (signed shares, opposite to what is held); the micro-dollars realised."""
        share = (
            lot.cost if quantity == -lot.quantity else _round_half_even(lot.cost * -quantity, lot.quantity)
        )
        fee = micros(commission) if commission else 0
        mark = round(price * MICRO)
        received = -quantity * mark
        gained = received - share - fee
        self.cash += received - fee
        self._trade(lot, quantity, price, mark, -share, gained, fee, slippage)
        return gained

    def correct(
        self, lot: Lot, before: tuple[int, float], after: tuple[int, float], *, is_entry: bool
    ) -> None:
        """Count one fill of a lot otherwise; one that was closed may be open again.

        What is held keeps its share of everything entered (the average price); the rest is realised.

        Args:
            before, after: The fill's signed shares and USD a share, as booked and as it counts now.
        """
        if lot.id not in self.lots:
            self._install(lot)
        self.refresh(lot)
        (was, was_price), (is_now, price) = before, after
        paid = is_now * micros(price) - was * micros(was_price)
        received = lot.realised + lot.entry_value - lot.cost
        self.cash -= paid
        if is_entry:
            lot.entered += is_now - was
            lot.entry_value += paid
        else:
            received -= paid
        held = lot.quantity + is_now - was
        cost = _round_half_even(lot.entry_value * held, lot.entered) if lot.entered else 0
        gained = received - (lot.entry_value - cost) - lot.realised
        self._trade(lot, is_now - was, lot.mark / MICRO, lot.mark, cost - lot.cost, gained, 0, 0.0)

    def restate(
        self, lot: Lot, *, quantity: int, cost: int, entered: int, entry_value: int, mark: int, cash: int,
        gained: int, by: float,
    ) -> None:  # fmt: skip
        """Count a lot in other shares, `by` new ones for an old one (the rest as in `Lot`, micro-dollars).

        Args:
            cash, gained: What it brings, and how much of that is profit.
        """
        slot = self._slot_of[lot.id]
        self._peak[slot] /= by
        self._trough[slot] /= by
        lot.entered, lot.entry_value = entered, entry_value
        self.cash += cash
        self._trade(lot, quantity - lot.quantity, mark / MICRO, mark, cost - lot.cost, gained, 0, 0.0)

    def follow(self, lot: Lot, symbol_id: int) -> None:
        """Mark a lot by this symbol from now on; -1: it keeps its mark."""
        self._ids[self._slot_of[lot.id]] = lot.symbol_id = symbol_id
        self._strangers = self._strangers or symbol_id < 0

    def _trade(
        self, lot: Lot, quantity: int, price: float, mark: int, cost: int, gained: int, fee: int,
        slippage: float,
    ) -> None:  # fmt: skip
        """Change what a lot holds and every sum it is part of; its mark (micro-dollars) becomes the price.

        A lot of which nothing is left goes.
        """
        slot = self._slot_of[lot.id]
        before = lot.quantity
        worth = before * self._marks.item(slot)
        lot.quantity = held = before + quantity
        lot.cost = left = lot.cost + cost
        lot.realised += gained
        if fee:
            lot.commission += fee
        if slippage:
            lot.slippage += micros(slippage)
        lot.mark = mark
        worth_now = held * mark
        gain = worth_now - worth
        self.value += gain
        self._gross += abs(worth_now) - abs(worth)
        strategy = lot.strategy
        self.realised[strategy] += gained
        self._unrealised[self._codes[strategy]] += gain - cost
        peak, trough = self._peak.item(slot), self._trough.item(slot)
        lot.peak = peak = price if price > peak else peak
        lot.trough = trough = price if price < trough else trough
        if not held:
            self._remove(lot)
            return
        self._quantity[slot] = held
        self._cost[slot] = left
        self._marks[slot] = mark
        self._peak[slot] = peak
        self._trough[slot] = trough

    # ---- marks ------------------------------------------------------------------------------

    def mark(self, bars: Bars, symbols: int) -> bool:
        """Mark every lot whose symbol has a bar, at its close; whether anything could change."""
        if not self.lots:
            return False
        used = len(self._slots)
        is_full = len(bars.ids) == symbols and not self._strangers
        if used <= _FEW:
            return self._mark_few(bars, is_full)
        ids = bars.ids
        held = self._ids[:used]
        if is_full:
            place, present = held, None
        else:
            place = np.searchsorted(ids, held).astype(np.int32)
            np.minimum(place, len(ids) - 1, out=place)
            present = ids[place] == held
            if not present.any():
                return False
        highs, lows, closes = bars.values[HIGH : CLOSE + 1].take(place, axis=1)
        prices = np.multiply(closes, float(MICRO), out=closes)
        np.rint(prices, out=prices)
        marks, peaks, troughs = self._marks[:used], self._peak[:used], self._trough[:used]
        if present is None:
            marks[:] = prices
            np.maximum(peaks, highs, out=peaks)
            np.minimum(troughs, lows, out=troughs)
        else:
            np.copyto(marks, prices, where=present, casting="unsafe")
            np.maximum(peaks, highs, out=peaks, where=present)
            np.minimum(troughs, lows, out=troughs, where=present)
        self._total(used)
        return True

    def _mark_few(self, bars: Bars, is_full: bool) -> bool:
        """The same one by one: below a handful of lots columns cost more than they save."""
        ids, values = bars.ids, bars.values
        marks, peaks, troughs = self._marks, self._peak, self._trough
        value = gross = 0
        unrealised = [0] * len(self._strategies)
        found = False
        for slot, lot in enumerate(self._slots):
            if lot is None:
                continue
            at = lot.symbol_id
            if not is_full:
                wanted, at = at, int(ids.searchsorted(at))
                if at >= len(ids) or ids.item(at) != wanted:
                    at = -1
            if at >= 0:
                found = True
                marks[slot] = mark = round(values.item(CLOSE, at) * MICRO)
                high, low = values.item(HIGH, at), values.item(LOW, at)
                if high > peaks.item(slot):
                    peaks[slot] = high
                if low < troughs.item(slot):
                    troughs[slot] = low
            else:
                mark = marks.item(slot)
            worth = lot.quantity * mark
            value += worth
            gross += abs(worth)
            unrealised[self._codes[lot.strategy]] += worth - lot.cost
        if found:
            self.value, self._gross, self._unrealised = value, gross, unrealised
        return found

    def _total(self, used: int) -> None:
        """Sum what is held; whole micro-dollars below 2**53, so float sums are exact in any order."""
        worth = self._quantity[:used] * self._marks[:used]
        self.value = int(np.add.reduce(worth))
        if len(self._strategies) == 1:
            self._unrealised[0] = self.value - int(np.add.reduce(self._cost[:used]))
        else:
            gains = np.bincount(
                self._strategy[:used], weights=worth - self._cost[:used], minlength=len(self._strategies)
            )
            self._unrealised = [int(gain) for gain in gains.tolist()]
        self._gross = int(np.add.reduce(np.abs(worth, out=worth)))

    def refresh(self, lot: Lot) -> Lot:
        """Bring a lot's mark, peak and trough up to date from the columns."""
        slot = self._slot_of[lot.id]
        lot.mark = self._marks.item(slot)
        lot.peak = self._peak.item(slot)
        trough = self._trough.item(slot)
        lot.trough = 0.0 if trough == math.inf else trough
        return lot

    # ---- asking -----------------------------------------------------------------------------

    @property
    def equity(self) -> int:
        """Capital plus the profit of our lots since the books began, micro-dollars."""
        return self.cash + self.value

    def gross(self) -> int:
        """Sum of |market value|, micro-dollars."""
        return self._gross

    def profits(self) -> dict[str, float]:
        """Realised plus open profit since the books began, USD by strategy."""
        return {
            name: (self.realised[name] + self._unrealised[code]) / MICRO
            for code, name in enumerate(self._strategies)
        }

    def net(self, symbol: str) -> int:
        """Net shares over all lots of a symbol."""
        names = self.by_symbol.get(symbol)
        if names is None:
            return 0
        if len(names) == 1:
            return self.lots[names[0]].quantity
        return sum(self.lots[lot_id].quantity for lot_id in names)

    # ---- slots ------------------------------------------------------------------------------

    def _install(self, lot: Lot) -> None:
        strategy, names = lot.strategy, self.by_symbol.get(lot.symbol)
        self.lots[lot.id] = lot
        if names is None:
            self.by_symbol[lot.symbol] = [lot.id]
        else:
            names.append(lot.id)
        code = self._codes.get(strategy)
        if code is None:
            code = self._codes[strategy] = len(self._strategies)
            self._strategies.append(strategy)
            self._unrealised.append(0)
            self.realised[strategy] = 0
        if self._free:
            slot = self._free.pop()
            self._slots[slot] = lot
        else:
            slot = len(self._slots)
            self._slots.append(lot)
            if slot >= len(self._ids):
                self._grow(2 * len(self._ids))
        self._slot_of[lot.id] = slot
        self._ids[slot] = lot.symbol_id
        self._strangers = self._strangers or lot.symbol_id < 0
        self._strategy[slot] = code
        self._quantity[slot] = lot.quantity
        self._cost[slot] = lot.cost
        self._marks[slot] = lot.mark
        self._peak[slot] = lot.peak
        self._trough[slot] = lot.trough or math.inf
        worth = lot.quantity * lot.mark
        self.value += worth
        self._gross += abs(worth)
        self._unrealised[code] += worth - lot.cost

    def _remove(self, lot: Lot) -> None:
        del self.lots[lot.id]
        left = self.by_symbol[lot.symbol]
        left.remove(lot.id)
        if not left:
            del self.by_symbol[lot.symbol]
        slot = self._slot_of.pop(lot.id)
        self._slots[slot] = None
        self._quantity[slot] = 0
        self._cost[slot] = 0
        self._free.append(slot)

    def _grow(self, capacity: int) -> None:
        """Make room for more lots; what the columns have stays."""
        more = capacity - len(self._ids)
        self._ids, self._strategy, self._quantity, self._cost, self._marks, self._peak, self._trough = (
            np.concatenate((column, np.zeros(more, dtype=column.dtype)))
            for column in (
                self._ids, self._strategy, self._quantity, self._cost, self._marks, self._peak, self._trough
            )
        )  # fmt: skip


def _round_half_even(numerator: int, denominator: int) -> int:
    """Exact integer division, rounded to nearest, ties to even."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * abs(rest)
    if twice > abs(denominator) or (twice == abs(denominator) and whole % 2):
        whole += 1
    return whole
