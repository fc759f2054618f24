"""Whose shares a replacement counts: activities tell either way of the broker's, none is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.directory import Known
from actors.broker.succession import begins, is_ahead, is_ready, judge, needs_activities
from actors.broker.wire import Activity, Order

MADE, LATER = "2026-11-20T14:31:00Z", "2026-11-20T14:32:00Z"


def known_of(filled: int, *, handed_over: int | None = None, base: int = 0) -> Known:
    """Our order as it is told, after the broker said that it was replaced."""
    known = Known(client_order_id="mr-20261120-1:x1", symbol="SPY", broker_order_id="old")
    known.is_ours, known.filled, known.base = True, filled, base
    known.value = 100.0 * (filled - base)
    known.handed_over = filled if handed_over is None else handed_over
    return known


def heir(count: int, status: str = "partially_filled", **more: str) -> Order:
    return Order(id="new", replaces="old", status=status, filled_qty=str(count), created_at=MADE, **more)


def fill(quantity: int, total: int, order_id: str = "new") -> Activity:
    return Activity(id=f"{order_id}-{total}", order_id=order_id, qty=str(quantity), cum_qty=str(total))


@given(
    before=st.integers(1, 50), parts=st.lists(st.integers(1, 20), min_size=1, max_size=4), anew=st.booleans()
)
def test_its_first_fill_says_where_its_count_began(before: int, parts: list[int], anew: bool) -> None:
    known, total, fills = known_of(before), 0 if anew else before, []
    for part in parts:
        total += part
        fills.append(fill(part, total))
    order = heir(total)
    judge(order, known, [fill(before, before, "old"), *reversed(fills)])
    assert is_ready(order, known)
    assert known.counts_anew == {"new": anew}


@given(before=st.integers(1, 50), more=st.integers(1, 50))
def test_a_count_that_can_be_both_is_open_until_activities_come(before: int, more: int) -> None:
    known, order = known_of(before), heir(before + more)
    judge(order, known, [])
    assert not is_ready(order, known)
    assert needs_activities(order, Order(id="old", filled_qty=str(before)))


@pytest.mark.parametrize(("count", "anew"), [(0, True), (3, True), (4, False)])
def test_a_count_that_can_be_one_only_needs_nobody_else(count: int, anew: bool) -> None:
    known, order = known_of(4), heir(count, "new")
    assert is_ready(order, known)
    assert known.counts_anew == {"new": anew}
    assert needs_activities(order, Order(id="old", filled_qty="4")) is (count >= 4)


def test_where_nothing_was_filled_before_both_counts_are_one() -> None:
    known, order = known_of(0), heir(7)
    assert is_ready(order, known)
    assert known.counts_anew == {"new": False}
    assert not needs_activities(order, Order(id="old", filled_qty="0"))


@pytest.mark.parametrize(
    ("more", "is_clear"),
    [
        ({}, True),
        ({"filled_at": LATER}, False),
        ({"filled_at": MADE, "filled_avg_price": "100"}, True),
        ({"filled_avg_price": "100.0009"}, True),
        ({"filled_avg_price": "100.01"}, False),
    ],
)
def test_the_same_count_is_that_of_before_unless_it_shows_a_trade_of_its_own(more, is_clear: bool) -> None:
    known, order = known_of(4), heir(4, **more)
    judge(order, known, [])
    assert is_ready(order, known) is is_clear


def test_before_the_shares_of_the_old_order_are_told_nothing_is() -> None:
    assert not is_ready(heir(0, "new"), known_of(3, handed_over=4))
    assert not is_ready(heir(0, "new"), known_of(3, handed_over=-1))


def test_shares_of_an_order_before_the_old_one_are_not_in_its_count() -> None:
    known, order = known_of(10, base=6), heir(5, "new")
    judge(order, known, [fill(1, 5)])
    assert known.counts_anew == {"new": False}


def test_the_event_of_its_beginning_says_how_it_counts() -> None:
    for count, anew in ((0, True), (4, False)):
        known = known_of(4)
        begins(heir(count, "new"), known)
        assert known.counts_anew == {"new": anew}
    unheard = known_of(4, handed_over=-1)
    begins(heir(0, "new"), unheard)
    assert not unheard.counts_anew


def test_what_is_current_past_not_there_yet_or_not_ours_is_no_successor() -> None:
    known = known_of(4, handed_over=-1)
    assert not is_ahead(Order(id="old", status="new"), known)
    assert not is_ahead(heir(0, "pending_new"), known)
    assert not is_ahead(heir(0, "rejected"), known)
    assert is_ahead(heir(0, "new"), known)
    known.former.append("new")
    assert not is_ahead(heir(0, "new"), known)
    stranger = known_of(4, handed_over=-1)
    stranger.is_ours = False
    assert is_ready(heir(9), stranger)
