"""What becomes of an order is heard even where the comparison of the books has used up its requests."""

import threading
from contextlib import ExitStack

import anyio
import anyio.lowlevel
import msgspec
import pytest

from actors.broker.limiter import OWN, Priority
from actors.broker.rest import Rest
from runtime.messages.account import ReadAccount
from runtime.messages.broker import (
    BrokerSnapshot,
    LookUpOrder,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
)
from tests.actors.gateways.order_desk import ENTRY, EXIT, HASTE, buy, cancel, running, sell
from tests.actors.gateways.test_broker_stream import Stream
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

READ = ReadAccount(ts_event=0, cause=1)


def use_up(rest: Rest, priority: Priority) -> int:
    """Take every token that a priority could get now; how many those were."""
    budget, now = rest.gate.budget, rest.gate._clock.now()
    taken = 0
    while budget.take(priority, now):
        taken += 1
    return taken


@pytest.mark.parametrize("greedy", [Priority.READ, Priority.CANCEL])
async def test_a_fill_that_was_missed_is_looked_up_with_its_executions(
    alpaca: AlpacaServer, greedy: Priority
) -> None:
    async with running(alpaca, per_minute=100) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        await alpaca.fill(ENTRY, 99.5, 4)
        await alpaca.fill(ENTRY, 99.25, 6)
        assert use_up(desk.rest, greedy)
        desk.send(LookUpOrder(ts_event=0, cause=1, client_order_id=ENTRY, broker_order_id="", symbol="SPY"))
        await desk.wait_for(OrderFilled, 2)
    assert [(one.quantity, one.price) for one in desk.of(OrderFilled)] == [(4, 99.5), (6, 99.25)]


async def test_fills_missed_while_the_stream_was_down_are_told_and_it_is_ready(alpaca: AlpacaServer) -> None:
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        await desk.posted.until(lambda: desk.posted.all(OrderAccepted))
        alpaca.trades.connections[0].abort()
        await desk.not_ready()
        await alpaca.until(lambda: not alpaca.trades.connections)
        await alpaca.fill(order, 99, 3)
        assert use_up(desk.rest, Priority.READ)
        await desk.wait_over()
        await desk.ready(2)
    assert desk.fills() == [(3, 99.0, 3, False)]


async def test_a_lost_answer_is_looked_up_behind_any_number_of_cancellations(alpaca: AlpacaServer) -> None:
    alpaca.faults.add("gateway_timeout_after", "POST /v2/orders")
    async with running(alpaca, per_minute=100) as desk:
        desk.send(buy())
        await desk.until(desk.posts)
        use_up(desk.rest, Priority.CANCEL)
        await desk.wait_for(OrderAccepted)
        assert len(desk.posts()) == 1


async def test_the_books_are_compared_however_many_cancellations_leave(alpaca: AlpacaServer) -> None:
    async with running(alpaca, per_minute=100) as desk:
        use_up(desk.rest, Priority.CANCEL)
        for count in range(1, OWN[Priority.READ] // 2 + 1):
            desk.send(READ)
            await desk.wait_for(BrokerSnapshot, count)
        assert desk.rest.gate.budget.left == OWN[Priority.LOOK_UP]


async def test_cancellations_and_exits_leave_while_reads_wait(alpaca: AlpacaServer) -> None:
    alpaca.hold("SPY", 10, 100)
    async with running(alpaca, per_minute=100) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        use_up(desk.rest, Priority.READ)
        desk.send(READ, cancel())
        await desk.until(lambda: desk.server.history.requests("DELETE /v2/orders/"))
        desk.event(ENTRY)
        await desk.wait_for(OrderCanceled)
        desk.send(sell())
        await desk.wait_for(OrderAccepted, 2)
        assert desk.of(BrokerSnapshot) == []


async def test_an_entry_that_gets_no_turn_in_time_is_given_up_and_an_exit_is_not(
    alpaca: AlpacaServer,
) -> None:
    alpaca.hold("SPY", 10, 100)
    async with running(alpaca, patience=msgspec.structs.replace(HASTE, entry=0.3)) as desk:
        desk.rest.gate.pause(3.0)
        desk.send(buy(), sell())
        rejected = await desk.wait_for(OrderRejected)
        assert (rejected.client_order_id, rejected.reason) == (ENTRY, "not sent: no turn came within 0.3 s")
        assert desk.posts() == []
        accepted = await desk.wait_for(OrderAccepted)
        assert [one.json["client_order_id"] for one in desk.posts()] == [accepted.client_order_id] == [EXIT]


async def test_an_entry_that_waited_too_long_for_the_disk_does_not_leave(alpaca: AlpacaServer) -> None:
    async with running(alpaca, patience=msgspec.structs.replace(HASTE, entry=1.0)) as desk:
        is_asked, turned = threading.Event(), threading.Event()

        def slow() -> None:
            is_asked.set()
            turned.wait(WALL_S)

        desk.sync = slow  # type: ignore[method-assign]
        with ExitStack() as at_the_end:
            at_the_end.callback(turned.set)
            desk.send(buy())
            rejected = await desk.wait_for(OrderRejected)
            assert is_asked.is_set()
            assert rejected.reason == "not sent: the tape was not on the disk in time"
        assert desk.desk.settled.is_set()
        while not desk.looks:  # its thread comes back from the disk and has the last look
            await anyio.lowlevel.checkpoint()
        desk.send(sell())
        await desk.until(desk.posts)
        assert [one.json["client_order_id"] for one in desk.posts()] == [EXIT]


async def test_the_end_waits_for_no_reading_that_waits_for_its_turn(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.rest.gate.pause(30)
        desk.send(READ)
        await anyio.wait_all_tasks_blocked()
        assert desk.rest.gate.depth == 1
        desk.gateway.request_stop()
        with anyio.fail_after(20):
            while desk.rest.gate.depth:
                await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(("confirm", "told"), [(0.0, 1), (30.0, 0)])
async def test_books_that_go_uncompared_for_too_long_are_one_warning(
    alpaca: AlpacaServer, capfd: pytest.CaptureFixture[str], confirm: float, told: int
) -> None:
    async with running(alpaca, patience=msgspec.structs.replace(HASTE, confirm=confirm)) as desk:
        desk.rest.gate.pause(30)
        desk.send(READ, READ, READ)
        await anyio.wait_all_tasks_blocked()
    said = capfd.readouterr()
    assert (said.out + said.err).count("our books go uncompared") == told


async def test_an_order_that_is_asked_after_again_and_again_meanwhile_is_looked_up_once(
    alpaca: AlpacaServer,
) -> None:
    asked = [
        LookUpOrder(ts_event=0, cause=n, client_order_id=name, broker_order_id="", symbol="SPY")
        for n in range(30)
        for name in (ENTRY, EXIT)
    ]
    async with running(alpaca) as desk:
        desk.rest.gate.pause(60)
        desk.send(*asked)
        for _ in range(200):
            await anyio.lowlevel.checkpoint()
        assert desk.rest.gate.depth == 2
        desk.rest.gate.budget.closed_until = 0
        desk.rest.gate._serve()
        await desk.wait_for(OrderRejected, 2)
        desk.send(asked[0])  # it may be asked after once more
        await desk.wait_for(OrderRejected, 3)
