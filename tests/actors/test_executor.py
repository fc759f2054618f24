import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.executor import Executor
from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.messages.broker import (
    CancelOrder,
    OrderAccepted,
    OrderChanged,
    OrderFilled,
    OrderRejected,
    OrderUnknown,
    ReplaceOrder,
    SubmitOrder,
)
from runtime.messages.codec import encode
from runtime.messages.machine import ActorRestarted, SetTimer
from runtime.messages.market import TradingStatus
from runtime.messages.risk import HaltLifted, HaltThrown, Noted, StrategyPaused
from tests.actors.test_simulated_broker import rows
from tests.actors.trading_floor import FREE, MINUTE, OPEN, Floor, approve

FLAT = (100.0, 100.0, 100.0, 100.0)
EXITS = {"stop_loss": 95.0, "take_profit": 105.0}
SECOND = 1_000_000_000
PARTIAL = msgspec.structs.replace(FREE, partial_fills=True, volume_frac=0.1)


def started(**options):
    floor = Floor(**options)
    floor.minute(0, AAA=FLAT)
    return floor


def sent(floor):
    return [one for one in floor.commands if type(one) is SubmitOrder]


def statuses(floor, name):
    return [one.status for one in floor.changes if one.client_order_id == name]


def test_the_class_of_an_entry_follows_from_its_exits():
    floor = started()
    floor.say(
        approve("both", **EXITS),
        approve("stop", stop_loss=95.0),
        approve("target", take_profit=105.0),
        approve("none"),
    )
    assert [one.order_class for one in sent(floor)] == ["bracket", "oto", "oto", "simple"]


def test_prices_are_sent_on_the_tick_grid():
    floor = started()
    floor.say(
        approve(
            "a", type="stop_limit", stop_price=100.501, limit_price=100.5873, stop_loss=99.378027,
            take_profit=101.049733,
        )
    )  # fmt: skip
    (order,) = sent(floor)
    assert (order.stop_price, order.limit_price) == (100.51, 100.58)
    assert (order.stop_loss, order.take_profit) == (99.37, 101.05)


def test_a_price_that_is_none_is_not_sent_and_told():
    floor = started()
    floor.say(approve("a", stop_loss=float("nan")))
    assert sent(floor) == []
    assert floor.states()["a:e1"].status == "canceled"
    assert floor.all(Noted)[0].level == "ERROR"


def test_a_bracket_lives_from_submitted_to_filled():
    floor = started()
    floor.say(approve("a", **EXITS))
    floor.minute(1, AAA=FLAT)
    floor.minute(2, AAA=(100, 106, 100, 105))
    assert statuses(floor, "a:e1") == ["accepted", "filled"]
    states = floor.states()
    assert {one.role: one.status for one in states.values()} == {
        "entry": "filled", "stop": "canceled", "target": "filled",
    }  # fmt: skip
    assert states["a:e1"].average_price == 100.0
    assert all(one.lot_id == "a" for one in states.values())
    assert len(floor.commands) == 1


def test_an_exit_waits_for_the_cancelled_protection_then_sells_everything():
    floor = started()
    floor.say(approve("a", **EXITS))
    floor.minute(1, AAA=FLAT)
    floor.say(approve("a", "sell", intent="exit", reason="time"))
    kinds = [type(one) for one in floor.commands]
    assert kinds == [SubmitOrder, CancelOrder, SubmitOrder]
    cancelled = max(i for i, one in enumerate(floor.seen) if type(one).__name__ == "OrderCanceled")
    assert floor.seen.index(sent(floor)[1]) > cancelled
    out = sent(floor)[1]
    assert (out.client_order_id, out.side, out.quantity, out.type, out.adds_exposure, out.reason) == (
        "a:x1", "sell", 100, "market", False, "time",
    )  # fmt: skip
    floor.minute(2, AAA=(101, 101, 101, 101))
    assert floor.account.position("AAA") == 0
    assert floor.fills[-1].price == 101.0


