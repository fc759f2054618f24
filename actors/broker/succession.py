"""May an order be told as what took another's place, and does its count of shares go on or begin anew?

A replacement is an order of its own. Whether its `filled_qty` goes on from that of the order before it is
only implied (a new quantity must be above what was filled, so it does); users have also seen it begin anew,
for the whole quantity. Where the count itself leaves both open, the FILL activities decide, for each belongs
to the order that traded. Until the shares of the order before are told, and this is known, nothing is told.
Source: alpaca.md 2.3, 2.4 #5 and 3.0; Alpaca-API 165 in the broker's public tracker; faults.md D 40.
"""

from collections.abc import Iterable

from actors.broker import wire
from actors.broker.directory import Known
from actors.broker.order_steps import UNPROVEN, is_current
from actors.broker.wire import nanoseconds, number, shares

_UNTRADED = frozenset(("accepted", "pending_new", "new", "held", "pending_review"))
"""Statuses of an order that has traded nothing under its own id."""

_ROUNDING = 0.001
"""USD; averages that differ by less are told with other digits only."""


def is_ahead(order: wire.Order, known: Known) -> bool:
    """Whether this is to take the place of the order as it is known."""
    if is_current(order, known) or order.id in known.former:
        return False
    is_replaced = known.handed_over >= 0
    return is_replaced or order.status not in (*UNPROVEN, "rejected")


def is_ready(order: wire.Order, known: Known) -> bool:
    """Whether all that went before it is told, and how it counts is known; else it is to be read again."""
    if not known.is_ours or not is_ahead(order, known):
        return True
    if known.handed_over < 0 or known.filled < known.handed_over:
        return False
    before, count = _before(known), shares(order.filled_qty) or 0
    if before <= 0:
        known.counts_anew[order.id] = False
    elif count < before:
        known.counts_anew[order.id] = True
    elif count == before and order.status in _UNTRADED:
        known.counts_anew[order.id] = False
    return order.id in known.counts_anew


def begins(order: wire.Order, known: Known) -> None:
    """Take in the event of an order's beginning: what it counts then was traded before it."""
    if known.is_ours and is_ahead(order, known) and known.handed_over >= 0:
        known.counts_anew[order.id] = (shares(order.filled_qty) or 0) < _before(known)


def needs_activities(order: wire.Order, former: wire.Order) -> bool:
    """Whether the counts of an order and the one it replaced leave open which shares are whose."""
    before = shares(former.filled_qty) or 0
    return 0 < before <= (shares(order.filled_qty) or 0)


def judge(order: wire.Order, known: Known, activities: Iterable[wire.Activity]) -> None:
    """Take in what a replacement traded itself: its first fill says where its count began."""
    if not known.is_ours or not is_ahead(order, known) or is_ready(order, known):
        return
    before, count = _before(known), shares(order.filled_qty) or 0
    began = [
        (shares(one.cum_qty) or 0) - (shares(one.qty) or 0) for one in activities if one.order_id == order.id
    ]
    if began:
        known.counts_anew[order.id] = min(began) < before
    elif count == before and not _has_traded(order, known):
        known.counts_anew[order.id] = False


def _before(known: Known) -> int:
    """The count of the order that was replaced, in the broker's own terms."""
    return known.handed_over - known.base


def _has_traded(order: wire.Order, known: Known) -> bool:
    """Whether it shows a trade of its own, so that the activities are behind.

    Its last fill is later than its making, or its average is not that of the order before it.
    """
    made, filled = nanoseconds(order.created_at), nanoseconds(order.filled_at)
    if made is not None and filled is not None and filled > made:
        return True
    average, shares_before = number(order.filled_avg_price), known.filled - known.base
    if average is None or known.value <= 0 or shares_before <= 0:
        return False
    return abs(average - known.value / shares_before) > _ROUNDING
