"""Somebody else trades by hand in a symbol of ours: no exit is for more than is there."""

from typing import Any

import anyio
import pytest
import pytest_asyncio

from runtime.messages.account import ExternalChanged
from runtime.messages.broker import OrderAccepted, OrderRejected, SubmitOrder
from runtime.messages.risk import HaltConfirmed, HaltThrown
from runtime.messages.trading import LotChanged
from tests.actors.gateways.streaming import turns
from tests.alpaca_server.paper import PaperBroker
from tests.alpaca_server.refusals import Refused
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import LOT, LiveOrders, trading
from tests.system.test_taken_back import FLAT, held, lots, resting
from tests.walls import WALL_S


@pytest_asyncio.fixture
async def server():
    """An account in which the user holds five shares of SPY."""
    async with AlpacaServer(symbols=("SPY", "AAPL"), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT, "AAPL": FLAT})
        server.hold("SPY", 5, 90)
        yield server


async def opened(live: LiveOrders) -> None:
    """A lot of ten shares with stop and target."""
    live.phase("TRADING")
    live.enter()
    await live.wait_for(OrderAccepted)
    await live.minute()
    await live.until(lambda: lots(live) == {LOT: 10})
    await at_rest(live)  # what others do from now on is in no reading that began before


def beside(live: LiveOrders) -> int:
    """Shares of SPY that are not ours, as told last."""
    told = [one for one in live.of(ExternalChanged) if one.symbol == "SPY"]
    return told[-1].quantity if told else 0


async def by_hand(server: AlpacaServer, side: str, shares: int, *, cancels: bool = False) -> None:
    """Trade at once; a person who closes a position on the dashboard has its orders cancelled with it."""

    def deed(broker: PaperBroker) -> None:
        for one in [one for one in broker.live if one.type == "stop"] if cancels else []:
            broker.cancel(one.id)
        order = broker.submit(
            {"symbol": "SPY", "qty": str(shares), "side": side, "type": "market", "time_in_force": "day"}
        )
        broker.acknowledge(order)
        broker.trade(order, order.remaining, order.limit_price or broker.market.price("SPY"))

    await server.act(deed)


async def at_rest(live: LiveOrders) -> None:
    """Until nothing is under way to the broker or to the actors."""
    with anyio.fail_after(WALL_S):
        await turns()
        while len(live.inbox) or live.orders._under_way or live.host.depth():
            await turns()


async def test_what_others_hold_is_told_right_whatever_they_trade_and_over_restarts(server):
    async with trading(server) as live:
        await opened(live)
        assert beside(live) == 5
        await by_hand(server, "buy", 4)
        await live.until(lambda: beside(live) == 9)
        await by_hand(server, "sell", 6)
        await live.until(lambda: beside(live) == 3)
        assert (await live.compared()).differences == 0
        kept = live.machine.carry()
    await server.place(symbol="SPY", qty="2", side="buy", type="market")
    await server.push_minute({"SPY": FLAT})
    async with trading(server, carried=kept) as again:
        again.phase("TRADING")
        # Nobody told of the two bought meanwhile: they are a difference until a person has looked.
        assert lots(again) == held(again) == {LOT: 10}
        again.leave()
        await again.until(lambda: again.states().get(f"{LOT}:x1") == "accepted")
        await again.minute()
        await again.until(lambda: held(again) == {})
        await again.compared()
        assert beside(again) == 5
        assert server.positions == {"SPY": 5}


async def test_a_restart_keeps_what_is_not_ours_out_of_our_lots(server):
    async with trading(server) as live:
        await opened(live)
        kept = live.machine.carry()
    async with trading(server, carried=kept) as again:
        again.phase("TRADING")
        told = await again.compared()
        assert (told.differences, "SPY" in told.agreed, beside(again)) == (0, True, 5)
        assert not again.notes() + again.notes("ERROR")
        assert resting(server) == [("limit", 10), ("stop", 10)]


async def test_the_broker_lets_nobody_sell_shares_that_our_stop_holds(server):
    async with trading(server) as live:
        await opened(live)
        refused: list[Any] = []
        try:
            await by_hand(server, "sell", 8)
        except Refused as refusal:
            refused.append(refusal)
        assert "insufficient qty" in str(refused[0])
        assert resting(server) == [("limit", 10), ("stop", 10)]


