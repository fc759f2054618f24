"""Each pre-trade limit at its threshold."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.limits import MINUTE, GuardState, OrderGuard
from config.trading import Limits
from tests.actors.risk.proposals import proposal

NOW = 10**18
SECOND = 1_000_000_000


def guard(**limits: Any) -> OrderGuard:
    return OrderGuard(Limits(**limits))


def rule(on: OrderGuard, last: float = 100.0, now: int = NOW, **fields: Any) -> str | None:
    refusal = on.check(proposal(**fields), last, now)
    return None if refusal is None else refusal.rule


def test_an_ordinary_entry_passes() -> None:
    assert rule(guard()) is None


@pytest.mark.parametrize("field", ["stop_loss", "take_profit"])
def test_an_entry_without_an_exit_passes_only_where_none_is_asked_for(field: str) -> None:
    missing: dict[str, Any] = {field: None}
    assert rule(guard(), **missing) == "require_exits"
    assert rule(guard(require_exits=False), **missing) is None


@pytest.mark.parametrize("field", ["reference_price", "limit_price", "stop_price"])
@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (112.5, None),
        (87.5, None),
        (112.51, "price_collar"),
        (87.49, "price_collar"),
        (math.nan, "price_collar"),
        (math.inf, "price_collar"),
        (-100.0, "price_collar"),
    ],
)
def test_no_price_may_leave_the_collar(field: str, price: float, expected: str | None) -> None:
    """12.5 % is a binary fraction, so that the threshold itself is exact."""
    changed: dict[str, Any] = {field: price}
    assert rule(guard(price_collar_frac=0.125), **changed) == expected


@pytest.mark.parametrize("last", [math.nan, 0.0, -1.0, math.inf])
def test_without_a_last_price_no_entry_passes(last: float) -> None:
    assert rule(guard(), last=last) == "price_collar"


def test_the_protective_prices_are_not_collared() -> None:
    assert rule(guard(), stop_loss=50.0, take_profit=200.0) is None


@pytest.mark.parametrize(("quantity", "expected"), [(250, None), (251, "max_order_value")])
def test_value_counts_the_highest_price(quantity: int, expected: str | None) -> None:
    limits = guard(max_order_value=25_000.0)
    assert rule(limits, quantity=quantity) == expected
    assert rule(limits, quantity=quantity, reference_price=99.0, limit_price=99.5) == expected


@pytest.mark.parametrize("field", ["reference_price", "limit_price", "stop_price"])
@pytest.mark.parametrize(("quantity", "expected"), [(240, None), (241, "max_order_value")])
def test_value_counts_a_price_above_the_last_one(field: str, quantity: int, expected: str | None) -> None:
    """240 at 104 USD are 24,960 USD; at the last price, 100 USD, 250 would pass."""
    changed: dict[str, Any] = {field: 104.0}
    assert rule(guard(max_order_value=25_000.0), quantity=quantity, **changed) == expected


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [(20, None), (21, "max_order_quantity"), (0, "max_order_quantity"), (-5, "max_order_quantity")],
)
def test_quantity_is_positive_and_bounded(quantity: int, expected: str | None) -> None:
    assert rule(guard(max_order_quantity=20), quantity=quantity) == expected


def test_the_same_entry_again_within_the_window_is_a_duplicate() -> None:
    on = guard(duplicate_window_s=60.0)
    on.passed(proposal(), NOW)
    assert rule(on, now=NOW) == "duplicate_order"
    assert rule(on, now=NOW + MINUTE - 1) == "duplicate_order"
    assert rule(on, now=NOW + MINUTE) is None


@pytest.mark.parametrize(
    "fields", [{"strategy": "orb"}, {"symbol": "IBM"}, {"side": "sell"}, {"quantity": 11}]
)
def test_another_strategy_symbol_side_or_quantity_is_no_duplicate(fields: dict[str, Any]) -> None:
    on = guard()
    on.passed(proposal(), NOW)
    assert rule(on, **fields) is None


def test_an_exit_that_passed_makes_no_entry_a_duplicate() -> None:
    on = guard()
    on.passed(proposal(intent="exit"), NOW)
    assert rule(on) is None


def test_a_window_of_zero_lets_duplicates_pass() -> None:
    on = guard(duplicate_window_s=0.0)
    on.passed(proposal(), NOW)
    assert rule(on) is None


def test_orders_cancels_and_replaces_share_one_rate() -> None:
    on = guard(max_messages_per_minute=3)
    on.count(NOW)
    on.passed(proposal(intent="exit"), NOW + SECOND)
    assert rule(on, now=NOW + SECOND) is None
    on.count(NOW + SECOND)
    assert rule(on, now=NOW + MINUTE - 1) == "message_rate"
    assert rule(on, now=NOW + MINUTE) is None


steps = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3), st.sampled_from("ABC")), max_size=40)


@given(steps, st.integers(0, 40))
def test_the_guard_remembers_across_a_restart(story: list[tuple[int, int, str]], cut: int) -> None:
    whole = guard(max_messages_per_minute=6)
    broken = guard(max_messages_per_minute=6)
    now = NOW
    for place, (seconds, quantity, symbol) in enumerate(story):
        now += seconds * SECOND
        if place == cut:
            packed = msgspec.msgpack.encode(broken.state())
            kept = msgspec.msgpack.decode(packed, type=GuardState)
            broken = OrderGuard(Limits(max_messages_per_minute=6), kept)
        order = proposal(quantity=quantity, symbol=symbol)
        verdict = whole.check(order, 100.0, now)
        assert verdict == broken.check(order, 100.0, now)
        if verdict is None:
            whole.passed(order, now)
            broken.passed(order, now)


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-10, 100_000),
)
def test_whatever_passes_is_within_every_limit(reference: float, last: float, quantity: int) -> None:
    if rule(guard(), last=last, reference_price=reference, quantity=quantity) is None:
        assert 0 < quantity <= 20_000
        assert abs(reference / last - 1.0) <= 0.10
        assert quantity * max(reference, last) <= 25_000.0
