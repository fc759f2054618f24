"""Looking up an order of which the broker has fewer shares than were told: taken back, or only late."""

from typing import Any

import anyio
import pytest

from runtime.messages.broker import (
    CancelRejected,
    FillCorrected,
    LookUpOrder,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
)
from tests.actors.gateways.order_desk import ENTRY, Running, buy, running
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S


def look(filled: int = 7, **fields: Any) -> LookUpOrder:
    plain: dict[str, Any] = {"ts_event": 0, "cause": 1, "broker_order_id": "", "symbol": "SPY"}
    return LookUpOrder(client_order_id=ENTRY, filled=filled, **(plain | fields))


async def filled(alpaca: AlpacaServer, desk: Running, *shares: int) -> None:
    """An entry whose fills were told by their activities."""
    desk.send(buy())
    await desk.wait_for(OrderAccepted)
    for number, part in enumerate(shares, 1):
        await alpaca.fill(ENTRY, 99.5, part)
        desk.send(look(sum(shares[:number]) - part))
        await desk.wait_for(OrderFilled, number)


async def settled(alpaca: AlpacaServer, desk: Running) -> None:
    """Until no look-up is under way."""
    with anyio.fail_after(WALL_S):
        while desk.gateway._under_way or len(desk.inbox):
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("alpaca_options", [{}, {"busts_listed": True}], ids=["not listed", "listed"])
@pytest.mark.parametrize("place", [0, 1], ids=["the first", "the last"])
async def test_a_fill_that_is_gone_is_told_as_taken_back_once(alpaca, alpaca_options, place):
    async with running(alpaca) as desk:
        await filled(alpaca, desk, 4, 3)
        alpaca.broker.bust(alpaca.broker.executions[place].id)
        desk.send(look())
        corrected = await desk.wait_for(FillCorrected)
        await settled(alpaca, desk)
        left = 7 - (4, 3)[place]
        if not alpaca_options:
            assert corrected.previous_execution_id == alpaca.broker.executions[place].id
        told = desk.of(FillCorrected)
        assert told[-1].cumulative == left
        assert sum(one.quantity_before - one.quantity for one in told) == 7 - left
        desk.send(look(left))
        await anyio.lowlevel.checkpoint()
        await settled(alpaca, desk)
        assert desk.of(FillCorrected) == told
        assert desk.desk.directory.held() == {"SPY": left}


async def test_a_broker_that_is_only_behind_takes_nothing_back(alpaca):
    async with running(alpaca) as desk:
        await filled(alpaca, desk, 4, 3)
        order = alpaca.broker.by_client_id(ENTRY)
        name = f"GET /v2/orders/{order.id}"
        alpaca.faults.add("edit", name, change=lambda body: body | {"filled_qty": "4"}, times=1)
        desk.send(look())
        await alpaca.until(lambda: len(alpaca.history.requests("GET /v2/account/activities/FILL")) > 2)
        await settled(alpaca, desk)
        assert not desk.of(FillCorrected)
        assert [one.cumulative for one in desk.of(OrderFilled)] == [4, 7]


async def test_a_cancellation_that_is_not_under_way_is_refused(alpaca):
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        desk.send(look(0, cancelling=True))
        refused = await desk.wait_for(CancelRejected)
        assert refused.reason == "no cancellation is under way"


async def test_an_order_that_never_came_to_the_broker_is_told_as_dead_by_a_look_up(alpaca):
    """Its sending crashed: nobody sends it, and a lot would wait for its exit for ever."""
    async with running(alpaca) as desk:
        desk.send(look(0))
        rejected = await desk.wait_for(OrderRejected)
        assert (rejected.client_order_id, rejected.code) == (ENTRY, 0)
        assert len(alpaca.history.requests("GET /v2/orders:by_client_order_id")) >= 5


async def test_an_order_that_the_broker_shows_late_is_not_told_as_dead(alpaca):
    async with running(alpaca) as desk:
        alpaca.faults.add("lag", "GET /v2/orders*", lookups=3, times=3)
        await alpaca.place(
            symbol="SPY", qty="10", side="buy", type="limit", limit_price="90", client_order_id=ENTRY
        )
        desk.send(look(0))
        await desk.wait_for(OrderAccepted)
        await settled(alpaca, desk)
        assert desk.of(OrderRejected) == []
