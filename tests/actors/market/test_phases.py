"""Every moment of a session has exactly one phase."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.market.phases import MINUTE, phase_at, phase_table
from runtime.messages.risk import Phase

HOUR = 60 * MINUTE
FULL = phase_table(
    starts=0, pre_market=int(12.5 * HOUR), opens=int(15.5 * HOUR), closes=22 * HOUR, ends=24 * HOUR
)
HALF = phase_table(
    starts=0, pre_market=int(12.5 * HOUR), opens=int(15.5 * HOUR), closes=19 * HOUR, ends=24 * HOUR
)
"""A session from 18:00 to 18:00 that opens at 9:30; one closes at 16:00, the other at 13:00."""


@pytest.mark.parametrize(
    ("clock", "full", "half"),
    [
        (0, "OVERNIGHT", "OVERNIGHT"),
        (12.5, "PRE_MARKET", "PRE_MARKET"),
        (15.5, "MARKET_OPEN", "MARKET_OPEN"),
        (15.5 + 5 / 60, "TRADING", "TRADING"),
        (18.75, "TRADING", "MARKET_CLOSE"),
        (19, "TRADING", "AFTER_HOURS"),
        (21, "TRADING", "OVERNIGHT"),
        (21.75, "MARKET_CLOSE", "OVERNIGHT"),
        (22, "AFTER_HOURS", "OVERNIGHT"),
    ],
)
def test_a_phase_begins_at_its_moment(clock: float, full: Phase, half: Phase) -> None:
    ts = round(clock * 60) * MINUTE
    assert (phase_at(FULL, ts), phase_at(HALF, ts)) == (full, half)


def test_a_phase_lasts_until_the_next_begins() -> None:
    assert phase_at(FULL, 22 * HOUR - 1) == "MARKET_CLOSE"
    assert phase_at(FULL, 24 * HOUR - 1) == "AFTER_HOURS"
    assert phase_at(FULL, -1) == "OVERNIGHT"


def test_a_full_day_has_no_night_after_hours() -> None:
    assert [row.phase for row in FULL] == [
        "OVERNIGHT",
        "PRE_MARKET",
        "MARKET_OPEN",
        "TRADING",
        "MARKET_CLOSE",
        "AFTER_HOURS",
    ]
    assert HALF[-1].phase == "OVERNIGHT"


@given(st.integers(0, 24 * HOUR - 1))
def test_the_phase_is_the_last_one_that_began(ts: int) -> None:
    begun = [row for row in HALF if row.ts <= ts]
    assert phase_at(HALF, ts) == begun[-1].phase


@given(st.lists(st.integers(0, 10 * HOUR), min_size=5, max_size=5))
def test_a_table_ascends_or_is_refused(times: list[int]) -> None:
    starts, pre_market, opens, closes, ends = times
    try:
        table = phase_table(starts=starts, pre_market=pre_market, opens=opens, closes=closes, ends=ends)
    except ValueError:
        return
    moments = [row.ts for row in table]
    assert moments == sorted(set(moments))
    assert moments[0] == starts
    assert moments[-1] < ends
