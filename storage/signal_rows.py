"""Rows of trades.db up to the order: signals and the chain of causes from the bar to the breaker's word."""

from collections.abc import Callable
from typing import Any

import numpy as np

from runtime.messages.base import Message
from runtime.messages.market import Columns
from runtime.messages.trading import OrderApproved, OrderDenied, OrderProposed, SignalDropped, SignalRaised
from storage.pen import Pen, json_text


def order_key(client_order_id: str) -> str:
    """Lot and role of one of our orders, without the attempt: `<lot>:x2` -> `<lot>:x`."""
    return client_order_id.rstrip("0123456789")


def _bar_numbers(p: Pen, symbol: str) -> dict[str, Any]:
    """What the input showed of the symbol: the first link of the chain."""
    message = p.message
    assert message is not None
    numbers: dict[str, Any] = {"input": type(message).__name__, "input_ts": message.ts_event}
    if isinstance(message, Columns):
        wanted = p.ids.get(symbol, -1)
        at = int(np.searchsorted(message.ids, wanted))
        if wanted >= 0 and at < len(message.ids) and message.ids[at] == wanted:
            column = message.values[:5, at].tolist()
            numbers |= dict(zip(("open", "high", "low", "close", "volume"), column, strict=True))
    return numbers


def _lot_to_close(p: Pen, m: SignalRaised) -> str:
    """The lot whose exit answers a CLOSE that names none, the first of several; empty if none does yet."""
    if m.signal_type == "CLOSE":
        for said in p.caused:
            if type(said) is OrderProposed and said.signal_id == m.id:
                return said.lot_id
    return ""


def _signal_raised(p: Pen, m: SignalRaised) -> None:
    lot = m.lot_id or _lot_to_close(p, m) or m.id
    features = json_text(m.features)
    p.out.append(
        (
            "signal",
            (
                m.id,
                m.ts_event,
                m.symbol,
                m.strategy,
                m.signal_type,
                m.strength,
                m.price,
                m.confidence,
                m.direction,
                m.stop_loss,
                m.take_profit,
                m.quantity,
                "pending",
                m.expires_at,
                m.reason,
                lot,
                m.group_id,
                m.params_hash,
                features,
                p.session,
                p.seq,
            ),
        )
    )
    p.cause("bar", (f"{p.session}:{p.seq}", "", lot), p.at, _bar_numbers(p, m.symbol))
    numbers: dict[str, Any] = {
        "strategy": m.strategy,
        "symbol": m.symbol,
        "type": m.signal_type,
        "direction": m.direction,
        "price": m.price,
        "strength": m.strength,
        "confidence": m.confidence,
        "reason": m.reason,
    }
    if m.stop_loss is not None:
        numbers["stop_loss"] = m.stop_loss
    if m.take_profit is not None:
        numbers["take_profit"] = m.take_profit
    numbers["features"] = m.features
    p.cause("signal", (m.id, f"{p.session}:{p.seq}", lot), m.ts_event, numbers)


def _signal_dropped(p: Pen, m: SignalDropped) -> None:
    p.out.append(("signal_dropped", (m.status, m.reason, m.detail, m.signal_id)))
    numbers = {"status": m.status, "reason": m.reason, "detail": m.detail}
    p.cause("dropped", (m.signal_id, m.signal_id, m.signal_id), m.ts_event, numbers)


def _order_proposed(p: Pen, m: OrderProposed) -> None:
    p.out.append(("signal_sized", (m.lot_id, order_key(m.client_order_id), m.quantity, m.signal_id)))
    numbers = {
        "intent": m.intent,
        "side": m.side,
        "quantity": m.quantity,
        "type": m.type,
        "notional": m.notional,
        "reference_price": m.reference_price,
        "binding": m.binding,
        "sizing": m.sizing,
        "contributions": m.contributions,
    }
    p.cause("sizing", (m.client_order_id, m.signal_id, m.lot_id), m.ts_event, numbers)


def _order_approved(p: Pen, m: OrderApproved) -> None:
    order = m.order
    p.cause("approved", (order.client_order_id, order.signal_id, order.lot_id), m.ts_event, {})


def _order_denied(p: Pen, m: OrderDenied) -> None:
    p.out.append(("signal_dropped", ("rejected", m.rule, m.reason, m.signal_id)))
    numbers = {"rule": m.rule, "reason": m.reason, "value": m.value, "limit": m.limit}
    p.cause("denied", (m.client_order_id, m.signal_id, m.lot_id), m.ts_event, numbers)


SIGNAL_ROWS: dict[type[Message], Callable[[Pen, Any], None]] = {
    SignalRaised: _signal_raised,
    SignalDropped: _signal_dropped,
    OrderProposed: _order_proposed,
    OrderApproved: _order_approved,
    OrderDenied: _order_denied,
}
"""Message type to what writes it."""
