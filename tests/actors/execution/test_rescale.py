"""Splits in whole shares and ticks: nothing is lost or gained beyond the part of a share and one tick."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actors.execution import ticks
from actors.execution.rescale import agrees, ratio, shares, stop_and_target, usual_ratios

RATIOS = st.one_of(
    st.integers(2, 50).map(Fraction),
    st.integers(2, 200).map(lambda n: Fraction(1, n)),
    st.sampled_from([Fraction(3, 2), Fraction(2, 3), Fraction(5, 4), Fraction(21, 20)]),
)
PRICES = st.integers(500, 200_000).map(lambda cents: cents / 100)


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [(10, 1, Fraction(10)), (1, 8, Fraction(1, 8)), (1.5, 1, Fraction(3, 2)), (3.0, 2.0, Fraction(3, 2)),
     (1, 1, None), (0, 1, None), (-4, 1, None), (float("nan"), 1, None), (float("inf"), 1, None),
     (1, 0, None)],
)  # fmt: skip
def test_rates_become_an_exact_ratio_or_none(new, old, expected):
    assert ratio(new, old) == expected


@given(RATIOS, st.lists(st.integers(-3_000, 3_000).filter(bool), min_size=1, max_size=6))
def test_lots_sum_to_what_the_broker_holds_and_each_is_within_a_share_of_exact(by, held):
    lots = {f"lot{n}": one for n, one in enumerate(held)}
    exact = sum(held) * by
    for total in {exact.__floor__(), exact.__ceil__()}:
        after = shares(lots, by, total)
        assert sum(after.values()) == total
        for name, before in lots.items():
            assert abs(after[name] - before * by) < 1
            assert after[name] * before >= 0
        assert agrees(sum(held), total, by)


@given(RATIOS, st.integers(1, 5_000), PRICES)
def test_market_value_is_kept_but_for_the_part_of_a_share(by, before, price):
    exact = before * by
    after = shares({"lot": before}, by, int(exact))["lot"]
    part = (exact - after) * Fraction(price) / by
    assert after * Fraction(price) / by + part == before * Fraction(price)
    assert 0 <= exact - after < 1


@given(RATIOS, PRICES, PRICES, st.sampled_from(["buy", "sell"]))
def test_stop_and_target_stay_on_their_sides_a_tick_at_most_nearer_to_the_price(by, one, other, side):
    assume(abs(one - other) / by >= 0.02)
    low, high = sorted((one, other))
    stop, target = (low, high) if side == "buy" else (high, low)
    sign = 1 if side == "buy" else -1
    new_stop, new_target = stop_and_target(side, stop, target, by)
    assert ticks.is_on_grid(new_stop)
    assert ticks.is_on_grid(new_target)
    assert (new_target - new_stop) * sign > 0
    for new, old, nearer in ((new_stop, stop, sign), (new_target, target, -sign)):
        off = (Fraction(ticks.micros(new)) - Fraction(ticks.micros(old)) / by) * nearer
        assert -1 <= off <= ticks.micros(ticks.tick_size(max(new, float(old / by)))) + 1


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_stop_and_a_target_that_one_tick_holds_come_apart(side):
    stop, target = (1.001, 1.009) if side == "buy" else (1.009, 1.001)
    below, above = stop_and_target(side, stop * 10, target * 10, Fraction(10))
    assert (above - below) * (1 if side == "buy" else -1) > 0


def test_a_ratio_nobody_announced_is_a_usual_one():
    assert usual_ratios(10, 100)[0] == 10
    assert usual_ratios(100, 12)[0] == Fraction(1, 8)
    assert usual_ratios(100, 150)[0] == Fraction(3, 2)
    assert not usual_ratios(100, 101)
    assert not usual_ratios(100, 90)
    assert not usual_ratios(100, -100)
    assert not usual_ratios(100, 100)
    assert not usual_ratios(100, 0)
