"""What is said of the lots that an ending engine leaves: stops are named where they cover every share."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.left_behind import left_behind
from actors.execution.lot_orders import LotOrders
from tests.actors.execution.test_cover import lot, order

STATUSES = st.sampled_from(("accepted", "submitted", "unknown", "pending_cancel", "canceled", "expired"))


def with_orders(held: int, *others: tuple[Any, str, int], symbol: str = "SPY", missing: int = 0) -> LotOrders:
    """A lot that holds so many shares, and its other orders: role, status, shares."""
    one = lot(held=held, missing=missing)
    one.symbol = symbol
    one.orders = {one.entry_id: one.entry}
    for place, (role, status, shares) in enumerate(others):
        made = order("a", role, status=status, quantity=shares)
        one.orders[f"a:{place}"] = made
    return one


def test_nothing_held_is_nothing_said() -> None:
    assert left_behind([with_orders(0, ("stop", "canceled", 10))]) == []


def test_each_kind_of_protection_is_a_line_of_its_own() -> None:
    lots = [
        with_orders(10, ("stop", "accepted", 10), ("target", "accepted", 10), symbol="TLT"),
        with_orders(10, ("stop", "accepted", 10), symbol="SPY"),
        with_orders(10, ("stop", "canceled", 10), ("exit", "accepted", 10), symbol="QQQ"),
        with_orders(10, ("stop", "accepted", 9), symbol="IWM"),
    ]
    assert left_behind(lots) == [
        "still held: SPY, TLT; their stops and targets stay at the broker",
        "still held: QQQ; their exits go on at the broker, without a stop",
        "warning: still held without a stop: IWM; a start places it",
    ]


def test_intraday_lots_and_day_stops_that_would_outlive_the_session_are_named_and_no_others() -> None:
    swing = with_orders(10, ("stop", "accepted", 10), symbol="SPY")
    bracket = with_orders(10, ("stop", "accepted", 10), symbol="QQQ")
    bracket.intraday, bracket.time_in_force = True, "day"
    (leg,) = (one for one in bracket.orders.values() if one.role == "stop")
    bracket.orders[leg.client_order_id] = msgspec.structs.replace(leg, parent_id=bracket.entry_id)
    rested = with_orders(
        10, ("stop", "accepted", 10), symbol="IWM"
    )  # placed after the fill: good till cancelled
    rested.intraday, rested.time_in_force = True, "day"
    gone = with_orders(10, ("stop", "canceled", 10), symbol="TLT", missing=10)
    gone.intraday = True
    (held,) = left_behind([swing])
    assert held == "still held: SPY; their stops and targets stay at the broker"
    assert left_behind([swing, bracket, rested, gone])[1:-1] == [
        "warning: IWM, QQQ would outlive the session: only a running engine closes intraday positions "
        "before the close",
        "warning: the DAY stops of QQQ end with the session and are not renewed",
    ]


def test_shares_that_others_sold_need_no_stop() -> None:
    assert (
        "IWM; their stops"
        in left_behind([with_orders(10, ("stop", "accepted", 4), symbol="IWM", missing=6)])[0]
    )


@given(
    held=st.integers(1, 12),
    orders=st.lists(
        st.tuples(st.sampled_from(("stop", "target", "exit")), STATUSES, st.integers(1, 12)), max_size=4
    ),
)
def test_a_stop_is_said_to_stay_exactly_where_live_stops_cover_all_that_is_held(
    held: int, orders: list[tuple[Any, str, int]]
) -> None:
    covered = sum(
        shares
        for role, status, shares in orders
        if role == "stop" and status in ("accepted", "submitted", "unknown")
    )
    assert ("stops and targets stay" in left_behind([with_orders(held, *orders)])[0]) == (covered >= held)


def test_of_a_lot_whose_shares_others_sold_no_stop_is_said_to_stay() -> None:
    assert left_behind([with_orders(10, ("stop", "canceled", 10), missing=10)]) == [
        "warning: in our books but not in the account: SPY"
    ]
