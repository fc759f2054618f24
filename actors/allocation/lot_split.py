"""What a split makes of a lot in the books, to the micro-dollar.

The cost of what is held stays as it is. A part of a share that no lot can hold is sold at the last mark: its
share of the cost is realised, its worth is cash. Whether the broker pays it out or keeps it in the account,
it is not ours any more; what the account holds beyond whole shares is `EXTERNAL`.
Source: strategies 0; faults.md G 65.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction

from actors.allocation.book import MICRO, Book, Lot
from actors.allocation.lot_messages import position
from actors.allocation.performance import Record
from runtime.messages.corporate import LotSplit, SplitApplied, SplitAwaited
from runtime.messages.risk import Noted
from runtime.messages.trading import PositionChanged


def follow_market(book: Book, awaited: SplitAwaited, symbol_id: int) -> None:
    """Let lots of a symbol keep their marks while prices may be of other shares, or no longer."""
    for name in book.by_symbol.get(awaited.symbol, ()):
        book.follow(book.lots[name], -1 if awaited.waits else symbol_id)


def apply_split(
    book: Book, event: SplitApplied, symbol_id: int, record: Callable[[str], Record]
) -> Iterator[LotSplit | PositionChanged | Noted]:
    """Restate the lots that a split names.

    Args:
        symbol_id: By which they are marked from now on. record: of a strategy.
    """
    by = Fraction(event.numerator, event.denominator)
    price, now, cause = 0.0, event.ts_event, event.cause
    for one in event.lots:
        lot = book.lots.get(one.lot_id)
        if lot is None or lot.quantity != one.before:
            held = lot.quantity if lot is not None else 0
            text = f"{event.symbol}: lot {one.lot_id} was split with {one.before} shares, here it has {held}"
            yield Noted(ts_event=now, cause=cause, level="CRITICAL", component="portfolio", text=text)
            continue
        entry = lot.entry_price
        in_lieu = split(book, lot, by, one.after)
        lot.stop_loss, lot.take_profit = one.stop_loss, one.take_profit
        said = lot_split(lot, event, one.before, entry, in_lieu)
        price = said.fill_price
        if said.state == "closed":
            record(lot.strategy).close_trade(now, said.realised, said.commission)
        else:
            book.follow(lot, symbol_id)
        yield said
    yield position(book, event.symbol, price, now, cause)


def split(book: Book, lot: Lot, by: Fraction, after: int) -> int:
    """Restate a lot in new shares; the micro-dollars booked for a part of a share.

    Args:
        by: New shares for an old one. after: signed whole shares the lot has from now on; 0 closes it.
    """
    before, cost = book.refresh(lot).quantity, lot.cost
    exact = before * by
    left = exact - after  # of a share, and of the lot's sign unless it was rounded up
    is_short_of = left * before > 0
    in_lieu = round(left / by * lot.mark) if is_short_of else 0
    given = round(Fraction(cost) * left / exact) if is_short_of else 0
    closed = Fraction(lot.entered - before) * by  # entered and sold before
    entered = after + round(closed)
    book.restate(
        lot,
        quantity=after,
        cost=cost - given,
        entered=entered,
        entry_value=lot.entry_value - given,
        mark=round(lot.mark / by),
        cash=in_lieu,
        gained=in_lieu - given,
        by=float(by),
    )
    return in_lieu


def lot_split(lot: Lot, event: SplitApplied, before: int, entry_before: float, in_lieu: int) -> LotSplit:
    """What is told of a lot after a split.

    Args:
        before, entry_before: Signed shares and average entry before it, USD. in_lieu: micro-dollars.
    """
    is_closed = lot.quantity == 0
    price = lot.mark / MICRO
    return LotSplit(
        ts_event=event.ts_event,
        cause=event.cause,
        lot_id=lot.id,
        signal_id=lot.id,
        strategy=lot.strategy,
        symbol=lot.symbol,
        direction=lot.direction,
        state="closed" if is_closed else "open",
        quantity=lot.quantity,
        entry_quantity=lot.entered,
        entry_price=lot.entry_price if lot.entered else entry_before,
        entry_ts=lot.entry_ts,
        stop_loss=lot.stop_loss,
        take_profit=lot.take_profit,
        intraday=lot.intraday,
        fill_quantity=0,
        fill_price=price,
        execution_id=f"split {event.ex_date} {lot.id}",
        client_order_id="",
        role="exit" if is_closed else "entry",
        realised=lot.realised / MICRO,
        commission=lot.commission / MICRO,
        slippage=lot.slippage / MICRO,
        exit_price=price if is_closed else 0.0,
        exit_reason="split" if is_closed else "",
        peak=lot.peak,
        trough=lot.trough,
        group_id=lot.group_id,
        before=before,
        entry_before=entry_before,
        numerator=event.numerator,
        denominator=event.denominator,
        in_lieu=in_lieu / MICRO,
        source=event.source,
    )