def test_an_exit_of_a_working_entry_cancels_it_and_sells_nothing():
    floor = started()
    floor.say(approve("a", type="limit", limit_price=99.0, **EXITS))
    floor.say(approve("a", "sell", intent="exit"))
    assert [type(one) for one in floor.commands] == [SubmitOrder, CancelOrder]
    assert floor.states()["a:e1"].status == "canceled"
    assert floor.states()["a:x1"].reason == "not sent: nothing is held any more"
    floor.minute(1, AAA=(100, 100, 98, 99))
    assert floor.fills == []


def test_an_exit_without_a_holding_or_twice_is_not_sent():
    floor = started()
    floor.say(approve("nobody", "sell", intent="exit"))
    assert floor.states()["nobody:x1"].status == "canceled"
    floor.say(approve("a", **EXITS))
    floor.minute(1, AAA=FLAT)
    floor.say(
        approve("a", "sell", intent="exit"), approve("a", "sell", intent="exit", client_order_id="a:x2")
    )
    assert [one.client_order_id for one in sent(floor)] == ["a:e1", "a:x1"]
    assert "a:x2" not in floor.states()  # the exit under way serves both wishes


def test_the_target_follows_the_fill():
    """Strategies 3.2: the target lies 10R from the fill: trigger 100.50, R 0.15, fill at the open 100.53."""
    floor = started()
    floor.say(
        approve(
            "a", type="stop_limit", stop_price=100.5, limit_price=100.6, stop_loss=100.35, take_profit=102.0,
            target_follows_fill=True,
        )
    )  # fmt: skip
    floor.minute(1, AAA=(100.53, 100.6, 100.5, 100.55))
    (move,) = floor.all(ReplaceOrder)
    assert move.limit_price == 102.03
    target = next(one for one in floor.states().values() if one.role == "target")
    assert (target.limit_price, target.status) == (102.03, "accepted")
    floor.minute(2, AAA=(100.6, 102.02, 100.5, 102))
    assert len(floor.fills) == 1
    floor.minute(3, AAA=(102, 102.03, 101, 102))
    assert floor.fills[-1].price == 102.03


def test_the_stop_follows_the_fill_and_rounds_away_from_it():
    for side, opened, stop, target, moved in (
        ("buy", 101.0, 95.004, 110.0, 96.0),
        ("sell", 99.0, 104.996, 90.0, 104.0),
    ):
        floor = started()
        floor.say(approve("a", side, stop_loss=stop, take_profit=target, stop_follows_fill=True))
        floor.minute(1, AAA=(opened,) * 4)
        (move,) = floor.all(ReplaceOrder)
        assert (move.stop_price, move.limit_price) == (moved, None)
        resting = {one.role: one for one in floor.states().values() if one.role != "entry"}
        assert (resting["stop"].stop_price, resting["stop"].status) == (moved, "accepted")
        assert resting["target"].limit_price == target
        floor.minute(2, AAA=(opened, max(opened, moved), min(opened, moved), opened))
        assert [fill.price for fill in floor.fills[1:]] == [moved]


def test_stop_and_target_follow_one_after_the_other():
    floor = started()
    floor.say(approve("a", **EXITS, stop_follows_fill=True, target_follows_fill=True))
    floor.minute(1, AAA=(101, 101, 101, 101))
    moves = floor.all(ReplaceOrder)
    assert [(move.stop_price, move.limit_price) for move in moves] == [(96.0, None), (None, 106.0)]


def test_a_target_stays_when_the_entry_filled_where_it_was_asked():
    floor = started()
    floor.say(
        approve(
            "a", type="stop_limit", stop_price=100.5, limit_price=100.6, stop_loss=100.35,
            take_profit=102.00412, target_follows_fill=True,
        )
    )  # fmt: skip
    floor.minute(1, AAA=(100.4, 100.6, 100.4, 100.55))
    assert len(floor.fills) == 1
    assert floor.all(ReplaceOrder) == []


