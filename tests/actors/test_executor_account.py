"""Entries wait for books that agree with the broker's; differences are told once, silence is looked up."""

from collections.abc import Callable
from typing import Any

import pytest

from runtime.messages.account import AssetsRead, ExternalChanged, ReadAccount, Reconciled
from runtime.messages.broker import (
    BrokerAccount,
    BrokerPosition,
    CancelOrder,
    LookUpOrder,
    OrderChanged,
    OrderEnded,
    OrderReplaced,
    ReplaceOrder,
    SubmitOrder,
)
from runtime.messages.machine import SessionStarted
from runtime.messages.market import TradingStatus
from runtime.messages.risk import HaltConfirmed, HaltThrown, Noted, PhaseChanged
from runtime.messages.trading import PositionMismatched
from tests.actors.executor_stage import ENTRY, LOT, RESTING, SECOND, STOP, TARGET, ExecutorStage, listed


def sent(stage: ExecutorStage) -> list[str]:
    return [one.client_order_id for one in stage.of(SubmitOrder)]


def unsent(stage: ExecutorStage) -> str:
    return stage.of(OrderEnded)[-1].reason


def phase(stage: ExecutorStage, name: Any) -> None:
    stage.hear(PhaseChanged(ts_event=stage.now, cause=1, phase=name, previous="PRE_MARKET"))


def test_no_entry_leaves_before_the_first_comparison_and_one_leaves_after_it() -> None:
    stage = ExecutorStage()
    stage.stream(True, started=True)
    stage.approve("a")
    assert sent(stage) == []
    assert unsent(stage).startswith("not sent: our books have not been compared")
    stage.snapshot(reason="start")
    stage.approve("b")
    assert sent(stage) == ["b:e1"]


def test_a_restart_closes_the_gate_again() -> None:
    stage = ExecutorStage().ready()
    stage.stream(False, "connecting", started=True)
    stage.stream(True)
    stage.approve()
    assert sent(stage) == []


def test_a_reconnection_does_not_close_it() -> None:
    stage = ExecutorStage().ready()
    stage.stream(False, "lost")
    stage.stream(True)
    stage.approve()
    assert sent(stage) == [ENTRY]


def test_entries_wait_until_what_differs_at_the_start_is_settled() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.stream(False, "connecting", started=True)
    stage.snapshot(reason="start", AAA=10)  # neither stop nor target is open there
    assert [one.reason for one in stage.of(LookUpOrder)] == ["reconcile"] * 2
    stage.stream(True)
    stage.approve("b", symbol="BBB")
    assert sent(stage) == [ENTRY]
    assert "reconcile" in stage.timers
    assert [one.reason for one in stage.ring("reconcile") if type(one) is ReadAccount] == ["start"]
    stage.snapshot(*RESTING, reason="start", AAA=10)
    assert stage.of(Reconciled)[-1].settled
    stage.approve("c", symbol="BBB")
    assert sent(stage) == [ENTRY, "c:e1"]


def test_a_difference_that_stays_blocks_its_symbol_and_holds_up_nothing_else() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.stream(False, "connecting", started=True)
    for _ in range(3):
        stage.snapshot(reason="start", AAA=10)
    assert [one.settled for one in stage.of(Reconciled)][1:] == [False, False, True]
    stage.stream(True)
    stage.approve("b")
    stage.approve("c", symbol="BBB")
    assert sent(stage) == [ENTRY, "c:e1"]
    assert "in doubt" in unsent(stage)
    assert len(stage.of(Noted)) == 2  # one row for each order, however often it was seen


