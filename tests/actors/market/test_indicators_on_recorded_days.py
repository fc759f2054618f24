"""Indicators on twenty years of recorded days, against other ways of writing the same definitions."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from actors.market import indicators

FILE = (
    Path(__file__).resolve().parents[4]
    / "shared"
    / "data"
    / "daily"
    / "lean_raw_1998-01-02_2018-03-16.parquet"
)
SYMBOLS = ("AIG", "BAC", "IBM", "SPY")

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the recorded data are not beside the repository")


@cache
def days(symbol: str) -> pd.DataFrame:
    table = pd.read_parquet(FILE, filters=[("symbol", "==", symbol)])
    return table.sort_values("timestamp").reset_index(drop=True)


def row(column: pd.Series) -> np.ndarray:
    return column.to_numpy(float)[None, :]


def wilder_as_weights(values: pd.Series, window: int) -> pd.Series:
    """Wilder's mean as an exponential one with alpha 1/window that starts from the first plain mean."""
    seed = values.iloc[:window].mean()
    tail = values.iloc[window:]
    started = pd.concat([pd.Series([seed], index=[values.index[window - 1]]), tail])
    return started.ewm(alpha=1 / window, adjust=False).mean()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_atr_is_wilders_mean_of_the_largest_of_three_ranges(symbol: str) -> None:
    table = days(symbol)
    before = table.close.shift()
    ranges = pd.concat(
        [table.high - table.low, (table.high - before).abs(), (table.low - before).abs()], axis=1
    )
    expected = wilder_as_weights(ranges.max(axis=1).iloc[1:], 14)
    found = indicators.atr(row(table.high), row(table.low), row(table.close))[0]
    assert np.isnan(found[:14]).all()
    assert len(expected) == len(table) - 14 > 4_000
    np.testing.assert_allclose(found[14:], expected.to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("window", [2, 14])
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_rsi_is_the_share_of_gains_in_wilders_means(symbol: str, window: int) -> None:
    change = days(symbol).close.diff().iloc[1:]
    gain = wilder_as_weights(change.clip(lower=0), window)
    loss = wilder_as_weights(-change.clip(upper=0), window)
    expected = 100 - 100 / (1 + gain / loss)
    found = indicators.rsi(row(days(symbol).close), window)[0, window:]
    np.testing.assert_allclose(found, expected.to_numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_first_atr_is_computed_by_hand_for_the_first_fifteen_days(symbol: str) -> None:
    table = days(symbol).iloc[:15]
    ranges = [
        max(high - low, abs(high - before), abs(low - before))
        for high, low, before in zip(table.high[1:], table.low[1:], table.close[:-1], strict=True)
    ]
    found = indicators.atr(row(table.high), row(table.low), row(table.close))[0, -1]
    assert found == pytest.approx(sum(ranges) / 14, rel=1e-13)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_averages_and_volatility_are_pandas_own(symbol: str) -> None:
    close = days(symbol).close
    move = close.pct_change().iloc[1:]
    np.testing.assert_allclose(indicators.returns(row(close))[0], move.to_numpy(), rtol=1e-12)
    assert indicators.sma(row(close), 200)[0] == pytest.approx(close.rolling(200).mean().iloc[-1], rel=1e-12)
    smooth = close.ewm(alpha=0.06, adjust=False).mean()
    np.testing.assert_allclose(indicators.ewma(row(close), 0.06)[0], smooth.to_numpy(), rtol=1e-12)
    expected = move.rolling(20).std().iloc[-1] * 252**0.5
    assert indicators.realised_vol(row(move), 20)[0] == pytest.approx(expected, rel=1e-10)


def test_atr_of_what_is_left_of_history_hardly_differs_from_that_of_all_of_it() -> None:
    table = days("SPY")
    columns = (row(table.high), row(table.low), row(table.close))
    whole = indicators.atr(*columns)[0, -1]
    recent = indicators.atr(*(column[:, -260:] for column in columns))[0, -1]
    assert recent == pytest.approx(whole, rel=1e-7)  # (13/14)^246 of the difference between two seeds
