import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.breakers import BreakerChain
from actors.risk.gauges import Gauge, gauges
from config.trading import Breakers

LIMITS = Breakers()
SHARES = {"alpha": 0.5, "beta": 0.0}
SECOND = 1_000_000_000


def read(chain: BreakerChain) -> dict[tuple[str, str], Gauge]:
    return {(each.breaker, each.target): each for each in gauges(chain.state(), LIMITS, SHARES)}


def test_before_the_first_mark_everything_is_at_rest() -> None:
    found = read(BreakerChain(LIMITS, SHARES))
    assert {each.value for each in found.values()} == {0.0}
    assert ("strategy_loss", "beta") not in found


@given(st.floats(50_000, 150_000), st.floats(-9_000, 9_000))
def test_a_gauge_reaches_its_limit_exactly_when_its_breaker_trips(equity: float, profit: float) -> None:
    chain = BreakerChain(LIMITS, SHARES)
    chain.mark(1, 100_000.0, {"alpha": 0.0}, False, 10**18)
    chain.mark(2 * SECOND, equity, {"alpha": profit}, False, 10**18)
    for (breaker, target), gauge in read(chain).items():
        if breaker in ("daily_loss", "drawdown", "strategy_loss"):
            tripped = gauge.row is not None
            assert tripped == (gauge.value >= gauge.limit * (1 - 1e-9)), (breaker, target)
            if tripped:
                assert gauge.value == pytest.approx(gauge.row.value)


def test_losses_in_a_row_are_counted_by_strategy() -> None:
    chain = BreakerChain(LIMITS, SHARES)
    for number in range(2):
        chain.lot(1, "alpha", f"lot-{number}", group_id=None, closed=True, pnl=-1.0)
    found = read(chain)["consecutive_losses", "alpha"]
    assert (found.value, found.limit) == (2.0, float(LIMITS.consecutive_losses))