@pytest.mark.parametrize("sold", [8, 15], ids=["some of ours", "all of it"])
async def test_a_sale_that_eats_into_our_lot_leaves_no_order_for_more_than_is_there(server, sold):
    left = 15 - sold
    async with trading(server) as live:
        await opened(live)
        await by_hand(server, "sell", sold, cancels=True)
        await live.until(lambda: any("somebody else" in one for one in live.notes()))
        if left:
            await live.until(lambda: resting(server) == [("limit", left), ("stop", left)])
        for _ in range(3):
            await live.compared()
        assert len([one for one in live.notes() if "somebody else" in one]) == 1
        live.enter("mr-20261120-2")
        live.enter("mr-20261120-3", symbol="AAPL")
        await live.until(lambda: any(one.lot_id == "mr-20261120-3" for one in live.of(SubmitOrder)))
        assert not any(one.lot_id == "mr-20261120-2" for one in live.of(SubmitOrder))
        assert server.positions.get("SPY", 0) == left
        # Nothing of ours may open a short position.
        assert sum(shares for kind, shares in resting(server) if kind == "stop") == left
        live.host.post("operator", HaltThrown(ts_event=live.clock.now(), reason="test", flatten=True))
        if left:
            await live.until(lambda: live.states().get(f"{LOT}:x1") == "accepted")
            await live.minute()
        await live.wait_for(HaltConfirmed)
        await live.until(lambda: not server.positions)
        assert all(shares >= 0 for shares in server.positions.values())


async def test_shares_that_are_bought_back_are_protected_again(server):
    async with trading(server) as live:
        await opened(live)
        await by_hand(server, "sell", 8, cancels=True)
        await live.until(lambda: resting(server) == [("limit", 7), ("stop", 7)])
        kept = live.machine.carry()
    async with trading(server, carried=kept) as again:
        again.phase("TRADING")
        assert (await again.compared()).differences == 0
        assert resting(server) == [("limit", 7), ("stop", 7)]
        for _ in range(2):
            await again.minute()  # the broker's clock catches up with ours
        await by_hand(server, "buy", 3)
        await again.until(lambda: resting(server) == [("limit", 10), ("stop", 10)])
        assert beside(again) == 0
        again.enter("mr-20261120-2")
        await again.until(
            lambda: any(one.lot_id == "mr-20261120-2" for one in again.of(LotChanged) + again.of(SubmitOrder))
        )


async def test_an_exit_that_is_refused_for_want_of_shares_ends_with_what_is_there_sold(server):
    """The shares are gone and no event says so: the account is read before the exit is tried too often."""
    async with trading(server) as live:
        await opened(live)
        server.broker.account.hold("SPY", 3, 90)
        live.pass_time(1)
        live.leave()
        await live.wait_for(OrderRejected)
        await at_rest(live)
        for _ in range(2):
            live.pass_time(2.1)
            await at_rest(live)
        await live.minute()
        await live.until(lambda: not server.positions)
        assert [one.quantity for one in live.of(SubmitOrder) if one.role == "exit"] == [10, 10, 3]
        assert not live.notes("ERROR")


@pytest.mark.parametrize("lost", ["*", "fill"], ids=["every event", "the sale alone"])
async def test_where_no_event_told_that_the_lot_was_sold_nothing_of_ours_opens_a_short_position(server, lost):
    """Between two comparisons: an exit, or one that a refused stop asks for, finds nothing to close."""
    async with trading(server) as live:
        await opened(live)
        fault = server.faults.add("drop_frame", f"trades event {lost}", times=None)
        await by_hand(server, "sell", 15, cancels=True)
        server.faults.remove(fault)
        await turns()
        live.leave()
        for _ in range(4):
            await at_rest(live)
            await live.minute()
            live.pass_time(2.1)
        await at_rest(live)
        assert server.positions == {}
        assert (await live.compared()).differences == 1
        assert resting(server) == []
        assert live.notes()
