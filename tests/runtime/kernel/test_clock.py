"""Time goes forward only, and wake-ups come when they are due."""

import asyncio
import time

import pytest

from runtime.kernel.clock import LiveClock, ReplayClock, happens_by, sleep_until


def test_the_replay_clock_calls_in_order_of_due_time_then_of_asking() -> None:
    clock = ReplayClock()
    heard: list[tuple[str, int]] = []
    for name, at in (("late", 9), ("tie1", 5), ("tie2", 5), ("gone", 5), ("never", 10)):
        cancel = clock.call_at(at, lambda name=name: heard.append((name, clock.now())))
        if name == "gone":
            cancel()
            cancel()
    clock.advance(9)
    assert heard == [("tie1", 5), ("tie2", 5), ("late", 9)]
    assert (clock.now(), clock.next_due()) == (9, 10)
    clock.advance(3)
    assert clock.now() == 9


def test_the_live_clock_never_goes_back_and_follows_the_wall_only_forward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = 1_000_000_000
    mono, wall = 0, 100 * second
    monkeypatch.setattr(time, "monotonic_ns", lambda: mono)
    monkeypatch.setattr(time, "time_ns", lambda: wall)
    clock = LiveClock()
    mono, wall = 2 * second, 50 * second  # somebody set the wall clock back by 52 s
    assert clock.now() == 102 * second
    assert clock.ahead == 52 * second
    mono, wall = 4 * second, 3_704 * second  # the machine slept for an hour
    assert clock.now() == 3_704 * second
    mono -= second
    assert clock.now() == 3_704 * second


def test_the_live_clock_is_the_wall_clock() -> None:
    begun = time.time_ns()  # noqa: TID251
    clock = LiveClock()
    made = time.time_ns()  # noqa: TID251
    now, slack = clock.now(), 1_000_000  # of a wall clock that is slewed meanwhile
    assert begun - slack <= now <= time.time_ns() + (made - begun) + slack  # noqa: TID251


async def test_the_live_clock_wakes_at_the_time_asked_for() -> None:
    clock = LiveClock()
    due = clock.now() + 3_000_000
    await sleep_until(clock, due)
    assert clock.now() >= due
    await sleep_until(clock, due)  # past: at once
    event = asyncio.Event()
    cancel = clock.call_at(clock.now(), event.set)
    cancel()
    assert not await happens_by(clock, event, clock.now() + 3_000_000)


async def test_an_event_that_happens_in_time_is_told_from_a_deadline_that_passes() -> None:
    clock = ReplayClock()
    event = asyncio.Event()
    clock.call_at(5, event.set)

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(happens_by(clock, event, 6))
        early = group.create_task(happens_by(clock, event, 4))
        while clock.next_due() != 4:
            await asyncio.tasks.sleep(0)
        clock.advance(4)
        await early
        clock.advance(5)
    assert (waiting.result(), early.result()) == (True, False)
    assert clock.next_due() is None  # nobody left a wake-up behind
