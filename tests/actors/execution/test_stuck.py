"""Orders without news: looked up after a while, again and again, and no others."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.order_state import TERMINAL, OrderState
from actors.execution.stuck import StuckOrders

PATIENCE = 100


def order(name: str = "a", status: str = "submitted", **fields: Any) -> OrderState:
    plain: dict[str, Any] = {
        "lot_id": "mr-1", "strategy": "mr", "symbol": "SPY", "side": "buy", "role": "entry", "type": "limit",
        "quantity": 10, "status": status,
    }  # fmt: skip
    return OrderState(name, **(plain | fields))


def looked(stuck: StuckOrders, *orders: OrderState, at: int, is_open: bool = True) -> list[str]:
    return [one.client_order_id for one in stuck.look(orders, at, is_open=is_open)]


@pytest.mark.parametrize("status", ["submitted", "unknown", "pending_cancel"])
def test_an_order_in_flight_is_looked_up_again_after_each_while(status: str) -> None:
    stuck = StuckOrders(PATIENCE)
    due = [at for at in range(0, 351, 10) if looked(stuck, order(status=status), at=at)]
    assert due == [100, 200, 300]


@pytest.mark.parametrize("status", ["accepted", "partially_filled", *sorted(TERMINAL)])
def test_an_order_that_rests_or_has_ended_may_be_silent(status: str) -> None:
    stuck = StuckOrders(PATIENCE)
    assert not any(looked(stuck, order(status=status), at=at) for at in range(0, 1_000, 50))
    assert not stuck.is_watching


@pytest.mark.parametrize(
    ("fields", "is_open", "is_due"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"parent_id": "p"}, True, False),
        ({"status": "filled"}, True, False),
        ({"type": "stop"}, True, False),
    ],
)
def test_a_market_order_may_not_be_silent_while_the_market_trades(
    fields: dict[str, Any], is_open: bool, is_due: bool
) -> None:
    stuck = StuckOrders(PATIENCE)
    one = order(**({"status": "accepted", "type": "market"} | fields))
    looked(stuck, one, at=0, is_open=is_open)
    assert looked(stuck, one, at=PATIENCE, is_open=is_open) == (["a"] if is_due else [])


def test_news_begin_its_time_anew() -> None:
    stuck = StuckOrders(PATIENCE)
    looked(stuck, order(filled=0), at=0)
    assert looked(stuck, order(filled=1), at=150) == []
    assert looked(stuck, order("a", "pending_cancel", filled=1), at=240) == []
    assert looked(stuck, order("a", "pending_cancel", filled=1), at=339) == []
    assert looked(stuck, order("a", "pending_cancel", filled=1), at=340) == ["a"]


def test_an_order_that_was_away_from_flight_starts_from_nothing() -> None:
    stuck = StuckOrders(PATIENCE)
    looked(stuck, order(), at=0)
    looked(stuck, at=50)
    assert looked(stuck, order(), at=120) == []


def test_that_an_order_is_stuck_is_told_once() -> None:
    stuck = StuckOrders(PATIENCE)
    assert [stuck.is_first(order(name)) for name in ("a", "a", "b", "a")] == [True, False, True, False]


@given(
    looks=st.lists(st.integers(0, 80), min_size=1, max_size=60),
    names=st.sets(st.sampled_from("abc"), min_size=1),
    patience=st.integers(1, 200),
)
def test_however_often_it_looks_an_order_comes_once_a_while_and_is_never_forgotten(
    looks: list[int], names: set[str], patience: int
) -> None:
    stuck, now, due = StuckOrders(patience), 0, {name: [0] for name in names}
    for step in looks:
        now += step
        for name in looked(stuck, *map(order, sorted(names)), at=now):
            due[name].append(now)
    for times in due.values():
        first = looks[0]
        gaps = [b - a for a, b in itertools.pairwise(times[1:])]
        assert all(gap >= patience for gap in gaps)
        assert all(at - first >= patience for at in times[1:2])
        assert now - max(first, times[-1]) < patience
