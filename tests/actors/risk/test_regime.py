"""VIX classes and hysteresis, by hand and against the published closes."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.regime import RegimeState, estimate, level_of, read, run, step
from config.trading import Regime

LIMITS = Regime()
VIX_FILE = Path(__file__).parents[4] / "shared/data/daily/vix_1990-01-02_2018-03-16.parquet"


def walk(closes: list[float]) -> tuple[list[int], list[int]]:
    state: RegimeState | None = None
    fast, slow = [], []
    for day, vix in enumerate(closes):
        state = step(state, day, vix, LIMITS)
        fast.append(state.fast)
        slow.append(state.slow)
    return fast, slow


@pytest.mark.parametrize(
    ("vix", "level"),
    [(14.99, 0), (15.0, 1), (24.99, 1), (25.0, 2), (35.0, 2), (35.01, 3), (9.0, 0), (90.0, 3)],
)
def test_boundary_values_belong_to_the_calmer_side_only_at_35(vix: float, level: int) -> None:
    assert level_of(vix, LIMITS) == level


def test_fast_goes_up_at_once_and_over_several_levels() -> None:
    assert walk([12.0, 36.0])[0] == [0, 3]


def test_fast_goes_down_one_level_after_two_closes_below_the_edge_less_one() -> None:
    assert walk([36.0, 33.99, 33.99, 23.99, 23.99, 13.99, 13.99])[0] == [3, 3, 2, 2, 1, 1, 0]
    assert walk([36.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0])[0] == [3, 3, 2, 2, 1, 1, 0]


def test_fast_stays_when_the_band_is_only_touched_or_interrupted() -> None:
    assert walk([26.0, 24.0, 24.0, 24.0])[0] == [2, 2, 2, 2]
    assert walk([26.0, 23.9, 24.5, 23.9, 23.9])[0] == [2, 2, 2, 2, 1]


def test_slow_needs_two_closes_in_a_row_both_ways() -> None:
    assert walk([12.0, 15.0, 14.5, 15.0, 15.0])[1] == [0, 0, 0, 0, 1]
    assert walk([20.0, 14.0, 13.9, 14.0, 13.9, 13.9])[1] == [1, 1, 1, 1, 1, 0]
    assert walk([20.0, 26.0, 40.0, 10.0, 10.0, 10.0, 10.0])[1] == [1, 1, 3, 3, 2, 2, 1]
    assert walk([20.0, 40.0, 20.0, 40.0, 20.0])[1] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("age", "vix", "fast", "scalar", "source"),
    [
        (1, 12.0, "low", 1.2, "VIX"),
        (2, 12.0, "low", 1.0, "STALE"),
        (3, 12.0, "low", 1.0, "STALE"),
        (4, 12.0, "high", 0.7, "STALE"),
        (3, 28.0, "high", 0.7, "STALE"),
        (4, 40.0, "extreme", 0.4, "STALE"),
    ],
)
def test_an_old_datum_never_scales_up_and_later_counts_as_high(
    age: int, vix: float, fast: str, scalar: float, source: str
) -> None:
    reading = read(step(None, 1, vix, LIMITS), age, LIMITS)
    assert (reading.fast, reading.scalar, reading.source) == (fast, scalar, source)


def test_without_any_datum_the_regime_is_high() -> None:
    assert read(None, 0, LIMITS).fast == "high"
    assert read(None, 0, LIMITS).scalar == 0.7


def test_the_estimate_of_steady_one_percent_days_is_by_hand() -> None:
    """Vol = 1 % * sqrt(252) = 15.8745 %; 7.27 + 0.783 * 15.8745 = 19.6997."""
    closes = np.array([100.0 * 1.01**day for day in range(60)])
    assert estimate(closes)[-1] == pytest.approx(7.27 + 0.783 * 100 * 0.01 * math.sqrt(252))
    assert len(estimate(closes)) == 39
    assert len(estimate(closes[:21])) == 0


def test_the_estimate_passes_over_gaps() -> None:
    closes = [100.0 * 1.01**day for day in range(60)]
    with_gaps = [*closes[:30], math.nan, 0.0, *closes[30:]]
    assert estimate(np.array(with_gaps)).tolist() == estimate(np.array(closes)).tolist()


vix_path = st.lists(st.floats(9.0, 60.0), min_size=1, max_size=60)


@given(vix_path, st.integers(0, 60))
def test_stopping_and_going_on_gives_the_same_state(closes: list[float], cut: int) -> None:
    sessions = np.arange(1, len(closes) + 1, dtype=np.int32)
    values = np.array(closes)
    whole = run(None, sessions, values, LIMITS)
    half = run(None, sessions[:cut], values[:cut], LIMITS)
    assert run(half, sessions, values, LIMITS) == whole


@given(vix_path)
def test_fast_is_never_calmer_than_the_close_or_than_slow(closes: list[float]) -> None:
    fast, slow = walk(closes)
    assert all(level >= level_of(vix, LIMITS) for level, vix in zip(fast, closes, strict=True))
    assert all(late <= early for late, early in zip(slow, fast, strict=True))


def _fast_reference(closes: list[float]) -> list[int]:
    """The same rule said otherwise: look back at two closes instead of counting."""
    edges = (15.0, 25.0, 35.0)
    raw = [3 if v > 35 else 2 if v >= 25 else 1 if v >= 15 else 0 for v in closes]
    levels, moved = [raw[0]], 0
    for day in range(1, len(closes)):
        now = levels[-1]
        if raw[day] > now:
            now, moved = raw[day], day
        elif now and day - moved >= 2 and max(closes[day - 1], closes[day]) < edges[now - 1] - 1.0:
            now, moved = now - 1, day
        levels.append(now)
    return levels


@pytest.mark.skipif(not VIX_FILE.exists(), reason="the VIX file is not here")
def test_shares_and_changes_of_28_years_match_the_published_figures() -> None:
    """Shares: .320/.506/.136/.038 and 23.45 raw changes a year to 2026; the file ends in March 2018."""
    import pandas as pd

    closes = pd.read_parquet(VIX_FILE)["close"].tolist()
    assert len(closes) == 7_105
    raw = np.array([level_of(vix, LIMITS) for vix in closes])
    edges = np.searchsorted([15.0, 25.0, np.nextafter(35.0, 99.0)], closes, side="right")
    assert raw.tolist() == edges.tolist()
    fast, slow = walk(closes)
    assert fast == _fast_reference(closes)
    years = len(closes) / 252
    changes = [float(np.count_nonzero(np.diff(levels))) / years for levels in (raw, fast, slow)]
    assert changes[0] == pytest.approx(23.45, rel=0.05)
    assert changes[1] == pytest.approx(11.03, rel=0.06)
    assert changes[2] == pytest.approx(8.45, rel=0.06)


@pytest.mark.skipif(not VIX_FILE.exists(), reason="the VIX file is not here")
def test_february_2018_goes_from_low_to_extreme_and_back() -> None:
    import pandas as pd

    frame = pd.read_parquet(VIX_FILE).tail(40)
    fast, _ = walk(frame["close"].tolist())
    by_day = dict(zip(frame["timestamp"].dt.strftime("%m-%d"), fast, strict=True))
    # Closes: 02-02 17.31, 02-05 37.32, 02-06 29.98, 02-07 27.73, 02-08 33.46.
    assert [by_day[day] for day in ("02-01", "02-02", "02-05", "02-06", "02-07", "02-08")] == [
        0,
        1,
        3,
        3,
        2,
        2,
    ]