def test_a_position_that_differs_is_one_critical_row_and_blocks_its_symbol_until_it_agrees() -> None:
    stage = ExecutorStage().ready().open_lot()
    for _ in range(3):
        stage.snapshot(*RESTING, AAA=7)
    row, done = stage.of(Noted)
    assert (row.level, row.text) == (
        "CRITICAL", "AAA: we had 10 shares, the broker has 7 shares; entries blocked",
    )  # fmt: skip
    # Seen twice it is true: exits may be for what is there.
    assert (done.level, done.text.endswith("its stop and exits are for 7")) == ("WARNING", True)
    stage.approve("b")
    stage.approve("c", symbol="BBB")
    assert sent(stage) == [ENTRY, "c:e1"]
    stage.snapshot(*RESTING, AAA=10)
    assert (stage.of(PositionMismatched)[-1].ours, stage.of(PositionMismatched)[-1].broker) == (10, 10)
    stage.approve("d")
    assert sent(stage)[-1] == "d:e1"


def test_doubt_and_external_cross_the_session() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.snapshot(*RESTING, AAA=7, TSLA=5)
    carried = stage.executor.carry()
    assert (carried.doubted, [one.symbol for one in carried.external]) == (["AAA"], ["TSLA"])
    again = ExecutorStage(carried)
    again.stream(False, "connecting", started=True)
    again.snapshot(*RESTING, reason="start", AAA=10, TSLA=5)
    again.stream(True)
    again.approve("b")
    assert sent(again) == ["b:e1"]
    assert again.of(ExternalChanged) == []


def test_a_doubt_in_a_symbol_that_nobody_holds_any_more_ends_with_the_first_comparison() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.snapshot(*RESTING, AAA=7)
    stage.fill(TARGET, side="sell")
    stage.canceled(STOP)  # the lot is over, and after the session nobody knows of it
    carried = stage.executor.carry()
    assert (carried.lots, carried.doubted) == ([], ["AAA"])
    again = ExecutorStage(carried)
    again.stream(False, "connecting", started=True)
    again.snapshot(reason="start")
    again.stream(True)
    assert (again.of(PositionMismatched)[-1].ours, again.of(PositionMismatched)[-1].broker) == (0, 0)
    again.approve("b")
    assert sent(again) == ["b:e1"]
    assert again.executor.carry().doubted == []


def test_a_fill_while_the_broker_was_asked_is_no_mismatch() -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    stage.accept()
    asked = stage.now
    stage.fill()
    stage.now = asked - SECOND
    stage.snapshot()
    assert not stage.of(PositionMismatched)
    assert stage.of(Reconciled)[-1].agreed == ()


def test_between_open_and_close_the_account_is_read_once_a_minute_and_not_outside() -> None:
    stage = ExecutorStage().ready()
    phase(stage, "MARKET_OPEN")
    minute_begun = stage.now - stage.now % (60 * SECOND)
    phase(stage, "TRADING")
    for minute in (1, 2, 3):
        assert [type(one) for one in stage.ring("reconcile")][-1] is ReadAccount
        assert stage.now == minute_begun + (60 * minute - 30) * SECOND
    phase(stage, "AFTER_HOURS")
    assert stage.ring("reconcile") == []
    assert stage.timers.keys() == set()


def test_while_the_stream_is_not_ready_nothing_is_read_on_the_schedule() -> None:
    stage = ExecutorStage().ready()
    phase(stage, "TRADING")
    stage.stream(False, "lost")
    assert not [one for one in stage.ring("reconcile") if type(one) is ReadAccount]
    stage.stream(True)
    assert [one for one in stage.ring("reconcile") if type(one) is ReadAccount]


def test_a_snapshot_from_before_the_stream_was_lost_is_not_compared_with() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.stream(False, "lost")
    assert stage.snapshot(AAA=7) == []
    assert len(stage.snapshot(*RESTING, reason="reconnect", AAA=7)) > 1


def test_entries_that_outlive_a_day_go_first_thing_after_a_restart() -> None:
    stage = ExecutorStage().ready()
    stage.approve("mr-20180305-1", time_in_force="gtc", type="limit", limit_price=99.0)
    stage.approve("mr-20180305-2", time_in_force="day", type="limit", limit_price=99.0)
    stage.approve("mr-20180305-3", time_in_force="gtc")
    for name in ("mr-20180305-1:e1", "mr-20180305-2:e1", "mr-20180305-3:e1"):
        stage.accept(name)
    stage.fill("mr-20180305-3:e1")
    said = stage.stream(False, "connecting", started=True)
    assert [type(one) for one in said] == [CancelOrder, OrderChanged]
    (cancel,) = stage.of(CancelOrder)
    assert (cancel.client_order_id, cancel.reason) == ("mr-20180305-1:e1", "left from before a restart")


