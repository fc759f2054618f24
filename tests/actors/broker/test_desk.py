"""An order's bytes go in the newest attempt or not at all, whichever thread is late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.desk import Sending
from tests.actors.gateways.order_desk import buy

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("begin", "let_go", "leave", "withdraw", "give_up", "stay")), st.integers(0, 6)
    ),
    max_size=30,
)


def sending() -> Sending:
    return Sending(buy())


def test_a_late_thread_does_not_send_under_a_newer_attempt() -> None:
    one = sending()
    first = one.begin()
    second = one.begin()
    assert not one.leave(first)
    assert (one.has_left, one.posts) == (False, 0)
    assert one.leave(second)
    assert (one.has_left, one.posts) == (True, 1)


def test_an_attempt_that_was_let_go_never_leaves_and_says_so() -> None:
    one = sending()
    attempt = one.begin()
    assert one.let_go(attempt)
    assert not one.leave(attempt)
    assert one.leave(one.begin())


def test_letting_go_of_an_attempt_that_left_says_that_it_may_be_there() -> None:
    one = sending()
    attempt = one.begin()
    assert one.leave(attempt)
    assert not one.let_go(attempt)


def test_letting_go_of_an_older_attempt_does_not_stop_the_newer_one() -> None:
    one = sending()
    first = one.begin()
    second = one.begin()
    assert one.let_go(first)
    assert one.leave(second)


@pytest.mark.parametrize("way", ["withdraw", "give_up"])
def test_what_was_taken_back_before_its_bytes_went_never_goes(way: str) -> None:
    one = sending()
    attempt = one.begin()
    getattr(one, way)()
    assert one.is_withdrawn
    assert not one.leave(attempt)
    assert not one.leave(one.begin())


def test_what_has_left_cannot_be_taken_back_until_the_broker_cannot_have_it() -> None:
    one = sending()
    assert one.leave(one.begin())
    assert not one.withdraw()
    one.stay()
    assert one.withdraw()
    assert not one.leave(one.begin())


@given(STEPS)
def test_bytes_go_only_in_the_newest_attempt_that_nobody_let_go_of_or_took_back(
    steps: list[tuple[str, int]],
) -> None:
    one = sending()
    attempts: list[int] = []
    dead: set[int] = set()
    last_left, posts = 0, 0
    for step, choice in steps:
        chosen = attempts[choice % len(attempts)] if attempts else 0
        if step == "begin":
            attempts.append(one.begin())
        elif step == "let_go" and chosen:
            assert one.let_go(chosen) == (chosen != last_left)
            dead.add(chosen)
        elif step == "leave" and chosen:
            may = chosen == attempts[-1] and chosen not in dead and not one.is_withdrawn
            assert one.leave(chosen) == may
            last_left, posts = (chosen, posts + 1) if may else (last_left, posts)
        elif step == "withdraw":
            assert one.withdraw() != one.has_left
        elif step == "give_up":
            one.give_up()
        elif step == "stay":
            one.stay()
    assert one.posts == posts
    assert len(set(attempts)) == len(attempts)


def test_it_is_at_the_door_until_the_last_of_its_threads_has_looked() -> None:
    """Threads that were given up wait for the same disk: they all come to the door when it is back."""
    one = sending()
    newer = one.looking()
    with newer:
        with one.looking():
            assert one.is_at_the_door
        assert one.is_at_the_door
    assert not one.is_at_the_door
