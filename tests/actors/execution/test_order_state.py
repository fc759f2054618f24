from hypothesis import given
from hypothesis import strategies as st

from actors.execution import order_state
from actors.execution.order_state import TERMINAL, OrderState
from runtime.messages.broker import (
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
)

NEW = OrderState(
    client_order_id="a:e1", lot_id="a", strategy="s", symbol="AAA", side="buy", role="entry", type="limit",
    quantity=10,
)  # fmt: skip
WHO = {"ts_event": 0, "client_order_id": "a:e1", "symbol": "AAA"}


def fill(quantity, cumulative, price=10.0):
    return OrderFilled(
        **WHO, broker_order_id="b", execution_id=f"x{cumulative}", side="buy", quantity=quantity, price=price,
        cumulative=cumulative, done=cumulative >= 10,
    )  # fmt: skip


def apply(state, event):
    match event:
        case OrderAccepted():
            return order_state.accepted(state, event)
        case OrderRejected():
            return order_state.rejected(state, event)
        case OrderFilled():
            return order_state.filled(state, event)
        case OrderReplaced():
            return order_state.replaced(state, event)
        case "cancel":
            return order_state.cancelling(state)
        case "refused":
            return order_state.cancel_refused(state)
        case "unknown":
            return order_state.unknown(state, "504")
        case _:
            return order_state.ended(state, event)


events = st.sampled_from(
    [
        OrderAccepted(**WHO, broker_order_id="b"), OrderRejected(**WHO, code=1, reason="no"),
        fill(3, 3), fill(4, 7), fill(3, 10), fill(10, 10), fill(1, 4),
        OrderCanceled(**WHO, broker_order_id="b", cumulative=3),
        OrderExpired(**WHO, broker_order_id="b", cumulative=0),
        OrderReplaced(**WHO, broker_order_id="b", new_broker_order_id="c", limit_price=9.0),
        "cancel", "refused", "unknown",
    ]
)  # fmt: skip


@given(st.lists(events, max_size=12))
def test_filled_only_grows_terminal_never_goes_back_and_what_was_seen_changes_nothing(history):
    state = NEW
    for event in history:
        after = apply(state, event)
        assert after.filled >= state.filled
        if state.status in TERMINAL:
            assert after.status == state.status
        assert (
            apply(after, event) is after
            or event in ("cancel", "refused", "unknown")
            or apply(after, event) == after
        )
        state = after


def test_a_life_told_in_order():
    state = order_state.accepted(NEW, OrderAccepted(**WHO, broker_order_id="b"))
    assert state.status == "accepted"
    state = order_state.filled(state, fill(4, 4, 10.0))
    assert (state.status, state.remaining) == ("partially_filled", 6)
    state = order_state.filled(state, fill(6, 10, 11.0))
    assert (state.status, state.average_price) == ("filled", 10.6)
    assert order_state.ended(state, OrderCanceled(**WHO, broker_order_id="b", cumulative=10)) is state


def test_a_fill_may_overtake_the_acceptance_and_a_cancel_the_fill():
    early = order_state.filled(NEW, fill(4, 4))
    assert order_state.accepted(early, OrderAccepted(**WHO, broker_order_id="b")).status == "partially_filled"
    gone = order_state.ended(NEW, OrderCanceled(**WHO, broker_order_id="b"))
    late = order_state.filled(gone, fill(4, 4))
    assert (late.status, late.filled) == ("canceled", 4)


def test_a_refused_cancel_leaves_the_order_working():
    state = order_state.cancelling(order_state.accepted(NEW, OrderAccepted(**WHO, broker_order_id="b")))
    assert state.status == "pending_cancel"
    assert order_state.cancel_refused(state).status == "accepted"
