"""Fills: from activities, from an order's own average, and the broker's corrections of them.

Shares count by the order's cumulative quantity; the `Directory` keeps it, so no share is told twice.
Source: alpaca.md 2.2, 2.3 and 3.7.
"""

from collections.abc import Sequence

import msgspec

from actors.broker import wire
from actors.broker.directory import Execution, Known
from actors.broker.order_steps import base, cumulative_of, is_current, side_of
from actors.broker.wire import nanoseconds, number, shares
from runtime.messages.broker import FillCorrected, OrderFilled
from runtime.messages.trading import Side


def of_activity(
    activity: wire.Activity, known: Known, order: wire.Order | None, now: int
) -> list[OrderFilled]:
    """Tell what an activity adds to what was told; a gap before it is taken at its price."""
    total, quantity, price = shares(activity.cum_qty), shares(activity.qty), number(activity.price)
    side = side_of(activity.side) or side_of(order.side if order else None)
    if total is None or not quantity or quantity < 0 or price is None or price <= 0 or side is None:
        return []
    broker_id = activity.order_id or known.broker_order_id
    cumulative = base(known, broker_id) + total
    name = activity.id.partition("::")[2] or activity.id
    if cumulative <= known.filled or known.was_told(name) or known.was_reduced(quantity, total):
        return []
    return [
        filled(
            known, nanoseconds(activity.transaction_time) or now, broker_id,
            name, side,
            cumulative - known.filled if known.is_ours else quantity, price, cumulative,
            done=activity.type == "fill" or shares(activity.leaves_qty) == 0,
        )
    ]  # fmt: skip


def implied(order: wire.Order, known: Known, now: int) -> list[OrderFilled]:
    """The shares an order has beyond what was told, at the price its average implies."""
    total, average, side = cumulative_of(order, known), number(order.filled_avg_price), side_of(order.side)
    missing = total - known.filled
    if missing <= 0 or average is None or average <= 0 or side is None:
        return []
    price = round((average * (total - known.base) - known.value) / missing, 6)
    return [
        filled(
            known, nanoseconds(order.filled_at) or nanoseconds(order.updated_at) or now, order.id, None, side,
            missing, price if price > 0 else average, total, done=order.status == "filled",
        )
    ]  # fmt: skip


def again(known: Known, order: wire.Order, beyond: int, now: int) -> list[OrderFilled]:
    """Fills that were told before, under the names they had: whoever asks has missed them.

    Nothing where a fill is not known by itself (it was told in a session before): then the comparison goes on
    to differ, and a person is called.

    Args:
        beyond: Shares that were not missed.
    """
    side = side_of(order.side)
    if side is None or sum(one.shares for one in known.executions.values()) != known.filled:
        return []
    told, total = [], 0
    for name, (quantity, price, _, _) in known.executions.items():
        total += quantity
        if quantity and total > beyond:
            told.append(
                OrderFilled(
                    ts_event=now,
                    client_order_id=known.client_order_id,
                    broker_order_id=known.broker_order_id,
                    execution_id=name,
                    symbol=known.symbol,
                    side=side,
                    quantity=quantity,
                    price=price,
                    cumulative=total,
                    done=order.status == "filled" and total == known.filled,
                    parent_id=known.parent_id,
                )
            )
    return told


def corrected(update: wire.TradeUpdate, known: Known, at: int) -> FillCorrected | None:
    """A fill taken back, or its price or quantity changed; None if it was told or says too little."""
    name = update.execution_id or f"{update.event}:{update.previous_execution_id}"
    if known.was_told(name):
        return None
    is_bust = update.event == "trade_bust"
    quantity, price, side = shares(update.qty), number(update.price), side_of(update.order.side)
    previous = update.previous_execution_id or ""
    previous = known.corrections.get(previous, previous)
    found = known.executions.get(previous)
    before = (found.shares, found.price) if found else (0, 0.0)
    if found is None and quantity is not None and known.filled:
        before = (abs(quantity), known.value / max(1, known.filled - known.base))
    if not before[0] or side is None or (not is_bust and (quantity is None or price is None)):
        return None
    now_quantity, now_price = (0, before[1]) if is_bust else (abs(quantity or 0), price or before[1])
    told = _corrected(known, at, update.order.id, name, previous, side, before, (now_quantity, now_price))
    # Whether the order's own figure follows is not documented. One that fits neither hides something that
    # was missed: it stays a difference, to be looked into.
    was = known.filled - now_quantity + before[0]
    if not is_current(update.order, known) or cumulative_of(update.order, known) == was:
        known.base += now_quantity - before[0]
    return msgspec.structs.replace(told, position=shares(update.position_qty), base=known.base)


