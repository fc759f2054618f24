"""Which lots leave: at a signal's wish, at the day's end, in a drawdown, when everything is to be closed.

A lot is asked for once; it may be again after its exit ended without closing it.
Source: strategies 6, 7.
"""

from collections.abc import Callable, Iterator

from actors.allocation import proposals
from actors.allocation.commitments import Commitment, Commitments
from actors.allocation.desk import Desk
from runtime.messages.risk import Noted
from runtime.messages.trading import OrderProposed, SignalDropped, SignalRaised


class Exits:
    """Proposes exits for whole lots.

    Args:
        desk: Knows the prices.
        kept: Share of what is held that a drawdown leaves, 0 to 1.
        name: Client order id of a lot's n-th exit.
    """

    def __init__(
        self, commitments: Commitments, desk: Desk, kept: float, name: Callable[[str, int], str]
    ) -> None:
        self._commitments = commitments
        self._desk = desk
        self._kept = kept
        self._name = name
        self._asked_at = 0
        self._asked: dict[str, None] = {}
        """Lots whose exit was proposed in input `_asked_at` because everything is to be closed."""

    def wished(self, signal: SignalRaised, now: int, cause: int) -> list[OrderProposed | SignalDropped]:
        """What a signal's wish to close comes to."""
        lots = self._commitments.of(signal.strategy, signal.symbol)
        if signal.lot_id:
            lots = [lot for lot in lots if lot.lot_id == signal.lot_id]
        if not lots:
            return [proposals.refused(signal, "NOTHING_TO_CLOSE", "", now, cause)]
        return [
            proposals.refused(signal, "ALREADY_CLOSING", "", now, cause)
            if lot.exiting
            else self._leave(lot, signal.reason, now, cause, signal.id)
            for lot in lots
        ]

    def intraday(self, is_late: bool, now: int, cause: int) -> Iterator[OrderProposed | Noted]:
        """Whoever forgot an intraday lot, it leaves now."""
        forgotten = [lot for lot in self._lots() if lot.intraday and not lot.exiting]
        for lot in forgotten:
            yield self._leave(lot, "session_end", now, cause)
        if is_late and forgotten:
            yield Noted(
                ts_event=now,
                cause=cause,
                level="CRITICAL",
                component="ensemble",
                text=f"close_intraday_positions ran late; closing {len(forgotten)} lots now",
            )

    def intraday_lots(self) -> int:
        """How many lots must be flat by the close."""
        return sum(lot.intraday for lot in self._lots())

    def sell_down(self, now: int, cause: int) -> Iterator[OrderProposed]:
        """Sell the share of what is held that a drawdown asks for: whole lots, the largest first."""
        worth = {
            lot.lot_id: abs(lot.held) * (self._desk.price(lot.symbol) or 0.0)
            for lot in self._lots()
            if lot.held and not lot.exiting
        }
        left = (1 - self._kept) * sum(worth.values())
        for lot_id in sorted(worth, key=lambda name: (-worth[name], name)):
            if left <= 0:
                return
            left -= worth[lot_id]
            yield self._leave(self._commitments.lots[lot_id], "drawdown", now, cause)

    def everything(self, reason: str, now: int, cause: int) -> Iterator[OrderProposed]:
        """Close what is open, asking once an input: an exit refused at once must not be wished for ever."""
        if self._asked_at != cause:
            self._asked_at, self._asked = cause, {}
        for lot in self._lots():
            if not lot.exiting and lot.lot_id not in self._asked:
                self._asked[lot.lot_id] = None
                yield self._leave(lot, reason, now, cause)

    def _lots(self) -> list[Commitment]:
        return list(self._commitments.lots.values())

    def _leave(
        self, lot: Commitment, reason: str, now: int, cause: int, signal_id: str = ""
    ) -> OrderProposed:
        lot.exiting = True
        lot.exits += 1
        return proposals.leave(
            lot,
            self._desk.price(lot.symbol),
            self._name(lot.lot_id, lot.exits),
            reason=reason,
            signal_id=signal_id,
            now=now,
            cause=cause,
        )
