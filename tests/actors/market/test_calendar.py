"""Sessions and phases are those of exchange_calendars, minute by minute, over ten years."""

import warnings
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from actors.market.calendar import (
    NoSession,
    SessionTimes,
    eastern,
    is_session,
    next_session,
    previous_session,
    session_of,
    session_times,
    sessions_between,
)
from actors.market.phases import MINUTE, phase_at

FIRST, LAST = "2018-01-01", "2027-12-31"
NEW_YORK = ZoneInfo("America/New_York")
NAMES = ["OVERNIGHT", "PRE_MARKET", "MARKET_OPEN", "TRADING", "MARKET_CLOSE", "AFTER_HOURS"]
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def exchange() -> Any:
    """The library's own calendar, asked directly."""
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return exchange_calendars.get_calendar("XNYS", start="2017-12-01", end="2028-01-31")


def early_closes(exchange: Any) -> list[str]:
    return [day.date().isoformat() for day in exchange.early_closes]


def days_of_interest(exchange: Any) -> list[str]:
    """Early closes, sessions around a change of the clocks, and every 17th session."""
    early = [
        day.date().isoformat() for day in exchange.early_closes if FIRST <= day.date().isoformat() <= LAST
    ]
    noon = [datetime.combine(date(2018, 1, 1) + n * DAY, time(12), NEW_YORK) for n in range(3652)]
    changes = [today.date() for before, today in pairwise(noon) if before.utcoffset() != today.utcoffset()]
    assert len(changes) == 20
    around = [session for day in changes for session in sessions_between(day - 3 * DAY, day + 3 * DAY)]
    return sorted({*early, *around, *sessions_between(FIRST, LAST)[::17]})


def expected_phases(exchange: Any, session: str, minutes: np.ndarray) -> np.ndarray:
    """Phase of each minute (ns UTC) from the library's trading minutes and the New York wall clock alone."""
    row = exchange.sessions.get_loc(pd.Timestamp(session))
    first, close = int(exchange.opens_nanos[row]), int(exchange.closes_nanos[row])
    local = pd.DatetimeIndex(minutes, tz="UTC").tz_convert("America/New_York")
    clock = local.hour.to_numpy() * 60 + local.minute.to_numpy()
    today = local.strftime("%Y-%m-%d").to_numpy() == session
    phases = np.zeros(len(minutes), dtype=np.int64)
    phases[today & (clock >= 6 * 60 + 30) & (minutes < first)] = NAMES.index("PRE_MARKET")
    trading = (minutes >= first) & (minutes < close)
    ordinal = (minutes - first) // MINUTE
    left = (close - minutes) // MINUTE
    phases[trading] = NAMES.index("TRADING")
    phases[trading & (ordinal < 5)] = NAMES.index("MARKET_OPEN")
    phases[trading & (left <= 15)] = NAMES.index("MARKET_CLOSE")
    phases[(minutes >= close) & (minutes < close + 120 * MINUTE)] = NAMES.index("AFTER_HOURS")
    return phases


def table_phases(times: SessionTimes, minutes: np.ndarray) -> np.ndarray:
    rows = np.searchsorted([row.ts for row in times.phases], minutes, side="right") - 1
    return np.array([NAMES.index(row.phase) for row in times.phases])[rows]


def test_every_minute_of_the_days_of_interest_has_the_exchanges_phase(exchange: Any) -> None:
    days = days_of_interest(exchange)
    assert len(days) > 250
    for session in days:
        times = session_times(session)
        minutes = np.arange(times.starts, times.ends, MINUTE)
        np.testing.assert_array_equal(
            table_phases(times, minutes), expected_phases(exchange, session, minutes), err_msg=session
        )


@pytest.mark.parametrize("session", ["2018-11-23", "2019-12-24", "2021-03-15", "2026-11-02"])
def test_asking_for_one_moment_gives_the_tables_phase(session: str) -> None:
    times = session_times(session)
    minutes = np.arange(times.starts, times.ends, MINUTE)
    asked = [NAMES.index(phase_at(times.phases, int(minute))) for minute in minutes]
    assert asked == table_phases(times, minutes).tolist()


def test_the_exchange_is_open_exactly_in_the_three_market_phases(exchange: Any) -> None:
    for session in ["2018-03-12", "2018-11-23", "2020-12-24", "2026-11-27"]:
        times = session_times(session)
        minutes = np.arange(times.starts, times.ends, MINUTE)
        market = np.isin(table_phases(times, minutes), [2, 3, 4])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traded = exchange.session_minutes(session)
        wanted = traded.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
        np.testing.assert_array_equal(minutes[market], wanted, err_msg=session)


