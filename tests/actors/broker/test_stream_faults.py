"""Which fault stops, which waits long, which is tried again, and for how long."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.stream_faults import (
    MOST_REASONS,
    SECOND,
    STEADY,
    BackOff,
    refused,
    refused_upgrade,
)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(400, "stop"), (402, "stop"), (404, "retry"), (405, "stop"), (406, "slow"), (407, "retry"),
     (408, "stop"), (409, "stop"), (410, "stop"), (411, "stop"), (500, "retry"), (499, "slow")],
)  # fmt: skip
def test_each_code_has_its_remedy_and_is_told_in_words(code, remedy):
    fault = refused(code, "text of the server")
    assert (fault.remedy, fault.code) == (remedy, code)
    assert str(code) in fault.reason
    assert len(fault.reason) > 30


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "stop"), (403, "stop"), (404, "stop"), (429, "slow"), (500, "retry"), (503, "retry"),
     (504, "retry"), (408, "retry"), (302, "retry")],
)  # fmt: skip
def test_an_http_answer_at_the_upgrade_stops_only_what_a_person_must_mend(status, remedy):
    assert refused_upgrade(status).remedy == remedy


def test_the_servers_words_cannot_reach_a_terminal_raw():
    assert refused(402, "no\x1b[2J\nway").reason.isprintable()


def test_waits_double_and_start_anew_after_a_connection_that_lasted():
    waits = BackOff("market", first=SECOND, most=8 * SECOND)
    plain = [waits.after("retry") / SECOND for _ in range(6)]
    assert [pytest.approx(wait, rel=0.2) for wait in (1, 2, 4, 8, 8, 8)] == plain
    assert waits.after("retry", ready_for=31 * SECOND) == pytest.approx(SECOND, rel=0.2)
    assert waits.attempt == 1


def test_a_short_connection_does_not_shorten_the_waits():
    waits = BackOff("market")
    first = waits.after("retry", ready_for=SECOND)
    assert waits.after("retry", ready_for=29 * SECOND) > first


def test_two_gateways_that_fell_together_come_back_apart():
    assert BackOff("market").after("retry") != BackOff("orders").after("retry")


@given(st.lists(st.sampled_from(["slow", "retry"]), min_size=70, max_size=70))
def test_no_storm_at_most_ten_connections_in_any_minute_once_it_goes_on(remedies):
    """A server that takes and drops every connection at once, whatever it says."""
    waits = BackOff("market")
    times = list(itertools.accumulate(waits.after(remedy) for remedy in remedies))
    assert all(b - a >= 0.4 * SECOND for a, b in itertools.pairwise(times))
    later = times[6:]
    for place, begin in enumerate(later):
        assert sum(1 for at in later[place:] if at < begin + 60 * SECOND) <= 10


def test_a_night_without_a_server_is_a_handful_of_warnings():
    waits, told = BackOff("market"), []
    for _ in range(1_000):
        waits.after("retry")
        if waits.is_news("connection refused"):
            told.append(waits.attempt)
    assert told == [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 256, 512]


def test_another_reason_is_news_and_so_is_the_first_failure_after_a_good_connection():
    waits = BackOff("market")
    for _ in range(20):
        waits.after("retry")
        waits.is_news("connection refused")
    waits.after("slow")
    assert waits.is_news("too many connections")
    waits.after("slow")
    assert not waits.is_news("too many connections")
    waits.after("retry", ready_for=31 * SECOND)
    assert waits.is_news("too many connections")


def test_two_reasons_in_turn_are_told_once_each_and_then_by_their_number():
    waits, told = BackOff("market"), 0
    for at in range(1_000):
        waits.after("retry")
        told += waits.is_news("connection refused" if at % 2 else "the server is not available")
    assert told == 14


def test_a_new_reason_is_news_in_the_middle_of_an_outage_as_long_as_there_are_few():
    waits = BackOff("market")
    for _ in range(20):
        waits.after("retry")
        waits.is_news("connection refused")
    told = []
    for at in range(10):
        waits.after("retry")
        told.append(waits.is_news(f"status {at}"))
    assert told == [at < MOST_REASONS - 1 for at in range(10)]


def test_after_an_hour_of_peace_the_next_outage_is_told_from_its_beginning():
    waits = BackOff("market")
    for _ in range(100):
        waits.after("retry")
        waits.is_news("connection refused")
    waits.after("retry")
    assert not waits.is_news("connection refused")
    waits.after("retry", ready_for=STEADY)
    told = []
    for _ in range(8):
        told.append(waits.is_news("connection refused"))
        waits.after("retry")
    assert told == [True] * 8


fault = st.tuples(
    st.sampled_from(["slow", "retry"]),
    st.text(max_size=2),
    st.integers(0, 3_599) | st.sampled_from([29, 30, 31]),
)


@given(st.lists(fault, min_size=1, max_size=6), st.integers(1, 2_000))
def test_a_night_of_any_failures_is_a_few_dozen_warnings_at_most(pattern, count):
    """Reasons that alternate, connections that last for a minute each time: repeated all night."""
    waits, told = BackOff("market"), 0
    for at in range(count):
        remedy, reason, ready_s = pattern[at % len(pattern)]
        waits.after(remedy, ready_s * SECOND)
        told += waits.is_news(reason)
    doublings = max(0, count.bit_length() - 4)
    assert told <= 2 * (8 + doublings) + MOST_REASONS
    if all(ready_s < 30 for _, _, ready_s in pattern):
        assert told <= 8 + doublings + MOST_REASONS


@given(st.lists(fault, max_size=200))
def test_the_first_failures_of_an_outage_are_always_told(faults):
    waits = BackOff("market")
    told = []
    for remedy, reason, ready_s in faults:
        waits.after(remedy, ready_s * SECOND)
        told.append(waits.is_news(reason))
    assert all(told[:8])