def unmade(
    known: Known, order: wire.Order, activities: Sequence[wire.Activity], now: int
) -> list[FillCorrected]:
    """Fills that the broker took back without a word that reached us: its order has fewer shares than told.

    Which they were the activities say, as far as they leave one out; else the latest.
    """
    if not is_current(order, known):
        return []
    if shares(order.filled_qty) == known.filled:
        known.base = 0  # the figure has followed a correction after all
    side, missing = side_of(order.side), known.filled - cumulative_of(order, known)
    if side is None or missing <= 0:
        return []
    there = [(one.id.partition("::")[2] or one.id, shares(one.qty), number(one.price)) for one in activities]
    names = [name for name, _, _ in there]
    lost: list[str] = []
    kept: list[str] = []
    for name, one in known.executions.items():
        place = names.index(name) if name in names else _alike(there, one)
        if place < 0:
            lost.append(name)
        else:
            kept.append(name)
            del there[place], names[place]
    told = []
    for name in (*reversed(lost), *reversed(kept)):
        one = known.executions[name]
        less = min(missing, one.shares)
        if less:
            missing -= less
            after = (one.shares - less, one.price)
            told.append(
                _corrected(known, now, order.id, f"{name}-{less}", name, side, (one.shares, one.price), after)
            )
    if missing:
        average = known.value / max(1, known.filled - known.base)
        name = f"{order.id}@{known.filled}-{missing}"
        told.append(_corrected(known, now, order.id, name, "", side, (missing, average), (0, average)))
    return told


def _alike(there: Sequence[tuple[str, int | None, float | None]], one: Execution) -> int:
    """Place of an activity that may be this fill under another id, or -1."""
    return next((at for at, (_, *what) in enumerate(there) if what == [one.shares, one.price]), -1)


def _corrected(
    known: Known, at: int, broker_order_id: str, name: str, previous: str, side: Side,
    before: tuple[int, float], after: tuple[int, float],
) -> FillCorrected:  # fmt: skip
    """Count a correction and make its message."""
    known.correct(name, previous, *after)
    known.filled += after[0] - before[0]
    known.value += after[0] * after[1] - before[0] * before[1]
    return FillCorrected(
        ts_event=at,
        client_order_id=known.client_order_id,
        broker_order_id=broker_order_id,
        execution_id=name,
        previous_execution_id=previous,
        symbol=known.symbol,
        side=side,
        quantity_before=before[0],
        price_before=before[1],
        quantity=after[0],
        price=after[1],
        cumulative=known.filled,
        parent_id=known.parent_id,
        base=known.base,
    )


def filled(
    known: Known,
    at: int,
    broker_order_id: str,
    execution_id: str | None,
    side: Side,
    quantity: int,
    price: float,
    cumulative: int,
    *,
    done: bool,
    position: int | None = None,
) -> OrderFilled:
    """Count a fill and make its message."""
    known.filled, known.side = cumulative, side
    known.value += price * quantity
    name = execution_id or f"{broker_order_id}@{cumulative}"
    known.executions[name] = Execution(quantity, price, quantity, cumulative - base(known, broker_order_id))
    if done:
        known.is_over = True
    return OrderFilled(
        ts_event=at,
        client_order_id=known.client_order_id,
        broker_order_id=broker_order_id,
        execution_id=name,
        symbol=known.symbol,
        side=side,
        quantity=quantity,
        price=price,
        cumulative=cumulative,
        done=done,
        position=position,
        parent_id=known.parent_id,
    )
