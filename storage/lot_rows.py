"""Rows of trades.db about what orders made: lots, trades, splits, positions, and their links of the chain."""

from collections.abc import Callable
from typing import Any

from runtime.messages.account import LotCorrected
from runtime.messages.base import Message
from runtime.messages.corporate import LotSplit
from runtime.messages.trading import LotChanged, PositionChanged
from storage.pen import Pen, micros


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


LOT_ROWS: dict[type[Message], Callable[[Pen, Any], None]] = {
    LotChanged: _lot_changed,
    LotCorrected: _lot_changed,
    LotSplit: _lot_split,
    PositionChanged: _position_changed,
}
"""Message type to what writes it."""