def test_an_unfilled_entry_is_cancelled_when_it_expires_and_one_timer_serves_all():
    floor = started()
    late, soon = OPEN + 9 * MINUTE, OPEN + 3 * MINUTE
    limit = {"type": "limit", "limit_price": 90.0, "reference_price": 90.0, "stop_loss": 80.0}
    floor.say(approve("late", expires_at=late, **limit), approve("soon", expires_at=soon, **limit))
    assert [one.due for one in floor.all(SetTimer)] == [late, soon]
    floor.minute(5, AAA=FLAT)
    assert floor.states()["soon:e1"].status == "canceled"
    assert floor.states()["soon:e1"].reason == "expired"
    assert floor.states()["late:e1"].status == "accepted"
    floor.minute(10, AAA=FLAT)
    assert floor.states()["late:e1"].status == "canceled"


def test_a_filled_entry_does_not_expire():
    floor = started()
    floor.say(approve("a", expires_at=OPEN + 3 * MINUTE, **EXITS))
    floor.minute(1, AAA=FLAT)
    floor.minute(5, AAA=FLAT)
    assert floor.all(CancelOrder) == []
    assert floor.states()["a:e1"].status == "filled"


def test_a_partly_filled_entry_is_cut_after_five_seconds_and_protected():
    floor = started(costs=PARTIAL)
    floor.say(approve("a", **EXITS))
    floor.minute(1, AAA=(100, 100, 100, 100, 400))
    (timer,) = floor.all(SetTimer)
    assert timer.due == OPEN + 2 * MINUTE + 5 * SECOND
    floor.minute(2, AAA=(100, 100, 100, 100, 100_000))
    assert [fill.quantity for fill in floor.fills] == [40]
    pair = sent(floor)[1]
    assert (pair.client_order_id, pair.order_class, pair.quantity, pair.role) == ("a:t1", "oco", 40, "target")
    assert (pair.limit_price, pair.stop_loss) == (
        105.0, 95.0,
    )  # fmt: skip
    floor.minute(3, AAA=(96, 96, 94, 95))
    assert floor.account.position("AAA") == 0
    assert floor.fills[-1].price == 95.0


def test_protection_that_expired_with_the_day_is_renewed_for_the_night():
    floor = started()
    floor.say(approve("a", **EXITS))
    floor.minute(1, AAA=FLAT)
    carried = floor.end()
    assert sent(floor)[1].time_in_force == "gtc"
    second = Floor(carried=carried, day=1)
    second.minute(0, AAA=(90, 90, 90, 90))
    assert [(fill.price, fill.position) for fill in second.fills] == [(90.0, 0)]
    assert {one.status for one in second.states().values()} == {"filled", "canceled"}


def test_working_entries_and_their_expiry_cross_the_night():
    floor = started()
    floor.say(
        approve("a", type="limit", limit_price=90.0, stop_loss=80.0, time_in_force="gtc",
                expires_at=OPEN + 24 * 60 * MINUTE + 5 * MINUTE)
    )  # fmt: skip
    second = Floor(carried=floor.end(), day=1)
    second.minute(0, AAA=FLAT)
    assert second.all(CancelOrder) == []
    second.minute(10, AAA=FLAT)
    assert second.states()["a:e1"].status == "canceled"


def test_the_kill_switch_cancels_entries_and_lets_exits_pass():
    floor = started()
    floor.say(approve("held", **EXITS), approve("open", type="limit", limit_price=90.0, stop_loss=80.0))
    floor.minute(1, AAA=FLAT)
    floor.later(HaltThrown(ts_event=floor.now, reason="test"))
    assert floor.states()["open:e1"].status == "canceled"
    floor.say(approve("new", **EXITS))
    assert floor.states()["new:e1"].reason == "not sent: the kill switch is thrown"
    floor.say(approve("held", "sell", intent="exit"))
    floor.minute(2, AAA=FLAT)
    assert floor.account.position("AAA") == 0
    floor.later(HaltLifted(ts_event=floor.now, by="test"))
    floor.say(approve("again", **EXITS))
    assert floor.states()["again:e1"].status == "accepted"


def halt(symbol, halted, at):
    return TradingStatus(ts_event=at, symbol=symbol, halted=halted)


