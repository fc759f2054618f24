"""What the decision actors cannot do any more is done past them, at a broker that is there."""

from contextlib import asynccontextmanager

import anyio
import pytest

from actors.gateways.emergency import Emergency, EmergencyExit
from runtime.kernel.gateway import Inbox
from runtime.messages.account import AccountSwept
from runtime.messages.machine import ActorStopped, TimerFired
from runtime.messages.risk import HaltConfirmed, HaltThrown
from tests.actors.broker.test_sweep import live, place
from tests.actors.gateways.order_desk import Running, running

ENTRY, TARGET, MANUAL = "mr-20261120-1:e1", "mr-20261120-2:t1", "dashboard"


def stopped(actor: str) -> ActorStopped:
    return ActorStopped(ts_event=0, cause=1, actor=actor, reason="4 crashes in 60 s")


def hear(emergency: Emergency, message=None, *caused) -> None:
    emergency(1, 0, message or TimerFired(ts_event=0, actor="nobody", key=""), caused)


@asynccontextmanager
async def watching(desk: Running, emergency: Emergency, patience: float = 0.05):
    gateway = EmergencyExit(
        "emergency", Inbox(), desk.post, emergency=emergency,
        sweeper=desk.sweeper, patience=patience, clock=desk.wall, wall=desk.wall,
    )  # fmt: skip
    async with anyio.create_task_group() as group:
        group.start_soon(gateway.run)
        yield
        gateway.request_stop()


async def three_orders(alpaca) -> None:
    """An entry, a target and an order of somebody else, at prices that do not trade."""
    await alpaca.push_minute({"SPY": (100, 101, 99, 100), "AAPL": (200, 201, 199, 200)})
    alpaca.hold("SPY", 10, 100)
    await place(alpaca, ENTRY, symbol="AAPL", limit_price="150")
    await place(alpaca, TARGET, side="sell", limit_price="120")
    await place(alpaca, MANUAL, symbol="AAPL", limit_price="140")


def names(alpaca) -> list[str]:
    return [one.client_order_id for one in alpaca.orders if one.is_live]


@pytest.mark.parametrize("actor", ["portfolio", "breaker", "executor"])
async def test_when_a_money_actor_is_given_up_entries_go_and_everything_else_stays(alpaca, actor):
    await three_orders(alpaca)
    emergency = Emergency()
    async with running(alpaca) as desk, watching(desk, emergency):
        hear(emergency, None, stopped("gap_fill"))
        await anyio.wait_all_tasks_blocked()
        assert len(live(alpaca)) == 3
        hear(emergency, None, stopped(actor))
        swept = await desk.wait_for(AccountSwept)
    assert (swept.what, swept.done) == ("entries", True)
    assert names(alpaca) == [TARGET, MANUAL]


def know(desk: Running, shares: int = 10) -> None:
    """Tell the directory that shares of SPY are ours, and whose the target is."""
    desk.desk.directory.add(ENTRY, "AAPL")
    desk.desk.directory.add("mr-20261120-2:e1", "SPY", filled=shares, is_over=True, side="buy")


@pytest.mark.parametrize("alpaca_options", [{"fills": "quote"}])
@pytest.mark.parametrize("first", ["stopped", "halt"])
async def test_a_flatten_with_a_dead_executor_closes_what_is_ours_and_nothing_else(alpaca, first):
    await three_orders(alpaca)
    alpaca.hold("SPY", 15, 100)
    alpaca.hold("TSLA", 5, 200)
    emergency = Emergency()
    halt = HaltThrown(ts_event=0, reason="test", flatten=True)
    async with running(alpaca) as desk, watching(desk, emergency):
        know(desk)
        if first == "stopped":
            hear(emergency, None, stopped("executor"))
            await desk.wait_for(AccountSwept)
            hear(emergency, halt)
        else:
            hear(emergency, halt)
            hear(emergency, None, stopped("executor"))
        await desk.until(lambda: any(one.what == "ours" and one.done for one in desk.of(AccountSwept)))
    assert (names(alpaca), alpaca.positions) == ([MANUAL], {"SPY": 5, "TSLA": 5})


