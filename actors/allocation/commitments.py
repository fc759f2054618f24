"""What the ensemble has promised: lots held and entries on their way, in dollars and slots."""

import msgspec

from actors.allocation.book import MICRO, micros
from runtime.messages.trading import Direction, LotChanged, OrderProposed


class Commitment(msgspec.Struct, kw_only=True, gc=False):
    """One lot, from its proposal to its end.

    Attributes:
        ordered: Shares still being entered (unsigned). held: signed shares.
        price: Micro-dollars per share that it is counted with. exiting: an exit has been proposed.
    """

    lot_id: str
    strategy: str
    symbol: str
    direction: Direction
    intraday: bool
    price: int
    ordered: int = 0
    held: int = 0
    exiting: bool = False
    exits: int = 0


class Commitments:
    """All commitments with the running sums that sizing asks for."""

    def __init__(self, kept: list[Commitment] | None = None) -> None:
        self.lots: dict[str, Commitment] = {}
        self.by_symbol: dict[str, dict[str, Commitment]] = {}
        self.counts: dict[str, int] = {}
        self._used: dict[str, int] = {}
        self._on_order = 0
        for commitment in kept or ():
            self._add(commitment)

    def propose(self, order: OrderProposed, direction: Direction) -> None:
        """Count an entry that is on its way to the breaker."""
        self._add(
            Commitment(
                lot_id=order.lot_id,
                strategy=order.strategy,
                symbol=order.symbol,
                direction=direction,
                intraday=order.intraday,
                price=micros(order.reference_price),
                ordered=order.quantity,
            )
        )

    def entry_over(self, lot_id: str) -> None:
        """No more shares will come in; a lot that holds none is gone."""
        lot = self.lots.get(lot_id)
        if lot is None:
            return
        self._count(lot, lot.held, 0, lot.price)
        if lot.held == 0:
            self._remove(lot)

    def lot_changed(self, change: LotChanged) -> None:
        """A fill changed what is held."""
        lot = self.lots.get(change.lot_id)
        if lot is None:
            lot = Commitment(
                lot_id=change.lot_id,
                strategy=change.strategy,
                symbol=change.symbol,
                direction=change.direction,
                intraday=change.intraday,
                price=micros(change.entry_price),
            )
            self._add(lot)
        if change.state == "closed":
            self._remove(lot)
            return
        ordered, price = lot.ordered, lot.price
        if change.role == "entry":
            ordered, price = max(0, ordered - abs(change.fill_quantity)), micros(change.entry_price)
        self._count(lot, change.quantity, ordered, price)

    def used(self, strategy: str) -> float:
        """USD of a strategy's sleeve that is taken."""
        return self._used.get(strategy, 0) / MICRO

    def on_order(self) -> float:
        """USD that entries on their way will need."""
        return self._on_order / MICRO

    def symbol_value(self, symbol: str, price: float) -> float:
        """USD held and ordered in a symbol at a price."""
        lots = self.by_symbol.get(symbol)
        return sum((lot.ordered + abs(lot.held)) * price for lot in lots.values()) if lots else 0.0

    def opposes(self, symbol: str, direction: Direction) -> bool:
        """Whether anybody holds or enters the other side."""
        lots = self.by_symbol.get(symbol)
        return any(lot.direction != direction for lot in lots.values()) if lots else False

    def has(self, strategy: str, symbol: str, direction: Direction) -> bool:
        """Whether the strategy already holds or enters that side."""
        lots = self.by_symbol.get(symbol)
        if not lots:
            return False
        return any(lot.strategy == strategy and lot.direction == direction for lot in lots.values())

    def of(self, strategy: str, symbol: str) -> list[Commitment]:
        """A strategy's lots in a symbol, oldest first."""
        lots = self.by_symbol.get(symbol)
        if lots is None:
            return []
        found = list(lots.values())
        if len(found) == 1 and found[0].strategy == strategy:
            return found
        return [lot for lot in found if lot.strategy == strategy]

    def _count(self, lot: Commitment, held: int, ordered: int, price: int) -> None:
        """Change a lot and, by what that makes it weigh more or less, the running sums."""
        change = (ordered + abs(held)) * price - (lot.ordered + abs(lot.held)) * lot.price
        self._used[lot.strategy] = self._used.get(lot.strategy, 0) + change
        self._on_order += ordered * price - lot.ordered * lot.price
        lot.held, lot.ordered, lot.price = held, ordered, price

    def _add(self, lot: Commitment) -> None:
        strategy = lot.strategy
        self._used[strategy] = self._used.get(strategy, 0) + (lot.ordered + abs(lot.held)) * lot.price
        self._on_order += lot.ordered * lot.price
        self.lots[lot.lot_id] = lot
        self.by_symbol.setdefault(lot.symbol, {})[lot.lot_id] = lot
        self.counts[strategy] = self.counts.get(strategy, 0) + 1

    def _remove(self, lot: Commitment) -> None:
        if self.lots.pop(lot.lot_id, None) is None:
            return
        self._used[lot.strategy] -= (lot.ordered + abs(lot.held)) * lot.price
        self._on_order -= lot.ordered * lot.price
        lots = self.by_symbol[lot.symbol]
        del lots[lot.lot_id]
        if not lots:
            del self.by_symbol[lot.symbol]
        self.counts[lot.strategy] -= 1
