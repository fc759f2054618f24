"""Writes out what the ensemble decided: entries for planned signals, exits for lots."""

from actors.allocation.commitments import Commitment
from actors.allocation.desk import Planned
from runtime.messages.base import with_
from runtime.messages.trading import OrderClass, OrderProposed, OrderType

_CLASSES: tuple[OrderClass, ...] = ("simple", "oto", "bracket")


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
    order = OrderProposed(
        ts_event=now,
        cause=cause,
        client_order_id=name,
        signal_id=signal.id,
        lot_id=signal.id,
        strategy=signal.strategy,
        symbol=signal.symbol,
        side="buy" if signal.direction == "long" else "sell",
        intent="entry",
        quantity=planned.shares,
        type=order_type,
        order_class=_CLASSES[(signal.stop_loss is not None) + (signal.take_profit is not None)],
        time_in_force="day" if signal.intraday else "gtc",
        reference_price=planned.price,
    )
    return with_(
        order,
        limit_price=limit,
        stop_price=style.stop,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        target_follows_fill=signal.target_follows_fill,
        stop_follows_fill=signal.stop_follows_fill,
        expires_at=signal.expires_at,
        intraday=signal.intraday,
        notional=planned.sized.notional,
        binding=planned.sized.binding,
        sizing=planned.sized.caps,
        contributions=planned.contributions,
        reason=signal.reason,
        group_id=signal.group_id,
    )


def leave(
    lot: Commitment, close: float, name: str, *, reason: str, signal_id: str, now: int, cause: int
) -> OrderProposed:
    """The exit of a whole lot.

    Args:
        close: Last close, USD. name: its client order id. signal_id: what asked for it; empty: nobody did.
    """
    order = OrderProposed(
        ts_event=now,
        cause=cause,
        client_order_id=name,
        signal_id=signal_id or lot.lot_id,
        lot_id=lot.lot_id,
        strategy=lot.strategy,
        symbol=lot.symbol,
        side="sell" if lot.direction == "long" else "buy",
        intent="exit",
        quantity=abs(lot.held) or lot.ordered or 1,
        type="market",
        order_class="simple",
        time_in_force="day",
        reference_price=close,
    )
    return with_(
        order,
        intraday=lot.intraday,
        notional=abs(lot.held) * close,
        binding="EXIT",
        reason=reason,
    )