def test_a_blocked_account_takes_no_entry_and_exits_pass() -> None:
    stage = ExecutorStage().ready().open_lot()
    account = {"account": "PA", "equity": 1.0, "cash": 1.0, "buying_power": 1.0, "shorting_enabled": True}
    stage.hear(BrokerAccount(ts_event=stage.now, blocked=True, **account))
    stage.approve("b", symbol="BBB")
    assert unsent(stage) == "not sent: the account is blocked"
    stage.approve(LOT, "sell", intent="exit")
    assert [one.client_order_id for one in stage.of(CancelOrder)] == ["leg-stop"]
    stage.hear(BrokerAccount(ts_event=stage.now, blocked=False, **account))
    stage.approve("c", symbol="BBB")
    assert sent(stage)[-1] == "c:e1"


def test_what_the_broker_does_not_trade_or_lend_is_not_entered() -> None:
    stage = ExecutorStage().ready()
    stage.hear(AssetsRead(ts_event=stage.now, untradable=("AAA",), unborrowable=("BBB",)))
    stage.approve("a")
    assert unsent(stage) == "not sent: AAA is not tradable at the broker"
    stage.approve("b", "sell", symbol="BBB", stop_loss=105.0, take_profit=95.0)
    assert unsent(stage) == "not sent: BBB cannot be borrowed"
    stage.approve("c", symbol="BBB")
    assert sent(stage) == ["c:e1"]


@pytest.mark.parametrize("reason", ['asset "AAA" is not tradable', 'asset "AAA" not found'])
def test_a_symbol_that_was_refused_as_untradable_is_not_sent_again(reason: str) -> None:
    stage = ExecutorStage().ready()
    stage.approve("a")
    stage.reject("a:e1", 42210000, reason)
    stage.approve("b")
    assert sent(stage) == ["a:e1"]


def test_an_account_that_may_not_short_is_not_asked_again() -> None:
    stage = ExecutorStage().ready()
    short = {"stop_loss": 105.0, "take_profit": 95.0}
    stage.approve("a", "sell", **short)
    stage.reject("a:e1", 40310000, "account is not allowed to short")
    stage.approve("b", "sell", symbol="BBB", **short)
    assert sent(stage) == ["a:e1"]


def test_what_others_hold_and_work_is_told_when_it_changes_and_never_touched() -> None:
    stage = ExecutorStage().ready()
    fraction = BrokerPosition(symbol="BTC/USD", quantity=0, fraction=0.25, asset_class="crypto")
    manual = listed("dashboard", symbol="TSLA", is_ours=False)
    for _ in range(2):
        stage.snapshot(manual, positions=(fraction,), TSLA=5)
    stage.snapshot(positions=(fraction,), TSLA=5)
    stage.snapshot(positions=(fraction,))
    told = [(one.symbol, one.quantity, one.fraction, len(one.orders)) for one in stage.of(ExternalChanged)]
    assert told == [("TSLA", 5, 0.0, 1), ("BTC/USD", 0, 0.25, 0), ("TSLA", 5, 0.0, 0), ("TSLA", 0, 0.0, 0)]
    assert not stage.of(CancelOrder)
    assert not stage.of(Noted)


def test_fills_of_others_count_between_two_snapshots_and_once() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.fill("dashboard", 5)
    stage.fill("dashboard", 5)
    stage.fill("dashboard", 3, 8, symbol="AAA")
    assert [(one.symbol, one.quantity) for one in stage.of(ExternalChanged)] == [("AAA", 5), ("AAA", 8)]
    stage.snapshot(*RESTING, AAA=18)
    assert not stage.of(PositionMismatched)
    assert not stage.of(Noted)


