"""The request budget: never too many in any minute, the urgent first, nobody starved for ever."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.limiter import Budget, Gate, Priority
from runtime.kernel.clock import ReplayClock

SECOND = 1_000_000_000
requests = st.lists(st.tuples(st.sampled_from(Priority), st.integers(0, 20)), max_size=120)


@given(requests, st.integers(5, 20))
def test_no_window_wherever_it_begins_sees_more_than_the_limit(
    asked: list[tuple[Priority, int]], limit: int
) -> None:
    budget, now, sent = Budget(limit, 60, (0, 1, 2, 4)), 0, []
    for priority, pause in asked:
        now += pause
        if budget.take(priority, now):
            sent.append(now)
    for begin in sent:
        assert sum(begin <= at < begin + 60 for at in sent) <= limit


@given(requests, st.sampled_from(Priority))
def test_after_the_wait_it_may_be_sent_and_not_a_moment_sooner(
    asked: list[tuple[Priority, int]], priority: Priority
) -> None:
    budget, now = Budget(10, 60, (0, 1, 2, 4)), 0
    for kind, pause in asked:
        now += pause
        budget.take(kind, now)
    wait = budget.wait(priority, now)
    if wait:
        assert budget.wait(priority, now + wait - 1) > 0
    assert budget.wait(priority, now + wait) == 0


@given(requests)
def test_who_is_more_urgent_never_waits_longer(asked: list[tuple[Priority, int]]) -> None:
    budget, now = Budget(10, 60, (0, 1, 2, 4)), 0
    for kind, pause in asked:
        now += pause
        budget.take(kind, now)
    waits = [budget.wait(priority, now) for priority in Priority]
    assert waits == sorted(waits)


def test_reads_leave_room_for_orders_and_entries_for_cancels() -> None:
    budget = Budget(10, 60, (0, 1, 2, 4))
    assert [budget.take(Priority.READ, 0) for _ in range(7)] == [True] * 6 + [False]
    assert [budget.take(Priority.ENTRY, 0) for _ in range(3)] == [True] * 2 + [False]
    assert [budget.take(Priority.EXIT, 0) for _ in range(2)] == [True, False]
    assert [budget.take(Priority.CANCEL, 0) for _ in range(2)] == [True, False]
    assert budget.left == 0
    assert budget.wait(Priority.CANCEL, 1) == 59


def test_a_budget_that_can_never_be_used_is_refused() -> None:
    for kept in ((0, 1, 2, 10), (3, 2, 1, 0), (-1, 0, 0, 0)):
        with pytest.raises(ValueError, match="cannot be kept back"):
            Budget(10, 60, kept)


async def test_the_gate_serves_cancels_before_orders_before_reads() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(1, 10, (0, 0, 0, 0)), clock)
    await gate.enter(Priority.READ)
    served: list[str] = []

    async def ask(priority: Priority, name: str) -> None:
        await gate.enter(priority)
        served.append(name)

    async with anyio.create_task_group() as group:
        for priority, name in (
            (Priority.READ, "read"),
            (Priority.ENTRY, "entry"),
            (Priority.EXIT, "exit 1"),
            (Priority.EXIT, "exit 2"),
            (Priority.CANCEL, "cancel"),
        ):
            group.start_soon(ask, priority, name)
        await anyio.wait_all_tasks_blocked()
        assert gate.depth == 5
        for step in range(1, 6):
            clock.advance(10 * step)
            await anyio.wait_all_tasks_blocked()
            assert len(served) == step
    assert served == ["cancel", "exit 1", "exit 2", "entry", "read"]


async def test_who_gives_up_waiting_takes_no_turn() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(1, 10, (0, 0, 0, 0)), clock)
    await gate.enter(Priority.READ)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await gate.enter(Priority.CANCEL)
    assert gate.depth == 0
    clock.advance(10)
    await gate.enter(Priority.READ)


async def test_a_pause_holds_everybody_back_for_a_minute_at_most() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(), clock)
    gate.pause(3600)
    assert gate.budget.wait(Priority.CANCEL, clock.now()) == 60 * SECOND
    clock.advance(60 * SECOND)
    await gate.enter(Priority.CANCEL)
