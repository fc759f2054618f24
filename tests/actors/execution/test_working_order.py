"""Orders as the simulated broker keeps them: what one submission becomes, and how its legs are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.working_order import leg_of, orders_of
from runtime.messages.broker import SubmitOrder

NAME = "mr-20180305-1:e1"


def submitted(**fields: Any) -> SubmitOrder:
    plain: dict[str, Any] = {
        "ts_event": 1, "cause": 1, "client_order_id": NAME, "lot_id": "mr-20180305-1", "strategy": "mr",
        "symbol": "SPY", "side": "buy", "quantity": 10, "type": "market", "order_class": "simple",
        "time_in_force": "day",
    }  # fmt: skip
    return SubmitOrder(**(plain | fields))


def test_a_simple_order_stands_alone() -> None:
    parent, legs = orders_of(submitted(limit_price=99.0, type="limit"), 3, 7, 100, 200)
    assert (parent.client_order_id, parent.broker_order_id, parent.group) == (NAME, "sim-7", NAME)
    assert (parent.symbol_id, parent.given, parent.ends, parent.limit) == (3, 100, 200, 99.0)
    assert (parent.is_complex, parent.held, parent.is_leg, parent.is_day) == (False, False, False, True)
    assert legs == ()


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_brackets_legs_wait_for_their_parent_on_the_other_side(side: str) -> None:
    parent, legs = orders_of(
        submitted(side=side, order_class="bracket", stop_loss=95.0, take_profit=105.0), 3, 7, 100, 200
    )
    assert parent.is_complex
    assert [(leg.role, leg.type, leg.stop, leg.limit) for leg in legs] == [
        ("stop", "stop", 95.0, None),
        ("target", "limit", None, 105.0),
    ]
    assert all(leg.held and leg.is_leg and leg.sign == -parent.sign for leg in legs)
    assert [leg.client_order_id for leg in legs] == ["sim-7.stop", "sim-7.target"]
    assert {leg.group for leg in legs} == {NAME}


@pytest.mark.parametrize(
    ("prices", "roles"),
    [
        ({"stop_loss": 95.0}, ["stop"]),
        ({"take_profit": 105.0}, ["target"]),
        ({"stop_loss": 0.0}, ["stop"]),
    ],
)
def test_an_oto_has_the_one_leg_it_was_given(prices: dict[str, float], roles: list[str]) -> None:
    _, legs = orders_of(submitted(order_class="oto", **prices), 0, 1, 0, 0)
    assert [leg.role for leg in legs] == roles


def test_an_oco_is_its_target_with_the_stop_beside_it_and_both_work_at_once() -> None:
    oco = submitted(
        side="sell", order_class="oco", type="limit", limit_price=105.0, take_profit=105.0, stop_loss=95.0,
        role="target", adds_exposure=False,
    )  # fmt: skip
    parent, (stop,) = orders_of(oco, 0, 7, 0, 0)
    assert (parent.role, parent.limit) == ("target", 105.0)
    assert (stop.role, stop.sign, stop.held) == ("stop", parent.sign, False)


@given(
    classes=st.lists(st.sampled_from(["simple", "oto", "bracket", "oco"]), min_size=1, max_size=8),
    filled=st.integers(0, 10),
)
def test_stops_come_before_their_targets_and_submissions_in_their_order(
    classes: list[str], filled: int
) -> None:
    """By `sequence` the broker works its orders: never the target first where a bar reaches both."""
    seen: list[tuple[int, int, str]] = []
    for number, kind in enumerate(classes, start=1):
        prices = {
            "simple": {}, "oto": {"stop_loss": 95.0}, "bracket": {"stop_loss": 95.0, "take_profit": 105.0},
            "oco": {"stop_loss": 95.0, "take_profit": 105.0, "limit_price": 105.0},
        }[kind]  # fmt: skip
        parent, legs = orders_of(submitted(order_class=kind, **prices), 0, number, 0, 0)
        parent.filled = filled
        assert parent.remaining == parent.quantity - filled
        assert all(leg.remaining == leg.quantity == 10 for leg in legs)
        seen += [(one.sequence, number, one.role) for one in (parent, *legs)]
    assert len({sequence for sequence, _, _ in seen}) == len(seen)
    ordered = sorted(seen)
    assert [number for _, number, _ in ordered] == sorted(number for _, number, _ in seen)
    for number in range(1, len(classes) + 1):
        roles = [role for _, at, role in ordered if at == number]
        if {"stop", "target"} <= set(roles):
            assert roles.index("stop") < roles.index("target")


def test_a_leg_is_told_with_the_price_it_waits_for() -> None:
    _, legs = orders_of(submitted(order_class="bracket", stop_loss=95.0, take_profit=105.0), 0, 7, 0, 0)
    assert [(leg_of(leg).role, leg_of(leg).price) for leg in legs] == [("stop", 95.0), ("target", 105.0)]
    parent, _ = orders_of(submitted(), 0, 7, 0, 0)
    assert leg_of(parent).price == 0.0