def test_an_order_that_is_sent_and_silent_is_looked_up_again_and_again_and_told_once() -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    looks = 0
    for _ in range(8):
        looks += sum(type(one) is LookUpOrder for one in stage.ring("stuck"))
    assert looks == 3  # every two minutes, looked at every one
    (row,) = stage.of(Noted)
    assert row.level == "WARNING"
    stage.accept()
    stage.canceled(ENTRY)
    stage.ring("stuck")
    assert stage.timers == {}


def test_an_order_that_rests_may_be_silent_and_a_market_order_in_an_open_market_may_not() -> None:
    stage = ExecutorStage().ready()
    stage.approve("a", type="limit", limit_price=99.0)
    stage.accept("a:e1")
    stage.ring("stuck")
    assert "stuck" not in stage.timers
    stage.approve("b")
    stage.accept("b:e1")
    phase(stage, "TRADING")
    for _ in range(3):
        stage.ring("stuck")
    assert [one.client_order_id for one in stage.of(LookUpOrder)] == ["b:e1"]


def test_an_entry_whose_bracket_is_refused_goes_once_more_without_and_is_protected_by_its_fill() -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    said = stage.reject(ENTRY, 42210000, "bracket orders must be market or limit orders")
    again = stage.of(SubmitOrder)[-1]
    assert (again.client_order_id, again.order_class, again.stop_loss) == (f"{LOT}:e2", "simple", None)
    assert not [one for one in said if type(one) is OrderEnded]  # the lot's entry is not over
    stage.accept(f"{LOT}:e2")
    stage.fill(f"{LOT}:e2")
    oco = stage.of(SubmitOrder)[-1]
    assert (oco.order_class, oco.quantity, oco.limit_price, oco.stop_loss) == ("oco", 10, 105.0, 95.0)


def test_an_entry_that_is_refused_without_its_bracket_too_is_dead() -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    stage.reject(ENTRY, 42210000, "bracket orders must be market or limit orders")
    stage.reject(f"{LOT}:e2", 42210000, "bracket orders must be market or limit orders")
    assert len(sent(stage)) == 2
    assert stage.of(OrderEnded)[-1].client_order_id == f"{LOT}:e2"


def test_a_wash_trade_denies_the_entry_alone() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.approve("b")
    stage.reject("b:e1", 40310000, "potential wash trade detected. use complex orders")
    assert sent(stage) == [ENTRY, "b:e1"]
    assert not stage.of(CancelOrder)
    assert stage.of(OrderEnded)[-1].lot_id == "b"


def test_an_exit_goes_before_the_entries_that_stand_in_its_way() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.approve("b", type="limit", limit_price=99.0)
    stage.accept("b:e1")
    stage.approve(LOT, "sell", intent="exit")
    stage.canceled("leg-stop")
    stage.canceled("leg-target")
    stage.reject(f"{LOT}:x1", 40310000, "potential wash trade detected. use complex orders")
    assert [one.client_order_id for one in stage.of(CancelOrder)] == ["leg-stop", "b:e1"]
    assert sent(stage) == [ENTRY, "b:e1", f"{LOT}:x1"]
    stage.ring(f"retry:{LOT}")
    assert sent(stage)[-1] == f"{LOT}:x2"


def test_exits_of_an_entry_that_filled_before_its_cancellation_came_work_and_can_be_cancelled() -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    stage.accept(legs=True)
    stage.fill(quantity=4)
    stage.ring(f"partial:{LOT}")
    stage.fill(quantity=6, cumulative=10)
    states = {one.client_order_id: one.status for one in stage.seen if isinstance(one, OrderChanged)}
    assert states == {ENTRY: "filled", "leg-stop": "accepted", "leg-target": "accepted"}
    stage.approve(LOT, "sell", intent="exit")
    assert [one.client_order_id for one in stage.of(CancelOrder)] == [ENTRY, "leg-stop"]


