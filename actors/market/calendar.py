"""Which days New York trades, from when to when: XNYS sessions, early closes and holidays included.

A session is known by its ISO date and lasts from 18:00 ET of the previous trading day to 18:00 ET of its own.
The dates come from exchange_calendars over a fixed span, so no answer depends on today; the library is heavy
and is loaded at the first question.
"""

import warnings
from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

import msgspec

from actors.market.phases import phase_table
from runtime.messages.session import PhaseStart

EXCHANGE = "XNYS"
FIRST, LAST = "1990-01-01", "2035-12-31"
"""Span of the calendar; beyond published years it follows the exchange's standing rules."""
NEW_YORK = ZoneInfo("America/New_York")

_SESSION_ENDS = time(18, 0)
_PRE_MARKET = time(6, 30)
_FULL_CLOSE = time(16, 0)


class NoSession(ValueError):
    """The day is no trading day, is no date, or lies outside the calendar's span."""


class SessionTimes(msgspec.Struct, frozen=True, kw_only=True):
    """One trading day's dates (ISO) and times (ns UTC).

    Attributes:
        previous, next: Neighbouring trading days.
        starts, ends: 18:00 ET of the previous trading day and of this one.
        open, close: The exchange's regular hours on that day.
        early_close: Whether it closes before 16:00 ET.
        phases: The day's phase table.
    """

    session: str
    previous: str
    next: str
    starts: int
    open: int
    close: int
    ends: int
    early_close: bool
    phases: tuple[PhaseStart, ...]


class _Sessions(msgspec.Struct, frozen=True):
    """All sessions of the span: ISO dates ascending, with their opens and closes in ns UTC."""

    dates: list[str]
    opens: list[int]
    closes: list[int]


@cache
def session_times(day: str | date) -> SessionTimes:
    """Look up one trading day.

    Raises:
        NoSession: The exchange is closed that day, or the day lies outside the calendar.
    """
    sessions = _sessions()
    row = _row(sessions, day)
    if row == 0 or row == len(sessions.dates) - 1:
        raise NoSession(f"{day} is the calendar's edge: its neighbours are unknown ({FIRST} to {LAST})")
    today, previous = sessions.dates[row], sessions.dates[row - 1]
    opens, closes = sessions.opens[row], sessions.closes[row]
    starts, ends = eastern(previous, _SESSION_ENDS), eastern(today, _SESSION_ENDS)
    return SessionTimes(
        session=today,
        previous=previous,
        next=sessions.dates[row + 1],
        starts=starts,
        open=opens,
        close=closes,
        ends=ends,
        early_close=closes < eastern(today, _FULL_CLOSE),
        phases=phase_table(
            starts=starts, pre_market=eastern(today, _PRE_MARKET), opens=opens, closes=closes, ends=ends
        ),
    )


def is_session(day: str | date) -> bool:
    """Whether the exchange trades on that day.

    Raises:
        NoSession: The day lies outside the calendar.
    """
    sessions, iso = _sessions(), _iso(day)
    row = bisect_left(sessions.dates, iso)
    return row < len(sessions.dates) and sessions.dates[row] == iso


def sessions_between(first: str | date, last: str | date) -> list[str]:
    """Trading days from `first` to `last`, both included, ascending; empty if there are none.

    Raises:
        NoSession: A day lies outside the calendar, or `last` before `first`.
    """
    begin, end = _iso(first), _iso(last)
    if end < begin:
        raise NoSession(f"the last day {end} lies before the first, {begin}")
    dates = _sessions().dates
    return dates[bisect_left(dates, begin) : bisect_right(dates, end)]


def previous_session(day: str | date) -> str:
    """The last trading day before a day, which need not be one itself."""
    dates = _sessions().dates
    row = bisect_left(dates, _iso(day)) - 1
    if row < 0:
        raise NoSession(f"no trading day before {day} in the calendar ({FIRST} to {LAST})")
    return dates[row]


def next_session(day: str | date) -> str:
    """The first trading day after a day, which need not be one itself."""
    dates = _sessions().dates
    row = bisect_right(dates, _iso(day))
    if row == len(dates):
        raise NoSession(f"no trading day after {day} in the calendar ({FIRST} to {LAST})")
    return dates[row]


def session_of(ts: int) -> str:
    """The session that a moment (ns UTC) belongs to: until 18:00 ET its own day, then the next one."""
    moment = datetime.fromtimestamp(ts // 1_000_000_000, UTC).astimezone(NEW_YORK)
    today = moment.date()
    if moment.time() < _SESSION_ENDS and is_session(today):
        return today.isoformat()
    return next_session(today)


def eastern(day: str, at: time) -> int:
    """New York wall-clock time on a day as ns UTC, daylight saving included."""
    moment = datetime.combine(date.fromisoformat(day), at, tzinfo=NEW_YORK)
    return round(moment.timestamp()) * 1_000_000_000


def midnight(day: str) -> int:
    """The first moment of a day in New York, ns UTC: what its daily bar is stamped with."""
    return eastern(day, time())


@cache
def _sessions() -> _Sessions:
    import exchange_calendars  # noqa: PLC0415  (a second and 100 MB, for those who ask only)

    with warnings.catch_warnings():
        # The library's own use of pandas; nothing of ours to mend.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        calendar = exchange_calendars.get_calendar(EXCHANGE, start=FIRST, end=LAST)
    return _Sessions(
        dates=[day.date().isoformat() for day in calendar.sessions],
        opens=[int(ts) for ts in calendar.opens_nanos],
        closes=[int(ts) for ts in calendar.closes_nanos],
    )


def _iso(day: str | date) -> str:
    try:
        iso = day if isinstance(day, str) else day.isoformat()
        if date.fromisoformat(iso).isoformat() != iso:
            raise ValueError
    except ValueError:
        raise NoSession(f"must be a date like 2018-02-16, was {day!r}") from None
    if not FIRST <= iso <= LAST:
        raise NoSession(f"{iso} lies outside the calendar ({FIRST} to {LAST})")
    return iso


def _row(sessions: _Sessions, day: str | date) -> int:
    iso = _iso(day)
    row = bisect_left(sessions.dates, iso)
    if row == len(sessions.dates) or sessions.dates[row] != iso:
        later = sessions.dates[row] if row < len(sessions.dates) else "none"
        earlier = sessions.dates[row - 1] if row else "none"
        raise NoSession(
            f"{iso} is no trading day of {EXCHANGE}: the one before is {earlier}, the one after {later}"
        )
    return row
