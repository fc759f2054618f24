"""Our books against the broker's: every difference is found once, and none where a fill is on its way."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.order_state import TERMINAL, OrderState
from actors.execution.reconcile import Comparison, compare, messages
from runtime.messages.broker import BrokerOrder, BrokerPosition, BrokerSnapshot, CancelOrder, LookUpOrder
from runtime.messages.risk import Noted
from runtime.messages.trading import PositionMismatched

ENTRY, STOP = "mr-20261120-1:e1", "mr-20261120-1:s1"


def ours(name: str = ENTRY, **fields: Any) -> OrderState:
    plain: dict[str, Any] = {
        "lot_id": "mr-20261120-1", "strategy": "mr", "symbol": "SPY", "side": "buy", "role": "entry",
        "type": "limit", "quantity": 10, "broker_order_id": "b-1", "status": "accepted", "limit_price": 100.0,
    }  # fmt: skip
    return OrderState(client_order_id=name, **{**plain, **fields})


def theirs(name: str = ENTRY, **fields: Any) -> BrokerOrder:
    plain: dict[str, Any] = {
        "broker_order_id": "b-1", "symbol": "SPY", "side": "buy", "quantity": 10, "filled": 0,
        "status": "new", "type": "limit", "limit_price": 100.0,
    }  # fmt: skip
    return BrokerOrder(client_order_id=name, **{**plain, **fields})


def told(
    *orders: OrderState,
    reason: Any = "schedule",
    there: tuple[BrokerOrder, ...] = (),
    held: dict[str, int] | None = None,
    external: dict[str, int] | None = None,
    moved: tuple[str, ...] = (),
    **net: int,
) -> Comparison:
    positions = tuple(BrokerPosition(symbol=symbol, quantity=shares) for symbol, shares in net.items())
    snapshot = BrokerSnapshot(ts_event=0, positions=positions, orders=there, reason=reason)
    return compare(orders, held or {}, external or {}, snapshot, moved)


def kinds(comparison: Comparison) -> list[tuple[str, str]]:
    return [(one.kind, one.action) for one in comparison.differences]


def test_sides_that_agree_have_no_difference() -> None:
    entry, stop = ours(status="filled", filled=10), ours(STOP, role="stop")
    comparison = told(entry, stop, there=(theirs(STOP),), held={"SPY": 10}, SPY=10)
    assert comparison == Comparison((), ("SPY",), {})


def test_an_order_of_ours_that_is_not_open_there_is_looked_up() -> None:
    assert kinds(told(ours())) == [("gone", "looked up")]


def test_an_exit_that_waits_for_its_entry_need_not_be_listed() -> None:
    leg = ours("uuid-stop", role="stop", parent_id=ENTRY)
    assert kinds(told(ours(), leg, there=(theirs(),))) == []


def test_fills_we_have_not_seen_are_looked_up_and_the_position_waits_for_them() -> None:
    comparison = told(ours(), there=(theirs(filled=4),), SPY=4)
    assert kinds(comparison) == [("fills", "looked up")]
    assert comparison.agreed == ()


def test_fills_that_came_while_the_broker_was_asked_are_no_difference() -> None:
    comparison = told(ours(filled=4), there=(theirs(),), held={"SPY": 4}, moved=("SPY",))
    assert comparison == Comparison((), (), {}, ("SPY",))


def test_shares_that_the_broker_does_not_count_any_more_are_looked_up() -> None:
    comparison = told(ours(filled=4), there=(theirs(filled=3),), held={"SPY": 4})
    (difference,) = comparison.differences
    assert (difference.kind, difference.action, difference.filled) == ("fills", "looked up", 4)


def test_another_price_there_is_looked_up_unless_a_change_is_under_way() -> None:
    assert kinds(told(ours(), there=(theirs(limit_price=101.0),))) == [("price", "looked up")]
    assert kinds(told(ours(), there=(theirs(limit_price=101.0, status="pending_replace"),))) == []
    assert kinds(told(ours(status="pending_cancel"), there=(theirs(limit_price=101.0),))) == []


def test_an_abandoned_order_that_works_there_is_cancelled() -> None:
    assert kinds(told(ours(status="rejected"), there=(theirs(),))) == [("dead", "cancelled")]
    assert kinds(told(ours(status="rejected"), there=(theirs(status="pending_cancel"),))) == []


def test_what_the_broker_itself_ended_is_read_again_and_not_cancelled() -> None:
    assert kinds(told(ours(status="canceled"), there=(theirs(),))) == [("dead", "looked up")]


def test_what_ended_while_the_broker_was_asked_is_no_difference_unless_we_gave_it_up() -> None:
    done = ours(status="filled", filled=10)
    assert told(done, there=(theirs(),), held={"SPY": 10}, moved=("SPY",)) == Comparison((), (), {}, ("SPY",))
    assert kinds(told(done, there=(theirs(),), held={"SPY": 10}, moved=("AAPL",))) == [("dead", "looked up")]
    given_up = told(ours(status="rejected"), there=(theirs(),), moved=("SPY",))
    assert kinds(given_up) == [("dead", "cancelled")]


def test_an_entry_of_our_name_that_we_know_nothing_of_is_cancelled() -> None:
    assert kinds(told(there=(theirs("mr-20261120-7:e1"),))) == [("stranded", "cancelled")]


def test_an_unknown_stop_goes_if_nothing_is_held_and_stays_if_something_is() -> None:
    assert kinds(told(there=(theirs(STOP),))) == [("stranded", "cancelled")]
    assert kinds(told(there=(theirs(STOP),), held={"SPY": 10}, SPY=10)) == [("stray", "left for a person")]


def test_orders_of_others_are_never_touched() -> None:
    assert kinds(told(there=(theirs("dashboard", is_ours=False),), TSLA=5)) == []


def test_shares_that_nobody_explains_block_the_symbol() -> None:
    comparison = told(held={"SPY": 10}, SPY=7)
    (difference,) = comparison.differences
    assert (difference.kind, difference.ours_net, difference.broker_net) == ("position", 10, 7)
    assert comparison.agreed == ()


def test_what_was_there_before_us_is_external_and_expected_to_stay() -> None:
    first = told(SPY=50)
    assert first == Comparison((), ("SPY",), {"SPY": 50})
    with_ours = told(held={"SPY": 10}, external=first.external, SPY=60)
    assert with_ours == Comparison((), ("SPY",), {"SPY": 50})
    sold_by_hand = told(held={"SPY": 10}, external=first.external, SPY=40)
    assert kinds(sold_by_hand) == [("position", "entries blocked")]
    assert sold_by_hand.external == {"SPY": 50}
    assert told(external=first.external).external == {}


def test_each_difference_is_a_row_and_has_its_answer() -> None:
    comparison = told(
        ours(),
        there=(theirs("mr-20261120-7:e1", broker_order_id="b-7", symbol="QQQ"),),
        held={"TLT": 3},
        TLT=-3,
    )
    said = list(messages(comparison.differences, 5, 9, "executor"))
    rows = [one.text for one in said if type(one) is Noted]
    assert rows == [
        "SPY mr-20261120-1:e1: we had accepted, 0 of 10 filled, the broker has no such open order; looked up",
        "QQQ mr-20261120-7:e1: we had no such order, the broker has buy 10, new, 0 filled; cancelled",
        "TLT: we had 3 shares, the broker has -3 shares; entries blocked",
    ]
    (look,) = [one for one in said if type(one) is LookUpOrder]
    (away,) = [one for one in said if type(one) is CancelOrder]
    (block,) = [one for one in said if type(one) is PositionMismatched]
    assert (look.client_order_id, look.broker_order_id) == (ENTRY, "b-1")
    assert (away.broker_order_id, away.lot_id) == ("b-7", "mr-20261120-7")
    assert (block.ours, block.broker) == (3, -3)


names = st.sampled_from([f"mr-20261120-{n}:{letter}1" for n in (1, 2) for letter in "exs"])
symbols = st.sampled_from(["SPY", "QQQ"])
states = st.lists(
    st.builds(
        ours, names, symbol=symbols, filled=st.integers(0, 10),
        status=st.sampled_from(["submitted", "unknown", "accepted", "pending_cancel", *sorted(TERMINAL)]),
    ),
    unique_by=lambda one: one.client_order_id, max_size=5,
)  # fmt: skip
listed = st.lists(
    st.builds(theirs, names, symbol=symbols, filled=st.integers(0, 10), is_ours=st.booleans()),
    unique_by=lambda one: one.client_order_id, max_size=5,
)  # fmt: skip
shares = st.dictionaries(symbols, st.integers(-20, 20).filter(bool))


@given(states, listed, shares, shares, shares)
def test_nothing_of_others_is_cancelled_and_each_order_differs_at_most_once(
    mine: list[OrderState],
    there: list[BrokerOrder],
    held: dict[str, int],
    external: dict[str, int],
    net: dict[str, int],
) -> None:
    comparison = told(*mine, there=tuple(there), held=held, external=external, **net)
    about = [one.client_order_id for one in comparison.differences if one.client_order_id]
    assert len(about) == len(set(about))
    strangers = {one.client_order_id for one in there if not one.is_ours} - {
        one.client_order_id for one in mine
    }
    assert not strangers & {
        one.client_order_id for one in comparison.differences if one.action == "cancelled"
    }
    blocked = {one.symbol for one in comparison.differences if one.kind == "position"}
    assert not blocked & set(comparison.agreed)


@pytest.mark.parametrize("live", ["submitted", "unknown"])
def test_an_order_without_an_answer_is_looked_up_unless_the_gateway_is_at_it(live: str) -> None:
    unanswered = ours(status=live, broker_order_id="")
    (difference,) = told(unanswered, reason="start").differences
    assert (difference.client_order_id, difference.broker_order_id) == (ENTRY, "")
    assert told(unanswered, SPY=4) == Comparison((), (), {}, ("SPY",))


def test_a_cancellation_that_is_under_way_is_no_difference_but_at_a_start() -> None:
    leaving = ours(status="pending_cancel")
    assert told(leaving) == Comparison((), (), {}, ("SPY",))
    assert kinds(told(leaving, reason="start")) == [("gone", "looked up")]


def test_shares_that_appear_while_an_entry_of_ours_works_are_not_taken_for_somebody_elses() -> None:
    comparison = told(ours(), there=(theirs(),), SPY=10)
    assert kinds(comparison) == [("position", "entries blocked")]
    assert comparison.external == {}


def test_what_goes_on_though_all_of_ours_has_traded_is_cancelled() -> None:
    """A replacement may be for the whole quantity once more; a list that is older only looks as if."""
    done = ours(status="filled", filled=10)
    for filled, remaining, action in ((10, 3, "cancelled"), (8, 2, "looked up"), (10, 0, "looked up")):
        there = theirs(broker_order_id="b-2", status="partially_filled", filled=filled, remaining=remaining)
        assert kinds(told(done, there=(there,), held={"SPY": 10})) == [("dead", action)]
    there = theirs(broker_order_id="b-2", filled=10, remaining=3)
    assert kinds(told(done, there=(there,), held={"SPY": 10}, moved=("SPY",))) == []
