import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution import ticks

prices = st.floats(0.001, 100_000)


@given(prices)
def test_rounding_ends_on_the_grid_within_half_a_tick(price):
    rounded = ticks.nearest(price)
    assert ticks.is_on_grid(rounded)
    assert abs(rounded - price) <= ticks.tick_size(price) / 2 + 1e-6
    assert ticks.nearest(rounded) == rounded


@given(prices)
def test_down_and_up_enclose_the_price_by_a_tick(price):
    low, high = ticks.down(price), ticks.up(price)
    assert low <= price + 1e-6
    assert high >= price - 1e-6
    assert high - low <= 0.0101
    assert ticks.is_on_grid(low)
    assert ticks.is_on_grid(high)


@given(prices)
def test_the_text_is_the_decimal_and_nothing_else(price):
    rounded = ticks.nearest(price)
    text = ticks.price_text(rounded)
    assert float(text) == rounded
    assert -Decimal(text).as_tuple().exponent == (2 if rounded >= 1 else 4)


@given(prices, prices, st.sampled_from([1, -1]))
def test_apart_keeps_a_price_on_its_side_of_the_base(price, base, sign):
    placed = ticks.apart(price, base, sign)
    assert ticks.is_on_grid(placed)
    if (price - base) * sign > 0 and base > 0.01:
        assert (placed - base) * sign >= ticks.tick_size(min(price, base)) - 1e-6


def test_known_values():
    assert ticks.nearest(167.378027) == 167.38
    assert ticks.nearest(0.12345) == 0.1235
    assert ticks.nearest(0.99996) == 1.0
    assert ticks.apart(165.565, 165.57, -1) == 165.56  # not the nearest, which is the base itself
    assert ticks.price_text(291.1) == "291.10"
    assert not ticks.is_on_grid(0.1 + 0.2)
    assert ticks.beyond(10.001, 1) == 10.01
    assert ticks.beyond(10.009, -1) == 10.0


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf, 0.00001])
def test_what_is_no_price_is_refused(price):
    with pytest.raises(ValueError, match="price"):
        ticks.nearest(price)
    assert not ticks.is_on_grid(price)


@given(st.floats(0.01, 10_000), st.integers(1, 1_000_000), st.sampled_from([1, -1]))
def test_rounding_beyond_never_changes_whether_the_market_gets_there(price, cents, sign):
    market = cents / 100 if cents >= 100 else cents / 10_000
    exact = ticks.micros(price) / ticks.MICRO
    reached = market >= exact if sign > 0 else market <= exact
    placed = ticks.beyond(price, sign)
    assert reached == (market >= placed if sign > 0 else market <= placed)
