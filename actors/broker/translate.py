"""From what Alpaca says about orders, fills and the account to our inputs.

REST answers and stream events go through the same rules, in any order and any number of times: what was told
is kept in the `Directory` and not told again. Shares are counted by the broker's cumulative quantity, so a
fill that was missed shows as a gap. Nothing is told past a gap: `Told.lookups` names the order to read again
by REST, and `settled` then tells the rest.
Source: alpaca.md 2.3-2.5 and 3; faults.md B 19-20 and 27, C 34-35, D 37-41.
"""

from collections.abc import Iterable
from typing import NamedTuple

from actors.broker import executions, succession, wire
from actors.broker.directory import Directory, Known
from actors.broker.order_steps import (
    base,
    begun,
    cumulative_of,
    ended,
    is_current,
    learn_legs,
    refused,
    side_of,
)
from actors.broker.wire import nanoseconds, number, shares
from runtime.messages.base import Input
from runtime.messages.broker import BrokerAccount

FILLS = frozenset(("fill", "partial_fill"))
CORRECTIONS = frozenset(("trade_bust", "trade_correct"))
REFUSALS = frozenset(("order_cancel_rejected", "order_replace_rejected"))
STEPS = frozenset(
    (
        "accepted", "pending_new", "new", "canceled", "expired", "rejected", "replaced", "done_for_day",
        "pending_cancel", "pending_replace", "stopped", "suspended", "calculated", "held", "pending_review",
        "restated",
    )
)  # fmt: skip
"""Events after which the order's status says all."""

_BEGINNINGS = frozenset(("accepted", "pending_new", "new", "held", "pending_review"))
"""Events of an order that has traded nothing under its own id."""

_COMPLEX = frozenset(("bracket", "oco", "oto"))


class Told(NamedTuple):
    """What to post, and what is missing.

    Attributes:
        lookups: Broker ids of orders to read by REST, with their fills, before more can be told of them.
        is_external: Whether it was about an order that is not ours: positions may have changed beside us.
    """

    inputs: list[Input]
    lookups: tuple[str, ...] = ()
    is_external: bool = False


def update_told(update: wire.TradeUpdate, directory: Directory, now: int) -> Told:
    """What an event of the trade stream means.

    Args:
        now: ns UTC, for what bears no time of its own.
    """
    order = update.order
    known = directory.find(order)
    at = nanoseconds(update.timestamp) or nanoseconds(update.at) or now
    if is_orphan(order, known):
        return Told([], (order.id,))
    if update.event in FILLS:
        return _fill_told(update, known, directory, at)
    if update.event in CORRECTIONS:
        corrected = executions.corrected(update, known, at)
        # What cannot be told stays to be looked into: reading the order again shows it as a difference.
        return Told([corrected] if corrected else [], (), not known.is_ours)
    if not known.is_ours:
        return Told([], (), True)
    if update.event in REFUSALS:
        return Told([refused(known, update.event.replace("_", " "), at)])
    if update.event not in STEPS:
        return Told([], (order.id,))
    if update.event in _BEGINNINGS:
        succession.begins(order, known)
    return order_told(order, directory, at)


def order_told(order: wire.Order, directory: Directory, now: int) -> Told:
    """What an order's present state means: an answer to a request, a snapshot, or inside an event."""
    known = directory.find(order)
    if not known.is_ours:
        learn_legs(order, known, directory)
        return Told([], (order.id,) if is_orphan(order, known) else (), True)
    if not succession.is_ready(order, known):
        return Told([], (order.id,))
    inputs = begun(order, known, directory, now)
    lookups: list[str] = []
    if is_current(order, known):
        if cumulative_of(order, known) > known.filled:
            lookups.append(order.id)
        else:
            inputs += ended(order, known, now)
    for leg in order.legs or ():
        told = order_told(leg, directory, now)
        inputs += told.inputs
        lookups += told.lookups
    return Told(inputs, tuple(lookups))


