"""When the emulated exchange is open: XNYS sessions, with its holidays and early closes."""

import warnings
from bisect import bisect_right
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple

from tests.alpaca_server.clock import NEW_YORK, SECOND, new_york

GTC_DAYS = 90


class Session(NamedTuple):
    """One trading day; open and close in ns UTC."""

    day: date
    open: int
    close: int


class Hours:
    """Sessions around whatever moment is asked for."""

    def at(self, moment: int) -> Session | None:
        """The session that is open at a moment."""
        found = self.ending_after(moment)
        return found if found.open <= moment else None

    def ending_after(self, moment: int) -> Session:
        """The first session that closes after a moment."""
        sessions = _around(new_york(moment).year)
        return sessions[bisect_right([session.close for session in sessions], moment)]

    def next_open(self, moment: int) -> int:
        """The first opening after a moment."""
        found = self.ending_after(moment)
        return found.open if found.open > moment else self.ending_after(found.close).open

    def next_close(self, moment: int) -> int:
        """The first close after a moment."""
        return self.ending_after(moment).close

    def between(self, first: date, last: date) -> list[Session]:
        """Sessions from one day to another, both included."""
        years = range(first.year, last.year + 1)
        return [s for year in years for s in _of(year) if first <= s.day <= last]

    def settlement(self, day: date) -> date:
        """The trading day after: T+1."""
        return next(s.day for s in _around(day.year) if s.day > day)

    def cancels_gtc(self, moment: int) -> int:
        """When an order good till canceled ends: 16:15 in New York, 90 days on."""
        day = new_york(moment).date() + timedelta(days=GTC_DAYS)
        return round(datetime.combine(day, time(16, 15), NEW_YORK).timestamp()) * SECOND


@cache
def _around(year: int) -> list[Session]:
    return [*_of(year), *_of(year + 1)]


@cache
def _of(year: int) -> list[Session]:
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own use of pandas
        calendar = exchange_calendars.get_calendar("XNYS", start=f"{year}-01-01", end=f"{year}-12-31")
    return [
        Session(day.date(), int(opens), int(closes))
        for day, opens, closes in zip(
            calendar.sessions, calendar.opens_nanos, calendar.closes_nanos, strict=True
        )
    ]
