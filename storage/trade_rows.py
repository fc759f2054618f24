"""Rows of trades.db about orders and their fills, and their links of the chain.

What the executor says of an order is its row. Where it says nothing of a fill that the books count, because
it was given up, the fill itself gives the order its row: the exits that the kill switch sends past it, and
what rested at the broker.
"""

import re
from collections.abc import Callable
from typing import Any

from runtime.messages.base import Message
from runtime.messages.broker import (
    CancelOrder,
    FillCorrected,
    OrderChanged,
    OrderEnded,
    OrderFilled,
    ReplaceOrder,
    SubmitOrder,
)
from runtime.messages.trading import Role
from storage.pen import Pen, micros
from storage.signal_rows import order_key

_DEAD = {"canceled": "expired", "expired": "expired", "rejected": "rejected"}
"""Ways in which an order ends without a fill, and what its signal then is."""


_TYPES: dict[Role, str] = {"entry": "market", "exit": "market", "stop": "stop", "target": "limit"}
"""What an order of such a role is, where nothing else says it."""

_OURS = re.compile(r"([!-9;-~]+):[exst][1-9][0-9]*")
"""The name of an order of ours: the lot's, a letter for what it is to it, the attempt."""


def _lot_of(p: Pen, fill: OrderFilled | FillCorrected) -> str:
    """The lot a fill belongs to: as the books said, else by the name of our order; empty if not ours."""
    booked = p.lots_of_fills().get(fill.execution_id)
    if booked is not None:
        return booked.lot_id
    ours = _OURS.fullmatch(fill.parent_id or fill.client_order_id)
    return "" if ours is None else ours[1]


def _submit_order(p: Pen, m: SubmitOrder) -> None:
    p.out.append(
        (
            "order_submitted",
            (
                m.client_order_id,
                m.lot_id,
                m.symbol,
                m.side,
                m.type,
                m.quantity,
                m.limit_price,
                m.stop_price,
                "submitted",
                m.strategy,
                m.role,
                m.order_class,
                m.time_in_force,
                m.ts_event,
                m.ts_event,
                p.session,
                p.seq,
            ),
        )
    )
    numbers: dict[str, Any] = {
        "side": m.side,
        "quantity": m.quantity,
        "type": m.type,
        "class": m.order_class,
    }
    for name in ("limit_price", "stop_price", "take_profit", "stop_loss"):
        value = getattr(m, name)
        if value is not None:
            numbers[name] = value
    p.cause("order", (m.client_order_id, m.client_order_id, m.lot_id), m.ts_event, numbers)


def _cancel_order(p: Pen, m: CancelOrder) -> None:
    p.cause("cancel", (m.client_order_id, m.client_order_id, m.lot_id), m.ts_event, {"reason": m.reason})


def _replace_order(p: Pen, m: ReplaceOrder) -> None:
    numbers = {"limit_price": m.limit_price, "stop_price": m.stop_price}
    p.cause("replace", (m.client_order_id, m.client_order_id, m.lot_id), m.ts_event, numbers)


def _order_changed(p: Pen, m: OrderChanged) -> None:
    p.out.append(
        (
            "order_changed",
            (
                m.client_order_id,
                m.lot_id,
                m.broker_order_id or None,
                m.symbol,
                m.side,
                m.type,
                m.quantity,
                m.limit_price,
                m.stop_price,
                m.status,
                m.filled,
                m.average_price if m.filled else None,
                m.strategy,
                m.role,
                m.parent_id,
                m.reason,
                m.ts_event,
                m.ts_event,
                p.session,
                p.seq,
            ),
        )
    )
    ended = _DEAD.get(m.status)
    if ended is None or type(m) is not OrderEnded:
        return  # another order takes the place of one that is told as dead and not as ended
    numbers = {"status": m.status, "filled": m.filled, "reason": m.reason}
    p.cause("ended", (m.client_order_id, m.parent_id or m.client_order_id, m.lot_id), m.ts_event, numbers)
    if m.role == "entry" and m.filled == 0:
        side = "long" if m.side == "buy" else "short"
        p.out.append(
            (
                "trade_cancelled",
                (
                    m.lot_id,
                    m.lot_id,
                    m.ts_event,
                    m.symbol,
                    m.strategy,
                    side,
                    0,
                    "CANCELLED",
                    m.reason or m.status,
                    p.session,
                    p.seq,
                ),
            )
        )
        p.out.append(("signal_dropped", (ended, f"ORDER_{m.status.upper()}", m.reason, m.lot_id)))


