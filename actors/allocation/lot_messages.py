"""What is told of a lot and of a symbol's net position after something changed them."""

from typing import TypeVar

from actors.allocation.book import MICRO, Book, Lot
from actors.allocation.portfolio_state import Facts
from runtime.messages.account import LotCorrected
from runtime.messages.base import with_
from runtime.messages.trading import FillCorrected, LotChanged, OrderFilled, PositionChanged

Told = TypeVar("Told", LotChanged, LotCorrected)


def lot_changed(lot: Lot, facts: Facts, fill: OrderFilled, signed: int, cause: int) -> LotChanged:
    """A lot after one of its fills (signed shares)."""
    is_entry = facts.role == "entry"
    return _told(
        _CHANGED,
        lot,
        facts,
        fill,
        cause,
        fill_quantity=signed,
        exit_price=0.0 if is_entry else fill.price,
        exit_reason="" if is_entry else facts.reason or facts.role,
    )


def lot_corrected(
    lot: Lot, facts: Facts, event: FillCorrected, exit_price: float, exit_reason: str, cause: int
) -> LotCorrected:
    """A lot after the broker's correction of one of its fills."""
    return _told(
        _CORRECTED, lot, facts, event, cause,
        fill_quantity=0, exit_price=exit_price, exit_reason=exit_reason,
    )  # fmt: skip


def _told(
    blank: Told,
    lot: Lot,
    facts: Facts,
    event: OrderFilled | FillCorrected,
    cause: int,
    *,
    fill_quantity: int,
    exit_price: float,
    exit_reason: str,
) -> Told:
    as_it_stands = with_(
        blank,
        lot_id=lot.id,
        signal_id=lot.id,
        strategy=lot.strategy,
        symbol=lot.symbol,
        direction=lot.direction,
        entry_quantity=lot.entered,
        entry_price=lot.entry_price,
        entry_ts=lot.entry_ts,
        stop_loss=lot.stop_loss,
        take_profit=lot.take_profit,
        intraday=lot.intraday,
        peak=lot.peak,
        trough=lot.trough,
        group_id=lot.group_id,
    )
    return with_(
        as_it_stands,
        ts_event=event.ts_event,
        cause=cause,
        state="closed" if lot.quantity == 0 else "open",
        quantity=lot.quantity,
        fill_quantity=fill_quantity,
        fill_price=event.price,
        execution_id=event.execution_id,
        client_order_id=event.client_order_id,
        role=facts.role,
        realised=lot.realised / MICRO,
        commission=lot.commission / MICRO,
        slippage=lot.slippage / MICRO,
        exit_price=exit_price,
        exit_reason=exit_reason,
    )


def _blank(kind: type[Told]) -> Told:
    """A message that says nothing yet, to be completed (`runtime.messages.base` says why)."""
    return kind(
        ts_event=0, cause=0, lot_id="", signal_id="", strategy="", symbol="", direction="long", state="open",
        quantity=0, entry_quantity=0, entry_price=0.0, entry_ts=0, stop_loss=None, take_profit=None,
        intraday=False, fill_quantity=0, fill_price=0.0, execution_id="", client_order_id="", role="entry",
        realised=0.0, commission=0.0, slippage=0.0,
    )  # fmt: skip


_CHANGED, _CORRECTED = _blank(LotChanged), _blank(LotCorrected)


def position(book: Book, symbol: str, price: float, now: int, cause: int) -> PositionChanged:
    """The net position: the sum of its lots, named after the largest."""
    names = book.by_symbol.get(symbol)
    if names is None:
        return PositionChanged(
            ts_event=now, cause=cause, symbol=symbol, strategy="", quantity=0, entry_price=0.0, entry_ts=0,
            stop_loss=None, take_profit=None, last_price=price, unrealised=0.0,
        )  # fmt: skip
    largest = book.refresh(book.lots[names[0]])
    net, entered, unrealised = largest.quantity, largest.cost, largest.unrealised
    since = largest.entry_ts
    for name in names[1:]:
        lot = book.refresh(book.lots[name])
        net += lot.quantity
        entered += lot.cost
        unrealised += lot.unrealised
        since = min(since, lot.entry_ts)
        if abs(lot.quantity) > abs(largest.quantity):
            largest = lot
    return PositionChanged(
        ts_event=now,
        cause=cause,
        symbol=symbol,
        strategy=largest.strategy,
        quantity=net,
        entry_price=entered / net / MICRO if net else 0.0,
        entry_ts=since,
        stop_loss=largest.stop_loss,
        take_profit=largest.take_profit,
        last_price=price,
        unrealised=unrealised / MICRO,
    )
