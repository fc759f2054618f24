"""Paper trades: what a bar does to them, minute by minute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.fill_model import touch
from actors.strategies.shadow import PaperTrade

TARGET, DISTANCE, ENTRY = 101.0, 2.0, 100.0


def _trade(side: int = 1) -> PaperTrade:
    trade = PaperTrade(0, side, ENTRY + side * (TARGET - ENTRY), DISTANCE)
    trade.enter(ENTRY, 0, 0.0, 1.0)
    return trade


@pytest.mark.parametrize(
    ("bar", "left"),
    [
        ((100.0, 100.9, 98.1), None),
        ((100.0, 101.0, 99.0), 101.0),
        ((100.0, 101.5, 97.0), 98.0),  # both inside one bar: the stop counts
        ((101.4, 102.0, 97.0), 101.4),  # the open had already jumped over the target
        ((97.2, 103.0, 97.0), 97.2),  # and here over the stop
    ],
)
def test_the_open_comes_first_then_the_stop_then_the_target(
    bar: tuple[float, float, float], left: float | None
) -> None:
    assert _trade().left_at(*bar) == left
    first, high, low = bar
    mirrored = _trade(-1).left_at(2 * ENTRY - first, 2 * ENTRY - low, 2 * ENTRY - high)
    assert mirrored == (None if left is None else pytest.approx(2 * ENTRY - left))


prices = st.integers(9_500, 10_500).map(lambda cents: cents / 100)


@given(first=prices, other=prices, third=prices, side=st.sampled_from((1, -1)))
def test_a_paper_trade_leaves_where_the_simulated_broker_would_let_it(
    first: float, other: float, third: float, side: int
) -> None:
    high, low = max(first, other, third), min(first, other, third)
    trade = _trade(side)
    bar = (first, high, low, 1_000.0)
    stop = touch(-side, (None, trade.stop), False, bar)
    target = touch(-side, (trade.target, None), False, bar)
    expected = stop.price
    if stop.price is None or (target.at_open and target.price is not None and not stop.at_open):
        expected = target.price
    assert trade.left_at(first, high, low) == expected
