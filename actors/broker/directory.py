"""Which of the broker's orders is which of ours, and what has been told of each already.

The broker renames an order when it is replaced and gives the legs of a bracket names of its own; here an
order keeps the client id it had first. It also counts the shares told, so that what comes twice, by stream
and by REST, is told once.
"""

from collections.abc import Iterable, Iterator

import msgspec

from actors.broker import wire
from actors.execution import ids
from actors.execution.order_state import OrderState


class Known(msgspec.Struct, kw_only=True):
    """One order as far as it has been told.

    Attributes:
        client_order_id: Its name in our messages, for good.
        broker_order_id: The broker's present id of it.
        parent_id: Client id of the order whose leg it is, or empty.
        filled: Shares told so far; value: their price times quantity, USD.
        base: Shares told before its latest replacement, which the broker counts from zero.
        has_legs: Whether its legs were told.
        is_over: Whether its end was told.
        is_ours: Whether we sent it, or it is a leg of one we sent.
    """

    client_order_id: str
    broker_order_id: str = ""
    symbol: str = ""
    parent_id: str = ""
    filled: int = 0
    value: float = 0.0
    base: int = 0
    is_accepted: bool = False
    has_legs: bool = False
    is_over: bool = False
    is_ours: bool = True
    former: list[str] = []
    """Broker ids it had before it was replaced."""
    executions: dict[str, tuple[int, float]] = {}
    """Shares and USD a share of each execution told."""

    def tell_anew(self) -> None:
        """Have its steps told once more: whoever asks may have missed them. Fills stay told."""
        self.is_accepted = self.has_legs = self.is_over = False


class Directory:
    """Orders by our name and by every name the broker ever gave them."""

    def __init__(self) -> None:
        self._orders: dict[str, Known] = {}
        self._names: dict[str, str] = {}

    def add(
        self,
        client_order_id: str,
        symbol: str,
        *,
        broker_order_id: str = "",
        parent_id: str = "",
        filled: int = 0,
        average_price: float = 0.0,
        is_accepted: bool = False,
        is_over: bool = False,
    ) -> Known:
        """Take in what the books know of an order: at a start, and when an order is sent.

        An order that is already there is not changed, except that a broker id is added.
        """
        known = self._orders.get(client_order_id)
        if known is None:
            known = self._orders[client_order_id] = Known(
                client_order_id=client_order_id,
                symbol=symbol,
                parent_id=parent_id,
                filled=filled,
                value=filled * average_price,
                is_accepted=is_accepted,
                is_over=is_over,
            )
        if broker_order_id and not known.broker_order_id:
            self.rename(known, broker_order_id)
        return known

    def seed(self, states: Iterable[OrderState]) -> None:
        """Take in the orders our books know, before the broker is listened to: at a start."""
        for state in states:
            self.add(
                state.client_order_id,
                state.symbol,
                broker_order_id=state.broker_order_id,
                parent_id=state.parent_id,
                filled=state.filled,
                average_price=state.average_price,
                is_accepted=bool(state.broker_order_id),
                is_over=not state.is_live,
            )

    def rename(self, known: Known, broker_order_id: str) -> None:
        """From now on the broker calls it this."""
        known.broker_order_id = broker_order_id
        self._names[broker_order_id] = known.client_order_id

    def alias(self, known: Known, broker_order_id: str) -> None:
        """The broker will call it this once a replacement has happened."""
        self._names[broker_order_id] = known.client_order_id

    def named(self, client_order_id: str) -> Known | None:
        """The order of this client id of ours."""
        return self._orders.get(client_order_id)

    def of_broker(self, broker_order_id: str | None) -> Known | None:
        """The order that has, or had, this broker id."""
        return self._orders.get(self._names.get(broker_order_id or "", ""))

    def find(self, order: wire.Order) -> Known:
        """The order the broker speaks of; a new one is taken in under its client id.

        New ones are ours if their client id has our form; everybody else's are kept too, so that their
        fills are told once.
        """
        known = self.of_broker(order.id) or self.of_broker(order.replaces)
        if known is not None:
            self._names.setdefault(order.id, known.client_order_id)
            return known
        name = order.client_order_id or order.id
        known = self._orders.get(name)
        if known is None:
            is_ours = ids.parse(name) is not None
            known = self._orders[name] = Known(
                client_order_id=name, symbol=order.symbol or "", is_ours=is_ours
            )
        if not known.broker_order_id:
            self.rename(known, order.id)
        self._names.setdefault(order.id, name)
        return known

    def __iter__(self) -> Iterator[Known]:
        return iter(self._orders.values())
