"""What is told of a lot and of a symbol's net position after something changed them."""

from typing import Any

import msgspec

from actors.allocation.book import MICRO, Book, Lot
from actors.allocation.portfolio_state import Facts
from runtime.messages.account import LotCorrected
from runtime.messages.base import with_
from runtime.messages.trading import FillCorrected, LotChanged, OrderFilled, PositionChanged

_NOTHING: dict[str, Any] = dict.fromkeys(LotChanged.__struct_fields__)
_BLANK: dict[type[LotChanged], LotChanged] = {kind: kind(**_NOTHING) for kind in (LotChanged, LotCorrected)}
"""What a message is filled in from, in two steps: fifteen fields each cost far less than thirty at once."""


def lot_changed(
    lot: Lot,
    facts: Facts,
    fill: OrderFilled | FillCorrected,
    signed: int,
    cause: int,
    kind: type[LotChanged] = LotChanged,
) -> LotChanged:
    """A lot after one of its fills (signed shares)."""
    is_entry = facts.role == "entry"
    entered, lot_id = lot.entered, lot.id
    said = with_(
        _BLANK[kind],
        ts_event=fill.ts_event,
        cause=cause,
        lot_id=lot_id,
        signal_id=lot_id,
        strategy=lot.strategy,
        symbol=lot.symbol,
        direction=lot.direction,
        state="open" if lot.quantity else "closed",
        quantity=lot.quantity,
        entry_quantity=entered,
        entry_price=lot.entry_value / entered / MICRO if entered else 0.0,
        entry_ts=lot.entry_ts,
        stop_loss=lot.stop_loss,
        take_profit=lot.take_profit,
    )
    return with_(
        said,
        intraday=lot.intraday,
        fill_quantity=signed,
        fill_price=fill.price,
        execution_id=fill.execution_id,
        client_order_id=fill.client_order_id,
        role=facts.role,
        realised=lot.realised / MICRO,
        commission=lot.commission / MICRO,
        slippage=lot.slippage / MICRO,
        exit_price=0.0 if is_entry else fill.price,
        exit_reason="" if is_entry else facts.reason or facts.role,
        peak=lot.peak,
        trough=lot.trough,
        group_id=lot.group_id,
    )


def lot_corrected(
    lot: Lot, facts: Facts, event: FillCorrected, exit_price: float, exit_reason: str, cause: int
) -> LotCorrected:
    """A lot after the broker's correction of one of its fills."""
    said = lot_changed(lot, facts, event, 0, cause, LotCorrected)
    corrected: LotCorrected = msgspec.structs.replace(said, exit_price=exit_price, exit_reason=exit_reason)  # type: ignore[assignment]
    return corrected


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
