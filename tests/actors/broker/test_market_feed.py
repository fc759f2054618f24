"""Minutes of which nobody told on a living connection: each is found once, and none that was told."""

from hypothesis import given
from hypothesis import strategies as st

from actors.broker.market_feed import HeardMinutes, Hours
from tests.actors.broker.market_samples import MINUTE, OPEN

MINUTES = 12
HOURS = Hours(open=OPEN, close=OPEN + MINUTES * MINUTE)


def lost(begun: int, heard: list[int]) -> list[int]:
    """What is found missing, minutes counted from the open, if one listens from a minute on."""
    minutes = HeardMinutes(HOURS)
    minutes.begin(OPEN + begun * MINUTE)
    found: list[int] = []
    for minute in heard:
        at = OPEN + minute * MINUTE
        if first := minutes.lost_before(at, now=at + MINUTE):
            found += range((first - OPEN) // MINUTE, minute)
    return found


@given(begun=st.integers(-5, MINUTES), heard=st.lists(st.integers(-5, MINUTES + 5), max_size=30).map(sorted))
def test_what_lies_between_two_minutes_of_market_hours_and_was_not_told_is_found_once(
    begun: int, heard: list[int]
) -> None:
    in_hours = [minute for minute in heard if minute <= MINUTES]
    last = max(in_hours, default=-1)
    assert lost(begun, heard) == [
        minute for minute in range(max(begun, 0), last + 1) if minute not in in_hours
    ]


@given(heard=st.permutations(range(MINUTES)))
def test_a_minute_that_was_overtaken_is_missing_until_it_comes_and_never_asked_for_again(
    heard: list[int],
) -> None:
    found = lost(0, [*heard, *heard])
    assert len(found) == len(set(found))


def test_a_minute_of_the_future_says_nothing() -> None:
    minutes = HeardMinutes(HOURS)
    minutes.begin(OPEN)
    assert minutes.lost_before(OPEN + 5 * MINUTE, now=OPEN + MINUTE) == 0
    assert minutes.lost_before(OPEN + MINUTE, now=OPEN + 2 * MINUTE) == OPEN