def _order_without_executor(p: Pen, m: OrderFilled) -> None:
    """The order of a fill that is booked on a lot, where the executor did not hear of it."""
    lot = p.lots_of_fills().get(m.execution_id)
    if lot is None or any(
        isinstance(said, OrderChanged) and said.client_order_id == m.client_order_id for said in p.caused
    ):
        return
    kind = _TYPES[lot.role]
    p.out.append(
        (
            "order_filled",
            (
                *(m.client_order_id, lot.lot_id, m.broker_order_id or None, m.symbol, m.side, kind),
                *(m.cumulative, "filled" if m.done else "partially_filled", m.cumulative, m.price),
                *(lot.strategy, lot.role, m.parent_id, lot.exit_reason, m.ts_event, m.ts_event),
                *(p.session, p.seq),
            ),
        )
    )
    if lot.role == "exit" and not m.parent_id:
        numbers = {"side": m.side, "type": kind, "sent": "past the executor"}
        p.cause_once("order", (m.client_order_id, m.client_order_id, lot.lot_id), m.ts_event, numbers)


def _order_filled(p: Pen, m: OrderFilled) -> None:
    lot = _lot_of(p, m)
    _order_without_executor(p, m)
    sign = -1 if m.side == "buy" else 1
    paid, costs = micros(m.price * m.quantity), micros(m.commission)
    cash = None if paid is None or costs is None else sign * paid - costs
    if not lot:
        cash = 0  # somebody else's money
    p.out.append(
        (
            "execution",
            (
                m.execution_id,
                lot or None,
                m.client_order_id,
                m.symbol,
                m.side,
                m.quantity,
                m.price,
                m.commission,
                m.slippage,
                m.ts_event,
                cash,
                p.session,
                p.seq,
            ),
        )
    )
    if lot:
        key = order_key(m.client_order_id)
        p.out.append(("signal_executed_by_order", (m.execution_id, m.ts_event, lot, key)))
    numbers = {
        "side": m.side,
        "quantity": m.quantity,
        "price": m.price,
        "cumulative": m.cumulative,
        "commission": m.commission,
        "slippage": m.slippage,
    }
    p.cause("fill", (m.execution_id, m.client_order_id, lot), m.ts_event, numbers)


def _fill_corrected(p: Pen, m: FillCorrected) -> None:
    """The fill as it was is taken back by a row against it; what counts now is a row of its own."""
    lot = _lot_of(p, m)
    other = "sell" if m.side == "buy" else "buy"
    for id_, side, quantity, price in (
        (f"{m.execution_id}:taken-back", other, m.quantity_before, m.price_before),
        (m.execution_id, m.side, m.quantity, m.price),
    ):
        if quantity:
            paid = micros(price * quantity)
            cash = paid if paid is None or side == "sell" else -paid
            p.out.append(
                (
                    "execution",
                    (
                        *(id_, lot or None, m.client_order_id, m.symbol, side, quantity, price),
                        *(0.0, 0.0, m.ts_event, cash if lot else 0, p.session, p.seq),
                    ),
                )
            )
    numbers = {
        "corrects": m.previous_execution_id,
        "quantity_before": m.quantity_before,
        "price_before": m.price_before,
        "quantity": m.quantity,
        "price": m.price,
    }
    p.cause("correction", (m.execution_id, m.client_order_id, lot), m.ts_event, numbers)


TRADE_ROWS: dict[type[Message], Callable[[Pen, Any], None]] = {
    SubmitOrder: _submit_order,
    CancelOrder: _cancel_order,
    ReplaceOrder: _replace_order,
    OrderChanged: _order_changed,
    OrderEnded: _order_changed,
    OrderFilled: _order_filled,
    FillCorrected: _fill_corrected,
}
"""Message type to what writes it."""
