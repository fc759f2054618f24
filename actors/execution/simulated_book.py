"""The simulated broker's open orders: found by id, by symbol, by group."""

import math
from collections.abc import Iterable

import numpy as np

from actors.execution.fill_model import BarRow
from actors.execution.working_order import WorkingOrder
from runtime.messages.market import HIGH, LOW, OPEN, VOLUME, Bars, FloatArray, IdArray

_FEW = 24
"""Live orders with a price up to which looking at each is cheaper than sorting out the untouched ones."""


class OrderBook:
    """Orders that are not over; held legs are in it but not live."""

    __slots__ = ("_bands", "_limits", "_priced", "_wanted", "groups", "live", "orders")

    def __init__(self, orders: Iterable[WorkingOrder] = ()) -> None:
        self.orders: dict[str, WorkingOrder] = {}
        self.groups: dict[str, list[WorkingOrder]] = {}
        self.live: dict[int, dict[str, WorkingOrder]] = {}
        """Live orders by symbol id, in the order in which they became live."""
        self._wanted: IdArray | None = None
        self._bands: dict[int, tuple[float, float]] = {}
        """Per symbol: the price at or below which, and at or above which, an order may trade."""
        self._limits: FloatArray | None = None
        self._priced = 0
        """Live orders that wait for a price; the others trade in whatever bar comes."""
        for order in orders:
            self.add(order)

    def add(self, order: WorkingOrder) -> None:
        """Take an order in; it is live unless it is held."""
        self.orders[order.client_order_id] = order
        if order.is_complex:
            self.groups.setdefault(order.group, []).append(order)
        if not order.held:
            self._go_live(order)

    def release(self, order: WorkingOrder) -> None:
        """Make a held leg live."""
        order.held = False
        self._go_live(order)

    def _go_live(self, order: WorkingOrder) -> None:
        if order.limit is not None or order.stop is not None:
            self._priced += 1
        same = self.live.get(order.symbol_id)
        if same is None:
            self.live[order.symbol_id] = {order.client_order_id: order}
            self._wanted = self._limits = None  # nobody waited for its symbol: there is no band to find anew
        else:
            same[order.client_order_id] = order
            self.moved(order)

    def moved(self, order: WorkingOrder) -> None:
        """An order's prices or its trigger changed: what its symbol waits for must be found anew."""
        self._bands.pop(order.symbol_id, None)
        self._limits = None

    def remove(self, order: WorkingOrder) -> None:
        """Forget an order that is over."""
        del self.orders[order.client_order_id]
        if order.is_complex:
            members = self.groups[order.group]
            members.remove(order)
            if not members:
                del self.groups[order.group]
        if not order.held:
            place = order.symbol_id
            same = self.live[place]
            self._bands.pop(place, None)
            self._limits = None
            if order.limit is not None or order.stop is not None:
                self._priced -= 1
            if len(same) > 1:
                del same[order.client_order_id]
            else:
                del self.live[place]
                self._wanted = None

    def others(self, order: WorkingOrder) -> list[WorkingOrder]:
        """Members of its group that are not over, itself excepted."""
        return [other for other in self.groups.get(order.group, ()) if other is not order]

    def rows(self, bars: Bars, symbols: int) -> list[tuple[int, BarRow]]:
        """The bars that may touch a live order, at a cost that grows with the live orders alone.

        Args:
            symbols: Length of the symbol table; a frame as long has every symbol at its id.
        """
        wanted = self._wanted
        if wanted is None:
            wanted = np.array([place for place in self.live if place >= 0], dtype=np.int32)
            self._wanted = wanted
        count = len(bars.ids)
        if not len(wanted) or not count:
            return []
        limits = self._bands_of(wanted) if self._priced > _FEW else None
        if count == symbols:
            places = wanted
        else:
            places = bars.ids.searchsorted(wanted).astype(np.int32)
            np.minimum(places, count - 1, out=places)
            present = bars.ids[places] == wanted
            wanted, places = wanted[present], places[present]
            limits = limits[:, present] if limits is not None else None
        if limits is not None:
            touched = (bars.values[LOW].take(places) <= limits[0]) | (
                bars.values[HIGH].take(places) >= limits[1]
            )
            wanted, places = wanted[touched], places[touched]
        values = bars.values.take(places, axis=1).tolist()
        columns = zip(values[OPEN], values[HIGH], values[LOW], values[VOLUME], strict=True)
        return list(zip(wanted.tolist(), columns, strict=True))

    def _bands_of(self, wanted: IdArray) -> FloatArray:
        """(2, n) USD: at or below the first, or at or above the second, the symbol needs looking at."""
        if self._limits is None or self._limits.shape[1] != len(wanted):
            bands = self._bands
            rows = []
            for place in wanted.tolist():
                band = bands.get(place)
                if band is None:
                    band = bands[place] = _band(self.live[place].values())
                rows.append(band)
            self._limits = np.array(rows).T
        return self._limits


def _band(orders: Iterable[WorkingOrder]) -> tuple[float, float]:
    """What any of the orders waits for, from the bar's low and from its high."""
    below, above = -math.inf, math.inf
    for order in orders:
        waits_for_stop = order.stop is not None and not order.triggered
        price = order.stop if waits_for_stop else order.limit
        if price is None:
            return math.inf, -math.inf
        if (order.sign > 0) == waits_for_stop:
            above = min(above, price)
        else:
            below = max(below, price)
    return below, above
