"""A clock that runs faster than the one it follows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.kernel.clock import ReplayClock
from runtime.kernel.paced_clock import PacedClock

SECOND = 1_000_000_000
START = 1_795_184_940 * SECOND


def test_it_begins_at_its_start_and_runs_so_many_times_as_fast():
    real = ReplayClock(5)
    clock = PacedClock(real, START, 60)
    assert clock.now() == START
    real.advance(5 + 1_000_000_000)
    assert clock.now() == START + 60_000_000_000


@given(speed=st.floats(0.1, 10_000), wait=st.integers(0, 86_400_000_000_000))
def test_a_wake_up_never_comes_before_its_time(speed, wait):
    real = ReplayClock(1_700_000_000_000_000_000)
    clock = PacedClock(real, START, speed)
    woken = []
    clock.call_at(START + wait, lambda: woken.append(clock.now()))
    assert not woken
    real.advance(real.next_due())
    assert woken[0] >= START + wait


def test_a_wake_up_can_be_taken_back():
    real = ReplayClock(0)
    woken = []
    PacedClock(real, START, 2).call_at(START + 10, lambda: woken.append(1))()
    real.advance(100)
    assert not woken


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(ValueError, match="speed"):
        PacedClock(ReplayClock(0), START, speed)


def test_it_waits_where_it_is_told_to_and_then_runs_on():
    real = ReplayClock(0)
    clock = PacedClock(real, START, 60)
    clock.stand(5 * SECOND)
    real.advance(5 * SECOND)
    assert clock.now() == START
    real.advance(6 * SECOND)
    assert clock.now() == START + 60 * SECOND


def test_it_jumps_to_a_clock_that_is_ahead_and_waits_for_one_that_is_behind():
    real = ReplayClock(0)
    clock = PacedClock(real, START, 60)
    real.advance(SECOND)
    clock.follow(START + 120 * SECOND, real.now())
    assert clock.now() == START + 120 * SECOND
    clock.follow(START + 60 * SECOND, real.now())
    real.advance(2 * SECOND)
    assert clock.now() == START + 120 * SECOND
    assert clock.runs(real.now()) == START + 120 * SECOND
    real.advance(3 * SECOND)
    assert clock.now() == START + 180 * SECOND


@given(
    speed=st.sampled_from([0.5, 1.0, 60.0, 400.0]),
    steps=st.lists(st.tuples(st.integers(0, 10**10), st.integers(-(10**12), 10**12)), max_size=8),
    wait=st.integers(0, 10**12),
)
def test_however_it_is_set_it_never_goes_back_and_wakes_once_in_time(speed, steps, wait):
    real = ReplayClock(0)
    clock = PacedClock(real, START, speed)
    woken = []
    clock.call_at(START + wait, lambda: woken.append(clock.now()))
    for pause, off in steps:
        before = clock.now()
        real.advance(real.now() + pause)
        clock.follow(clock.now() + off, real.now())
        assert clock.now() >= before
    while real.next_due() is not None:
        real.advance(real.next_due())
    assert len(woken) == 1
    assert woken[0] >= START + wait


@pytest.mark.parametrize("is_asked_before", [True, False])
def test_a_moment_that_has_come_is_not_waited_for_again_where_the_clock_stands(is_asked_before):
    real = ReplayClock(0)
    clock = PacedClock(real, START)
    woken = []

    def ask():
        clock.call_at(START + 20 * SECOND, lambda: woken.append(clock.now()))

    if is_asked_before:
        ask()  # its wake-up is under way when the clock is set
    real.advance(20 * SECOND)
    clock.follow(START, real.now())
    if not is_asked_before:
        ask()
    assert not woken
    real.advance(real.now() + 1)
    assert woken == [START + 20 * SECOND]
