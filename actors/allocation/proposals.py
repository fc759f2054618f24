"""Writes out what the ensemble decided: entries for planned signals, exits for lots, refusals."""

from actors.allocation.commitments import Commitment
from actors.allocation.desk import Planned
from runtime.messages.trading import (
    OrderClass,
    OrderProposed,
    OrderType,
    SignalDropped,
    SignalRaised,
)

_CLASSES: tuple[OrderClass, ...] = ("simple", "oto", "bracket")
_NOTHING: dict[str, float] = {}


def entry(planned: Planned, close: float, name: str, now: int, cause: int) -> OrderProposed:
    """The order of one signal; the signal, the lot and later the trade share one id.

    Args:
        close: Last close, USD: a marketable limit is set from it. name: its client order id.
    """
    signal, style = planned.signal, planned.signal.entry
    limit, kind = style.limit, style.type
    if kind == "marketable":
        limit = close * (1 + style.offset_frac if signal.direction == "long" else 1 - style.offset_frac)
    order_type: OrderType = "limit" if kind == "marketable" else kind
    return OrderProposed(
        now,
        cause,
        name,
        signal.id,
        signal.id,
        signal.strategy,
        signal.symbol,
        "buy" if signal.direction == "long" else "sell",
        "entry",
        planned.shares,
        order_type,
        _CLASSES[(signal.stop_loss is not None) + (signal.take_profit is not None)],
        "day" if signal.intraday else "gtc",
        planned.price,
        limit,
        style.stop,
        signal.stop_loss,
        signal.take_profit,
        signal.target_follows_fill,
        signal.expires_at,
        signal.intraday,
        planned.sized.notional,
        planned.sized.binding,
        planned.sized.caps,
        planned.contributions,
        signal.reason,
        signal.group_id,
        stop_follows_fill=signal.stop_follows_fill,
    )


def leave(
    lot: Commitment, close: float, name: str, *, reason: str, signal_id: str, now: int, cause: int
) -> OrderProposed:
    """The exit of a whole lot.

    Args:
        close: Last close, USD. name: its client order id. signal_id: what asked for it; empty: nobody did.
    """
    held = abs(lot.held)
    return OrderProposed(
        now,
        cause,
        name,
        signal_id or lot.lot_id,
        lot.lot_id,
        lot.strategy,
        lot.symbol,
        "sell" if lot.direction == "long" else "buy",
        "exit",
        held or lot.ordered or 1,
        "market",
        "simple",
        "day",
        close,
        intraday=lot.intraday,
        notional=held * close,
        binding="EXIT",
        sizing=_NOTHING,
        contributions=_NOTHING,
        reason=reason,
    )


def refused(signal: SignalRaised, reason: str, detail: str, now: int, cause: int) -> SignalDropped:
    """That a signal will not trade."""
    return dropped(signal.id, signal.strategy, signal.symbol, reason, detail, now, cause)


def dropped(
    signal_id: str, strategy: str, symbol: str, reason: str, detail: str, now: int, cause: int
) -> SignalDropped:
    """The same of a signal that is known by its id alone."""
    return SignalDropped(
        ts_event=now,
        cause=cause,
        signal_id=signal_id,
        strategy=strategy,
        symbol=symbol,
        status="expired" if reason in ("EXPIRED", "ENTRY_EXPIRED") else "rejected",
        reason=reason,
        detail=detail,
    )
