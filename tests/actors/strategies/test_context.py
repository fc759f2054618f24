"""What a strategy sees of history: the session's own bars put on top of it, and who takes part."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.strategies.context import Daily, place_of
from runtime.messages.market import Bars, DailyBars


def history(sessions: int = 5, coverage: float = 0.95) -> Daily:
    panel = np.full((6, 2, sessions), 100.0)
    panel[5] = 90.0  # every close so far is adjusted by 0.9
    return Daily(panel, np.arange(sessions, dtype=np.int32), np.ones(2), coverage)


def bars(*adjusted: float) -> DailyBars:
    return DailyBars.of([0, 1], [[80.0, 50.0]] * 5, ts_event=0, session="2018-03-05", adj_close=adjusted)


def test_the_adjusted_close_that_the_source_tells_is_taken() -> None:
    daily = history().with_session(20180305, [bars(79.5, 45.0)])
    assert daily.adjusted[:, -1].tolist() == [79.5, 45.0]
    assert daily.close[:, -1].tolist() == [80.0, 50.0]
    assert daily.sessions[-1] == 20180305


@pytest.mark.parametrize("told", [(), (0.0, 0.0)])
def test_without_it_the_factor_of_the_session_before_stays(told: tuple[float, ...]) -> None:
    daily = history().with_session(20180305, [bars(*told)])
    assert daily.adjusted[:, -1].tolist() == [72.0, 45.0]


def test_each_symbol_is_adjusted_by_what_is_known_of_it() -> None:
    assert history().with_session(20180305, [bars(79.5, 0.0)]).adjusted[:, -1].tolist() == [79.5, 45.0]


def test_a_symbol_without_a_bar_has_none_and_a_new_one_no_place() -> None:
    late = DailyBars.of([1, 2], [[50.0, 7.0]] * 5, ts_event=0, session="2018-03-05", adj_close=(49.0, 7.0))
    daily = history().with_session(20180305, [late])
    assert math.isnan(daily.adjusted[0, -1])
    assert daily.adjusted[1, -1] == 49.0
    assert daily.current.tolist() == [False, True]


@pytest.mark.parametrize(
    ("coverage", "missing", "takes_part"), [(0.95, 1, True), (0.95, 2, False), (0.9, 2, True)]
)
def test_a_symbol_needs_its_share_of_the_lookback(coverage: float, missing: int, takes_part: bool) -> None:
    daily = history(20, coverage)
    daily.close[0, 3 : 3 + missing] = math.nan
    assert daily.covers(20).tolist() == [takes_part, True]
    assert daily.with_session(20180305, [bars()]).coverage == coverage


@given(st.sets(st.integers(0, 30)), st.integers(0, 31))
def test_a_symbol_is_found_in_a_frame_exactly_where_it_stands(ids: set[int], symbol: int) -> None:
    table = sorted(ids)
    frame = Bars.of(table, [[1.0] * len(table)] * 5, ts_event=0)
    assert place_of(frame, symbol) == (table.index(symbol) if symbol in ids else -1)
