"""Do our lots sum to what the broker holds of ours, symbol by symbol?

Whenever they stop to, and start to again, it is said once.
Source: architecture 4; faults.md C 35-36.
"""

from collections.abc import Iterable, Iterator, Mapping

from actors.allocation.book import Book
from runtime.messages.account import ExternalChanged
from runtime.messages.broker import FillCorrected, OrderFilled
from runtime.messages.risk import Noted
from runtime.messages.trading import PositionMismatched


class Agreement:
    """What the broker's word on positions says of our lots.

    Args:
        doubted, external: As carried.

    Attributes:
        doubted: Symbols in which the broker holds something else than our lots.
        external: Whole shares by symbol that the account holds beside our lots.
    """

    def __init__(self, book: Book, doubted: Iterable[str], external: Mapping[str, int]) -> None:
        self._book = book
        self.doubted = dict.fromkeys(doubted)
        self.external = dict(external)

    def after(
        self, fill: OrderFilled | FillCorrected, now: int, cause: int
    ) -> Iterator[PositionMismatched | Noted]:
        """Judge by the position that a fill told with itself, if it told one."""
        if fill.position is not None:
            theirs = fill.position - self.external.get(fill.symbol, 0)
            yield from self.judge(fill.symbol, theirs, now, cause)

    def judge(self, symbol: str, theirs: int, now: int, cause: int) -> Iterator[PositionMismatched | Noted]:
        """Compare our net shares with what the broker holds of ours."""
        ours = self._book.net(symbol)
        if (ours == theirs) != (symbol in self.doubted):
            return
        if ours == theirs:
            del self.doubted[symbol]
        else:
            self.doubted[symbol] = None
            text = f"{symbol}: our lots sum to {ours}, the broker holds {theirs}"
            yield Noted(ts_event=now, cause=cause, level="CRITICAL", component="portfolio", text=text)
        yield PositionMismatched(ts_event=now, cause=cause, symbol=symbol, ours=ours, broker=theirs)

    def others(self, change: ExternalChanged) -> None:
        """What the account holds beside our lots has changed."""
        self.external[change.symbol] = change.quantity

    def found(self, mismatch: PositionMismatched) -> None:
        """The executor compared with the broker; what we said ourselves is known already."""
        if mismatch.ours == mismatch.broker:
            self.doubted.pop(mismatch.symbol, None)
        else:
            self.doubted[mismatch.symbol] = None
