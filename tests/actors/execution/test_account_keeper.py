"""Lots in the account they live in: what is told of shares that are missing or uncovered, and when."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.account_side import READ, STUCK
from actors.executor import Executor
from config.schema import Orders
from runtime.messages.account import ReadAccount
from runtime.messages.base import Message
from runtime.messages.broker import CancelOrder, CancelRejected, FillCorrected, OrderChanged, SubmitOrder
from runtime.messages.risk import Noted
from tests.actors.days import Stage
from tests.actors.executor_stage import ENTRY, LOT, RESTING, SECOND, STOP, TARGET, ExecutorStage, listed

Told = list[tuple[str, str]]


def notes(said: list[Message]) -> Told:
    return [(one.level, one.text) for one in said if isinstance(one, Noted)]


def cancelled(said: list[Message]) -> list[str]:
    return [one.client_order_id for one in said if isinstance(one, CancelOrder)]


def lot_of(stage: ExecutorStage) -> Any:
    (lot,) = stage.executor.carry().lots
    return lot


def resting(stop: int, target: int) -> tuple[Any, ...]:
    """Both exits as the broker counts them."""
    return (
        listed(STOP, side="sell", parent_id=ENTRY, stop_price=95.0, remaining=stop),
        listed(TARGET, side="sell", parent_id=ENTRY, limit_price=105.0, remaining=target),
    )


def theirs(stage: ExecutorStage, shares: int, cumulative: int) -> list[Message]:
    """Somebody else trades AAA: below zero they sell."""
    side = "buy" if shares > 0 else "sell"
    return stage.fill("theirs", abs(shares), cumulative, side)


def corrected(stage: ExecutorStage, name: str, quantity: int, **fields: Any) -> list[Message]:
    stage.now += SECOND
    plain: dict[str, Any] = {
        "ts_event": stage.now, "client_order_id": name, "broker_order_id": f"b-{name}",
        "execution_id": f"{name}#c{quantity}", "previous_execution_id": f"{name}#10", "symbol": "AAA",
        "side": "buy", "quantity_before": 10, "price_before": 100.0, "quantity": quantity, "price": 100.0,
        "cumulative": quantity,
    }  # fmt: skip
    return stage.hear(FillCorrected(**(plain | fields)))


# ---- shares that somebody else sold -------------------------------------------------------------


def test_shares_of_a_lot_that_somebody_sold_call_a_person_and_its_exits_are_for_the_rest() -> None:
    stage = ExecutorStage().ready().open_lot()
    said = theirs(stage, -4, 4)
    assert notes(said) == [
        (
            "CRITICAL",
            f"AAA: of the 10 shares of lot {LOT} 4 are not in the account: somebody else sold or bought "
            "them; its stop and exits are for 6",
        )
    ]
    assert (lot_of(stage).missing, lot_of(stage).to_exit) == (4, 6)
    assert cancelled(said) == [STOP]  # of the pair the broker ends both
    stage.approve("b")
    assert stage.of(SubmitOrder)[-1].client_order_id == ENTRY  # no entry leaves in the symbol
    stage.canceled(STOP)
    stage.canceled(TARGET)
    exits = stage.of(SubmitOrder)[-1]
    assert (exits.role, exits.quantity, exits.stop_loss, exits.adds_exposure) == ("target", 6, 95.0, False)


def test_shares_that_come_back_are_told_and_entries_leave_again() -> None:
    stage = ExecutorStage().ready().open_lot()
    theirs(stage, -4, 4)
    said = stage.fill("theirs-too", 4, 4, "buy")
    assert notes(said) == [
        ("WARNING", f"AAA: of the 10 shares of lot {LOT} none is missing in the account any more")
    ]
    assert lot_of(stage).missing == 0
    stage.approve("b")
    assert stage.of(SubmitOrder)[-1].client_order_id == "b:e1"


@given(st.lists(st.integers(-6, 6).filter(bool), max_size=8))
def test_what_may_be_exited_is_what_is_held_and_there_and_entries_wait_while_it_is_less(
    trades: list[int],
) -> None:
    stage = ExecutorStage().ready().open_lot()
    beside = 0
    for number, shares in enumerate(trades):
        beside += shares
        stage.fill(f"theirs-{number}", abs(shares), abs(shares), "buy" if shares > 0 else "sell")
        missing = min(10, max(0, -beside))
        assert (lot_of(stage).missing, lot_of(stage).to_exit) == (missing, 10 - missing)
        gate = stage.executor._gate  # type: ignore[attr-defined]
        assert gate.refusal("AAA", "buy", stage.now) == (
            "shares of ours in AAA are not in the account" if missing else ""
        )


def test_shares_that_a_comparison_found_missing_were_critical_before_and_are_a_warning_now() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.snapshot(*RESTING, AAA=7)
    said = stage.snapshot(*RESTING, AAA=7)
    assert [level for level, _ in notes(said)] == ["WARNING"]
    assert lot_of(stage).missing == 3


# ---- exits of another size than is held ---------------------------------------------------------


def test_a_stop_that_covers_less_than_is_held_is_an_error_once_and_rested_anew() -> None:
    stage = ExecutorStage().ready().open_lot()
    said = stage.snapshot(*resting(7, 10), AAA=10)
    assert notes(said) == [
        (
            "ERROR",
            f"AAA stop {STOP}: lot {LOT} holds 10 shares, the broker's order is for 7 shares; rested anew",
        )
    ]
    assert cancelled(said) == [STOP]
    stage.hear(_refused(stage))  # so it is asked for again, and not told again
    again = stage.snapshot(*resting(7, 10), AAA=10)
    assert notes(again) == []
    assert cancelled(again) == [STOP]
    stage.hear(_refused(stage))
    other = stage.snapshot(*resting(8, 10), AAA=10)
    assert [level for level, _ in notes(other)] == ["ERROR"]


def _refused(stage: ExecutorStage) -> Message:
    return CancelRejected(
        ts_event=stage.now, client_order_id=STOP, broker_order_id="b-s", symbol="AAA", reason="not now"
    )


@pytest.mark.parametrize("reason", ["schedule", "reconnect"])
def test_exits_that_cover_what_is_held_are_left_alone(reason: str) -> None:
    stage = ExecutorStage().ready().open_lot()
    said = stage.snapshot(*resting(10, 10), reason=reason, AAA=10)
    assert notes(said) == []
    assert cancelled(said) == []


def test_a_snapshot_that_says_too_little_judges_no_stop() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.stream(False, "lost")
    assert stage.snapshot(*resting(7, 10), AAA=10) == []


# ---- refusals and corrections -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reads"), [(40310000, True), (40319999, True), (40320000, False), (42210000, False)]
)
def test_an_exit_that_is_forbidden_has_the_account_read(code: int, reads: bool) -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.approve(LOT, "sell", intent="exit")
    stage.canceled(STOP)
    stage.canceled(TARGET)
    name = stage.of(SubmitOrder)[-1].client_order_id
    stage.accept(name)
    said = stage.reject(name, code, "insufficient qty available for order")
    assert [one.reason for one in said if isinstance(one, ReadAccount)] == (["schedule"] if reads else [])


def test_while_the_stream_is_not_ready_a_forbidden_exit_has_nothing_read() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.approve(LOT, "sell", intent="exit")
    stage.canceled(STOP)
    stage.canceled(TARGET)
    stage.stream(False, "lost")
    said = stage.reject(stage.of(SubmitOrder)[-1].client_order_id, 40310000, "insufficient qty")
    assert not [one for one in said if isinstance(one, ReadAccount)]


def test_a_correction_that_leaves_a_lot_below_nothing_calls_a_person() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.fill(TARGET, 10, side="sell", price=105.0)
    said = corrected(stage, ENTRY, 6)
    assert notes(said) == [
        ("CRITICAL", f"lot {LOT} holds -4 shares of AAA after a correction; a person must buy or sell them")
    ]
    assert corrected(stage, ENTRY, 6) == []  # told once more, it changes nothing


def test_a_correction_that_leaves_nothing_calls_nobody() -> None:
    stage = ExecutorStage().ready()
    stage.approve(stop_loss=None, take_profit=None)
    stage.accept()
    stage.fill()
    assert corrected(stage, ENTRY, 0) == [*stage.of(OrderChanged)[-1:]]
    assert notes(stage.seen) == []


def test_a_corrected_entry_of_a_lot_without_exits_leaves_nothing_uncovered() -> None:
    stage = ExecutorStage().ready()
    stage.approve(stop_loss=None, take_profit=None)
    stage.accept()
    stage.fill()
    corrected(stage, ENTRY, 6)
    assert (lot_of(stage).held, lot_of(stage).is_uncovered, lot_of(stage).is_corrected) == (6, False, True)


def test_an_exit_that_is_taken_back_is_protected_again() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.fill(TARGET, 4, 4, side="sell", price=105.0)
    said = corrected(stage, TARGET, 0, side="sell", quantity_before=4, price_before=105.0)
    assert lot_of(stage).held == 10
    assert lot_of(stage).is_uncovered
    assert cancelled(said) == [STOP]
    assert notes(said) == []


def test_a_correction_of_an_order_that_is_not_known_is_no_matter_of_the_executor() -> None:
    stage = ExecutorStage().ready().open_lot()
    assert corrected(stage, "theirs", 1) == []
    assert corrected(stage, "unheard", 1, parent_id=ENTRY) == []


def test_a_symbol_whose_fill_was_just_corrected_is_not_judged_by_an_older_list() -> None:
    stage = ExecutorStage().ready()
    stage.approve(stop_loss=None, take_profit=None)
    stage.accept()
    stage.fill()
    asked = stage.now = stage.now + SECOND
    corrected(stage, ENTRY, 6)
    later, stage.now = stage.now, asked - SECOND
    stage.snapshot(AAA=10)
    assert notes(stage.seen) == []
    stage.now = later
    stage.snapshot(AAA=10)
    assert [level for level, _ in notes(stage.seen)] == ["CRITICAL"]


# ---- a start ------------------------------------------------------------------------------------


def test_only_a_process_that_starts_ends_the_entries_that_outlive_a_day() -> None:
    stage = ExecutorStage().ready()
    stage.approve(time_in_force="gtc", type="limit", limit_price=99.0)
    stage.accept()
    assert cancelled(stage.stream(False, "lost")) == []
    assert cancelled(stage.stream(True)) == []
    said = stage.stream(False, "connecting", started=True)
    assert cancelled(said) == [ENTRY]
    assert [one.status for one in said if isinstance(one, OrderChanged)] == ["pending_cancel"]


def test_against_a_broker_that_tells_everything_no_account_is_read() -> None:
    stage = ExecutorStage()
    stage.executor = Executor(Orders(), None, reconciles=False)
    Stage.__init__(stage, stage.executor, "executor")
    stage.open_lot()
    assert stage.of(SubmitOrder)
    stage.approve(LOT, "sell", intent="exit")
    stage.canceled(STOP)
    stage.canceled(TARGET)
    said = stage.reject(stage.of(SubmitOrder)[-1].client_order_id, 40310000, "insufficient qty")
    assert not [one for one in said if isinstance(one, ReadAccount)]
    assert not {READ, STUCK} & stage.timers.keys()
    assert stage.executor.external_words() == ""
