"""A moment as a person types it: a span before now, a time of today, a day, an ISO moment."""

import argparse
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.commands import moments
from tui.commands.moments import since

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 20, 14, 0, 0, tzinfo=NEW_YORK)
SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments.time, "time_ns", lambda: int(NOW.timestamp()) * SECOND)


def of(words: str) -> datetime:
    return datetime.fromtimestamp(since(words) / SECOND, NEW_YORK)


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        (" 3d ", NOW - timedelta(days=3)),
        ("0s", NOW),
        ("9:30", NOW.replace(hour=9, minute=30)),
        ("09:30", NOW.replace(hour=9, minute=30)),
        ("9:30:15", NOW.replace(hour=9, minute=30, second=15)),
        ("09:30:15", NOW.replace(hour=9, minute=30, second=15)),
        ("2026-11-19", NOW.replace(day=19, hour=0)),
        ("2026-11-19T09:30", NOW.replace(day=19, hour=9, minute=30)),
        ("2026-11-19T14:30:00Z", datetime(2026, 11, 19, 14, 30, tzinfo=UTC)),
        ("2026-11-19T14:30:00+01:00", datetime(2026, 11, 19, 13, 30, tzinfo=UTC)),
    ],
)
def test_each_way_to_say_a_moment_is_understood_in_new_york(words: str, moment: datetime) -> None:
    assert of(words) == moment


@pytest.mark.parametrize(
    "words",
    ["", "soon", "5", "5w", "-5m", "1.5h", "25:00", "9:3", "9:60", "2026-13-01", "9999999999d", "\u0665m5"],
)
def test_what_is_no_moment_is_refused_with_what_was_typed(words: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no moment"):
        since(words)


def test_the_day_is_new_yorks_and_not_that_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 20:00 in New York it is tomorrow in London."""
    late = NOW.replace(hour=20)
    monkeypatch.setattr(moments.time, "time_ns", lambda: int(late.timestamp()) * SECOND)
    assert of("9:30") == NOW.replace(hour=9, minute=30)


@given(st.text(max_size=20))
def test_whatever_is_typed_is_a_moment_or_refused(words: str) -> None:
    try:
        assert isinstance(since(words), int)
    except argparse.ArgumentTypeError as error:
        assert "is no moment" in str(error)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)))
def test_a_moment_written_in_full_is_read_to_the_second(moment: datetime) -> None:
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    assert since(whole.isoformat()) == int(whole.timestamp()) * SECOND
