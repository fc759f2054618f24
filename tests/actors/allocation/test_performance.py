"""Performance figures against independent formulas and hand calculations (strategies 9)."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.performance import Record, max_drawdown, profit_factor, sharpe, sortino

DAY = 86_400_000_000_000
returns = st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=120)


@given(returns)
def test_sharpe_is_the_annual_mean_over_the_sample_deviation(values: list[float]) -> None:
    series = pd.Series(values)
    if series.std(ddof=1) < 1e-9:
        return
    expected = series.mean() / series.std(ddof=1) * math.sqrt(252)
    assert sharpe(values) == pytest.approx(expected, rel=1e-8, abs=1e-12)


@given(returns)
def test_sortino_looks_at_losses_only(values: list[float]) -> None:
    downside = np.sqrt(np.mean(np.minimum(values, 0.0) ** 2))
    found = sortino(values)
    if downside < 1e-12:
        assert found is None
    else:
        assert found == pytest.approx(np.mean(values) / downside * math.sqrt(252), rel=1e-8, abs=1e-12)


@given(returns)
def test_drawdown_is_measured_from_the_starting_point_too(values: list[float]) -> None:
    curve = np.concatenate([[1.0], np.cumprod(1.0 + np.array(values))])
    expected = float((curve / np.maximum.accumulate(curve) - 1).min())
    assert max_drawdown(values) == pytest.approx(expected, abs=1e-12)


def test_too_few_or_flat_returns_have_no_ratio() -> None:
    assert sharpe([0.01] * 19, 20) is None
    assert sharpe([0.01] * 20, 20) is None
    assert sortino([0.01, 0.02]) is None
    assert profit_factor(10.0, 0.0) is None


def test_a_day_counts_its_trades_and_forgets_them_at_its_end() -> None:
    record = Record()
    record.opened_today = 3
    for net in (30.0, -10.0, 0.0):
        record.close_trade(40 * DAY, net, 1.0)
    day = record.end_day("s", "2018-03-01", 40 * DAY, 1, profit=20.0, capital=1_000.0, enabled=True)
    assert (day.trades_opened, day.trades_closed, day.wins, day.losses) == (3, 3, 1, 1)
    assert (day.net_pnl, day.gross_pnl, day.commission) == (20.0, 23.0, 3.0)
    assert (day.profit_factor, day.avg_win, day.avg_loss, day.win_rate_30d) == (3.0, 30.0, -10.0, 0.5)
    assert record.returns == [0.02]
    later = record.end_day("s", "2018-04-15", 85 * DAY, 1, profit=20.0, capital=1_000.0, enabled=True)
    assert (later.trades_closed, later.total_trades, later.win_rate_30d) == (0, 3, None)
    assert record.returns == [0.02, 0.0]