def settled(order: wire.Order, fills: Iterable[wire.Activity], directory: Directory, now: int) -> list[Input]:
    """Everything about an order that was read by REST, its FILL activities included; nothing stays open.

    Shares that the order has and no activity explains (they may come later) are told at the price that
    makes the order's average right. What took another's place is told once its shares can be told from those
    of the other.
    """
    known = directory.find(order)
    if not succession.is_ready(order, known):
        known.is_unclear = known.is_unclear or bool(shares(order.filled_qty))
        return []
    inputs = begun(order, known, directory, now) if known.is_ours else []
    of_this = [one for one in fills if one.order_id in (None, order.id)]
    for activity in sorted(of_this, key=lambda one: number(one.cum_qty) or 0.0):
        inputs += executions.of_activity(activity, known, order, now)
    if known.is_ours and is_current(order, known):
        inputs += executions.implied(order, known, now)
        inputs += ended(order, known, now)
    if known.is_ours:
        for leg in order.legs or ():
            inputs += settled(leg, fills, directory, now)
    return inputs


def activity_told(activity: wire.Activity, directory: Directory, now: int) -> Told:
    """What one FILL activity of the account means; oldest first, or a gap is seen where none is."""
    known = directory.of_broker(activity.order_id)
    if known is None:
        return Told([], (activity.order_id,) if activity.order_id else (), True)
    quantity, total = shares(activity.qty), shares(activity.cum_qty)
    if not known.is_ours:
        return Told([*executions.of_activity(activity, known, None, now)], (), True)
    if activity.order_id and activity.order_id not in (known.broker_order_id, *known.former):
        return Told([], (activity.order_id,))  # of what takes its place: how that counts is to be seen
    if total is not None and base(known, activity.order_id) + total <= known.filled:
        return Told([])
    if known.was_told(activity.id.partition("::")[2]) or known.was_reduced(quantity or 0, total or 0):
        return Told([])  # it was taken back
    is_next = quantity and total and base(known, activity.order_id) + total - quantity == known.filled
    if not is_next:
        return Told([], (activity.order_id or known.broker_order_id,))
    return Told([*executions.of_activity(activity, known, None, now)])


def replacement_asked(order: wire.Order, directory: Directory) -> None:
    """Take in the answer to a PATCH, which promises a replacement and does not prove it."""
    directory.find(order)


def is_orphan(order: wire.Order, known: Known) -> bool:
    """Whether it may be a leg of one of our orders whose answer has not come yet."""
    return not known.is_ours and not known.parent_id and not known.has_legs and order.order_class in _COMPLEX


def account(told: wire.Account, now: int) -> BrokerAccount | None:
    """The account in our terms; None if it does not say what it is worth."""
    equity, cash = number(told.equity), number(told.cash)
    if equity is None or cash is None:
        return None
    is_open = told.status == "ACTIVE" and not (
        told.trading_blocked or told.account_blocked or told.trade_suspended_by_user
    )
    return BrokerAccount(
        ts_event=now,
        account=told.account_number or told.id,
        equity=equity,
        cash=cash,
        buying_power=number(told.buying_power) or 0.0,
        shorting_enabled=told.shorting_enabled is True,
        blocked=not is_open,
    )


def _fill_told(update: wire.TradeUpdate, known: Known, directory: Directory, at: int) -> Told:
    order = update.order
    total, quantity, price = shares(order.filled_qty), shares(update.qty), number(update.price)
    side = side_of(order.side)
    if total is None or not quantity or quantity < 0 or price is None or price <= 0 or side is None:
        return Told([], (order.id,) if known.is_ours else (), not known.is_ours)
    if not succession.is_ready(order, known):
        return Told([], (order.id,))
    inputs = begun(order, known, directory, at) if known.is_ours else []
    cumulative = base(known, order.id) + total
    if cumulative > known.filled and not known.was_told(update.execution_id):
        if known.is_ours and cumulative - quantity != known.filled:
            return Told(inputs, (order.id,))
        inputs.append(
            executions.filled(
                known, at, order.id, update.execution_id, side, quantity, price, cumulative,
                done=order.status == "filled" or update.event == "fill", position=shares(update.position_qty),
            )
        )  # fmt: skip
    if known.is_ours and is_current(order, known) and cumulative >= known.filled:
        inputs += ended(order, known, at)
    return Told(inputs, (), not known.is_ours)
