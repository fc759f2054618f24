"""When the account is read, what is looked up, and that the schedule keeps to the middle of the minute."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.account_side import READ, STUCK, AccountSide
from actors.execution.lot_orders import LotOrders
from actors.execution.order_state import OrderState
from config.execution import Orders
from runtime.messages.account import ReadAccount, Reconciled
from runtime.messages.base import Decision
from runtime.messages.broker import BrokerOrder, BrokerPosition, BrokerSnapshot, LookUpOrder
from runtime.messages.machine import SetTimer
from runtime.messages.risk import Noted, PhaseChanged

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
OPEN = 1_795_185_000 * SECOND
assert OPEN % MINUTE == 0


RETRY, PATIENCE = 5 * SECOND, 10 * SECOND
ENTRY = "mr-20180305-1:e1"


def side(reconcile_s: float = 60.0, *, reconciles: bool = True) -> AccountSide:
    settings = Orders(reconcile_s=reconcile_s, retry_s=RETRY / SECOND, stuck_s=PATIENCE / SECOND)
    return AccountSide(settings, rest=0, is_halted=False, reconciles=reconciles)


def compared() -> AccountSide:
    """A side whose first comparison is done."""
    one = side()
    assert one.gate.is_waiting
    said = list(one.compare(snapshot(reason="start"), (), OPEN, 1))
    assert not one.gate.is_waiting
    assert [type(each) for each in said] == [Reconciled]
    return one


def snapshot(*, reason: Any = "schedule", at: int = OPEN, **held: int) -> BrokerSnapshot:
    positions = tuple(BrokerPosition(symbol=symbol, quantity=shares) for symbol, shares in held.items())
    return BrokerSnapshot(ts_event=at, positions=positions, orders=(), reason=reason)


def order(name: str = ENTRY, **fields: Any) -> OrderState:
    plain: dict[str, Any] = {
        "lot_id": "mr-20180305-1", "strategy": "mr", "symbol": "SPY", "side": "buy", "role": "entry",
        "type": "market", "quantity": 10, "status": "filled", "filled": 10, "broker_order_id": f"b-{name}",
    }  # fmt: skip
    return OrderState(client_order_id=name, **(plain | fields))


def lot(*orders: OrderState, **fields: Any) -> LotOrders:
    plain: dict[str, Any] = {
        "lot_id": "mr-20180305-1", "strategy": "mr", "symbol": "SPY", "side": "buy", "time_in_force": "day",
        "entry_id": ENTRY, "stop_loss": None, "take_profit": None,
    }  # fmt: skip
    return LotOrders(**(plain | fields), orders={one.client_order_id: one for one in orders})


def timer(key: str, delay: int, now: int = OPEN) -> SetTimer:
    return SetTimer(ts_event=now, cause=1, actor="executor", key=key, due=now + delay)


def asked(reason: Any, now: int = OPEN) -> ReadAccount:
    return ReadAccount(ts_event=now, cause=1, reason=reason)


def enter_phase(one: AccountSide, phase: Any, now: int = OPEN) -> list[Decision]:
    change = PhaseChanged(ts_event=now, cause=1, phase=phase, previous="PRE_MARKET", late=False)
    return list(one.phase(change, now, 1))


def delays(reconcile_s: float, entered: int, late: list[int]) -> list[int]:
    """Seconds from one reading to the next, ns, each timer some ns late."""
    of, found, now = side(reconcile_s), [], entered
    said = enter_phase(of, "MARKET_OPEN", now)
    for more in [*late, 0]:
        (timer,) = (one for one in said if isinstance(one, SetTimer) and one.key == READ)
        found.append(timer.due - now)
        now = timer.due + more
        said = list(of.read(now, 1))
    return found


def test_from_the_open_on_every_minute_is_compared_in_its_middle() -> None:
    assert delays(60.0, OPEN, [0, 0, 0]) == [30 * SECOND, MINUTE, MINUTE, MINUTE]
    assert delays(60.0, OPEN + 3_000_000, [0])[0] == 30 * SECOND - 3_000_000


def test_a_timer_five_seconds_late_has_missed_its_minute() -> None:
    assert delays(60.0, OPEN + 5 * SECOND - 1, [])[0] == 25 * SECOND + 1
    assert delays(60.0, OPEN + 5 * SECOND, [])[0] == 85 * SECOND


def test_what_is_no_whole_minute_is_kept_as_it_is() -> None:
    assert delays(45.0, OPEN + 7, [0, 0]) == [45 * SECOND] * 3


@pytest.mark.parametrize("minutes", [1, 2, 5])
@given(entered=st.integers(0, MINUTE - 1), late=st.lists(st.integers(0, 2 * SECOND), min_size=1, max_size=20))
def test_timers_that_are_late_do_not_move_the_schedule(minutes: int, entered: int, late: list[int]) -> None:
    found = delays(60.0 * minutes, OPEN + entered, late)
    assert 30 * SECOND - 5 * SECOND < found[0] - (minutes - 1) * MINUTE <= 90 * SECOND
    spaced = [delay + more for delay, more in zip(found[1:], late, strict=True)]
    assert spaced == [minutes * MINUTE] * len(late)


def test_only_the_markets_phases_begin_the_schedule_and_only_once() -> None:
    one = side()
    assert enter_phase(one, "PRE_MARKET") == []
    assert enter_phase(one, "MARKET_OPEN") == [timer(READ, 30 * SECOND)]
    assert enter_phase(one, "TRADING") == []
    assert one.entered == "TRADING"
    assert enter_phase(one, "MARKET_CLOSE") == []
    assert enter_phase(one, "AFTER_HOURS") == []
    assert enter_phase(one, "MARKET_OPEN") == [timer(READ, 30 * SECOND)]


def test_against_a_broker_that_tells_everything_nothing_is_set_or_kept_back() -> None:
    one = side(reconciles=False)
    one.started()
    assert one.gate.refusal("SPY", "buy", OPEN) == ""
    assert enter_phase(one, "TRADING") == []
    assert one.sent(OPEN, 1) == ()
    assert list(one.goes_on(True, False, OPEN, 1)) == []


# ---- when it is read ----------------------------------------------------------------------------


def test_outside_the_market_the_account_is_read_only_while_something_waits_for_it() -> None:
    one = compared()
    assert list(one.read(OPEN, 1)) == []
    one.awaits = True
    assert list(one.read(OPEN, 1)) == [timer(READ, 30 * SECOND), asked("schedule")]
    one.awaits = False
    one.started()
    assert list(one.read(OPEN, 1)) == [timer(READ, 30 * SECOND), asked("start")]
    one.gate.wait("")
    assert list(one.read(OPEN, 1)) == []
    enter_phase(one, "TRADING")
    assert list(one.read(OPEN, 1)) == [timer(READ, 30 * SECOND), asked("schedule")]


def test_a_position_that_was_just_seen_to_differ_is_read_again_outside_the_market_too() -> None:
    one = compared()
    list(one.compare(snapshot(SPY=4), [lot(order())], OPEN, 1))
    assert asked("schedule") in list(one.read(OPEN, 1))
    list(one.compare(snapshot(SPY=4), [lot(order())], OPEN, 1))
    assert list(one.read(OPEN, 1)) == []


def test_while_the_stream_is_not_ready_only_its_own_reading_is_compared_with() -> None:
    one = compared()
    one.gate.stream(False, "lost")
    enter_phase(one, "TRADING")
    assert list(one.read(OPEN, 1)) == [timer(READ, 30 * SECOND)]
    assert list(one.soon(OPEN, 1, at_once=True)) == [timer(READ, RETRY)]
    assert one.is_blind(snapshot())
    assert list(one.compare(snapshot(SPY=4), [lot(order())], OPEN, 1)) == []
    assert one.watch.found is None
    for reason in ("start", "reconnect"):
        assert not one.is_blind(snapshot(reason=reason))
    assert list(one.compare(snapshot(reason="reconnect", SPY=10), [lot(order())], OPEN, 1))
    assert one.watch.found is not None
    list(one.compare(snapshot(SPY=10), [lot(order())], OPEN, 1))
    assert one.watch.found is None  # of the last snapshot nothing was found


def test_soon_is_after_the_retry_time_if_it_is_urgent_and_at_the_schedules_turn_if_not() -> None:
    one = compared()
    assert list(one.soon(OPEN, 1)) == [timer(READ, 30 * SECOND)]
    assert list(one.soon(OPEN, 1, at_once=True)) == [timer(READ, RETRY), asked("schedule")]


def test_entries_wait_from_a_start_to_its_comparison_which_comes_soon_again_while_it_is_not_settled() -> None:
    one = compared()
    one.started()
    assert one.gate.is_waiting
    resting = order(status="accepted", filled=0)
    said = list(one.compare(snapshot(reason="start"), [lot(resting)], OPEN, 1))
    assert said[-1] == timer(READ, RETRY)
    assert one.gate.is_waiting


# ---- what is looked up --------------------------------------------------------------------------


def test_a_position_that_differs_has_its_finished_fills_looked_up_once() -> None:
    one = compared()
    working = order("stop", side="sell", role="stop", type="stop", filled=2, status="partially_filled")
    never = order("exit", side="sell", role="exit", filled=0, status="canceled")
    lots = [
        lot(order(), never, working),
        lot(order("other", symbol="QQQ", filled=3), lot_id="l2", symbol="QQQ", entry_id="other"),
    ]
    listed = BrokerOrder(
        client_order_id="stop", broker_order_id="b-stop", symbol="SPY", side="sell", quantity=10, filled=2,
        status="partially_filled",
    )  # fmt: skip

    def compare(shares: int) -> list[Decision]:
        positions = snapshot(SPY=shares, QQQ=3).positions
        snap = BrokerSnapshot(ts_event=OPEN, positions=positions, orders=(listed,))
        return list(one.compare(snap, lots, OPEN, 1))

    said = compare(4)
    assert [each for each in said if isinstance(each, LookUpOrder)] == [
        LookUpOrder(
            ts_event=OPEN, cause=1, client_order_id=ENTRY, broker_order_id=f"b-{ENTRY}", symbol="SPY",
            reason="the position differs", filled=10, cancelling=False,
        )
    ]  # fmt: skip
    assert said[-1] == timer(READ, RETRY)
    assert not [each for each in compare(4) if isinstance(each, LookUpOrder | SetTimer)]
    more = compare(5)  # it differs in another way
    assert [each.client_order_id for each in more if isinstance(each, LookUpOrder)] == [ENTRY]


def test_an_order_that_is_gone_is_looked_up_alone() -> None:
    one = compared()
    gone = order("stop", side="sell", role="stop", type="stop", filled=0, status="accepted")
    said = list(one.compare(snapshot(SPY=10), [lot(order(), gone)], OPEN, 1))
    asked_for = [(each.client_order_id, each.reason) for each in said if isinstance(each, LookUpOrder)]
    assert asked_for == [("stop", "reconcile")]
    assert not [each for each in said if isinstance(each, SetTimer)]
    assert list(one.read(OPEN, 1)) == []


def test_lots_of_one_symbol_are_compared_as_one_position() -> None:
    one = compared()
    lots = [
        lot(order()),
        lot(order("second", filled=5), lot_id="l2", entry_id="second"),
        lot(order("short", side="sell", filled=2), lot_id="l3", entry_id="short", side="sell"),
    ]
    said = list(one.compare(snapshot(SPY=13), lots, OPEN, 1))
    assert [each.differences for each in said if isinstance(each, Reconciled)] == [0]


def test_a_symbol_that_is_known_to_differ_is_not_judged() -> None:
    one = compared()
    one.unsure = ["SPY"]
    said = list(one.compare(snapshot(SPY=4), [lot(order())], OPEN, 1))
    assert [each.differences for each in said if isinstance(each, Reconciled)] == [0]
    assert one.watch.doubted == []


# ---- orders without news ------------------------------------------------------------------------


def test_a_command_arms_one_timer_until_nothing_is_in_flight() -> None:
    one = compared()
    assert one.sent(OPEN, 1) == (timer(STUCK, PATIENCE // 2),)
    assert one.sent(OPEN, 1) == ()
    flying = lot(order(status="pending_cancel", filled=3))
    assert list(one.look_up_stuck([flying], OPEN, 1)) == [timer(STUCK, PATIENCE // 2)]
    later = OPEN + PATIENCE
    assert list(one.look_up_stuck([flying], later, 1)) == [
        Noted(
            ts_event=later, cause=1, level="WARNING", component="executor",
            text=f"no news of entry {ENTRY} in SPY, pending_cancel: looked up",
        ),
        LookUpOrder(
            ts_event=later, cause=1, client_order_id=ENTRY, broker_order_id=f"b-{ENTRY}", symbol="SPY",
            reason="no news while pending_cancel", filled=3, cancelling=True,
        ),
        timer(STUCK, PATIENCE // 2, later),
    ]  # fmt: skip
    again = list(one.look_up_stuck([flying], later + PATIENCE, 1))
    assert [type(each) for each in again] == [LookUpOrder, SetTimer]  # told once, looked up every time
    assert list(one.look_up_stuck([lot(order())], later + PATIENCE, 1)) == []
    assert one.sent(OPEN, 1) == (timer(STUCK, PATIENCE // 2),)


def test_a_market_order_is_waited_for_only_while_the_market_trades() -> None:
    working = lot(order(status="accepted", filled=0))
    one = compared()
    assert list(one.look_up_stuck([working], OPEN, 1)) == []
    enter_phase(one, "TRADING")
    assert list(one.look_up_stuck([working], OPEN, 1)) == [timer(STUCK, PATIENCE // 2)]


# ---- another part of the session ----------------------------------------------------------------


@pytest.mark.parametrize("in_market", [False, True])
@pytest.mark.parametrize("has_orders", [False, True])
@pytest.mark.parametrize("unbroken", [False, True])
def test_another_part_sets_the_timers_again_and_entries_wait_unless_nothing_went_by(
    in_market: bool, has_orders: bool, unbroken: bool
) -> None:
    first = compared()
    enter_phase(first, "TRADING" if in_market else "PRE_MARKET")
    one = side()
    one.restore(first.state())
    assert one.state() == first.state()
    assert one.entered == first.entered
    said = list(one.goes_on(has_orders, unbroken, OPEN, 1))
    expected = [timer(READ, 30 * SECOND)] if in_market else []
    assert said == expected + ([timer(STUCK, PATIENCE // 2)] if has_orders else [])
    assert one.gate.is_waiting == (not unbroken)