def test_ten_years_of_sessions_are_the_exchanges(exchange: Any) -> None:
    ours = sessions_between(FIRST, LAST)
    assert ours == [day.date().isoformat() for day in exchange.sessions_in_range(FIRST, LAST)]
    early = early_closes(exchange)
    assert [day for day in ours if session_times(day).early_close] == [day for day in ours if day in early]


@pytest.mark.parametrize(
    ("session", "close"), [("2026-11-27", time(13)), ("2026-12-24", time(13)), ("2026-11-25", time(16))]
)
def test_the_day_after_thanksgiving_and_christmas_eve_close_early(session: str, close: time) -> None:
    times = session_times(session)
    assert times.close == eastern(session, close)
    assert times.early_close == (close < time(16))
    assert phase_at(times.phases, times.close - 15 * MINUTE) == "MARKET_CLOSE"
    assert phase_at(times.phases, times.close - 15 * MINUTE - 1) == "TRADING"


@pytest.mark.parametrize(
    "holiday",
    [
        "2026-07-03",
        "2018-12-05",
        "2019-04-19",
        "2021-12-24",
        "2022-06-20",
        "2025-01-09",
        "2026-11-26",
        "2026-11-28",
    ],
)
def test_holidays_and_weekends_are_no_sessions(holiday: str) -> None:
    assert not is_session(holiday)
    with pytest.raises(NoSession, match=f"{holiday} is no trading day of XNYS: the one before is"):
        session_times(holiday)


def test_a_session_lasts_from_the_evening_of_the_one_before() -> None:
    times = session_times("2018-03-12")
    assert (times.previous, times.next) == ("2018-03-09", "2018-03-13")
    # Winter time on Friday the 9th (UTC-5), summer time from Sunday the 11th (UTC-4).
    assert times.starts == 1_520_636_400 * 1_000_000_000
    assert times.ends == 1_520_892_000 * 1_000_000_000
    assert times.open == 1_520_861_400 * 1_000_000_000


def test_sessions_leave_no_gap_and_do_not_overlap() -> None:
    days = sessions_between("2018-01-02", "2018-12-31")
    for earlier, later in pairwise(days):
        assert session_times(earlier).ends == session_times(later).starts
        assert session_times(earlier).next == later
        assert (previous_session(later), next_session(earlier)) == (earlier, later)


@pytest.mark.parametrize(
    ("day", "clock", "session"),
    [
        ("2018-03-09", time(17, 59), "2018-03-09"),
        ("2018-03-09", time(18, 0), "2018-03-12"),
        ("2018-03-10", time(12, 0), "2018-03-12"),
        ("2018-03-11", time(23, 0), "2018-03-12"),
        ("2018-03-12", time(0, 0), "2018-03-12"),
        ("2026-07-02", time(18, 0), "2026-07-06"),
        ("2026-07-03", time(10, 0), "2026-07-06"),
    ],
)
def test_a_moment_belongs_to_one_session(day: str, clock: time, session: str) -> None:
    moment = eastern(day, clock)
    assert session_of(moment) == session
    times = session_times(session)
    assert times.starts <= moment < times.ends


@pytest.mark.parametrize("day", ["2018-3-12", "20180312", "yesterday", "", "2018-02-30"])
def test_what_is_no_date_is_said_so(day: str) -> None:
    with pytest.raises(NoSession, match="must be a date like"):
        session_times(day)


@pytest.mark.parametrize("day", ["1989-12-29", "2036-01-02", "9999-12-31"])
def test_a_day_beyond_the_calendar_is_said_so(day: str) -> None:
    for ask in (session_times, is_session, next_session, previous_session):
        with pytest.raises(NoSession, match="lies outside the calendar"):
            ask(day)


def test_the_calendars_edge_has_no_neighbours() -> None:
    with pytest.raises(NoSession, match="edge"):
        session_times("1990-01-02")
    with pytest.raises(NoSession, match="no trading day before"):
        previous_session("1990-01-02")
    with pytest.raises(NoSession, match="no trading day after"):
        next_session("2035-12-31")


def test_a_range_runs_forwards() -> None:
    assert sessions_between("2026-11-26", "2026-11-29") == ["2026-11-27"]
    assert sessions_between("2026-11-28", "2026-11-29") == []
    with pytest.raises(NoSession, match="lies before the first"):
        sessions_between("2026-11-29", "2026-11-28")
