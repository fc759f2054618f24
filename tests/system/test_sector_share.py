"""Mean reversion's share of its sleeve in one sector, in dollars, on recorded days (strategies 3.1)."""

from collections import defaultdict

import pytest

from runtime.messages.base import Message
from runtime.messages.risk import EquityMarked
from runtime.messages.trading import LotChanged
from tests.system import days

pytestmark = days.needs_data

SLEEVE = 0.30 * 0.95
"""Allocation times what the cash buffer leaves (strategies 7)."""
SLIPPAGE = 1.01
"""A lot is sized at the last price and filled at another; the entry's limit is 0.3 % away."""


class Sectors:
    """Observer of the lots of mean reversion by sector, each as a share of the sleeve at its entry.

    Attributes:
        fullest: Largest share of one sector with more than one lot.
        lots: Open lots of the fullest sector at most. entries: how many there were.
    """

    def __init__(self, sector_of: dict[str, str], equity: float) -> None:
        self.sector_of, self.equity = sector_of, equity
        self.open: dict[str, tuple[str, float]] = {}
        self.fullest, self.lots, self.entries = 0.0, 0, 0

    def __call__(self, _: int, __: int, ___: object, caused: list[Message], /) -> None:
        for said in caused:
            if isinstance(said, EquityMarked):
                self.equity = said.equity
            elif isinstance(said, LotChanged) and said.strategy == "mean_reversion":
                self._lot(said)

    def _lot(self, lot: LotChanged) -> None:
        if lot.state == "closed":
            self.open.pop(lot.lot_id, None)
        elif lot.role == "entry":
            self.entries += lot.lot_id not in self.open
            share = abs(lot.quantity) * lot.entry_price / (SLEEVE * self.equity)
            self.open[lot.lot_id] = (self.sector_of[lot.symbol], share)
            shares: dict[str, list[float]] = defaultdict(list)
            for sector, each in self.open.values():
                shares[sector].append(each)
            self.lots = max(self.lots, *(len(each) for each in shares.values()))
            self.fullest = max([self.fullest, *(sum(each) for each in shares.values() if len(each) > 1)])


@pytest.mark.parametrize(("positions", "most"), [(10, 1), (101, 6)])
def test_no_sector_takes_more_than_a_quarter_of_the_sleeve_or_one_lot(positions: int, most: int) -> None:
    sessions = days.february_2018()
    sector_of = dict(zip(sessions[0].symbols, sessions[0].sectors, strict=True))
    chosen = days.settings(None, f"account.max_positions={positions}", "account.allow_short=true")
    watch = Sectors(sector_of, chosen.account.trading_capital)
    days.play(sessions, chosen, observers=[watch])
    assert watch.entries >= 10
    assert watch.lots <= most
    assert watch.fullest <= 0.25 * SLIPPAGE
