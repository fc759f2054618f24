"""The adaptive sizer against the specification's worked numbers (strategies 7)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.adaptive import (
    drawdown_factor,
    kelly_risk,
    scale,
    sharpe_factor,
    volatility_factor,
    wilson_lower,
)


@pytest.mark.parametrize(
    ("sharpe", "factor"),
    [(None, 1), (-1, 0.5), (0, 0.5), (0.25, 0.75), (0.5, 1), (1, 1.125), (1.5, 1.25), (9, 1.25)],
)
def test_the_sharpe_factor_is_linear_between_its_corners(sharpe: float | None, factor: float) -> None:
    assert sharpe_factor(sharpe) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("sigma", "factor"),
    [(0.15, 1), (0.30, 0.5), (0.60, 0.25), (3.0, 0.25), (0.10, 1.5), (0.01, 1.5), (math.nan, 1)],
)
def test_the_volatility_factor_aims_at_fifteen_percent(sigma: float, factor: float) -> None:
    assert volatility_factor(sigma) == pytest.approx(factor)


def test_kelly_at_the_lower_bound_of_the_odds() -> None:
    assert wilson_lower(60, 100) == pytest.approx(0.53609, abs=1e-5)
    assert kelly_risk(60, 40, 1.0, 0.02) == pytest.approx(0.0180, abs=5e-5)
    assert kelly_risk(33, 27, 1.2, 0.02) == pytest.approx(0.0059, abs=5e-5)
    assert kelly_risk(10, 40, 1.0, 0.02) == pytest.approx(0.005)
    assert kelly_risk(20, 9, 3.0, 0.02) == 0.02  # too few trades to tell


@pytest.mark.parametrize(
    ("depth", "factor"), [(0, 1), (0.0499, 1), (0.05, 0.8), (0.1, 0.6), (0.15, 0.5), (0.4, 0.5)]
)
def test_the_drawdown_ramp(depth: float, factor: float) -> None:
    assert drawdown_factor(depth) == factor


def test_without_a_record_only_the_volatility_counts() -> None:
    assert scale(None, 0.30, False, 0.02).slot == pytest.approx(0.5)
    assert scale(None, 0.30, True, 0.02).slot == 1.0
    assert scale(None, 0.30, True, 0.02).risk == 0.02


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.01, 20), st.floats(0.001, 0.1))
def test_risk_never_exceeds_the_account_limit(wins: int, losses: int, payoff: float, limit: float) -> None:
    assert 0 < kelly_risk(wins, losses, payoff, limit) <= limit
