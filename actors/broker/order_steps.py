"""The steps of an order's life that are no fills: taken, legs made, replaced, over.

Each is told once; the `Directory` remembers.
Source: alpaca.md 2.3 and 2.4.
"""

from actors.broker import wire
from actors.broker.directory import Directory, Known
from actors.broker.wire import nanoseconds, number, shares
from runtime.messages.base import Input
from runtime.messages.broker import (
    CancelRejected,
    Leg,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
)
from runtime.messages.trading import Role, Side
from runtime.text import one_line

UNPROVEN = frozenset(("pending_new", "accepted", "held", "pending_review"))
"""Statuses in which a replacement has not taken the old order's place yet."""


def begun(order: wire.Order, known: Known, directory: Directory, now: int) -> list[Input]:
    """That the broker has the order, its legs, or its replacement: once each."""
    status = order.status or ""
    if status == "replaced":
        inputs = [] if is_current(order, known) else _replaced(order, known, directory, now)
        if order.replaced_by:
            directory.alias(known, order.replaced_by)
        if is_current(order, known):
            known.handed_over, known.heir = cumulative_of(order, known), order.replaced_by or ""
            if not known.is_accepted:
                known.is_accepted = True
                inputs.append(_accepted(order, known, (), now))
        return inputs
    if not is_current(order, known):
        return _replaced(order, known, directory, now)
    if status == "rejected" or known.parent_id:
        return []
    fresh = learn_legs(order, known, directory)
    if known.is_accepted and not fresh:
        return []
    known.is_accepted = True
    return [_accepted(order, known, fresh, now)]


def ended(order: wire.Order, known: Known, now: int) -> list[Input]:
    """That the order is over, once; that it is filled was told by its last fill."""
    status = order.status
    if known.is_over or status not in ("filled", "canceled", "expired", "rejected"):
        return []
    known.is_over = True
    name, symbol = known.client_order_id, symbol_of(order, known)
    if status == "canceled":
        at = nanoseconds(order.canceled_at) or now
        return [
            OrderCanceled(
                ts_event=at, client_order_id=name, broker_order_id=order.id, symbol=symbol,
                cumulative=known.filled,
            )
        ]  # fmt: skip
    if status == "expired":
        at = nanoseconds(order.expired_at) or now
        return [
            OrderExpired(
                ts_event=at, client_order_id=name, broker_order_id=order.id, symbol=symbol,
                cumulative=known.filled,
            )
        ]  # fmt: skip
    if status == "rejected":
        reason = one_line(order.reject_reason or "rejected after it was taken")
        return [
            OrderRejected(
                ts_event=nanoseconds(order.failed_at) or now, client_order_id=name, symbol=symbol, code=0,
                reason=reason, broker_order_id=order.id,
            )
        ]  # fmt: skip
    return []


def learn_legs(order: wire.Order, known: Known, directory: Directory) -> tuple[Leg, ...]:
    """Take the legs in under their parent; what is new to say of them, at most once."""
    if known.has_legs or not order.legs:
        return ()
    known.has_legs = True
    legs = legs_of(order, directory)
    for leg in legs:
        entry = directory.add(
            leg.client_order_id, symbol_of(order, known), broker_order_id=leg.broker_order_id
        )
        entry.parent_id, entry.is_ours, entry.is_accepted = known.client_order_id, known.is_ours, True
    return legs


def _replaced(order: wire.Order, known: Known, directory: Directory, now: int) -> list[Input]:
    """A replacement that has taken the old order's place, or was refused."""
    status = order.status or ""
    is_heir = known.handed_over >= 0 and known.heir in ("", order.id)  # the old order says so itself
    if order.id in known.former or (status in UNPROVEN and not is_heir):
        return []
    if status == "rejected" and not (is_heir and known.heir):
        return [refused(known, "the replacement was rejected", now)]
    former = known.broker_order_id
    known.former += [former, order.replaces or former]
    directory.rename(known, order.id)
    if known.counts_anew.get(order.id, (shares(order.filled_qty) or 0) < known.filled):
        known.base, known.value = max(known.handed_over, 0) or known.filled, 0.0
    known.handed_over, known.heir, known.is_unclear = -1, "", False
    known.counts_anew.clear()
    return [
        OrderReplaced(
            ts_event=now,
            client_order_id=known.client_order_id,
            broker_order_id=former,
            new_broker_order_id=order.id,
            symbol=symbol_of(order, known),
            limit_price=number(order.limit_price),
            stop_price=number(order.stop_price),
            base=known.base,
        )
    ]


def _accepted(order: wire.Order, known: Known, legs: tuple[Leg, ...], now: int) -> Input:
    return OrderAccepted(
        ts_event=now,
        client_order_id=known.client_order_id,
        broker_order_id=order.id,
        symbol=symbol_of(order, known),
        legs=legs,
    )


def refused(known: Known, reason: str, now: int) -> Input:
    """A cancellation or replacement that did not happen."""
    return CancelRejected(
        ts_event=now,
        client_order_id=known.client_order_id,
        broker_order_id=known.broker_order_id,
        symbol=known.symbol,
        reason=reason,
    )


def legs_of(order: wire.Order, directory: Directory) -> tuple[Leg, ...]:
    """The exits the broker made beside an order; what has taken the place of one is that one, not another."""
    legs = []
    for leg in order.legs or ():
        known = directory.of_broker(leg.id) or directory.of_broker(leg.replaces)
        name = known.client_order_id if known else leg.client_order_id or leg.id
        legs.append(
            Leg(
                broker_order_id=(known.broker_order_id if known else "") or leg.id,
                client_order_id=name,
                role=_role(leg),
                price=number(leg.limit_price if _role(leg) == "target" else leg.stop_price) or 0.0,
            )
        )
    return tuple(legs)


def is_current(order: wire.Order, known: Known) -> bool:
    """Whether this is the order as it works now, not one that was or will be replaced."""
    return order.id == known.broker_order_id


def base(known: Known, broker_order_id: str | None) -> int:
    """Shares to add to the broker's count of this id, which begins anew with a replacement."""
    return known.base if broker_order_id == known.broker_order_id else 0


def cumulative_of(order: wire.Order, known: Known) -> int:
    """Shares of our order filled so far, by the broker."""
    return base(known, order.id) + (shares(order.filled_qty) or 0)


def side_of(side: str | None) -> Side | None:
    """The side in our terms; None if it is neither."""
    if side == "buy":
        return "buy"
    # An activity may tell a short sale apart.
    return "sell" if side in ("sell", "sell_short") else None


def symbol_of(order: wire.Order, known: Known) -> str:
    """The symbol, from whoever knows it."""
    return known.symbol or order.symbol or ""


def _role(leg: wire.Order) -> Role:
    return "target" if leg.type == "limit" else "stop"
