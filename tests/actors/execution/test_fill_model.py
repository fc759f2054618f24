import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.fill_model import Touch, fees_micros, liquidity_of, slippage_bps, slipped, touch
from config.schema import Execution

cents = st.integers(100, 300)


@st.composite
def bars(draw):
    low, a, b, high = sorted(draw(st.lists(cents, min_size=4, max_size=4)))
    return (a, high, low, 1000.0) if draw(st.booleans()) else (b, high, low, 1000.0)


@pytest.mark.parametrize(
    ("sign", "prices", "bar", "expected"),
    [
        (1, (None, None), (10, 12, 9, 1), Touch(10, True, False)),  # market: the open
        (1, (10.5, None), (10, 12, 9, 1), Touch(10, True, False)),  # limit above the open: no better
        (1, (9.5, None), (10, 12, 9, 1), Touch(9.5, False, False)),
        (1, (8.5, None), (10, 12, 9, 1), Touch(None, False, False)),
        (1, (None, 11), (10, 12, 9, 1), Touch(11, False, True)),
        (1, (None, 11), (11.5, 12, 9, 1), Touch(11.5, True, True)),  # gap through: the open
        (1, (11.2, 11), (10, 12, 9, 1), Touch(11, False, True)),  # strategies 3.2: max(open, trigger)
        (1, (11.2, 11), (11.1, 12, 9, 1), Touch(11.1, True, True)),
        (1, (11.2, 11), (11.5, 12, 11.3, 1), Touch(None, False, True)),  # beyond the limit: rests
        (1, (11.2, 11), (11.5, 12, 11.1, 1), Touch(11.2, False, True)),
        (-1, (None, 9.5), (10, 12, 9, 1), Touch(9.5, False, True)),
        (-1, (None, 9.5), (9.2, 12, 9, 1), Touch(9.2, True, True)),
        (-1, (11, None), (10, 12, 9, 1), Touch(11, False, False)),
        (-1, (11, None), (11.4, 12, 9, 1), Touch(11.4, True, False)),
        (-1, (9.4, 9.5), (10, 12, 9, 1), Touch(9.5, False, True)),
    ],
)
def test_fill_prices(sign, prices, bar, expected):
    assert touch(sign, prices, False, bar) == expected


def test_a_triggered_stop_trades_at_the_next_open_and_a_stop_limit_at_its_limit():
    assert touch(-1, (None, 9.5), True, (11, 12, 10, 1)) == Touch(11, True, True)
    assert touch(1, (11.2, 11), True, (12, 12, 11.1, 1)) == Touch(11.2, False, True)


@given(bars(), st.sampled_from([1, -1]), st.none() | cents, st.none() | cents, st.booleans())
def test_a_fill_lies_in_the_bar_respects_the_limit_and_is_never_better_than_the_open(
    bar, sign, limit, stop, triggered
):
    found = touch(sign, (limit, stop), triggered, bar)
    opened, high, low, _ = bar
    if found.price is None:
        return
    assert low <= found.price <= high
    assert found.at_open == (found.price == opened) or found.price == opened
    if limit is not None:
        assert (limit - found.price) * sign >= 0
    if stop is not None and not triggered:
        assert found.triggered
        assert high >= stop if sign > 0 else low <= stop


@given(bars(), st.sampled_from([1, -1]), st.none() | cents, st.none() | cents)
def test_sales_mirror_purchases(bar, sign, limit, stop):
    opened, high, low, volume = bar
    flip = lambda price: None if price is None else 400 - price  # noqa: E731
    found = touch(sign, (limit, stop), False, bar)
    mirrored = touch(-sign, (flip(limit), flip(stop)), False, (400 - opened, 400 - low, 400 - high, volume))
    assert mirrored == Touch(flip(found.price), found.at_open, found.triggered)


@given(st.floats(1, 1_000), st.sampled_from([1, -1]), st.floats(0, 100))
def test_costs_only_ever_hurt(price, sign, bps):
    worse = slipped(price, sign, bps, None)
    assert (worse - price) * sign >= -1e-6
    assert abs(worse - price) <= price * bps / 10_000 + 0.0101


def test_slippage_goes_to_the_worse_tick_but_not_beyond_a_limit():
    assert slipped(100.0, 1, 3.0, None) == 100.03
    assert slipped(100.0, -1, 3.0, None) == 99.97
    assert slipped(33.33, 1, 1.0, None) == 33.34
    assert slipped(100.0, 1, 25.0, 100.1) == 100.1
    assert slipped(100.004, 1, 0.0, None) == 100.004


def test_fees_by_hand():
    costs = Execution(commission_per_share=0.005, sell_fee_frac=0.00002, sell_fee_per_share=0.0002)
    assert fees_micros(costs, 1, 100, 1_000_000_000) == 500_000
    assert fees_micros(costs, -1, 100, 1_000_000_000) == 500_000 + 20_000 + 20_000
    assert fees_micros(Execution(apply_costs=False, commission_per_share=1), 1, 100, 1) == 0


def test_classes_and_the_extreme_regime():
    costs = Execution()
    assert liquidity_of(costs, "SPY", float("nan")) == "etf"
    assert liquidity_of(costs, "KO", 5e8) == "large"
    assert liquidity_of(costs, "TINY", 1e6) == "small"
    assert liquidity_of(costs, "NEW", float("nan")) == "small"
    assert [slippage_bps(costs, kind, False) for kind in ("etf", "large", "small")] == [1, 3, 25]
    assert slippage_bps(costs, "large", True) == 6
