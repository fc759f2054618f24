"""The request budget: never too many in any minute, the urgent first, nobody starved for ever."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.limiter import Budget, Gate, Priority
from runtime.kernel.clock import ReplayClock

SECOND = 1_000_000_000
NOTHING = (0, 0, 0, 0, 0)
KEPT = (0, 1, 1, 2, 4)
requests = st.lists(st.tuples(st.sampled_from(Priority), st.integers(0, 20)), max_size=120)


@given(requests, st.integers(5, 20))
def test_no_window_wherever_it_begins_sees_more_than_the_limit(
    asked: list[tuple[Priority, int]], limit: int
) -> None:
    budget, now, sent = Budget(limit, 60, KEPT, (0, 0, 2, 0, 2)), 0, []
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
    budget, now = Budget(10, 60, KEPT, (0, 0, 2, 0, 1)), 0
    for kind, pause in asked:
        now += pause
        budget.take(kind, now)
    wait = budget.wait(priority, now)
    if wait:
        assert budget.wait(priority, now + wait - 1) > 0
    assert budget.wait(priority, now + wait) == 0


@given(requests)
def test_where_nobody_has_tokens_of_his_own_who_is_more_urgent_never_waits_longer(
    asked: list[tuple[Priority, int]],
) -> None:
    budget, now = Budget(10, 60, KEPT, NOTHING), 0
    for kind, pause in asked:
        now += pause
        budget.take(kind, now)
    waits = [budget.wait(priority, now) for priority in Priority]
    assert waits == sorted(waits)


def test_reads_leave_room_for_orders_and_entries_for_cancels() -> None:
    budget = Budget(10, 60, KEPT, NOTHING)
    assert [budget.take(Priority.READ, 0) for _ in range(7)] == [True] * 6 + [False]
    assert [budget.take(Priority.ENTRY, 0) for _ in range(3)] == [True] * 2 + [False]
    assert [budget.take(Priority.EXIT, 0) for _ in range(2)] == [True, False]
    assert [budget.take(Priority.CANCEL, 0) for _ in range(2)] == [True, False]
    assert budget.left == 0
    assert budget.wait(Priority.CANCEL, 1) == 59


def test_a_budget_that_can_never_be_used_is_refused() -> None:
    for kept in ((0, 1, 2, 2, 10), (3, 2, 1, 0, 0), (-1, 0, 0, 0, 0)):
        with pytest.raises(ValueError, match="cannot be kept back"):
            Budget(10, 60, kept)
    for own in ((0, 0, 5, 0, 5), (-1, 0, 0, 0, 0)):
        with pytest.raises(ValueError, match="cannot be set apart"):
            Budget(10, 60, NOTHING, own)


@given(requests)
def test_whatever_others_send_a_priority_gets_its_own_tokens_in_every_minute(
    asked: list[tuple[Priority, int]],
) -> None:
    budget, now = Budget(10, 60, KEPT, (0, 0, 2, 0, 1)), 0
    for kind, pause in asked:
        now += pause
        if kind is not Priority.READ:
            budget.take(kind, now)
    assert budget.take(Priority.READ, now)


def test_cancels_without_end_leave_the_comparison_and_look_ups_their_turn() -> None:
    budget = Budget(100)
    assert sum(budget.take(Priority.CANCEL, 0) for _ in range(1000)) == 82
    assert sum(budget.take(Priority.LOOK_UP, 0) for _ in range(1000)) == 12
    assert sum(budget.take(Priority.READ, 0) for _ in range(1000)) == 6
    assert budget.left == 0


async def test_a_read_with_tokens_of_its_own_passes_an_order_that_must_wait() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(3, 10, NOTHING, (0, 0, 0, 0, 1)), clock)
    served: list[str] = []

    async def ask(priority: Priority, name: str) -> None:
        await gate.enter(priority)
        served.append(name)

    async with anyio.create_task_group() as group:
        for name in ("cancel 1", "cancel 2", "cancel 3"):
            group.start_soon(ask, Priority.CANCEL, name)
        await anyio.wait_all_tasks_blocked()
        for name in ("read 1", "read 2"):
            group.start_soon(ask, Priority.READ, name)
        await anyio.wait_all_tasks_blocked()
        assert served == ["cancel 1", "cancel 2", "read 1"]
        clock.advance(10)
        await anyio.wait_all_tasks_blocked()
    assert served[3:] == ["cancel 3", "read 2"]


async def test_the_gate_serves_cancels_before_orders_before_reads() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(1, 10, NOTHING, NOTHING), clock)
    await gate.enter(Priority.READ)
    served: list[str] = []

    async def ask(priority: Priority, name: str) -> None:
        await gate.enter(priority)
        served.append(name)

    async with anyio.create_task_group() as group:
        for priority, name in (
            (Priority.READ, "read"),
            (Priority.ENTRY, "entry"),
            (Priority.LOOK_UP, "look-up"),
            (Priority.EXIT, "exit 1"),
            (Priority.EXIT, "exit 2"),
            (Priority.CANCEL, "cancel"),
        ):
            group.start_soon(ask, priority, name)
        await anyio.wait_all_tasks_blocked()
        assert gate.depth == 6
        for step in range(1, 7):
            clock.advance(10 * step)
            await anyio.wait_all_tasks_blocked()
            assert len(served) == step
    assert served == ["cancel", "exit 1", "exit 2", "look-up", "entry", "read"]


async def test_who_gives_up_waiting_takes_no_turn() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(1, 10, NOTHING, NOTHING), clock)
    await gate.enter(Priority.READ)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await gate.enter(Priority.CANCEL)
    assert gate.depth == 0
    clock.advance(10)
    await gate.enter(Priority.READ)


async def test_a_pause_holds_back_for_a_minute_at_most_what_can_wait() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(), clock)
    gate.pause(3600)
    for priority in (Priority.LOOK_UP, Priority.ENTRY, Priority.READ):
        assert gate.budget.wait(priority, clock.now()) == 60 * SECOND
    clock.advance(60 * SECOND)
    await gate.enter(Priority.READ)


async def test_exits_and_cancellations_ask_again_after_seconds_and_later_each_time_it_is_refused() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(), clock)
    waits = []
    for _ in range(4):
        gate.pause(60)
        gate.pause(60)  # another that was on its way: it is not refused twice for that
        waits.append(gate.budget.wait(Priority.EXIT, clock.now()) // SECOND)
        assert gate.budget.wait(Priority.CANCEL, clock.now()) == waits[-1] * SECOND
        clock.advance(clock.now() + waits[-1] * SECOND)
        await gate.enter(Priority.EXIT)
    assert waits == [1, 2, 4, 4]
    clock.advance(clock.now() + 61 * SECOND)
    gate.pause(0.5)
    assert gate.budget.wait(Priority.EXIT, clock.now()) == SECOND // 2
    clock.advance(clock.now() + SECOND)
    gate.pause(60)
    assert gate.budget.wait(Priority.EXIT, clock.now()) == SECOND


async def test_an_exit_that_waits_while_a_pause_begins_leaves_when_its_own_wait_is_over() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(1, 10, NOTHING, NOTHING), clock)
    await gate.enter(Priority.READ)
    async with anyio.create_task_group() as group:
        group.start_soon(gate.enter, Priority.EXIT)
        await anyio.wait_all_tasks_blocked()
        gate.pause(60)
        clock.advance(10)
        await anyio.wait_all_tasks_blocked()
        assert gate.depth == 1
        clock.advance(SECOND)
        await anyio.wait_all_tasks_blocked()
        assert gate.depth == 0


async def _all_pass(reset: int, exits: int) -> list[int]:
    """When each of many exits got through to a broker that takes nothing before `reset`, ns."""
    clock = ReplayClock()
    gate = Gate(Budget(), clock)
    passed: list[int] = []

    async def leave() -> None:
        while True:
            await gate.enter(Priority.EXIT)
            await anyio.lowlevel.checkpoint()  # its answer comes when others have been sent
            if clock.now() >= reset:
                break
            gate.pause((reset - clock.now()) / SECOND)
        gate.answered(Priority.EXIT)
        passed.append(clock.now())

    async with anyio.create_task_group() as group:
        for _ in range(exits):
            group.start_soon(leave)
        while len(passed) < exits:
            await anyio.wait_all_tasks_blocked()
            clock.advance(clock.next_due() or clock.now())
    return passed


async def test_exits_that_were_refused_leave_as_soon_as_the_broker_takes_orders_again() -> None:
    passed = await _all_pass(30 * SECOND, 50)
    assert max(passed) <= 35 * SECOND


async def test_one_urgent_request_asks_for_all_while_the_broker_wants_nothing() -> None:
    clock = ReplayClock()
    gate = Gate(Budget(), clock)
    gate.pause(60)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(gate.enter, Priority.CANCEL)
        await anyio.wait_all_tasks_blocked()
        clock.advance(SECOND)
        await anyio.wait_all_tasks_blocked()
        assert gate.depth == 2
        gate.answered(Priority.READ)
        await anyio.wait_all_tasks_blocked()
        assert gate.depth == 2
        gate.answered(Priority.CANCEL)
        await anyio.wait_all_tasks_blocked()
        assert gate.depth == 1
        clock.advance(5 * SECOND)  # an answer that does not come is not waited for
        await anyio.wait_all_tasks_blocked()
        assert gate.depth == 0
