"""Replacements that an earlier process left without an answer are found out about, not sent blindly again."""

import anyio
import anyio.lowlevel
import pytest

from runtime.messages.broker import CancelRejected, FillCorrected, OrderAccepted, OrderFilled, OrderReplaced
from tests.actors.gateways.order_desk import ENTRY, Running, buy, cancel, replace, running
from tests.actors.gateways.test_amendments import look
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


async def test_a_cancellation_goes_on_to_what_has_taken_the_orders_place(alpaca):
    """A person replaced it, and nobody told: the old order is over, and that is not the end of it."""
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        old = alpaca.broker.by_client_id(ENTRY)
        await alpaca.act(lambda broker: broker.settle_replace(broker.replace(old.id, {"limit_price": "99"})))
        desk.send(cancel())
        with anyio.fail_after(8):
            while any(one.is_live for one in alpaca.orders):
                await anyio.lowlevel.checkpoint()
        await over(desk)
        await desk.wait_for(OrderReplaced)


@pytest.mark.parametrize("alpaca_options", [{"replacement": "carried"}, {"replacement": "fresh"}])
async def test_what_two_parts_of_a_replaced_order_traded_is_told_by_a_look_up(alpaca):
    async with running(alpaca) as desk:
        desk.send(buy(quantity=20))
        await desk.wait_for(OrderAccepted)
        await alpaca.fill(ENTRY, 99.5, 4)
        old = alpaca.broker.by_client_id(ENTRY)

        def replaced(broker):
            new = broker.replace(old.id, {"limit_price": "99"})
            broker.settle_replace(new)
            return new

        await alpaca.fill(await alpaca.act(replaced), 99, 6)
        desk.send(look(0))
        await desk.wait_for(OrderFilled, 2)
        assert [(one.quantity, one.price, one.cumulative) for one in desk.of(OrderFilled)] == [
            (4, 99.5, 4), (6, 99.0, 10),
        ]  # fmt: skip
        assert desk.desk.directory.held() == {"SPY": 10}


@pytest.mark.parametrize("place", [0, 1], ids=["of the first", "of the second"])
@pytest.mark.parametrize("alpaca_options", [{"replacement": "carried"}, {"replacement": "fresh"}])
async def test_a_fill_that_is_gone_from_a_chain_is_taken_back_at_its_own_price(alpaca, place, alpaca_options):
    async with running(alpaca) as desk:
        desk.send(buy(quantity=20))
        await desk.wait_for(OrderAccepted)
        await alpaca.fill(ENTRY, 99.5, 4)
        old = alpaca.broker.by_client_id(ENTRY)

        def replaced(broker):
            new = broker.replace(old.id, {"limit_price": "99"})
            broker.settle_replace(new)
            return new

        new = await alpaca.act(replaced)
        await alpaca.fill(new, 99, 6)
        desk.send(look(0))
        await desk.wait_for(OrderFilled, 2)
        alpaca.broker.bust(alpaca.broker.executions[place].id)
        if alpaca_options["replacement"] == "carried" and place == 0:
            new.filled_qty -= 4  # what it carries on
        desk.send(look(10))
        if alpaca_options["replacement"] == "fresh" and place == 0:
            return  # the order that works does not show it
        corrected = await desk.wait_for(FillCorrected)
        assert (corrected.quantity_before - corrected.quantity, corrected.price_before) == (
            (4, 99.5) if place == 0 else (6, 99.0)
        )