def test_a_trading_halt_cancels_the_entries_of_its_symbol_and_leaves_its_exits():
    floor = started()
    limit = {"type": "limit", "limit_price": 99.0}
    floor.say(approve("held", **EXITS), approve("other", symbol="BBB", **limit), approve("waiting", **limit))
    floor.minute(1, AAA=FLAT)
    floor.later(halt("AAA", True, floor.now + SECOND))
    states = floor.states()
    assert states["waiting:e1"].status == "canceled"
    assert {states["other:e1"].status, *(one.status for one in states.values() if one.role == "stop")} <= {
        "accepted", "held",
    }  # fmt: skip
    assert [one.client_order_id for one in floor.commands if type(one) is CancelOrder] == ["waiting:e1"]


def test_no_entry_leaves_until_five_minutes_after_the_halt():
    floor = started()
    floor.later(halt("AAA", True, floor.now + SECOND))
    floor.say(approve("a", **EXITS))
    resumed = floor.now + MINUTE
    floor.later(halt("AAA", False, resumed))
    floor.say(approve("b", **EXITS), at=resumed + 5 * MINUTE - 1)
    floor.say(approve("c", **EXITS), at=resumed + 5 * MINUTE)
    assert [one.client_order_id for one in sent(floor)] == ["c:e1"]
    assert floor.states()["a:e1"].reason == ("not sent: AAA is halted, or resumed too short a while ago")


def test_the_kill_switch_can_flatten():
    floor = started()
    floor.say(approve("a", **EXITS))
    floor.minute(1, AAA=FLAT)
    floor.later(HaltThrown(ts_event=floor.now, reason="test", flatten=True))
    floor.minute(2, AAA=FLAT)
    assert floor.account.position("AAA") == 0


def test_a_rejected_stop_is_answered_by_a_market_exit_and_a_critical_note():
    floor = started()
    floor.say(approve("a", **EXITS))
    floor.minute(1, AAA=FLAT)
    (accepted,) = floor.all(OrderAccepted)
    stop = next(leg for leg in accepted.legs if leg.role == "stop")
    floor.later(
        OrderRejected(
            ts_event=floor.now, client_order_id=stop.client_order_id, symbol="AAA", code=1, reason="no"
        )
    )
    assert floor.all(Noted)[0].level == "CRITICAL"
    floor.minute(2, AAA=FLAT)
    assert floor.account.position("AAA") == 0


def test_an_unknown_fate_is_noted_and_an_answer_resolves_it():
    floor = started()
    floor.say(approve("a", type="limit", limit_price=99.0, **EXITS))
    floor.later(OrderUnknown(ts_event=floor.now, client_order_id="a:e1", symbol="AAA", reason="504"))
    assert "unknown" in floor.all(Noted)[0].text
    floor.later(OrderUnknown(ts_event=floor.now, client_order_id="b:e1", symbol="AAA", reason="504"))
    assert floor.states()["a:e1"].status == "accepted"  # it had been acknowledged before


def test_a_fill_that_comes_twice_counts_once_and_one_after_the_cancel_is_protected():
    floor = started()
    floor.say(approve("a", type="limit", limit_price=90.0, stop_loss=80.0, take_profit=110.0))
    floor.say(approve("a", "sell", intent="exit"))
    fill = OrderFilled(
        ts_event=floor.now, client_order_id="a:e1", broker_order_id="sim-1", execution_id="late",
        symbol="AAA", side="buy", quantity=30, price=90.0, cumulative=30, done=False,
    )  # fmt: skip
    floor.later(fill)
    floor.later(fill)
    entry = floor.states()["a:e1"]
    assert (entry.status, entry.filled) == ("canceled", 30)
    assert [(one.role, one.quantity) for one in sent(floor)[1:2]] == [("target", 30)]


# ---- properties -----------------------------------------------------------------------------

moves = st.lists(
    st.tuples(st.just("minute"), rows())
    | st.tuples(st.just("enter"), st.sampled_from(["market", "limit", "stop_limit"]), st.booleans())
    | st.tuples(st.just("exit"), st.integers(0, 9))
    | st.tuples(st.just("halt"), st.booleans()),
    max_size=30,
)


def enter(lot, kind, follows, floor):
    fields = {"stop_loss": 94.0, "take_profit": 107.0, "target_follows_fill": follows}
    if kind != "market":
        fields["limit_price"] = 100.0
    if kind == "stop_limit":
        fields["stop_price"] = 99.0
    return approve(lot, quantity=30, expires_at=floor.now + 3 * MINUTE, **fields, type=kind)


