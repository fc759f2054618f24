"""What rows one input and everything it caused are worth: a pure function of the messages.

The rows have deterministic keys and depend on nothing but the messages and their place on the tape, so
running a tape again writes the same books, and a row that is there already is written no second time.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from runtime.messages.base import Input, Message, parts_of
from storage.account_rows import ACCOUNT_ROWS
from storage.lot_rows import LOT_ROWS
from storage.pen import Pen
from storage.performance_rows import PERFORMANCE_ROWS
from storage.signal_rows import SIGNAL_ROWS
from storage.statements import Mark, Row
from storage.trade_rows import TRADE_ROWS

_WRITERS: dict[type[Message], Callable[[Pen, Any], None]] = (
    SIGNAL_ROWS | TRADE_ROWS | LOT_ROWS | ACCOUNT_ROWS | PERFORMANCE_ROWS
)
"""A type that is not here costs one look-up."""


class Projection:
    """Turns the messages of one session into rows.

    Args:
        session: ISO date of the trading day.
        symbols: The session's symbol table, so that a signal's chain can begin with its bar.
    """

    def __init__(self, session: str, symbols: Sequence[str] = ()) -> None:
        self._pen = Pen(session, symbols)
        self.session = self._pen.session

    def mark(self, seq: int) -> Mark:
        """The place on the tape that rows of this input cover."""
        return Mark(self.session, seq)

    def rows(self, seq: int, at: int, message: Input, caused: Sequence[Message]) -> list[Row]:
        """Everything worth writing of one input.

        Args:
            seq: The input's number. at: when it was known, ns UTC.
            message: The input. caused: all it caused, in order.

        Returns:
            Rows in the order in which they must be written; empty for most inputs.
        """
        pen = self._pen
        out = pen.begin(seq, at, message, caused)
        for said in chain(parts_of(message), caused):
            write = _WRITERS.get(type(said))
            if write is not None:
                write(pen, said)
        return out
