"""Replacements that an earlier process left without an answer are found out about, not sent blindly again."""

import anyio

from runtime.messages.broker import CancelRejected, OrderReplaced
from tests.actors.gateways.order_desk import ENTRY, Running, replace, running
from tests.alpaca_server.orders import Order
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S


async def resting(alpaca: AlpacaServer) -> Order:
    plain = {"symbol": "SPY", "qty": "10", "side": "buy", "type": "limit", "limit_price": "90"}
    return await alpaca.place(**plain, client_order_id=ENTRY)


async def over(desk: Running) -> None:
    """Until nothing is open any more."""
    with anyio.fail_after(WALL_S):
        await desk.desk.settled.wait()


async def test_a_replacement_that_happened_before_the_crash_is_told_and_not_asked_for_again(alpaca):
    old = await alpaca.place(
        symbol="SPY", qty="10", side="buy", type="limit", limit_price="90", client_order_id=ENTRY
    )
    await alpaca.act(lambda broker: broker.settle_replace(broker.replace(old.id, {"limit_price": "91"})))

    def left_open(desk):
        desk.desk.directory.add(ENTRY, "SPY", broker_order_id=old.id, is_accepted=True)
        desk.desk.take_over(replace(limit_price=91.0))

    async with running(alpaca, before=left_open) as desk:
        told = await desk.wait_for(OrderReplaced)
        await over(desk)
    assert (told.client_order_id, told.broker_order_id, told.limit_price) == (ENTRY, old.id, 91.0)
    assert alpaca.history.requests("PATCH") == []


async def test_a_replacement_that_did_not_happen_before_the_crash_is_asked_for(alpaca):
    old = await alpaca.place(
        symbol="SPY", qty="10", side="buy", type="limit", limit_price="90", client_order_id=ENTRY
    )
    alpaca.faults.add("server_error_before", "GET /v2/orders/*")

    def left_open(desk):
        desk.desk.directory.add(ENTRY, "SPY", broker_order_id=old.id, is_accepted=True)
        desk.desk.take_over(replace(limit_price=91.0))

    async with running(alpaca, before=left_open) as desk:
        await over(desk)
    assert len(alpaca.history.requests("PATCH")) == 1
    assert [one.limit_price for one in alpaca.orders if one.is_live] == [91]


async def test_a_replacement_of_an_order_that_is_over_is_refused(alpaca):
    old = await alpaca.place(
        symbol="SPY", qty="10", side="buy", type="limit", limit_price="90", client_order_id=ENTRY
    )
    await alpaca.act(lambda broker: broker.cancel(old.id))

    def left_open(desk):
        desk.desk.directory.add(ENTRY, "SPY", broker_order_id=old.id, is_accepted=True)
        desk.desk.take_over(replace(limit_price=91.0))

    async with running(alpaca, before=left_open) as desk:
        await desk.wait_for(CancelRejected)
        await over(desk)
    assert alpaca.history.requests("PATCH") == []
