"""The regime actor: what it says at the start, on a close, and when data is old or missing."""

from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from actors.regime import Carried, RegimeDetector
from config.trading import Regime
from runtime.messages.base import Message
from runtime.messages.machine import SessionStarted
from runtime.messages.market import VixClose
from runtime.messages.risk import Noted, RegimeChanged, TaskDone, TaskDue
from tests.actors.days import Stage, at, header

START = SessionStarted(ts_event=at(-6), session="2018-03-05")
Panels = dict[str, NDArray[Any]]


def vix_panel(closes: list[float], sessions: list[int] | None = None) -> Panels:
    days = sessions or [20180226, 20180227, 20180228, 20180301, 20180302][-len(closes) :]
    return {"vix": np.array(closes), "vix_sessions": np.array(days, dtype=np.int32)}


def stage(panels: Panels, carried: Carried | None = None) -> Stage:
    return Stage(RegimeDetector(Regime(), header(), panels, carried), "regime")


def changed(said: list[Message]) -> RegimeChanged:
    (message,) = [m for m in said if isinstance(m, RegimeChanged)]
    return message


def test_a_session_starts_with_the_regime_of_the_previous_close() -> None:
    said = stage(vix_panel([14.0, 14.0, 26.0])).tell(START, at(-6))
    assert len(said) == 1
    told = changed(said)
    assert (told.fast, told.slow, told.scalar, told.vix) == ("high", "low", 0.7, 26.0)
    assert (told.age, told.source, told.action) == (1, "VIX", "start")


def test_what_was_carried_is_loaded_and_brought_up_to_date() -> None:
    first = stage(vix_panel([14.0, 16.0], [20180228, 20180301]))
    first.tell(START, at(-6))
    told = changed(stage(vix_panel([14.0, 16.0, 26.0]), first.actor.carry()).tell(START, at(-6)))  # type: ignore[arg-type]
    assert (told.fast, told.previous, told.action) == ("high", "normal", "loaded")


def test_a_close_that_changes_the_regime_is_told_at_once_and_only_once() -> None:
    on = stage(vix_panel([20.0]))
    on.tell(START, at(-6))
    close = VixClose(ts_event=at(16), session="2018-03-05", level=36.0)
    told = changed(on.tell(close, at(16.4)))
    assert (told.fast, told.scalar, told.previous, told.age) == ("extreme", 0.4, "normal", 0)
    assert told.action == "scalar 1 to 0.4"
    assert on.tell(close, at(16.5)) == []


def test_a_close_within_the_class_is_silent() -> None:
    on = stage(vix_panel([20.0]))
    on.tell(START, at(-6))
    assert on.tell(VixClose(ts_event=at(16), session="2018-03-05", level=21.0), at(16.4)) == []


def test_a_close_that_is_no_number_is_refused_with_a_warning() -> None:
    on = stage(vix_panel([20.0]))
    on.tell(START, at(-6))
    for level in (float("nan"), float("inf"), 0.0, -3.0):
        (note,) = on.tell(VixClose(ts_event=at(16), session="2018-03-05", level=level), at(16.4))
        assert isinstance(note, Noted)


def test_a_datum_of_two_sessions_warns_and_never_scales_up() -> None:
    panels = vix_panel([12.0], [20180301])
    panels["daily_sessions"] = np.array([20180227, 20180228, 20180301, 20180302], dtype=np.int32)
    said = stage(panels).tell(START, at(-6))
    assert (changed(said).scalar, changed(said).age, changed(said).source) == (1.0, 2, "STALE")
    assert [note.level for note in said if isinstance(note, Noted)] == ["WARNING"]


def test_a_datum_older_than_three_sessions_means_at_least_high() -> None:
    """No daily calendar: Monday to Monday is five weekdays."""
    said = stage(vix_panel([12.0], [20180226])).tell(START, at(-6))
    assert (changed(said).fast, changed(said).age) == ("high", 5)
    assert [note.level for note in said if isinstance(note, Noted)] == ["ERROR"]


def test_without_vix_the_index_history_gives_an_estimate() -> None:
    daily = np.full((6, 2, 60), np.nan)
    daily[5, 0] = [100.0 * 1.005**day for day in range(60)]  # 7.94 % a year: 13.49 VIX points
    on = stage({"daily": daily})
    told = changed(on.tell(START, at(-6)))
    assert (told.source, told.fast, told.scalar) == ("ESTIMATED", "low", 1.2)
    assert abs(told.vix - 13.485) < 0.001
    assert on.actor.carry() == Carried(state=None, said="low")


def test_without_anything_the_regime_is_high() -> None:
    said = stage({}).tell(START, at(-6))
    assert (changed(said).fast, changed(said).scalar) == ("high", 0.7)
    assert [note.level for note in said if isinstance(note, Noted)] == ["ERROR"]


def test_its_task_reports_the_reading() -> None:
    on = stage(vix_panel([20.0]))
    on.tell(START, at(-6))
    task = TaskDue(ts_event=at(6.5), cause=1, task="load_regime_detector", phase="PRE_MARKET")
    (done,) = on.tell(task, at(6.5))
    assert isinstance(done, TaskDone)
    assert done.detail == "normal (slow normal), scalar 1, VIX 20.00, 1 sessions old"
    assert on.tell(msgspec.structs.replace(task, task="monitor_positions"), at(6.5)) == []


@given(st.lists(st.floats(9.0, 60.0), min_size=2, max_size=20))
def test_day_by_day_with_restarts_equals_the_whole_history(closes: list[float]) -> None:
    """Every session gets one more close; the last one alone, with nothing carried, sees the same."""
    days = [20180200 + day for day in range(1, len(closes) + 1)]
    carried: Carried | None = None
    for count in range(1, len(closes) + 1):
        on = stage(vix_panel(closes[:count], days[:count]), carried)
        on.tell(START, at(-6))
        carried = msgspec.msgpack.decode(msgspec.msgpack.encode(on.actor.carry()), type=Carried)
    fresh = stage(vix_panel(closes, days))
    fresh.tell(START, at(-6))
    assert fresh.actor.carry() == carried
