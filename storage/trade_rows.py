"""Rows of trades.db from the order on: orders, fills, lots, trades, positions, their links of the chain."""

import re
from collections.abc import Callable
from typing import Any

from runtime.messages.account import LotCorrected
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
from runtime.messages.corporate import LotSplit
from runtime.messages.trading import LotChanged, PositionChanged
from storage.pen import Pen
from storage.signal_rows import order_key

_MICROS = 1_000_000
_DEAD = {"canceled": "expired", "expired": "expired", "rejected": "rejected"}
"""Ways in which an order ends without a fill, and what its signal then is."""


_OURS = re.compile(r"([!-9;-~]+):[exst][1-9][0-9]*")
"""The name of an order of ours: the lot's, a letter for what it is to it, the attempt."""


def micros(dollars: float) -> int | None:
    """USD as integer micro-dollars; None, which the schema refuses, if it is no number."""
    return round(dollars * _MICROS) if abs(dollars) < float("inf") else None


def _lot_of(p: Pen, fill: OrderFilled | FillCorrected) -> str:
    """The lot a fill belongs to: as the books said, else by the name of our order; empty if not ours."""
    lot = p.lots_of_fills().get(fill.execution_id)
    if lot is not None:
        return lot
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


def _order_filled(p: Pen, m: OrderFilled) -> None:
    lot = _lot_of(p, m)
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


def _lot_changed(p: Pen, m: LotChanged | LotCorrected | LotSplit) -> None:
    closed = m.state == "closed"
    p.out.append(
        (
            "lot",
            (
                m.lot_id,
                m.signal_id,
                m.strategy,
                m.symbol,
                m.direction,
                m.state,
                m.quantity,
                m.entry_quantity,
                m.entry_price,
                m.entry_ts,
                m.stop_loss,
                m.take_profit,
                int(m.intraday),
                micros(m.realised),
                micros(m.commission),
                micros(m.slippage),
                m.group_id,
                m.ts_event,
                p.session,
                p.seq,
            ),
        )
    )
    entered = abs(m.entry_quantity)
    notional = entered * m.entry_price
    p.out.append(
        (
            "trade",
            (
                m.lot_id,
                m.signal_id,
                m.entry_ts,
                m.symbol,
                m.strategy,
                m.direction,
                entered,
                m.entry_price,
                m.stop_loss,
                m.take_profit,
                (m.exit_price or None),
                m.ts_event if closed else None,
                m.peak or None,
                m.trough or None,
                m.realised,
                m.realised / notional if notional else 0.0,
                "CLOSED" if closed else "OPEN",
                m.exit_reason,
                m.commission,
                m.slippage,
                p.session,
                p.seq,
            ),
        )
    )
    if m.role == "entry":
        p.out.append(("signal_executed", (m.execution_id, m.ts_event, m.signal_id)))
    if closed:
        p.out.append(("signals_of_closed_lot", (f"closed by {m.exit_reason or m.role}", m.lot_id)))
    numbers: dict[str, Any] = {
        "state": m.state,
        "quantity": m.quantity,
        "entry_price": m.entry_price,
        "realised": m.realised,
        "commission": m.commission,
    }
    if m.exit_price:
        numbers["exit_price"] = m.exit_price
    if m.exit_reason:
        numbers["exit_reason"] = m.exit_reason
    p.cause("lot", (m.lot_id, m.execution_id, m.lot_id), m.ts_event, numbers)


def _lot_split(p: Pen, m: LotSplit) -> None:
    """The split itself, then the lot and its trade in new terms; from it and the fills all is recomputed."""
    p.out.append(
        (
            "split",
            (
                m.execution_id,
                m.lot_id,
                m.strategy,
                m.symbol,
                m.numerator,
                m.denominator,
                m.source,
                m.before,
                m.quantity,
                m.entry_before,
                m.entry_price,
                m.stop_loss,
                m.take_profit,
                micros(m.in_lieu),
                m.ts_event,
                p.session,
                p.seq,
            ),
        )
    )
    numbers: dict[str, Any] = {
        "ratio": f"{m.numerator} for {m.denominator}",
        "source": m.source,
        "before": m.before,
        "quantity": m.quantity,
        "entry_before": m.entry_before,
        "entry_price": m.entry_price,
        "stop_loss": m.stop_loss,
        "take_profit": m.take_profit,
        "in_lieu": m.in_lieu,
    }
    p.cause("split", (m.execution_id, m.lot_id, m.lot_id), m.ts_event, numbers)
    _lot_changed(p, m)


def _position_changed(p: Pen, m: PositionChanged) -> None:
    side = "long" if m.quantity > 0 else "short" if m.quantity < 0 else "flat"
    notional = abs(m.quantity) * m.entry_price
    p.out.append(
        (
            "position",
            (
                m.symbol,
                m.strategy,
                side,
                m.quantity,
                m.entry_price,
                m.entry_ts,
                m.stop_loss,
                m.take_profit,
                m.last_price,
                m.unrealised,
                m.unrealised / notional if notional else 0.0,
                "open" if m.quantity else "closed",
                m.ts_event,
                p.session,
                p.seq,
            ),
        )
    )


TRADE_ROWS: dict[type[Message], Callable[[Pen, Any], None]] = {
    SubmitOrder: _submit_order,
    CancelOrder: _cancel_order,
    ReplaceOrder: _replace_order,
    OrderChanged: _order_changed,
    OrderEnded: _order_changed,
    OrderFilled: _order_filled,
    FillCorrected: _fill_corrected,
    LotChanged: _lot_changed,
    LotCorrected: _lot_changed,
    LotSplit: _lot_split,
    PositionChanged: _position_changed,
}
"""Message type to what writes it."""
