"""Fills that the broker takes back or changes: what becomes of lots, also of those closed today.

A lot that was closed may be open again, and a round trip that was counted may be none.
Source: alpaca.md 2.3.
"""

import msgspec

from actors.allocation.book import MICRO, Book, Lot
from actors.allocation.performance import Record
from runtime.messages.broker import FillCorrected


class Closed(msgspec.Struct, frozen=True, gc=False):
    """A lot that was closed today.

    Attributes:
        ts: When, ns UTC. price: of its last fill, USD. reason: of its exit.
    """

    lot: Lot
    ts: int
    price: float
    reason: str


def became(event: FillCorrected) -> str:
    """What a fill has become, in words."""
    return f"changed to {event.quantity} at {event.price}" if event.quantity else "taken back"


def correct(
    book: Book, lot: Lot, record: Record, event: FillCorrected, *, is_entry: bool, closed: Closed | None
) -> None:
    """Count a fill of a lot otherwise; what was realised by a lot that was closed is counted anew.

    Args:
        closed: How the lot was closed before, if it was.
    """
    if closed is not None:
        record.reopen_trade(closed.ts, lot.realised / MICRO, lot.commission / MICRO)
    sign = 1 if event.side == "buy" else -1
    book.correct(
        lot,
        (sign * event.quantity_before, event.price_before),
        (sign * event.quantity, event.price),
        is_entry=is_entry,
    )
    if lot.quantity == 0:
        at = event.ts_event if closed is None else closed.ts
        record.close_trade(at, lot.realised / MICRO, lot.commission / MICRO)
