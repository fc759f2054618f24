"""Where a lot's stop and target rest at the broker, as its acceptances and replacements tell."""

from collections.abc import Iterable

import msgspec

from actors.allocation.book import Book, Lot
from actors.allocation.portfolio_state import Facts
from runtime.messages.broker import Leg, OrderAccepted, OrderReplaced, SubmitOrder


def accepted(book: Book, orders: dict[str, Facts], event: OrderAccepted) -> None:
    """Take in that the broker has an order of ours, and where the exits of its lot rest now.

    Args:
        orders: What is known of each order by client id; its legs are added.
    """
    facts = orders.get(event.client_order_id)
    if facts is None:
        return
    for leg in event.legs:
        orders[leg.client_order_id] = msgspec.structs.replace(facts, role=leg.role, reason=leg.role)
    lot = book.lots.get(facts.lot_id)
    if lot is not None and facts.role != "entry":
        _take_over_prices(lot, facts, event.legs)


def _take_over_prices(lot: Lot, facts: Facts, legs: Iterable[Leg]) -> None:
    """Where a lot's stop and target rest now that the broker has its exits (legs are beside the order)."""
    if isinstance(facts, SubmitOrder):
        if facts.role == "target" and facts.limit_price is not None:
            lot.take_profit = facts.limit_price
        elif facts.role == "stop" and facts.stop_price is not None:
            lot.stop_loss = facts.stop_price
    for leg in legs:
        if leg.role == "stop":
            lot.stop_loss = leg.price
        elif leg.role == "target":
            lot.take_profit = leg.price


def moved(book: Book, orders: dict[str, Facts], event: OrderReplaced) -> None:
    """Take in the new price of an exit of a lot."""
    facts = orders.get(event.client_order_id)
    lot = book.lots.get(facts.lot_id) if facts else None
    if facts is None or lot is None:
        return
    if facts.role == "target" and event.limit_price is not None:
        lot.take_profit = event.limit_price
    if facts.role == "stop" and event.stop_price is not None:
        lot.stop_loss = event.stop_price
