"""Sizes against the specification's worked examples (strategies 7) and the properties of the caps."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.sizing import Caps, Need, size

CAPS = Caps(
    risk_per_trade=0.02,
    max_position_pct=0.05,
    max_position_size=15_000.0,
    cash_buffer_pct=0.05,
    max_adv_frac=0.01,
    min_order_value=100.0,
)


def need(price: float, stop: float | None, alloc: float, slots: int, **more: float) -> Need:
    equity = float(more.pop("equity", 97_000.0))
    facts = {
        "price": price,
        "stop": stop,
        "equity": equity,
        "cash": equity,
        "sleeve": alloc * 0.95 * equity,
        "sleeve_used": 0.0,
        "slots": slots,
        "held_symbol": 0.0,
        "adv": math.inf,
        "scalar": 1.0,
        "multiplier": 1.0,
    }
    return Need(**{**facts, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "binding", "notional", "shares"),
    [
        (need(50, 49.5, 0.25, 5), "SLOT", 4_607.50, 92),
        (need(50, 49.5, 0.25, 5, scalar=1.2), "PCT", 4_850.00, 97),
        (need(50, 49.5, 0.25, 5, scalar=0.7), "SLOT", 3_225.25, 64),
        (need(50, 49.5, 0.25, 5, scalar=0.4), "SLOT", 1_843.00, 36),
        (need(50, 49.5, 0.25, 5, scalar=0.7, multiplier=0.5), "SLOT", 1_612.625, 32),
        (need(100, 92, 0.30, 25), "SLOT", 1_105.80, 11),
        (need(590, 578.2, 0.10, 2), "SLOT", 4_607.50, 7),
        (need(10, 5, 1.0, 1), "RISK", 3_880.00, 388),
        (need(50, 49.5, 0.25, 5, cash=6_000.0), "CASH", 1_150.00, 23),
        (need(50, 49.5, 1.0, 1, equity=400_000.0), "ABS", 15_000.00, 300),
        (need(50, 49.5, 1.0, 1, equity=400_000.0, held_symbol=5_000.0), "ABS", 10_000.00, 200),
        (need(50, 49.5, 1.0, 1, held_symbol=1_000.0), "PCT", 3_850.00, 77),
    ],
)
def test_the_worked_examples_of_the_specification_come_out(
    asked: Need, binding: str, notional: float, shares: int
) -> None:
    result = size(asked, CAPS)
    assert result.binding == binding
    assert result.notional == pytest.approx(notional, abs=1e-6)
    assert result.shares == shares


def test_no_single_stop_out_reaches_the_daily_halt() -> None:
    result = size(need(10, 5, 1.0, 1), CAPS)
    assert result.shares * (10 - 5) < 0.02 * 97_000 + 1e-9
    assert size(need(100, 1, 1.0, 1), CAPS).shares * 99 < 1_940


def test_an_order_below_the_minimum_value_is_refused_by_name() -> None:
    result = size(need(50, 49.5, 0.25, 5, cash=4_900.0), CAPS)
    assert (result.shares, result.binding) == (0, "BELOW_MIN")


def test_a_fixed_quantity_is_kept_and_only_reduced_by_caps() -> None:
    assert size(msgspec.structs.replace(need(50, 49.5, 0.25, 5), quantity=10), CAPS).binding == "FIXED"
    assert size(msgspec.structs.replace(need(50, 49.5, 0.25, 5), quantity=500), CAPS).shares == 92


needs = st.builds(
    Need,
    price=st.floats(1, 1_000),
    stop=st.none() | st.floats(0.1, 999),
    equity=st.floats(1_000, 1e6),
    cash=st.floats(-1_000, 1e6),
    sleeve=st.floats(0, 1e6),
    sleeve_used=st.floats(0, 1e6),
    slots=st.integers(1, 30),
    held_symbol=st.floats(0, 20_000),
    adv=st.floats(0, 1e9) | st.just(math.inf),
    scalar=st.sampled_from([1.2, 1.0, 0.7, 0.4]),
    multiplier=st.sampled_from([1.0, 0.5, 0.25, 0.0]),
).filter(lambda n: n.stop is None or abs(n.price - n.stop) >= 0.02)


@given(needs)
def test_no_cap_is_ever_exceeded(asked: Need) -> None:
    result = size(asked, CAPS)
    for name, cap in result.caps.items():
        assert result.shares * asked.price <= max(cap, 0.0) + 1e-6, name


@given(needs)
def test_nothing_is_bought_while_entries_are_stopped(asked: Need) -> None:
    assert size(msgspec.structs.replace(asked, multiplier=0.0), CAPS).shares == 0


@given(needs, st.sampled_from(["cash", "sleeve", "adv"]), st.floats(1.0, 2.0))
def test_more_room_under_a_cap_never_buys_less(asked: Need, field: str, factor: float) -> None:
    value = getattr(asked, field)
    roomier = msgspec.structs.replace(asked, **{field: value * factor if value > 0 else value})
    assert size(roomier, CAPS).shares >= size(asked, CAPS).shares


@given(needs)
def test_scaling_down_shrinks_whatever_has_more_than_one_share(asked: Need) -> None:
    calm = size(msgspec.structs.replace(asked, scalar=1.0), CAPS)
    tense = size(msgspec.structs.replace(asked, scalar=0.4), CAPS)
    if calm.shares > 1:
        assert tense.shares < calm.shares