@pytest.mark.parametrize("alpaca_options", [{"fills": "quote"}])
async def test_with_a_living_executor_the_rest_of_the_account_goes_once_our_lots_are_closed(alpaca):
    await three_orders(alpaca)
    alpaca.hold("TSLA", 5, 200)
    await alpaca.push_minute({"TSLA": (200, 201, 199, 200)})
    emergency = Emergency()
    async with running(alpaca) as desk, watching(desk, emergency, patience=30):
        hear(emergency, HaltThrown(ts_event=0, reason="test", flatten=True, everything=True))
        await anyio.wait_all_tasks_blocked()
        assert desk.of(AccountSwept) == []
        hear(emergency, None, HaltConfirmed(ts_event=0, cause=1, flat=True))
        await desk.until(lambda: any(one.what == "everything" and one.done for one in desk.of(AccountSwept)))
    assert (live(alpaca), alpaca.positions) == ([], {})


async def test_without_being_asked_nothing_of_others_goes_when_our_lots_are_closed(alpaca):
    await three_orders(alpaca)
    emergency = Emergency()
    async with running(alpaca) as desk, watching(desk, emergency, patience=30):
        hear(emergency, HaltThrown(ts_event=0, reason="test", flatten=True))
        hear(emergency, None, HaltConfirmed(ts_event=0, cause=1, flat=True))
        await anyio.wait_all_tasks_blocked()
        assert desk.of(AccountSwept) == []
    assert len(live(alpaca)) == 3


@pytest.mark.parametrize("alpaca_options", [{"fills": "quote"}])
@pytest.mark.parametrize("first", ["stopped", "halt"])
async def test_a_flatten_of_all_works_with_a_dead_executor_whichever_came_first(alpaca, first):
    await three_orders(alpaca)
    emergency = Emergency()
    halt = HaltThrown(ts_event=0, reason="test", flatten=True, everything=True)
    async with running(alpaca) as desk, watching(desk, emergency):
        if first == "stopped":
            hear(emergency, None, stopped("executor"))
            await desk.wait_for(AccountSwept)
            hear(emergency, halt)
        else:
            hear(emergency, halt)
            hear(emergency, None, stopped("executor"))
        await desk.until(lambda: any(one.what == "everything" and one.done for one in desk.of(AccountSwept)))
    assert (live(alpaca), alpaca.positions) == ([], {})


async def test_a_halt_that_is_confirmed_in_time_is_left_to_the_executor(alpaca):
    await three_orders(alpaca)
    emergency = Emergency()
    async with running(alpaca) as desk, watching(desk, emergency, patience=30):
        hear(emergency, HaltThrown(ts_event=0, reason="test"))
        await anyio.wait_all_tasks_blocked()
        hear(emergency, None, HaltConfirmed(ts_event=0, cause=1, flat=False))
        await anyio.wait_all_tasks_blocked()
        assert desk.of(AccountSwept) == []
    assert len(live(alpaca)) == 3


async def test_entries_of_a_halt_that_nobody_confirms_are_cancelled_all_the_same(alpaca):
    await three_orders(alpaca)
    alpaca.faults.add("server_error_before", "DELETE /v2/orders/*", count=2)
    emergency = Emergency()
    async with running(alpaca) as desk, watching(desk, emergency):
        hear(emergency, HaltThrown(ts_event=0, reason="test"))
        await desk.until(lambda: any(one.done for one in desk.of(AccountSwept)))
    assert names(alpaca) == [TARGET, MANUAL]


async def test_the_seeds_letter_cancels_every_order_with_a_dead_executor(alpaca):
    await three_orders(alpaca)
    emergency = Emergency(cancel_protective=True)
    async with running(alpaca) as desk, watching(desk, emergency):
        hear(emergency, HaltThrown(ts_event=0, reason="test"))
        hear(emergency, None, stopped("executor"))
        await desk.until(lambda: any(one.what == "orders" and one.done for one in desk.of(AccountSwept)))
    assert live(alpaca) == []
    assert alpaca.positions == {"SPY": 10}


async def test_what_is_done_is_not_done_again_until_something_changes(alpaca):
    await three_orders(alpaca)
    emergency = Emergency()
    async with running(alpaca) as desk, watching(desk, emergency):
        hear(emergency, None, stopped("breaker"))
        await desk.wait_for(AccountSwept)
        await place(alpaca, "mr-20261120-9:e1", symbol="AAPL", limit_price="150")
        await anyio.wait_all_tasks_blocked()
        assert len(desk.of(AccountSwept)) == 1
        hear(emergency, HaltThrown(ts_event=0, reason="test"))
        await desk.wait_for(AccountSwept, 2)
    assert names(alpaca) == [TARGET, MANUAL]
