"""Amounts, times and bodies on the wire: alpaca.md 0, 3.2 and 3.8."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker import wire
from actors.broker.directory import Directory
from actors.broker.order_bodies import replace_body, submit_body
from actors.broker.translate import order_told, update_told
from runtime.messages.broker import ReplaceOrder
from tests.actors.broker.wire_samples import NOW
from tests.actors.gateways.order_desk import buy, sell


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-07-24T14:42:49Z", 1_784_904_169_000_000_000),
        ("2026-07-24T14:42:49.354133121Z", 1_784_904_169_354_133_121),
        ("2026-07-24T14:42:49.3Z", 1_784_904_169_300_000_000),
        ("2026-07-24T10:42:48.601374373-04:00", 1_784_904_168_601_374_373),
        ("2026-07-24T14:42:49", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_keep_their_nanoseconds(text: str | None, told: int | None) -> None:
    assert wire.nanoseconds(text) == told


@pytest.mark.parametrize(
    ("amount", "number", "shares"),
    [
        ("737.91", 737.91, None),
        ("10", 10.0, 10),
        (271.0, 271.0, 271),
        (3, 3.0, 3),
        ("-3", -3.0, -3),
        ("nan", None, None),
        ("1e999", None, None),
        ("ten", None, None),
        (None, None, None),
        ("1" * 400, None, None),
        (10**400, None, None),
    ],
)
def test_amounts_are_numbers_or_nothing(amount: Any, number: float | None, shares: int | None) -> None:
    assert wire.number(amount) == number
    assert wire.shares(amount) == shares


@pytest.mark.parametrize(
    ("fields", "can_short"),
    [
        ({"shortable": True, "borrow_status": "easy_to_borrow"}, True),
        ({"shortable": True, "borrow_status": "hard_to_borrow", "easy_to_borrow": True}, False),
        ({"shortable": True, "easy_to_borrow": True}, True),
        ({"shortable": True}, False),
        ({"shortable": False, "borrow_status": "easy_to_borrow"}, False),
    ],
)
def test_what_can_be_borrowed_is_read_old_and_new(fields: dict[str, Any], can_short: bool) -> None:
    asset = msgspec.convert({"symbol": "X", "class": "us_equity", **fields}, wire.Asset)
    assert asset.can_short is can_short


@given(st.floats(0.0002, 90_000), st.sampled_from(["limit_price", "stop_loss", "take_profit"]))
def test_a_price_leaves_with_the_decimals_the_broker_takes(price: float, field: str) -> None:
    body = submit_body(buy(**{"order_class": "bracket", "stop_loss": 5.0, "take_profit": 9.0, field: price}))
    found = {
        "limit_price": body["limit_price"],
        "stop_loss": body["stop_loss"]["stop_price"],  # type: ignore[index]
        "take_profit": body["take_profit"]["limit_price"],  # type: ignore[index]
    }[field]
    whole, _, digits = str(found).partition(".")
    assert len(digits) == (4 if whole == "0" else 2)
    assert abs(float(str(found)) - price) <= (0.00005001 if whole == "0" else 0.005001)


@pytest.mark.parametrize("price", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_price_that_is_none_makes_no_body(price: float) -> None:
    with pytest.raises(ValueError, match="price"):
        submit_body(buy(limit_price=price))
    with pytest.raises(ValueError, match="price"):
        replace_body(
            ReplaceOrder(
                ts_event=0, cause=1, client_order_id="a", broker_order_id="", lot_id="", symbol="SPY",
                stop_price=price,
            )
        )  # fmt: skip


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
junk = plain | st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=8), plain, max_size=3)
names = st.sampled_from(wire.Order.__struct_fields__)
words = st.sampled_from(
    ["filled", "new", "replaced", "canceled", "rejected", "buy", "b-0", "mr-20261120-1:e1"]
)
tame = st.none() | st.text(max_size=6) | st.integers(-30, 30).map(str) | words
fields = st.dictionaries(names, tame, max_size=10) | st.dictionaries(names, junk, max_size=8)


@given(
    fields, st.sampled_from(["fill", "new", "canceled", "replaced", "trade_bust", "nonsense"]), tame | junk
)
def test_whatever_the_broker_sends_is_understood_or_refused_as_a_value(
    order: dict[str, Any], event: str, qty: Any
) -> None:
    data = {"event": event, "order": {"id": "b-1", **order}, "qty": qty, "price": qty}
    try:
        update = msgspec.convert(data, wire.TradeUpdate)
    except ValueError:
        return
    directory = Directory()
    update_told(update, directory, NOW)
    order_told(update.order, directory, NOW)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_market_exit_says_that_it_closes_and_no_other_order_says_anything(side: str) -> None:
    closes = submit_body(sell(side=side, type="market", limit_price=None))
    assert closes["position_intent"] == f"{side}_to_close"
    for other in (buy(side=side), sell(role="stop", side=side), sell(role="target", side=side)):
        assert "position_intent" not in submit_body(other)
