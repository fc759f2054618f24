import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from actors.market import indicators

prices = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(20, 60)), elements=st.floats(1.0, 500.0))


def row(*values: float) -> np.ndarray:
    return np.array([values], dtype=np.float64)


def test_wilder_starts_from_the_plain_mean_and_then_forgets_slowly() -> None:
    out = indicators.wilder(row(1, 2, 3, 7), 3)
    assert out[0, 1] != out[0, 1]  # NaN: not enough yet
    assert out[0, 2:].tolist() == [2.0, (2 * 2 + 7) / 3]


def test_wilder_skips_a_missing_session_and_keeps_its_value() -> None:
    out = indicators.wilder(row(1, math.nan, 2, 3, math.nan, 7), 3)
    assert out[0, 3:].tolist() == [2.0, 2.0, 11 / 3]


def test_atr_is_the_hand_calculation() -> None:
    high, low, close = row(10, 12, 13, 12), row(9, 10, 11, 10), row(9.5, 11, 12, 10.5)
    # true ranges from the second session: 2.5, 2, 2; seed of two is 2.25, then (2.25 + 2) / 2
    assert indicators.atr(high, low, close, 2)[0, 2:].tolist() == [2.25, 2.125]


def test_rsi_is_the_hand_calculation() -> None:
    # changes +2 -1 +1: seed gain 1, loss .5; then gain (1 + 1) / 2 = 1, loss .25
    out = indicators.rsi(row(10, 12, 11, 12), 2)
    assert out[0, 2] == pytest.approx(100 * 1 / 1.5)
    assert out[0, 3] == pytest.approx(80.0)


def test_rsi_of_a_price_that_never_moved_is_zero_as_in_ta_lib() -> None:
    assert indicators.rsi(row(5, 5, 5, 5), 2)[0, 3] == 0.0


def test_ewma_starts_at_the_first_value_and_is_not_adjusted() -> None:
    assert indicators.ewma(row(1, 3, math.nan, 5), 0.5)[0].tolist() == [1.0, 2.0, 2.0, 3.5]


def test_realised_volatility_uses_n_minus_one_and_252_sessions() -> None:
    out = indicators.realised_vol(row(0.01, -0.01, 0.03), 3)[0]
    assert out == pytest.approx(0.02 * math.sqrt(252))


def test_a_line_is_found_again_in_points_on_it() -> None:
    x = row(1, 2, 4, 7)
    line = indicators.regress(3 + 2 * x, x)
    assert line.beta[0] == pytest.approx(2.0)
    assert line.alpha[0] == pytest.approx(3.0)
    assert np.abs(line.residual).max() < 1e-12


def test_a_benchmark_that_does_not_move_gives_no_line() -> None:
    assert np.isnan(indicators.regress(row(1, 2, 3), row(1, 1, 1)).beta[0])


@given(prices)
def test_rsi_stays_within_its_scale_and_atr_is_never_negative(close: np.ndarray) -> None:
    out = indicators.rsi(close, 2)
    known = out[~np.isnan(out)]
    assert ((known >= 0) & (known <= 100 + 1e-9)).all()
    ranges = indicators.atr(close * 1.01, close * 0.99, close, 14)
    assert (ranges[~np.isnan(ranges)] >= 0).all()


@given(prices)
def test_one_symbol_alone_gives_the_same_bits_as_among_others(close: np.ndarray) -> None:
    together = indicators.atr(close * 1.01, close * 0.99, close, 14)
    for number in range(len(close)):
        one = close[number : number + 1]
        alone = indicators.atr(one * 1.01, one * 0.99, one, 14)
        assert together[number].tobytes() == alone[0].tobytes()
    both = indicators.sma(close, 20)
    assert all(both[n] == indicators.sma(close[n : n + 1], 20)[0] for n in range(len(close)))


@given(prices, st.integers(1, 19))
def test_recursive_indicators_do_not_look_ahead(close: np.ndarray, cut: int) -> None:
    for whole, part in (
        (indicators.rsi(close, 2)[:, :cut], indicators.rsi(close[:, :cut], 2)),
        (indicators.ewma(close, 0.2)[:, :cut], indicators.ewma(close[:, :cut], 0.2)),
    ):
        assert np.array_equal(whole, part, equal_nan=True)


def test_a_made_residual_that_returns_is_scored_with_the_sign_of_its_place() -> None:
    steps = np.random.default_rng(7).normal(0, 0.01, 400)
    walk = [0.0]
    for step in steps:
        walk.append(0.8 * walk[-1] + step)
    lowest = int(np.argmin(walk[100:-1])) + 100
    own = np.diff(walk[lowest - 80 : lowest + 1])[None, :]
    benchmark = np.random.default_rng(8).normal(0, 0.01, own.shape)
    fit = indicators.reversion(own + benchmark, benchmark)
    assert fit.beta[0] == pytest.approx(1.0, abs=0.4)
    assert 0 < fit.b[0] < 1
    assert fit.kappa[0] == pytest.approx(-252 * math.log(fit.b[0]))
    assert fit.score[0] < -1.0
