"""A lot: one strategy's entry and what is left of it, in whole shares and micro-dollars (USD * 1e6)."""

import msgspec

from runtime.messages.trading import Direction

MICRO = 1_000_000


def micros(dollars: float) -> int:
    """USD to the nearest integer micro-dollar."""
    return round(dollars * MICRO)


class Lot(msgspec.Struct, gc=False):
    """One strategy's entry and what is left of it.

    Attributes:
        quantity: Signed shares held. entered: signed shares ever bought (sold short).
        cost: Micro-dollars of what is held now, signed like `quantity`.
        entry_value: Micro-dollars of everything ever entered, signed.
        realised: Micro-dollars, net of commissions.
    """

    id: str
    strategy: str
    symbol: str
    symbol_id: int
    direction: Direction
    intraday: bool
    stop_loss: float | None
    take_profit: float | None
    entry_ts: int
    group_id: str | None = None
    quantity: int = 0
    entered: int = 0
    cost: int = 0
    entry_value: int = 0
    realised: int = 0
    commission: int = 0
    slippage: int = 0
    peak: float = 0.0
    trough: float = 0.0
    mark: int = 0

    @property
    def entry_price(self) -> float:
        """Average entry price, USD per share."""
        return self.entry_value / self.entered / MICRO if self.entered else 0.0

    @property
    def unrealised(self) -> int:
        """Open profit at the last mark, micro-dollars."""
        return self.quantity * self.mark - self.cost
