"""Orders that ought to have news and have none: which are to be looked up now.

One that rests at its price may be silent for hours. One that was sent, is being cancelled, or is a market
order in an open market may not: it is looked up again and again, and never assumed dead.
Source: faults.md D 39; alpaca.md F.
"""

from collections.abc import Iterable

from actors.execution.order_state import OrderState

_IN_FLIGHT = frozenset(("submitted", "unknown", "pending_cancel"))


class StuckOrders:
    """Remembers since when each order in flight has said nothing.

    Args:
        patience: ns without news.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self._since: dict[str, tuple[str, int, int]] = {}
        """Status and filled shares by client order id, and since when they are so, ns UTC."""
        self._told: dict[str, None] = {}

    def look(self, orders: Iterable[OrderState], now: int, *, is_open: bool) -> list[OrderState]:
        """The orders to look up now; each comes again after another while without news.

        Args:
            is_open: Whether the market trades, so that a market order must.
        """
        before, self._since = self._since, {}
        due: list[OrderState] = []
        for one in orders:
            if not (one.status in _IN_FLIGHT or (is_open and one.is_live and _is_market(one))):
                continue
            status, filled, since = before.get(one.client_order_id, (one.status, one.filled, now))
            if (status, filled) != (one.status, one.filled):
                since = now
            elif now - since >= self.patience:
                due.append(one)
                since = now
            self._since[one.client_order_id] = one.status, one.filled, since
        return due

    @property
    def is_watching(self) -> bool:
        """Whether anything was in flight when last looked."""
        return bool(self._since)

    def is_first(self, order: OrderState) -> bool:
        """Whether it is the first time that this order is told as stuck."""
        if order.client_order_id in self._told:
            return False
        self._told[order.client_order_id] = None
        return True


def _is_market(order: OrderState) -> bool:
    # A leg that waits for its entry is no market order even where its type says so.
    return order.type == "market" and not order.parent_id