def play(script, **options):
    floor = Floor(costs=PARTIAL, **options)
    number, lots = 0, 0
    for move in script:
        match move:
            case ("minute", row):
                floor.minute(number, AAA=row)
                number += 1
            case ("enter", kind, follows):
                floor.say(enter(f"lot-{lots}", kind, follows, floor))
                lots += 1
            case ("exit", which) if lots:
                floor.say(approve(f"lot-{which % lots}", "sell", intent="exit"))
            case ("crash",):
                floor.later(StrategyPaused(ts_event=floor.now, strategy="x", paused=True))
            case ("halt", thrown):
                kind = (
                    HaltThrown(ts_event=floor.now, reason="")
                    if thrown
                    else HaltLifted(ts_event=floor.now, by="")
                )
                floor.later(kind)
    return floor


@settings(max_examples=150, deadline=None)
@given(moves)
def test_lots_sum_to_the_position_and_exits_never_exceed_a_lot(script):
    floor = play(script)
    lots = floor.machine.actor("executor")._lots
    assert sum(lot.held for lot in lots.values()) == floor.account.position("AAA")
    book = floor.machine.actor("broker")._book
    for lot in lots.values():
        assert lot.held >= 0
        working = [book.orders[name] for name in lot.orders if name in book.orders]
        live = [one for one in working if one.sign < 0 and not one.held]
        by_group = {}
        for one in live:
            by_group[one.group] = max(by_group.get(one.group, 0), one.remaining)
        assert len(by_group) <= 1
        assert sum(by_group.values()) <= lot.held
        known = {name for name, one in lot.orders.items() if one.is_live}
        assert known == {one.client_order_id for one in working}
    assert not [one for one in floor.all(Noted) if one.level == "CRITICAL"]


@settings(max_examples=100, deadline=None)
@given(moves)
def test_every_held_share_is_protected_or_on_its_way_out_five_seconds_later(script):
    floor = play(script)
    floor.later(HaltLifted(ts_event=floor.now + 6 * SECOND, by=""))
    book = floor.machine.actor("broker")._book
    for lot in floor.machine.actor("executor")._lots.values():
        if lot.held:
            names = [name for name in lot.orders if name in book.orders]
            out = sum(
                book.orders[name].remaining for name in names if lot.orders[name].role in ("exit", "stop")
            )
            assert out == lot.held


class Clumsy(Actor):
    def on_order_changed(self, change: OrderChanged) -> None:
        raise RuntimeError("clumsy")


@settings(max_examples=50, deadline=None)
@given(moves)
def test_two_runs_say_the_same_and_a_crash_elsewhere_changes_nothing(script):
    def told(floor):
        kinds = ("SubmitOrder", "CancelOrder", "ReplaceOrder", "OrderChanged", "OrderEnded", "OrderFilled")
        return [encode(one) for one in floor.seen if type(one).__name__ in kinds]

    clumsy = ActorSpec(name="clumsy", rank=700, build=lambda _: Clumsy(), intensity=10_000)
    first = play(script)
    assert first.machine.decisions_hash.digest() == play(script).machine.decisions_hash.digest()
    assert told(first) == told(play(script, extra=(clumsy,)))


class Fragile(Executor):
    """Wrecks itself on an input that it would have ignored."""

    def on_strategy_paused(self, _: StrategyPaused) -> None:
        self._lots.clear()
        raise RuntimeError("wrecked")


@settings(max_examples=50, deadline=None)
@given(moves, st.integers(0, 30))
def test_an_executor_that_crashed_on_the_way_ends_where_an_unharmed_one_does(script, crash):
    whole = play(script)
    broken = play([*script[:crash], ("crash",), *script[crash:]], executor_class=Fragile)
    assert len(broken.all(ActorRestarted)) == 1
    assert msgspec.msgpack.encode(broken.machine.actor("executor").carry()) == msgspec.msgpack.encode(
        whole.machine.actor("executor").carry()
    )
    assert [encode(one) for one in broken.fills] == [encode(one) for one in whole.fills]
