"""The kill switch through the whole chain against the simulated broker (faults 47 and 50, architecture 5)."""

from collections.abc import Sequence

import msgspec
import pytest

from actors import system
from actors.gateways.replay_feed import MadeSession
from config.schema import Settings
from config.snapshot import settings_hash, snapshot
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Input, Message, parts_of
from runtime.messages.broker import CancelOrder, OrderCanceled, SubmitOrder
from runtime.messages.machine import SessionEnded, SessionStarted
from runtime.messages.risk import (
    HaltConfirmed,
    HaltLifted,
    HaltThrown,
    PhaseChanged,
    TaskDone,
    TaskDue,
)
from runtime.messages.trading import OrderDenied
from storage.loaders.sessions import SessionData
from tests.system.small_markets import Shape, market
from tests.system.test_invariants import profile

MINUTE = 60_000_000_000
SEEDS = range(6)


class Run:
    """One session or more, with inputs of the operator put between those of the market."""

    def __init__(
        self, seed: int, *, protective: bool = False, sessions: int = 1, positions: int = 10
    ) -> None:
        plain = profile(seed, loose=True, positions=positions, entries=300)
        switch = msgspec.structs.replace(plain.kill_switch, cancel_protective=protective)
        self.settings: Settings = msgspec.structs.replace(plain, kill_switch=switch)
        shape = Shape(
            seed=seed, symbols=6, halts=0, missing=0.1, volume=2_000, step=0.0005, sessions=sessions
        )
        self.days: Sequence[SessionData] = market(shape)
        self.carried: dict[str, bytes] = {}
        self.seen: list[tuple[int, Message]] = []
        self.caused_by: dict[int, list[Message]] = {}

    def play(self, *operator: Input, day: int = 0, until: int | None = None) -> "Run":
        """Play a session; with `until` only its inputs up to there, and no end."""
        session = MadeSession(self.days[day])
        header = msgspec.structs.replace(
            session.header,
            settings=snapshot(self.settings),
            settings_hash=settings_hash(self.settings),
            carried=self.carried,
        )
        self.machine = Sequencer(
            system.build(self.settings, header, session.panels, simulated=True),
            carried=self.carried,
            observers=[self._observe],
        )
        begin, end = (kind(ts_event=0, session=header.session) for kind in (SessionStarted, SessionEnded))
        inputs = [(at, source, message) for at, source, message in session.inputs()]
        inputs += [(message.ts_event, "operator", message) for message in operator]
        inputs.sort(key=lambda one: one[0])
        for at, source, message in [
            (header.starts, "machine", begin),
            *inputs,
            (header.ends, "machine", end),
        ]:
            if until is not None and at > until:
                return self
            self.machine.post(source, message, at)
        self.carried = self.machine.carry()
        return self

    def _observe(self, _: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self.seen += [(at, one) for one in (*parts_of(message), *caused)]

    def open(self, day: int = 0) -> int:
        return MadeSession(self.days[day]).header.open

    def all(self, kind: type[Message], after: int = 0, until: int = 2**63) -> list[tuple[int, Message]]:
        return [(at, one) for at, one in self.seen if type(one) is kind and after <= at <= until]

    def entries(self, after: int = 0, until: int = 2**63) -> list[SubmitOrder]:
        return [one for _, one in self.all(SubmitOrder, after, until) if one.adds_exposure]

    def resting(self) -> dict[str, str]:
        """Client id to role of what works at the broker; the legs of an unfilled entry are not counted."""
        kept = self.machine.actor("executor").carry().lots
        roles = {name: order.role for lot in kept for name, order in lot.orders.items()}
        working = self.machine.actor("simulated_broker").carry().orders
        return {one.client_order_id: roles[one.client_order_id] for one in working if not one.held}

    def held(self) -> dict[str, int]:
        return {lot.id: lot.quantity for lot in self.machine.actor("portfolio").carry().lots if lot.quantity}

    def intraday(self) -> list[str]:
        """Intraday lots still held."""
        return [
            lot.id for lot in self.machine.actor("portfolio").carry().lots if lot.quantity and lot.intraday
        ]


def thrown(at: int, *, flatten: bool = False) -> HaltThrown:
    return HaltThrown(ts_event=at, reason="test", flatten=flatten)


def busy(seed: int, **more: object) -> tuple[Run, int]:
    """A run and a moment of it, between two minutes, at which positions are held and an entry works."""
    for minute in range(12, 30):
        run = Run(seed, **more)  # type: ignore[arg-type]
        at = run.open() + minute * MINUTE + 1
        run.play(until=at)
        if run.held() and "entry" in run.resting().values():
            return Run(seed, **more), at  # type: ignore[arg-type]
    raise AssertionError(f"seed {seed} is never busy")


# ---- a plain halt ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_from_the_halt_on_no_order_that_adds_exposure_leaves(seed: int) -> None:
    run, at = busy(seed)
    run.play(thrown(at))
    assert run.entries(until=at - 1)
    assert run.entries(after=at) == []
    assert {denied.rule for _, denied in run.all(OrderDenied, after=at)} <= {"halt"}


@pytest.mark.parametrize("seed", SEEDS)
def test_working_entries_are_cancelled_in_the_same_input_and_confirmed_gone(seed: int) -> None:
    run, at = busy(seed)
    before = Run(seed).play(until=at - 1).resting()
    run.play(thrown(at), until=at)
    working = {name for name, role in before.items() if role == "entry"}
    assert {one.client_order_id for _, one in run.all(CancelOrder, after=at)} == working
    assert {one.client_order_id for _, one in run.all(OrderCanceled, after=at)} >= working
    assert "entry" not in run.resting().values()
    ((_, confirmed),) = run.all(HaltConfirmed)
    assert (confirmed.flat, confirmed.working > 0) == (False, True)


@pytest.mark.parametrize("seed", SEEDS)
def test_stops_and_targets_stay_where_they_are(seed: int) -> None:
    run, at = busy(seed)
    before = Run(seed).play(until=at - 1).resting()
    run.play(thrown(at), until=at)
    protective = {name: role for name, role in before.items() if role in ("stop", "target")}
    assert protective
    assert protective.items() <= run.resting().items()
    assert run.held() == Run(seed).play(until=at - 1).held()


@pytest.mark.parametrize("seed", SEEDS)
def test_exits_pass_and_intraday_lots_are_closed_in_the_evening(seed: int) -> None:
    run, at = busy(seed)
    run.play(thrown(at))
    sent = [one for _, one in run.all(SubmitOrder, after=at)]
    assert any(one.role == "exit" for one in sent)
    assert not any(one.adds_exposure for one in sent)
    assert run.intraday() == []
    closed = [one for _, one in run.all(TaskDone, after=at) if one.task == "close_intraday_positions"]
    assert [one.status for one in closed] == ["done"]


def test_only_closing_and_the_days_profit_are_asked_for_while_halted() -> None:
    run, at = busy(0, sessions=2)
    run.play(thrown(at))
    asked = {one.task for _, one in run.all(TaskDue, after=at)}
    assert asked == {"close_intraday_positions", "calculate_daily_pnl"}
    run.play(day=1, until=run.open(day=1) - 600 * MINUTE)
    told = [one.task for _, one in run.all(TaskDone, after=at) if one.detail == "halted"]
    assert told == ["checkpoint_system_state"]


def test_a_halt_before_the_day_begins_withholds_its_tasks_until_a_person_resumes() -> None:
    run = Run(0)
    begins, resumes = run.open() - 300 * MINUTE, run.open() + 20 * MINUTE
    run.play(thrown(begins), HaltLifted(ts_event=resumes, by="ann"))
    assert run.entries(until=resumes) == []
    assert [one for _, one in run.all(PhaseChanged, begins, resumes) if one.phase == "TRADING"]
    assert run.all(TaskDue, after=begins, until=resumes - 1) == []
    caught_up = [one.task for _, one in run.all(TaskDue, after=resumes, until=resumes)]
    assert caught_up == [
        "load_regime_detector",
        "run_premarket_analysis",
        "monitor_positions",
        "process_intraday_signals",
        "check_circuit_breakers",
    ]


# ---- flattening -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_flatten_cancels_and_sells_everything_and_tells_only_then(seed: int) -> None:
    run, at = busy(seed)
    run.play(thrown(at, flatten=True), until=at)
    assert run.all(HaltConfirmed) == []  # sold at the next bar, not yet
    run = busy(seed)[0].play(thrown(at, flatten=True))
    ((when, confirmed),) = run.all(HaltConfirmed)
    assert (confirmed.flat, confirmed.working) == (True, 0)
    assert when < at + 30 * MINUTE
    assert (run.held(), run.resting()) == ({}, {})
    assert run.entries(after=at) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_halt_that_is_to_flatten_after_all_does_so(seed: int) -> None:
    run, at = busy(seed)
    later = at + 3 * MINUTE
    run.play(thrown(at), thrown(later, flatten=True), thrown(later + MINUTE))
    assert [confirmed.flat for _, confirmed in run.all(HaltConfirmed)][-1] is True
    assert (run.held(), run.resting()) == ({}, {})


# ---- resuming and the next day --------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_person_resumes_entries_leave_again(seed: int) -> None:
    run, at = busy(seed)
    resumes = at + 5 * MINUTE
    run.play(thrown(at), HaltLifted(ts_event=resumes, by="ann"))
    assert run.entries(after=at, until=resumes - 1) == []
    assert run.entries(after=resumes)


def test_a_halt_outlives_its_session_and_so_does_its_end() -> None:
    run, at = busy(1, sessions=2)
    run.play(thrown(at))
    run.play(day=1)
    assert run.entries(after=at) == []
    run, at = busy(1, sessions=2)
    run.play(thrown(at))
    resumes = run.open(day=1) + 10 * MINUTE
    run.play(HaltLifted(ts_event=resumes, by="ann"), day=1)
    assert run.entries(after=at, until=resumes - 1) == []
    assert run.entries(after=resumes)


def test_a_halt_thrown_again_at_every_start_changes_nothing() -> None:
    run, at = busy(2, sessions=2)
    run.play(thrown(at))
    held = run.held()
    begins = MadeSession(run.days[1]).header.starts + 1
    run.play(thrown(begins), day=1, until=begins)
    assert run.held() == held
    assert [
        one for when, one in run.seen if when >= begins and isinstance(one, SubmitOrder | CancelOrder)
    ] == []


# ---- the seed's letter ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_with_cancel_protective_no_stop_or_target_rests_and_positions_stay(seed: int) -> None:
    run, at = busy(seed, protective=True)
    held = Run(seed, protective=True).play(until=at - 1).held()
    run.play(thrown(at), until=at)
    assert set(run.resting().values()) <= {"exit"}  # what was under way to be sold goes on
    assert run.held() == held
    ((_, confirmed),) = run.all(HaltConfirmed)
    assert (confirmed.flat, confirmed.working) == (False, len(run.resting()))


@pytest.mark.parametrize("seed", SEEDS)
def test_after_the_halt_what_it_stripped_is_protected_again(seed: int) -> None:
    run, at = busy(seed, protective=True)
    resumes = at + 2 * MINUTE
    run.play(thrown(at), HaltLifted(ts_event=resumes, by="ann"), until=resumes)
    kept = {
        lot.lot_id: lot for lot in run.machine.actor("executor").carry().lots if lot.held and not lot.closing
    }
    for lot in kept.values():
        assert (
            sum(one.quantity for one in lot.orders.values() if one.is_live and one.role != "stop") == lot.held
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_with_cancel_protective_the_evening_still_closes_intraday_lots(seed: int) -> None:
    run, at = busy(seed, protective=True)
    run.play(thrown(at))
    assert run.intraday() == []
    assert set(run.resting().values()) <= {"exit"}
