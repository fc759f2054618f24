"""Which refusals of an entry are about its exits: those are sent once more without, all others are dead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.refusals import is_class_refused
from runtime.messages.broker import OrderRejected


def refused(code: int, reason: str) -> OrderRejected:
    return OrderRejected(ts_event=1, client_order_id="a:e1", symbol="SPY", code=code, reason=reason)


KNOWN = (
    "client_order_id must be unique", "qty or notional is required", "limit orders require a limit price",
    "market orders require no stop or limit price", "invalid time_in_force",
    "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
    "fractional orders must be DAY orders", "fractional orders cannot be sold short",
    "notional must be >= 1.00", "extended hours order must be DAY or GTC limit orders",
    'asset "X" not found', 'asset "X" is not tradable',
    "take_profit.limit_price must be > stop_loss.stop_price",
    "stop_loss.stop_price must be <= base_price - 0.01",
    "bracket: stop_loss.stop_price must be <= base_price - 0.01",
)  # fmt: skip
"""Documented refusals that an entry without exits would meet too, or after which it would stand bare."""


@pytest.mark.parametrize("reason", KNOWN)
@pytest.mark.parametrize("code", [40_010_001, 42_210_000, 422])
def test_a_known_refusal_of_the_entry_itself_is_final(code: int, reason: str) -> None:
    assert not is_class_refused(refused(code, reason))


@pytest.mark.parametrize(
    "reason",
    ["bracket orders must be market or limit orders", "oto order not supported", "invalid order_class",
     "complex orders are not supported for this type", "computer says no", "", "422 Unprocessable Entity"],
)  # fmt: skip
@pytest.mark.parametrize("code", [40_010_001, 42_210_000, 42_219_999, 422])
def test_an_unprocessable_entry_goes_without_exits_whatever_the_words_are(code: int, reason: str) -> None:
    assert is_class_refused(refused(code, reason))


@given(st.integers(0, 60_000_000), st.text(max_size=60))
def test_nothing_but_an_unprocessable_order_is_ever_sent_again(code: int, reason: str) -> None:
    is_unprocessable = code == 422 or code // 100_000 == 422 or 40_010_000 <= code < 40_020_000
    assert is_unprocessable or not is_class_refused(refused(code, f"bracket {reason}"))
