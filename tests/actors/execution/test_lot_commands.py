"""What is asked of the broker for a lot's needs: by name, field by field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution import order_state
from actors.execution.lot_commands import (
    cancel,
    enter,
    enter_plainly,
    follow,
    leg_state,
    proposed_state,
    reduce,
    reducing_state,
    unannounced_leg_state,
    unanswered,
)
from actors.execution.lot_orders import EntryPrices, LotOrders
from actors.execution.order_state import OrderState
from runtime.messages.broker import CancelOrder, Leg, OrderFilled, ReplaceOrder, SubmitOrder
from runtime.messages.trading import OrderProposed

NOW, CAUSE = 1_000, 7
LOT, ENTRY = "mr-20180305-1", "mr-20180305-1:e1"


def lot(**fields: Any) -> LotOrders:
    plain: dict[str, Any] = {
        "lot_id": LOT, "strategy": "mr", "symbol": "SPY", "side": "buy", "time_in_force": "gtc",
        "entry_id": ENTRY, "stop_loss": 95.0, "take_profit": 105.0, "intraday": True, "group_id": "g",
        "exit_reason": "time",
    }  # fmt: skip
    return LotOrders(**(plain | fields))


def proposed(**fields: Any) -> OrderProposed:
    plain: dict[str, Any] = {
        "ts_event": 1, "cause": 1, "client_order_id": ENTRY, "signal_id": LOT, "lot_id": LOT,
        "strategy": "mr", "symbol": "SPY", "side": "buy", "intent": "entry", "quantity": 10,
        "type": "stop_limit", "order_class": "bracket", "time_in_force": "gtc", "reference_price": 100.0,
        "intraday": True, "group_id": "g", "reason": "z < -2",
    }  # fmt: skip
    return OrderProposed(**(plain | fields))


def state(name: str = ENTRY, **fields: Any) -> OrderState:
    plain: dict[str, Any] = {
        "lot_id": LOT, "strategy": "mr", "symbol": "SPY", "side": "buy", "role": "entry", "type": "limit",
        "quantity": 10,
    }  # fmt: skip
    return OrderState(name, **(plain | fields))


# ---- what is known of an order at first ---------------------------------------------------------


def test_an_approved_order_is_known_as_it_was_proposed() -> None:
    assert proposed_state(proposed()) == OrderState(
        client_order_id=ENTRY, lot_id=LOT, strategy="mr", symbol="SPY", side="buy", role="entry",
        type="stop_limit", quantity=10,
    )  # fmt: skip
    assert proposed_state(proposed(intent="exit"), "exit").role == "exit"


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize(
    ("role", "kind", "limit", "stop"),
    [("exit", "market", None, None), ("stop", "stop", None, 95.0), ("target", "limit", 105.0, None)],
)
def test_what_reduces_a_lot_is_on_the_other_side_and_at_its_own_price(
    side: Any, role: Any, kind: Any, limit: float | None, stop: float | None
) -> None:
    assert reducing_state(lot(side=side), "name", role, 4) == OrderState(
        client_order_id="name", lot_id=LOT, strategy="mr", symbol="SPY",
        side="sell" if side == "buy" else "buy", role=role, type=kind, quantity=4, limit_price=limit,
        stop_price=stop,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("role", "kind", "limit", "stop"), [("stop", "stop", None, 94.5), ("target", "limit", 94.5, None)]
)
def test_a_leg_rests_for_its_parents_shares(
    role: Any, kind: Any, limit: float | None, stop: float | None
) -> None:
    leg = Leg(broker_order_id="b-2", client_order_id="uuid", role=role, price=94.5)
    assert leg_state(lot(), state(quantity=7), leg) == OrderState(
        client_order_id="uuid", broker_order_id="b-2", lot_id=LOT, strategy="mr", symbol="SPY", side="sell",
        role=role, type=kind, quantity=7, status="accepted", limit_price=limit, stop_price=stop,
        parent_id=ENTRY,
    )  # fmt: skip


def test_a_leg_whose_fill_came_first_is_an_exit_of_what_it_filled() -> None:
    fill = OrderFilled(
        ts_event=2, client_order_id="uuid", broker_order_id="b-2", execution_id="x", symbol="SPY",
        side="sell", quantity=2, price=105.0, cumulative=6, done=False, parent_id=ENTRY,
    )  # fmt: skip
    known = unannounced_leg_state(lot(), fill)
    assert known == OrderState(
        client_order_id="uuid", broker_order_id="b-2", lot_id=LOT, strategy="mr", symbol="SPY", side="sell",
        role="exit", type="market", quantity=6, status="accepted", parent_id=ENTRY,
    )  # fmt: skip
    assert order_state.filled(known, fill).status == "filled"


# ---- commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop_loss", "take_profit", "order_class"),
    [(95.0, 105.0, "bracket"), (95.0, None, "oto"), (None, 105.0, "oto"), (None, None, "simple")],
)
def test_an_entry_brings_the_exits_it_has(
    stop_loss: float | None, take_profit: float | None, order_class: Any
) -> None:
    assert enter(proposed(), EntryPrices(101.0, 100.5, stop_loss, take_profit), NOW, CAUSE) == SubmitOrder(
        ts_event=NOW, cause=CAUSE, client_order_id=ENTRY, lot_id=LOT, strategy="mr", symbol="SPY",
        side="buy", quantity=10, type="stop_limit", order_class=order_class, time_in_force="gtc",
        limit_price=101.0, stop_price=100.5, take_profit=take_profit, stop_loss=stop_loss,
        adds_exposure=True, role="entry", intraday=True, group_id="g", reason="z < -2",
    )  # fmt: skip


def test_an_entry_that_goes_once_more_is_the_same_without_exits() -> None:
    known = state(type="stop_limit", limit_price=101.0, stop_price=100.5)
    first = enter(proposed(), EntryPrices(101.0, 100.5, 95.0, 105.0), NOW, CAUSE)
    again = enter_plainly(lot(), known, NOW, CAUSE)
    assert again == SubmitOrder(
        ts_event=NOW, cause=CAUSE, client_order_id=ENTRY, lot_id=LOT, strategy="mr", symbol="SPY",
        side="buy", quantity=10, type="stop_limit", order_class="simple", time_in_force="gtc",
        limit_price=101.0, stop_price=100.5, intraday=True, group_id="g",
        reason="the broker takes no bracket on it",
    )  # fmt: skip
    differs = {"order_class", "take_profit", "stop_loss", "reason"}
    assert all(
        getattr(again, name) == getattr(first, name)
        for name in SubmitOrder.__struct_fields__
        if name not in differs
    )


@pytest.mark.parametrize(
    ("role", "stop_loss", "order_class", "time_in_force", "stop_beside", "reason"),
    [
        ("exit", 95.0, "simple", "day", None, "time"),
        ("stop", 95.0, "simple", "gtc", None, "stop"),
        ("target", 95.0, "oco", "gtc", 95.0, "target"),
        ("target", None, "simple", "gtc", None, "target"),
    ],
)
def test_what_reduces_adds_no_exposure_and_protection_outlives_the_day(
    role: Any, stop_loss: Any, order_class: Any, time_in_force: Any, stop_beside: Any, reason: str
) -> None:
    held = lot(stop_loss=stop_loss, time_in_force="day")
    known = reducing_state(held, "name", role, 4)
    assert reduce(held, known, NOW, CAUSE) == SubmitOrder(
        ts_event=NOW, cause=CAUSE, client_order_id="name", lot_id=LOT, strategy="mr", symbol="SPY",
        side="sell", quantity=4, type=known.type, order_class=order_class, time_in_force=time_in_force,
        limit_price=known.limit_price, stop_price=known.stop_price, stop_loss=stop_beside,
        adds_exposure=False, role=role, intraday=True, group_id="g", reason=reason,
    )  # fmt: skip


def test_a_cancellation_and_a_new_price_name_the_order_by_both_ids() -> None:
    stop = state("leg", role="stop", broker_order_id="b-2")
    assert cancel(stop, "exit wanted", NOW, CAUSE) == CancelOrder(
        ts_event=NOW, cause=CAUSE, client_order_id="leg", broker_order_id="b-2", lot_id=LOT, symbol="SPY",
        reason="exit wanted",
    )  # fmt: skip
    plain: dict[str, Any] = {
        "ts_event": NOW, "cause": CAUSE, "client_order_id": "leg", "broker_order_id": "b-2", "lot_id": LOT,
        "symbol": "SPY",
    }  # fmt: skip
    assert follow(stop, 96.0, NOW, CAUSE) == ReplaceOrder(**plain, stop_price=96.0)
    target = state("leg", role="target", broker_order_id="b-2")
    assert follow(target, 106.0, NOW, CAUSE) == ReplaceOrder(**plain, limit_price=106.0)


# ---- what has no answer -------------------------------------------------------------------------

STATUSES = (
    "submitted", "accepted", "partially_filled", "filled", "canceled", "expired", "rejected", "unknown",
    "pending_cancel",
)  # fmt: skip
orders = st.lists(
    st.builds(
        lambda role, status, number, parent: {
            "role": role, "status": status, "broker_order_id": number, "parent_id": parent,
        },
        st.sampled_from(["entry", "exit", "stop", "target"]),
        st.sampled_from(STATUSES),
        st.sampled_from(["", "b-9"]),
        st.sampled_from(["", ENTRY]),
    ),
    max_size=5,
)  # fmt: skip


@given(orders)
def test_exactly_what_the_broker_has_not_answered_is_asked_again(rows: list[dict[str, Any]]) -> None:
    known = {f"o{number}": state(f"o{number}", **fields) for number, fields in enumerate(rows)}
    asked = unanswered(lot(orders=known), NOW)
    sent = [one.client_order_id for one in asked if type(one) is SubmitOrder]
    cancelled = [one.client_order_id for one in asked if type(one) is CancelOrder]
    assert cancelled == [name for name, one in known.items() if one.status == "pending_cancel"]
    assert sent == [
        name
        for name, one in known.items()
        if one.status in ("submitted", "unknown")
        # Its cancellation may have gone before the answer to the order itself came.
        or (one.status == "pending_cancel" and not one.broker_order_id and not one.parent_id)
    ]
    for one in asked:
        assert (one.ts_event, one.cause) == (NOW, 0)
        order = known[one.client_order_id]
        if type(one) is SubmitOrder:
            assert one.adds_exposure == (order.role == "entry")
            assert one.role == order.role
        elif type(one) is CancelOrder:
            assert (one.reason, one.broker_order_id) == ("asked for before", order.broker_order_id)
            before = asked[asked.index(one) - 1]
            assert before.client_order_id == one.client_order_id or one.client_order_id not in sent
