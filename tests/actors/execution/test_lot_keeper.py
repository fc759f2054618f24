"""The executor's hands by themselves: one step of one lot at a time, and what is told of its orders."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.lot_keeper import EXPIRY, RETRY, SECOND_NS, LotKeeper
from actors.execution.lot_orders import KILL_SWITCH, LotOrders
from actors.execution.order_state import TERMINAL, OrderState
from actors.execution.refusals import Refusal
from config.schema import Orders
from runtime.kernel.actor import Moment
from runtime.messages.base import Message
from runtime.messages.broker import CancelOrder, OrderChanged, OrderEnded, SubmitOrder
from runtime.messages.machine import SetTimer
from runtime.messages.risk import Noted

NOW, SEQ = 1_520_208_000_000_000_000, 7
LOT = "mr-20180305-1"
LIVE = ("submitted", "accepted", "partially_filled", "unknown", "pending_cancel")


def order(name: str, lot: str = LOT, **fields: Any) -> OrderState:
    plain: dict[str, Any] = {
        "lot_id": lot, "strategy": "mr", "symbol": "SPY", "side": "buy", "role": "entry", "type": "market",
        "quantity": 10, "status": "accepted",
    }  # fmt: skip
    return OrderState(name, **(plain | fields))


def lot_of(*orders: OrderState, name: str = LOT, **fields: Any) -> LotOrders:
    plain: dict[str, Any] = {
        "lot_id": name, "strategy": "mr", "symbol": "SPY", "side": "buy", "time_in_force": "gtc",
        "entry_id": orders[0].client_order_id, "stop_loss": 95.0, "take_profit": 105.0,
        "orders": {one.client_order_id: one for one in orders},
    }  # fmt: skip
    return LotOrders(**(plain | fields))


def entered(name: str = LOT, quantity: int = 10, **fields: Any) -> LotOrders:
    """A lot that is held and has nothing resting."""
    entry = order(f"{name}:e1", name, status="filled", filled=quantity, quantity=quantity)
    return lot_of(entry, name=name, **fields)


def resting(name: str = LOT, **fields: Any) -> LotOrders:
    """A lot whose target and stop rest as one group."""
    target = order(f"{name}:t1", name, role="target", side="sell", type="limit", limit_price=105.0)
    stop = order("leg", name, role="stop", side="sell", type="stop", stop_price=95.0, parent_id=f"{name}:t1")
    found = entered(name, **fields)
    found.orders |= {one.client_order_id: one for one in (target, stop)}
    return found


class Hands(LotKeeper):
    """One keeper at a moment of its own."""

    def __init__(self, *lots: LotOrders, is_halted: bool = False, cancel_protective: bool = False) -> None:
        super().__init__(Orders(), lots, is_halted=is_halted, cancel_protective=cancel_protective)
        moment = Moment()
        moment.now, moment.seq = NOW, SEQ
        self.attach("executor", moment)

    def advance(self, lot: LotOrders) -> list[Message]:
        return list(self._advance(lot))

    def refused(self, lot: LotOrders, refusal: Refusal) -> list[Message]:
        return list(self._refused(lot, refusal))

    def end_entry(self, lot: LotOrders) -> list[Message]:
        return list(self._end_entry(lot, "its window is over"))


def kinds(said: list[Message]) -> list[type[Message]]:
    return [type(one) for one in said]


# ---- one step ------------------------------------------------------------------------------------


def test_a_lot_that_is_held_and_has_nothing_resting_gets_stop_and_target() -> None:
    one = entered()
    (sent,) = Hands(one).advance(one)
    assert isinstance(sent, SubmitOrder)
    assert (sent.order_class, sent.quantity, sent.limit_price, sent.stop_loss) == ("oco", 10, 105.0, 95.0)
    assert (sent.side, sent.adds_exposure, sent.ts_event, sent.cause) == ("sell", False, NOW, SEQ)
    assert one.orders[sent.client_order_id].role == "target"


def test_without_a_target_the_stop_rests_alone() -> None:
    one = entered(take_profit=None)
    (sent,) = Hands(one).advance(one)
    assert isinstance(sent, SubmitOrder)
    assert (sent.type, sent.stop_price, sent.limit_price) == ("stop", 95.0, None)


def test_what_is_done_once_is_not_done_again() -> None:
    one = entered()
    hands = Hands(one)
    assert len(hands.advance(one)) == 1
    assert hands.advance(one) == []


def test_a_lot_that_closes_cancels_what_rests_before_it_sells() -> None:
    one = resting()
    one.closing, one.exit_reason = True, "time"
    hands = Hands(one)
    said = hands.advance(one)
    assert kinds(said) == [CancelOrder, OrderChanged, OrderChanged]
    assert {state.status for name, state in one.orders.items() if name != one.entry_id} == {"pending_cancel"}
    assert hands.advance(one) == []
    for name in (f"{LOT}:t1", "leg"):
        one.orders[name] = order(name, role="target", side="sell", status="canceled")
    (sold,) = hands.advance(one)
    assert isinstance(sold, SubmitOrder)
    assert (sold.type, sold.quantity, sold.client_order_id) == ("market", 10, f"{LOT}:x1")


def test_an_exit_has_the_name_it_was_asked_for_by_as_long_as_that_is_free() -> None:
    for exit_id, name in ((f"{LOT}:x7", f"{LOT}:x7"), (f"{LOT}:e1", f"{LOT}:x1"), ("", f"{LOT}:x1")):
        one = entered(closing=True, exit_id=exit_id)
        (sold,) = Hands(one).advance(one)
        assert isinstance(sold, SubmitOrder)
        assert (sold.client_order_id, one.exit_id) == (name, "")


def test_an_exit_that_has_become_needless_is_told_as_not_sent() -> None:
    gone = order(f"{LOT}:x1", role="exit", side="sell", status="filled", filled=10)
    one = entered(closing=True, exit_id=f"{LOT}:x2")
    one.orders[gone.client_order_id] = gone
    (told,) = Hands(one).advance(one)
    assert isinstance(told, OrderEnded)
    assert (told.client_order_id, told.status) == (f"{LOT}:x2", "canceled")
    assert told.reason == "not sent: nothing is held any more"
    assert f"{LOT}:x2" not in one.orders
    assert not one.closing


# ---- ending entries ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [*LIVE, *sorted(TERMINAL)])
def test_only_an_entry_that_may_still_fill_is_cancelled_and_only_once(status: str) -> None:
    one = lot_of(order(f"{LOT}:e1", status=status))
    hands = Hands(one)
    said = hands.end_entry(one)
    is_asked = status in LIVE and status != "pending_cancel"
    assert kinds(said) == ([CancelOrder, OrderChanged] if is_asked else [])
    assert hands.end_entry(one) == []


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(LIVE)), min_size=1, max_size=5))
def test_the_timer_is_for_the_entry_that_expires_next(lots: list[tuple[int, str]]) -> None:
    made = [
        lot_of(order(f"mr-{at}:e1", f"mr-{at}", status=status), name=f"mr-{at}", expires_at=NOW + hours)
        for at, (hours, status) in enumerate(lots)
    ]
    ended = lot_of(order("over:e1", "over", status="canceled"), name="over", expires_at=NOW)
    (timer,) = Hands(*made, ended)._set_expiry()
    assert (timer.key, timer.due) == (EXPIRY, NOW + min(hours for hours, _ in lots))


def test_without_an_entry_that_expires_there_is_no_timer() -> None:
    assert (
        list(Hands(entered(expires_at=NOW), lot_of(order("mr-2:e1", "mr-2"), name="mr-2"))._set_expiry())
        == []
    )


def test_an_entry_that_has_ended_expires_no_more() -> None:
    one = lot_of(order(f"{LOT}:e1"), expires_at=NOW + 1)
    hands = Hands(one)
    before = one.entry
    assert hands._told(one, before, before) == ()
    after = order(f"{LOT}:e1", status="filled", filled=10)
    part = order(f"{LOT}:e1", status="partially_filled", filled=3)
    assert len(hands._told(one, before, part)) == 1
    assert len(list(hands._set_expiry())) == 1
    (told,) = hands._told(one, part, after)
    assert isinstance(told, OrderChanged)
    assert list(hands._set_expiry()) == []


# ---- refusals ------------------------------------------------------------------------------------


def test_a_refusal_is_noted_and_tried_again_after_a_while() -> None:
    one = entered()
    said = Hands(one).refused(one, Refusal("WARNING", "held for another order", retry=True))
    assert kinds(said) == [Noted, SetTimer]
    noted, timer = said
    assert isinstance(noted, Noted) and isinstance(timer, SetTimer)
    assert (noted.level, noted.text) == ("WARNING", "held for another order")
    assert (timer.key, timer.due) == (RETRY + LOT, NOW + round(Orders().retry_s * SECOND_NS))


def test_a_refusal_for_good_goes_on_with_what_the_lot_needs() -> None:
    one = entered()
    assert kinds(Hands(one).refused(one, Refusal("ERROR", "no"))) == [Noted, SubmitOrder]


def test_only_other_lots_entries_in_the_same_symbol_are_taken_out_of_an_exits_way() -> None:
    one = lot_of(order(f"{LOT}:e1", status="partially_filled", filled=3))
    beside = lot_of(order("mr-2:e1", "mr-2"), name="mr-2")
    elsewhere = lot_of(order("mr-3:e1", "mr-3", symbol="QQQ"), name="mr-3", symbol="QQQ")
    over = entered("mr-4")
    said = Hands(one, beside, elsewhere, over).refused(
        one, Refusal("WARNING", "wash trade", retry=True, is_beside=True)
    )
    cancels = [each for each in said if isinstance(each, CancelOrder)]
    assert [each.client_order_id for each in cancels] == ["mr-2:e1"]


def test_an_entry_that_goes_again_plainly_is_a_new_order_that_expires_as_the_first() -> None:
    former = order(f"{LOT}:e1", status="rejected", type="stop_limit", limit_price=101.0, stop_price=100.0)
    one = lot_of(former, expires_at=NOW + 5)
    hands = Hands(one)
    said = hands.refused(one, Refusal("WARNING", "no brackets", plainly=True))
    assert kinds(said) == [Noted, SubmitOrder]
    sent = said[1]
    assert isinstance(sent, SubmitOrder)
    assert (sent.client_order_id, sent.order_class) == (f"{LOT}:e2", "simple")
    assert (sent.limit_price, sent.stop_price, sent.quantity) == (101.0, 100.0, 10)
    assert (sent.stop_loss, sent.take_profit) == (None, None)
    assert (one.entry_id, one.is_plain) == (f"{LOT}:e2", True)
    assert [timer.due for timer in hands._set_expiry()] == [NOW + 5]


# ---- the kill switch, and orders of others -------------------------------------------------------


@pytest.mark.parametrize(
    ("is_halted", "cancels", "stripped"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_protection_is_taken_off_only_by_a_halt_that_says_so(
    is_halted: bool, cancels: bool, stripped: bool
) -> None:
    one = resting()
    said = Hands(one, is_halted=is_halted, cancel_protective=cancels).advance(one)
    assert kinds(said) == ([CancelOrder, OrderChanged, OrderChanged] if stripped else [])


def test_an_exit_that_works_is_left_to_work_by_such_a_halt() -> None:
    one = resting()
    one.orders[f"{LOT}:x1"] = order(f"{LOT}:x1", role="exit", side="sell")
    Hands(one, is_halted=True, cancel_protective=True).advance(one)
    assert one.orders[f"{LOT}:x1"].status == "accepted"
    assert one.orders[f"{LOT}:t1"].status == "pending_cancel"


def test_under_such_a_halt_a_lot_that_is_being_closed_goes_on_to_its_end() -> None:
    one = entered(closing=True, exit_reason=KILL_SWITCH)
    assert kinds(Hands(one, is_halted=True, cancel_protective=True).advance(one)) == [SubmitOrder]


def test_an_exit_that_somebody_sent_past_us_closes_its_lot() -> None:
    one = resting()
    hands = Hands(one)
    assert hands._adopted(f"{LOT}:x3", "SPY") is one
    adopted = one.orders[f"{LOT}:x3"]
    assert (adopted.role, adopted.quantity, adopted.side) == ("exit", 10, "sell")
    assert (one.closing, one.exit_reason) == (True, KILL_SWITCH)


def test_a_lot_that_was_closing_for_a_reason_keeps_it() -> None:
    one = entered(closing=True, exit_reason="time")
    Hands(one)._adopted(f"{LOT}:x3", "SPY")
    assert one.exit_reason == "time"


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        (f"{LOT}:x3", "QQQ"),
        (f"{LOT}:t3", "SPY"),
        ("mr-20180305-9:x1", "SPY"),
        ("typed by hand", "SPY"),
        ("", "SPY"),
    ],
)
def test_other_orders_are_not_taken_for_ours(name: str, symbol: str) -> None:
    one = entered()
    assert Hands(one)._adopted(name, symbol) is None
    assert not one.closing and list(one.orders) == [f"{LOT}:e1"]


def test_a_lot_that_holds_nothing_adopts_nothing() -> None:
    one = lot_of(order(f"{LOT}:e1"))
    assert Hands(one)._adopted(f"{LOT}:x1", "SPY") is None


@given(
    held=st.integers(1, 1_000),
    missing=st.integers(0, 1_000),
    closing=st.booleans(),
    is_short=st.booleans(),
)
def test_no_step_ever_reduces_by_more_than_is_held_and_there(
    held: int, missing: int, closing: bool, is_short: bool
) -> None:
    """Step after step until it waits: at most one order, for what can be reduced, on the other side."""
    side = "sell" if is_short else "buy"
    entry = order(f"{LOT}:e1", status="filled", filled=held, quantity=held, side=side)
    one = lot_of(entry, side=side, missing=missing, closing=closing, stop_loss=95.0, take_profit=105.0)
    hands, said = Hands(one), []
    for _ in range(5):
        said += hands.advance(one)
    sent = [each for each in said if isinstance(each, SubmitOrder)]
    assert [each.quantity for each in sent] == ([held - missing] if missing < held else [])
    assert all(each.side == ("buy" if is_short else "sell") and not each.adds_exposure for each in sent)
