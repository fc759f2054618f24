"""The account's positions and open orders at one moment, in our terms.

Source: alpaca.md 2.5, 3.3 and 3.6; faults.md C 36.
"""

from collections.abc import Iterable
from typing import Literal, Protocol

from actors.broker import wire
from actors.broker.directory import Directory
from actors.broker.limiter import Priority
from actors.execution import ids
from runtime.errors import BrokerUnavailable
from runtime.messages.broker import BrokerOrder, BrokerPosition, BrokerSnapshot

Reason = Literal["start", "reconnect", "schedule"]


class Reads(Protocol):
    """The part of the REST client that a snapshot takes."""

    async def orders(self, *, status: str, nested: bool, priority: Priority) -> list[wire.Order]:
        """Open orders, legs beside their parents."""

    async def positions(self, *, priority: Priority) -> list[wire.Position]:
        """All positions."""


async def take(rest: Reads, directory: Directory, now: int, reason: Reason = "schedule") -> BrokerSnapshot:
    """Ask for positions and open orders, in that order: two requests.

    Orders last: a fill in between then shows as an order that differs, and its symbol's position is not
    compared, instead of as a position that nobody explains. Only what comes on a schedule can be put off.

    Raises:
        BrokerUnavailable: No answer, or one that says too little.
    """
    priority = Priority.READ if reason == "schedule" else Priority.LOOK_UP
    positions = await rest.positions(priority=priority)
    orders = await rest.orders(status="open", nested=False, priority=priority)
    return snapshot(positions, orders, directory, now, reason)


def snapshot(
    positions: Iterable[wire.Position],
    orders: Iterable[wire.Order],
    directory: Directory,
    now: int,
    reason: Reason = "schedule",
) -> BrokerSnapshot:
    """The broker's lists in our terms; raises as `take`."""
    return BrokerSnapshot(
        ts_event=now,
        positions=tuple(_position(one) for one in positions),
        orders=tuple(_order(one, directory) for one in orders),
        reason=reason,
    )


def _position(told: wire.Position) -> BrokerPosition:
    quantity = wire.number(told.qty)
    if quantity is None:
        raise BrokerUnavailable(f"a position in {told.symbol} without a quantity", is_unknown=False)
    if told.side == "short" and quantity > 0:
        quantity = -quantity
    whole = int(quantity)
    return BrokerPosition(
        symbol=told.symbol,
        quantity=whole,
        fraction=round(quantity - whole, 9),
        price=wire.number(told.avg_entry_price) or 0.0,
        last=wire.number(told.current_price) or 0.0,
        asset_class=told.asset_class or "us_equity",
    )


def _order(told: wire.Order, directory: Directory) -> BrokerOrder:
    known = directory.of_broker(told.id) or directory.of_broker(told.replaces)
    name = known.client_order_id if known else told.client_order_id or told.id
    base = known.base if known and known.broker_order_id == told.id else 0
    return BrokerOrder(
        client_order_id=name,
        broker_order_id=told.id,
        symbol=told.symbol or "",
        side=told.side or "",
        # Fractional or by notional: not ours, and only shown.
        quantity=int(wire.number(told.qty) or 0.0),
        filled=base + int(wire.number(told.filled_qty) or 0.0),
        status=told.status or "",
        type=told.type or "",
        limit_price=wire.number(told.limit_price),
        stop_price=wire.number(told.stop_price),
        parent_id=known.parent_id if known else "",
        is_ours=known.is_ours if known else ids.parse(name) is not None,
        remaining=int((wire.number(told.qty) or 0.0) - (wire.number(told.filled_qty) or 0.0)),
    )
