"""Brackets, OTO and OCO: which legs an order has, and what one order's life does to the others.

Legs are held until their parent has wholly filled; one exit's fill cancels the other, its partial fill takes
as many shares off the other; cancelling one cancels all. Source: alpaca.md 2.4 #9 and 3.2.
"""

from decimal import Decimal
from typing import Any, NamedTuple

from tests.alpaca_server.events import Teller
from tests.alpaca_server.faults import Faults
from tests.alpaca_server.options import Options
from tests.alpaca_server.orders import Order
from tests.alpaca_server.refusals import exits


class Leg(NamedTuple):
    """An order's leg to be."""

    type: str
    limit_price: Decimal | None
    stop_price: Decimal | None


def legs_of(body: dict[str, Any]) -> list[Leg]:
    """Legs that a request asks for: the target first. The target of an OCO is the parent itself."""
    group = body.get("order_class") or ""
    if group in ("", "simple"):
        return []
    target, stop, stop_limit = exits(body)
    legs = []
    if target is not None and group != "oco":
        legs.append(Leg("limit", target, None))
    if stop is not None:
        legs.append(Leg("stop" if stop_limit is None else "stop_limit", stop_limit, stop))
    return legs


def start(teller: Teller, legs: list[Order], options: Options, active_from: int | None = None) -> None:
    """Set held legs to work."""
    for leg in legs:
        if active_from is not None:
            leg.active_from = active_from
        if leg.status != "held":
            continue
        if leg.stop_price is not None and options.stop_leg_status == "held":
            continue
        teller.tell("new", leg, teller.change(leg, "new"), execution_id=teller.id("e1"))


def after_trade(teller: Teller, order: Order, active_from: int, options: Options, faults: Faults) -> None:
    """Do to the rest of the group what a trade of one of its orders demands."""
    is_exit = order.parent is not None or order.order_class == "oco"
    if not is_exit:
        if order.status == "filled" and order.legs:
            _reject_one(teller, order, faults)
            start(teller, [leg for leg in order.legs if leg.is_live], options, active_from)
        return
    members = order.group if (order.parent or order).order_class == "oco" else order.group[1:]
    for other in members:
        if other is order or not other.is_live:
            continue
        if order.status == "filled":
            teller.tell("canceled", other, teller.change(other, "canceled"))
        else:
            other.qty = other.filled_qty + order.remaining


def _reject_one(teller: Teller, parent: Order, faults: Faults) -> None:
    fault = faults.take("order leg", "leg_rejected")
    if fault is None:
        return
    wanted = fault.get("role", "stop")
    for leg in parent.legs:
        if (leg.stop_price is not None) == (wanted == "stop"):
            teller.tell("rejected", leg, teller.change(leg, "rejected"))


def take_place(old: Order, new: Order) -> None:
    """Put a replacement where its predecessor was in the group."""
    new.parent, new.legs = old.parent, old.legs
    for leg in new.legs:
        leg.parent = new
    if old.parent is not None:
        old.parent.legs = [new if leg is old else leg for leg in old.parent.legs]
    old.legs = []
