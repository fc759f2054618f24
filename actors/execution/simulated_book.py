"""The simulated broker's open orders: found by id, by symbol, by group."""

from collections.abc import Iterable

import numpy as np

from actors.execution.fill_model import BarRow
from actors.execution.working_order import WorkingOrder
from runtime.messages.market import HIGH, LOW, OPEN, VOLUME, Bars, IdArray


class OrderBook:
    """Orders that are not over; held legs are in it but not live."""

    __slots__ = ("_wanted", "groups", "live", "orders")

    def __init__(self, orders: Iterable[WorkingOrder] = ()) -> None:
        self.orders: dict[str, WorkingOrder] = {}
        self.groups: dict[str, list[WorkingOrder]] = {}
        self.live: dict[int, dict[str, WorkingOrder]] = {}
        """Live orders by symbol id, in the order in which they became live."""
        self._wanted: IdArray | None = None
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
        same = self.live.get(order.symbol_id)
        if same is None:
            same = self.live[order.symbol_id] = {}
            self._wanted = None
        same[order.client_order_id] = order

    def remove(self, order: WorkingOrder) -> None:
        """Forget an order that is over."""
        del self.orders[order.client_order_id]
        if order.is_complex:
            members = self.groups[order.group]
            members.remove(order)
            if not members:
                del self.groups[order.group]
        if not order.held:
            same = self.live[order.symbol_id]
            del same[order.client_order_id]
            if not same:
                del self.live[order.symbol_id]
                self._wanted = None

    def others(self, order: WorkingOrder) -> list[WorkingOrder]:
        """Members of its group that are not over, itself excepted."""
        return [other for other in self.groups.get(order.group, ()) if other is not order]

    def rows(self, bars: Bars, symbols: int) -> list[tuple[int, BarRow]]:
        """The bars of symbols with live orders, at a cost that grows with those alone.

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
        if count == symbols:
            places = wanted
        else:
            places = bars.ids.searchsorted(wanted).astype(np.int32)
            np.minimum(places, count - 1, out=places)
            present = bars.ids[places] == wanted
            wanted, places = wanted[present], places[present]
        values = bars.values.take(places, axis=1).tolist()
        columns = zip(values[OPEN], values[HIGH], values[LOW], values[VOLUME], strict=True)
        return list(zip(wanted.tolist(), columns, strict=True))
