"""What is told of a lot and of a symbol's net position after something changed them."""

import msgspec

from actors.allocation.book import MICRO, Book, Lot
from actors.allocation.portfolio_state import Facts
from runtime.messages.account import LotCorrected
from runtime.messages.broker import FillCorrected, OrderFilled
from runtime.messages.trading import LotChanged, PositionChanged


def lot_changed(
    lot: Lot,
    facts: Facts,
    fill: OrderFilled | FillCorrected,
    signed: int,
    cause: int,
    kind: type[LotChanged] = LotChanged,
) -> LotChanged:
    """A lot after one of its fills (signed shares); by position, as `messages.base` says why."""
    is_entry = facts.role == "entry"
    quantity, entered, lot_id, price = lot.quantity, lot.entered, lot.id, fill.price
    return kind(
        fill.ts_event,
        cause,
        lot_id,
        lot_id,
        lot.strategy,
        lot.symbol,
        lot.direction,
        "open" if quantity else "closed",
        quantity,
        entered,
        lot.entry_value / entered / MICRO if entered else 0.0,
        lot.entry_ts,
        lot.stop_loss,
        lot.take_profit,
        lot.intraday,
        signed,
        price,
        fill.execution_id,
        fill.client_order_id,
        facts.role,
        lot.realised / MICRO,
        lot.commission / MICRO,
        lot.slippage / MICRO,
        0.0 if is_entry else price,
        "" if is_entry else facts.reason or facts.role,
        lot.peak,
        lot.trough,
        lot.group_id,
    )


def lot_corrected(
    lot: Lot, facts: Facts, event: FillCorrected, exit_price: float, exit_reason: str, cause: int
) -> LotCorrected:
    """A lot after the broker's correction of one of its fills."""
    said = lot_changed(lot, facts, event, 0, cause, LotCorrected)
    corrected: LotCorrected = msgspec.structs.replace(said, exit_price=exit_price, exit_reason=exit_reason)  # type: ignore[assignment]
    return corrected


def position(
    book: Book, symbol: str, price: float, now: int, cause: int, traded: Lot | None = None
) -> PositionChanged:
    """The net position: the sum of its lots, named after the largest.

    Args:
        traded: A lot that has just traded: its mark is the price.
    """
    names = book.by_symbol.get(symbol)
    if names is None:
        return PositionChanged(now, cause, symbol, "", 0, 0.0, 0, None, None, price, 0.0)
    largest = book.lots[names[0]]
    if largest is not traded:
        book.refresh(largest)
    net, entered = largest.quantity, largest.cost
    unrealised = net * largest.mark - entered
    since = largest.entry_ts
    for name in names[1:] if len(names) > 1 else ():
        lot = book.refresh(book.lots[name])
        net += lot.quantity
        entered += lot.cost
        unrealised += lot.unrealised
        since = min(since, lot.entry_ts)
        if abs(lot.quantity) > abs(largest.quantity):
            largest = lot
    return PositionChanged(
        now,
        cause,
        symbol,
        largest.strategy,
        net,
        entered / net / MICRO if net else 0.0,
        since,
        largest.stop_loss,
        largest.take_profit,
        price,
        unrealised / MICRO,
    )
