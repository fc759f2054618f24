"""An order as the simulated broker keeps it, and the orders one submission makes.

A bracket or OTO is a parent and held legs; the legs become live once the parent is completely filled. An
OCO is its target with the stop as its leg. The members of a group end each other.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from runtime.messages.broker import Leg, SubmitOrder
from runtime.messages.trading import OrderType, Role


class WorkingOrder(msgspec.Struct, gc=False):
    """One order at the broker.

    Attributes:
        sequence: Order of submission; the stop of a pair comes before its target.
        sign: 1 buys, -1 sells. quantity: shares; a leg's shrinks as its sibling fills.
        group: Client id of the submission that made it.
        given: When it was given, ns UTC; bars that began earlier do not touch it.
        ends: Close at which a DAY order expires; 0 until it has seen a session (given after the close).
        reserve: Micro-dollars a share that it ties up; 0 if it only reduces.
    """

    client_order_id: str
    broker_order_id: str
    sequence: int
    symbol: str
    symbol_id: int
    sign: Literal[1, -1]
    quantity: int
    type: OrderType
    role: Role
    group: str
    is_complex: bool
    is_day: bool
    given: int
    limit: float | None = None
    stop: float | None = None
    filled: int = 0
    fills: int = 0
    triggered: bool = False
    held: bool = False
    is_leg: bool = False
    ends: int = 0
    reserve: int = 0

    @property
    def remaining(self) -> int:
        """Shares still to trade."""
        return self.quantity - self.filled


def orders_of(
    order: SubmitOrder, symbol_id: int, number: int, given: int, ends: int
) -> tuple[WorkingOrder, Sequence[WorkingOrder]]:
    """The submitted order, and its legs: stop before target.

    Args:
        number: The broker's number for it, from which its ids and those of its legs come.
    """
    is_oco = order.order_class == "oco"
    sign: Literal[1, -1] = 1 if order.side == "buy" else -1
    name = order.client_order_id
    parent = WorkingOrder(
        name,
        f"sim-{number}",
        3 * number + (2 if is_oco else 0),
        order.symbol,
        symbol_id,
        sign,
        order.quantity,
        order.type,
        "target" if is_oco else order.role,
        name,
        order.order_class != "simple",
        order.time_in_force == "day",
        given,
        order.limit_price,
        order.stop_price,
        ends=ends,
    )
    if order.order_class == "simple":
        return parent, ()
    legs = []
    if order.stop_loss is not None:
        legs.append(_leg(parent, "stop", order.stop_loss, is_oco))
    if order.take_profit is not None and not is_oco:
        legs.append(_leg(parent, "target", order.take_profit, is_oco))
    return parent, legs


def _leg(parent: WorkingOrder, role: Role, price: float, is_oco: bool) -> WorkingOrder:
    is_stop = role == "stop"
    name = f"{parent.broker_order_id}.{role}"
    number = parent.sequence // 3
    return msgspec.structs.replace(
        parent,
        client_order_id=name,
        broker_order_id=name,
        sequence=3 * number + (1 if is_stop else 2),
        sign=parent.sign if is_oco else (-1 if parent.sign > 0 else 1),
        type="stop" if is_stop else "limit",
        role=role,
        limit=None if is_stop else price,
        stop=price if is_stop else None,
        held=not is_oco,
        is_leg=True,
    )


def leg_of(order: WorkingOrder) -> Leg:
    """How the broker tells of a leg."""
    price = order.stop if order.stop is not None else order.limit
    return Leg(
        broker_order_id=order.broker_order_id,
        client_order_id=order.client_order_id,
        role=order.role,
        price=0.0 if price is None else price,
    )