@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [
        (lambda stage: stage.hear(HaltThrown(ts_event=stage.now, reason="x")), "it was being cancelled"),
        (lambda stage: stage.approve(LOT, "sell", intent="exit"), "an exit is wanted"),
        (lambda stage: stage.stream(False, "lost"), "the order stream is not ready: lost"),
        (
            lambda stage: stage.hear(TradingStatus(ts_event=stage.now, symbol="AAA", halted=True)),
            "it was being cancelled",
        ),
    ],
    ids=["halt", "exit", "deaf", "trading halt"],
)
def test_an_entry_whose_bracket_is_refused_does_not_go_once_more_where_no_entry_may_leave(
    meanwhile: Callable[[ExecutorStage], object], why: str
) -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    meanwhile(stage)
    stage.reject(ENTRY, 42210000, "bracket orders must be market or limit orders")
    assert sent(stage) == [ENTRY]
    assert stage.of(Noted)[-1].text.endswith(f"not sent without exits: {why}")
    assert any(one.client_order_id == ENTRY and one.status == "rejected" for one in stage.of(OrderEnded))
    assert not stage.executor.carry().lots


def test_a_lot_that_is_approved_a_second_time_is_one_order_and_an_error() -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    stage.approve()
    assert sent(stage) == [ENTRY]
    assert [(one.level, "a second time" in one.text) for one in stage.of(Noted)] == [("ERROR", True)]


def test_a_single_share_too_many_sold_calls_a_person() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.fill(TARGET, quantity=11, side="sell", parent_id=ENTRY)
    assert [one.level for one in stage.of(Noted)] == ["CRITICAL"]
    assert "oversold: -1 shares" in stage.of(Noted)[0].text


def test_a_partly_filled_entry_is_cut_five_seconds_into_the_next_session_too() -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    stage.accept()
    stage.fill(quantity=4)
    again = ExecutorStage(stage.executor.carry())
    again.hear(SessionStarted(ts_event=again.now, session="2018-03-06"))
    assert again.timers[f"partial:{LOT}"] == again.now + 5 * SECOND
    again.ring(f"partial:{LOT}")
    assert [one.client_order_id for one in again.of(CancelOrder)] == [ENTRY]


def test_a_halt_is_not_done_while_a_cancellation_is_under_way() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.approve(LOT, "sell", intent="exit")
    stage.hear(HaltThrown(ts_event=stage.now, reason="x"))
    assert list(stage.executor.settle()) == []
    stage.canceled(STOP)
    stage.canceled(TARGET)
    assert [type(one) for one in stage.executor.settle()] == [HaltConfirmed, ReadAccount]


def test_a_fill_of_others_that_the_snapshot_has_is_not_counted_again() -> None:
    stage = ExecutorStage().ready()
    stage.snapshot(TSLA=5)
    when = stage.now - 10 * SECOND
    stage.fill("dashboard-1", quantity=5, symbol="TSLA", ts_event=when)
    assert [one.quantity for one in stage.of(ExternalChanged)] == [5]
    stage.fill("dashboard-2", quantity=2, symbol="TSLA")
    assert [one.quantity for one in stage.of(ExternalChanged)] == [5, 7]


def test_an_exit_whose_replacement_counts_anew_is_compared_at_once() -> None:
    """It may be for the whole quantity once more: four of ten are sold, and it would sell ten."""
    stage = ExecutorStage().ready().open_lot()
    stage.fill(TARGET, 4, side="sell")
    said = stage.hear(
        OrderReplaced(
            ts_event=stage.now, client_order_id=TARGET, broker_order_id="b-t", new_broker_order_id="b-t2",
            symbol="AAA", limit_price=104.0, base=4,
        )
    )  # fmt: skip
    assert ReadAccount in [type(one) for one in said]
    stage.now += 2 * SECOND
    stage.snapshot(
        listed(STOP, side="sell", parent_id=ENTRY, stop_price=95.0, remaining=6),
        listed(
            TARGET, side="sell", parent_id=ENTRY, broker_order_id="b-t2", limit_price=104.0, filled=4,
            remaining=10,
        ),
        AAA=6,
    )  # fmt: skip
    assert [one.client_order_id for one in stage.of(CancelOrder)] == [STOP]  # and with it the target


