import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.ids import LONGEST, client_order_id, parse

roles = st.sampled_from(["entry", "exit", "stop", "target"])
lots = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=40
)


@given(lots, roles, st.integers(1, 9_999))
def test_an_id_can_be_taken_apart_into_what_it_was_made_of(lot, role, attempt):
    made = client_order_id(lot, role, attempt)
    assert len(made) <= LONGEST
    assert parse(made) == (lot, role, attempt)


@given(st.text(max_size=60))
def test_only_what_we_would_make_is_parsed(text):
    parts = parse(text)
    assert parts is None or client_order_id(*parts) == text


def test_the_letter_says_what_the_order_is_for():
    assert client_order_id("gap_fill-20180305-1", "stop", 2) == "gap_fill-20180305-1:s2"


@pytest.mark.parametrize("lot", ["", "a:b", "a b", "ä", "x" * 46])
def test_a_bad_lot_id_is_refused(lot):
    with pytest.raises(ValueError, match=r"lot id|characters"):
        client_order_id(lot, "entry", 1)
    with pytest.raises(ValueError, match="counts from 1"):
        client_order_id("a", "entry", 0)


def test_a_broker_made_leg_is_not_one_of_ours():
    assert parse("sim-1.stop") is None
    assert parse("a:e01") is None
    assert parse("a:") is None
