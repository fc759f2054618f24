"""A key in an input is masked before the input is recorded; everything else passes untouched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.messages.base import Input
from runtime.messages.broker import OrderRejected
from runtime.messages.codec import MESSAGES, encode
from runtime.messages.masking import Mask
from tests.runtime.messages.made import of_type

SECRET = "canary-secret-1234"


def rejected(reason: str) -> OrderRejected:
    return OrderRejected(ts_event=1, client_order_id="a:e1", symbol="SPY", code=403, reason=reason)


def test_a_key_becomes_as_many_asterisks() -> None:
    masked = Mask(["PKAAAABBBB", SECRET])(rejected(f"refused: {SECRET} of PKAAAABBBB"))
    assert masked == rejected(f"refused: {'*' * len(SECRET)} of {'*' * 10}")


@pytest.mark.parametrize("secrets", [[], ["short"], [SECRET]])
def test_what_has_no_key_is_the_same_object(secrets: list[str]) -> None:
    message = rejected("insufficient buying power, said short")
    assert Mask(secrets)(message) is message


@given(st.sampled_from([one for one in MESSAGES if issubclass(one, Input)]).flatmap(of_type))
def test_any_input_passes(message: Input) -> None:
    assert encode(Mask([SECRET])(message)) == encode(message)
