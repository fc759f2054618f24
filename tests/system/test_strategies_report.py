"""What each strategy reports at a session's start: whether it trades, why not, and how many slots it has."""

import math

import pytest

from actors.market.calendar import session_times
from runtime.messages.machine import SessionStarted
from runtime.messages.market import DailyBars
from runtime.messages.risk import Noted, StrategyChanged
from storage.loaders.sessions import SessionData
from storage.loaders.synthetic import synthetic_sessions
from tests.system import days

Told = dict[str, StrategyChanged]


def reports(sessions: tuple[SessionData, ...], *overrides: str) -> tuple[list[Told], list[Noted]]:
    """What the strategies reported at each session's start, and every warning of the run."""
    started: list[Told] = []
    noted: list[Noted] = []

    def watch(_: int, __: int, message: object, caused: list[object]) -> None:
        if isinstance(message, SessionStarted):
            started.append({one.strategy: one for one in caused if isinstance(one, StrategyChanged)})
        noted.extend(one for one in caused if isinstance(one, Noted))

    days.play(sessions, days.settings(None, *overrides), observers=(watch,))
    return started, noted


def made_market() -> tuple[SessionData, ...]:
    return tuple(synthetic_sessions(times=session_times))[:1]


def test_in_the_made_market_every_built_strategy_trades_and_has_its_share_of_the_slots() -> None:
    told = reports(made_market())[0][0]
    active = {name: one.slots for name, one in told.items() if one.state == "ACTIVE"}
    # Ten slots by 0.30 : 0.25 : 0.10 of 0.65 are 4.62, 3.85 and 1.54; the two left go to .85 and .62.
    assert active == {"mean_reversion": 5, "relative_volume_breakout": 4, "gap_fill": 1}
    assert {one.reason for one in told.values() if one.state == "INACTIVE"} == {"NOT_BUILT"}
    assert not any(one.slots for one in told.values() if one.state == "INACTIVE")


def test_slots_follow_the_number_of_positions_and_the_strategies_that_are_on() -> None:
    overrides = ("account.max_positions=3", "strategies.relative_volume_breakout.enabled=false")
    told = reports(made_market(), *overrides)[0][0]
    assert {name: one.slots for name, one in told.items() if one.slots} == {
        "mean_reversion": 2,
        "gap_fill": 1,
    }


def test_a_session_knows_the_next_ones_hours() -> None:
    for session in made_market():
        following = session_times(session.next)
        assert (session.next_open, session.next_close) == (following.open, following.close)


@days.needs_data
def test_the_daily_strategy_trades_in_the_recorded_weeks_from_the_first_session_on() -> None:
    sessions = days.february_2018()[:3]
    started, noted = reports(sessions)
    assert [told["mean_reversion"].state for told in started] == ["ACTIVE"] * 3
    assert [told["relative_volume_breakout"].reason for told in started] == ["NO_HISTORY", "", ""]
    assert [told["mean_reversion"].slots for told in started] == [10, 5, 5]
    for session in sessions:
        following = session_times(session.next)
        assert (session.next_open, session.next_close) == (following.open, following.close)
    frozen = [one.text for one in noted if "frozen" in one.text]
    assert len(frozen) == 1, "only the first session has no earlier one to measure a ratio on"
    assert " more" in frozen[0]


@days.needs_data
def test_a_day_that_pays_a_dividend_is_no_loss() -> None:
    session = days.february_2018()[4]
    daily = next(message for _, _, message in session.inputs if isinstance(message, DailyBars))
    before = session.panels["daily"][:, :, -1]
    paid = 0
    for place, at in enumerate(daily.ids.tolist()):
        adjusted, close = daily.adj_close[place], float(daily.close[place])
        if not adjusted or not math.isfinite(before[5, at]):
            continue
        ratio = adjusted / close / (before[5, at] / before[3, at])
        paid += ratio > 1.0005
        assert ratio == pytest.approx(1.0, abs=0.05)
    assert paid, "nobody paid on that day: another one is needed"
