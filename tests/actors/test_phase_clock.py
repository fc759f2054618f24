"""The phase clock on normal, early and late days."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.market.tasks import TASK_REGISTRY
from actors.phase_clock import Carried, PhaseClock
from runtime.kernel.cell import ActorSpec
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Message
from runtime.messages.machine import SessionEnded, SessionStarted
from runtime.messages.risk import Noted, PhaseChanged, TaskAnswered, TaskDone, TaskDue
from runtime.messages.session import SessionHeader
from tests.actors.days import HOUR, at, header

SEED_TASKS = {
    "PRE_MARKET": [
        "validate_api_connectivity", "sync_positions_from_broker", "load_regime_detector",
        "run_premarket_analysis",
    ],
    "MARKET_OPEN": ["check_opening_conditions", "execute_opening_orders"],
    "TRADING": ["monitor_positions", "process_intraday_signals", "check_circuit_breakers"],
    "MARKET_CLOSE": ["close_intraday_positions", "calculate_daily_pnl"],
    "AFTER_HOURS": ["run_daily_research", "update_watchlists", "run_strategy_optimization"],
    "OVERNIGHT": ["run_nightly_research_pipeline", "checkpoint_system_state"],
}  # fmt: skip


class Day:
    """A session with nothing in it but the phase clock."""

    def __init__(
        self, head: SessionHeader, carried: Carried | None = None, *, asks_broker: bool = False
    ) -> None:
        self.said: list[tuple[int, Message]] = []
        packed = {} if carried is None else {"phase_clock": msgspec.msgpack.encode(carried)}

        def build(kept: bytes | None) -> PhaseClock:
            before = None if kept is None else msgspec.msgpack.decode(kept, type=Carried)
            return PhaseClock(head, before, asks_broker=asks_broker)

        self.head = head
        self.sequencer = Sequencer(
            [ActorSpec(name="phase_clock", rank=10, build=build)],
            carried=packed,
            observers=[lambda _, now, __, caused: self.said.extend((now, message) for message in caused)],
        )

    def begin(self, now: int | None = None) -> "Day":
        now = self.head.starts if now is None else now
        self.sequencer.post("machine", SessionStarted(ts_event=now, session=self.head.session), now)
        return self

    def run(self, now: int | None = None) -> "Day":
        self.begin(now)
        ends = self.head.ends
        self.sequencer.post("machine", SessionEnded(ts_event=ends, session=self.head.session), ends)
        return self

    def carried(self) -> Carried:
        return msgspec.msgpack.decode(self.sequencer.carry()["phase_clock"], type=Carried)

    def phases(self) -> list[tuple[str, int, bool]]:
        return [(m.phase, now, m.late) for now, m in self.said if isinstance(m, PhaseChanged)]

    def due(self) -> dict[str, TaskDue]:
        return {m.task: m for _, m in self.said if isinstance(m, TaskDue)}

    def done(self) -> dict[str, TaskDone]:
        return {m.task: m for _, m in self.said if isinstance(m, TaskDone)}

    def noted(self) -> list[Noted]:
        return [m for _, m in self.said if isinstance(m, Noted)]


def test_the_registry_has_every_name_of_the_seed_in_its_order() -> None:
    assert {phase: [task.name for task in tasks] for phase, tasks in TASK_REGISTRY.items()} == SEED_TASKS


def test_a_normal_day_enters_every_phase_at_its_minute() -> None:
    day = Day(header()).run()
    assert day.phases() == [
        ("OVERNIGHT", at(-6), False),
        ("PRE_MARKET", at(6.5), False),
        ("MARKET_OPEN", at(9.5), False),
        ("TRADING", at(9.5) + 5 * HOUR // 60, False),
        ("MARKET_CLOSE", at(15.75), False),
        ("AFTER_HOURS", at(16), False),
    ]
    assert day.carried() == Carried(phase="AFTER_HOURS", close_intraday_missed=False)
    assert day.noted() == []


def test_a_normal_day_settles_every_task_once_in_order() -> None:
    day = Day(header()).run()
    names = [message.task for _, message in day.said if isinstance(message, TaskDue | TaskDone)]
    order = ["OVERNIGHT", "PRE_MARKET", "MARKET_OPEN", "TRADING", "MARKET_CLOSE", "AFTER_HOURS"]
    assert names == [name for phase in order for name in SEED_TASKS[phase]]
    assert not any(task.late for task in day.due().values())
    for name in ("validate_api_connectivity", "sync_positions_from_broker", "run_daily_research"):
        assert (day.done()[name].status, day.done()[name].detail) == ("skipped", "not available")
    assert day.done()["checkpoint_system_state"].status == "done"


def test_an_early_close_follows_its_table_and_the_night_goes_on() -> None:
    day = Day(header(early=True)).run()
    assert [(phase, now) for phase, now, _ in day.phases()][-3:] == [
        ("MARKET_CLOSE", at(12.75)),
        ("AFTER_HOURS", at(13)),
        ("OVERNIGHT", at(15)),
    ]
    after = Day(header(day=1), day.carried()).begin()
    (said,) = [message for _, message in after.said if isinstance(message, PhaseChanged)]
    assert (said.phase, said.previous) == ("OVERNIGHT", "OVERNIGHT")
    assert not after.due()
    assert not after.done()


def test_a_start_at_eleven_catches_up_what_may_be_caught_up() -> None:
    day = Day(header()).begin(at(11))
    assert day.phases() == [("TRADING", at(11), True)]
    assert {name: task.late for name, task in day.due().items()} == dict.fromkeys(
        [
            "load_regime_detector", "run_premarket_analysis", "monitor_positions",
            "process_intraday_signals", "check_circuit_breakers",
        ],
        True,
    )  # fmt: skip
    for name in SEED_TASKS["MARKET_OPEN"]:
        assert (day.done()[name].status, day.done()[name].detail) == ("skipped", "late")


@pytest.mark.parametrize(("seconds", "late"), [(60, False), (61, True)])
def test_opening_orders_are_not_sent_more_than_a_minute_late(seconds: int, late: bool) -> None:
    day = Day(header()).begin(at(9.5) + seconds * 1_000_000_000)
    assert day.phases()[0][2] is late
    assert ("execute_opening_orders" in day.due()) is not late
    assert ("execute_opening_orders" in day.done()) is late


def test_a_start_within_market_close_still_closes_intraday_positions() -> None:
    day = Day(header()).begin(at(15.9))
    assert day.due()["close_intraday_positions"].late
    assert day.noted() == []


def test_a_missed_close_is_critical_and_is_made_up_for_at_the_next_open() -> None:
    yesterday = Carried(phase="AFTER_HOURS", close_intraday_missed=False)
    day = Day(header(), yesterday).run(at(16.5))
    assert [note.level for note in day.noted()] == ["CRITICAL"]
    assert day.done()["close_intraday_positions"].status == "skipped"
    assert "process_intraday_signals" not in day.due()
    assert day.carried().close_intraday_missed

    after = Day(header(day=1), day.carried()).run()
    assert [note.level for note in after.noted()] == ["CRITICAL"]
    closes = [
        (now, message.phase, message.late)
        for now, message in after.said
        if isinstance(message, TaskDue) and message.task == "close_intraday_positions"
    ]
    opens = at(9.5) + 24 * HOUR
    assert closes == [
        (opens, "MARKET_OPEN", True),
        (opens + 6 * HOUR + HOUR // 4, "MARKET_CLOSE", False),
    ]
    assert not after.carried().close_intraday_missed


def test_a_session_that_ended_before_its_close_was_asked_for_owes_it() -> None:
    day = Day(header()).begin()
    assert day.carried().close_intraday_missed


def test_an_owed_close_waits_while_the_market_is_shut() -> None:
    owing = Carried(phase="TRADING", close_intraday_missed=True)
    day = Day(header(), owing).begin(at(17))
    assert "close_intraday_positions" not in day.due()
    assert day.carried().close_intraday_missed


def test_a_first_start_ever_after_the_close_owes_nothing() -> None:
    day = Day(header()).begin(at(17))
    assert day.noted() == []
    assert not day.carried().close_intraday_missed


@given(st.integers(-6 * 60, 18 * 60 - 1), st.booleans())
def test_whenever_it_starts_the_phase_is_the_tables_and_no_task_is_left_open(
    minute: int, early: bool
) -> None:
    day = Day(header(early=early)).begin(at(minute / 60))
    begun = [start.phase for start in day.head.phases if start.ts <= at(minute / 60)]
    assert day.phases()[0][0] == begun[-1]
    settled = [m.task for _, m in day.said if isinstance(m, TaskDue | TaskDone)]
    assert settled == [name for phase in begun for name in SEED_TASKS[phase]]


def answered(*answers: TaskAnswered) -> Day:
    """A day with a broker to ask, whose answers come at seven in the morning."""
    day = Day(header(), asks_broker=True).begin()
    for answer in answers:
        day.sequencer.post("broker", answer, at(7))
    return day


def test_the_broker_is_asked_where_there_is_one_and_its_answers_are_what_became_of_the_tasks():
    day = answered(
        TaskAnswered(ts_event=at(7), task="validate_api_connectivity", status="done", detail="fine"),
        TaskAnswered(ts_event=at(7), task="sync_positions_from_broker", status="failed", detail="500"),
    )
    assert {"validate_api_connectivity", "sync_positions_from_broker"} <= day.due().keys()
    done = day.done()
    validated = done["validate_api_connectivity"]
    assert (validated.status, validated.detail) == ("done", "fine")
    assert done["sync_positions_from_broker"].status == "failed"
    assert done["sync_positions_from_broker"].phase == "PRE_MARKET"
    noted = [m for _, m in day.said if isinstance(m, Noted)]
    assert [(one.level, one.text) for one in noted] == [("ERROR", "sync_positions_from_broker: 500")]


def test_an_answer_nobody_asked_for_or_a_second_one_says_nothing():
    answer = TaskAnswered(ts_event=at(7), task="validate_api_connectivity", status="done")
    day = answered(answer, answer, TaskAnswered(ts_event=at(7), task="made_up", status="done"))
    assert "made_up" not in day.done()
    assert len([m for _, m in day.said if isinstance(m, TaskDone) and m.task == answer.task]) == 1
