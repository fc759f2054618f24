"""A clock that runs faster than the one it follows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.kernel.clock import ReplayClock
from runtime.kernel.paced_clock import PacedClock

START = 1_795_184_940_000_000_000


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
