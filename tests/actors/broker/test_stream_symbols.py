"""The plan's places go to what is held, then to the most important watch lists; the rest is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.stream_symbols import BASIC_LIMIT, POSITION, LeftOut, choose

names = st.sampled_from([f"S{letter}" for letter in "ABCDEFGHIJKL"])
watch_lists = st.dictionaries(st.sampled_from(["first", "second", "third"]), st.lists(names, max_size=8))


def test_positions_come_first_then_watch_lists_by_priority():
    choice = choose(["MSFT", "AAPL"], {"gap": ["SPY", "QQQ"], "orb": ["TSLA", "SPY", "AMD"]}, 4)
    assert choice.symbols == ("AAPL", "MSFT", "SPY", "QQQ")
    assert choice.left_out == (
        LeftOut(symbol="TSLA", wanted_by="orb"), LeftOut(symbol="AMD", wanted_by="orb"),
    )  # fmt: skip
    assert choice.told() == "orb: TSLA, AMD"


def test_even_a_position_is_named_when_the_plan_has_no_place_for_it():
    assert choose(["AAA", "BBB"], {"gap": ["SPY"]}, 1).told() == "position: BBB; gap: SPY"


def test_the_free_plan_has_thirty_places_and_none_means_all():
    wanted = {"all": [f"S{n}" for n in range(40)]}
    assert len(choose([], wanted).symbols) == BASIC_LIMIT == 30
    assert len(choose([], wanted, None).symbols) == 40
    with pytest.raises(ValueError, match="negative"):
        choose([], wanted, -1)


@given(st.sets(names), watch_lists, st.integers(0, 15))
def test_every_wanted_symbol_is_streamed_once_or_named_once(positions, lists, limit):
    choice = choose(positions, lists, limit)
    left = [one.symbol for one in choice.left_out]
    wanted = positions | {name for symbols in lists.values() for name in symbols}
    assert sorted((*choice.symbols, *left)) == sorted(wanted)
    assert len(choice.symbols) == min(limit, len(wanted))
    if any(one.wanted_by == POSITION for one in choice.left_out):
        assert set(choice.symbols) <= positions
    assert choose(sorted(positions, reverse=True), lists, limit) == choice