def test_an_exit_that_trades_already_does_not_follow_the_entrys_price() -> None:
    stage = ExecutorStage().ready()
    stage.approve(target_follows_fill=True, stop_follows_fill=True)
    stage.accept(legs=True)
    stage.fill(TARGET, 4, side="sell", parent_id=ENTRY)
    stage.fill(price=100.5)
    assert [(one.stop_price, one.limit_price) for one in stage.of(ReplaceOrder)] == [(95.5, None)]


def test_a_flattening_that_the_broker_refuses_is_tried_again_and_the_lot_has_its_stop_meanwhile() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.hear(HaltThrown(ts_event=stage.now, reason="test", flatten=True))
    stage.canceled(STOP)
    stage.canceled(TARGET)
    for attempt in (1, 2, 3):
        if attempt > 1:
            stage.ring(f"retry:{LOT}")
        stage.reject(f"{LOT}:x{attempt}", 40310000, "account is restricted")
    assert sent(stage)[1:] == [f"{LOT}:x1", f"{LOT}:x2", f"{LOT}:x3", f"{LOT}:t1"]
    stage.accept(f"{LOT}:t1")
    assert list(stage.executor.settle()) == []
    stage.ring(f"again:{LOT}")
    assert stage.of(CancelOrder)[-1].client_order_id == f"{LOT}:t1"
    stage.canceled(f"{LOT}:t1")
    stage.accept(f"{LOT}:x4")
    stage.fill(f"{LOT}:x4", side="sell")
    assert [one.flat for one in stage.executor.settle() if type(one) is HaltConfirmed] == [True]


@pytest.mark.parametrize("is_within", [False, True])
def test_a_flattening_that_was_refused_goes_on_after_a_restart(is_within: bool) -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.hear(HaltThrown(ts_event=stage.now, reason="test", flatten=True))
    stage.canceled(STOP)
    stage.canceled(TARGET)
    for attempt in (1, 2, 3):
        if attempt > 1:
            stage.ring(f"retry:{LOT}")
        stage.reject(f"{LOT}:x{attempt}", 40310000, "account is restricted")
    stage.accept(f"{LOT}:t1")
    again = ExecutorStage(stage.executor.standing() if is_within else stage.executor.carry())
    again.hear(SessionStarted(ts_event=again.now, session="2026-11-20", part=2 if is_within else 1))
    assert [one.client_order_id for one in again.of(CancelOrder)] == [f"{LOT}:t1"]
    again.canceled(f"{LOT}:t1")
    assert sent(again) == [f"{LOT}:x4"]


def test_a_lot_that_can_neither_be_sold_nor_protected_is_not_left_to_itself() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.approve(LOT, "sell", intent="exit")
    stage.canceled(STOP)
    stage.canceled(TARGET)
    for attempt in (1, 2, 3):
        if attempt > 1:
            stage.ring(f"retry:{LOT}")
        stage.reject(sent(stage)[-1], 40310000, "account is restricted")
    stage.reject(f"{LOT}:t1", 40310000, "account is restricted")
    assert "UNPROTECTED" in stage.of(Noted)[-1].text
    stage.ring(f"again:{LOT}")
    assert sent(stage)[-1] == f"{LOT}:t2"
    stage.reject(f"{LOT}:t2", 40310000, "account is restricted")
    exit_ = sent(stage)[-1]
    assert exit_.startswith(f"{LOT}:x")  # what cannot be protected is sold, if it can be by now
    stage.accept(exit_)
    stage.fill(exit_, side="sell")
    assert [lot for lot in stage.executor.carry().lots if lot.held] == []
