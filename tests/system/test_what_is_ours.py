"""What of an account is ours, by the orders alone: for whoever closes it without a decision actor."""

import pytest_asyncio

from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.live_gateways import all_lots_of, remember
from actors.refeed import Memory
from runtime.messages.corporate import SplitApplied
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import LiveOrders, trading
from tests.system.test_splits import FLAT, MONDAY, announce, friday, monday, read_announcements, settled


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY", "AAPL"), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT, "AAPL": FLAT})
        yield server


def after_a_restart(live: LiveOrders) -> dict[str, int]:
    """What a process holds for ours that starts where this one is."""
    desk, memory = Desk(Directory()), Memory()
    for seq, (message, caused) in enumerate(live.steps, 1):
        memory(seq, 0, message, caused)
    remember(desk, all_lots_of(live.machine), memory, live.clock.now())
    return desk.directory.held()


async def test_shares_after_a_split_are_ours_in_this_session_and_in_the_next(server):
    kept = await friday(server)
    announce(server, 10, 1)
    await server.split("SPY", 10, 1, orders="canceled")
    async with monday(server, kept) as live:
        assert live.desk.directory.held() == {"SPY": 10}
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await live.wait_for(SplitApplied)
        await settled(live)
        assert live.desk.directory.held() == {"SPY": 100}
        kept = live.machine.carry()
    await server.move_to("2026-11-24T06:00:00-05:00")
    async with trading(server, carried=kept, session="2026-11-24") as live:
        assert live.desk.directory.held() == {"SPY": 100}


async def test_a_lot_of_an_earlier_session_that_was_sold_today_is_not_short_after_a_restart(server):
    kept = await friday(server)
    await server.move_to("2026-11-23T10:00:00-05:00")
    async with trading(server, carried=kept, session=MONDAY) as live:
        live.phase("TRADING")
        await live.compared()
        live.leave()
        await live.until(lambda: live.states().get("mr-20261120-1:x1") == "accepted")
        await live.minute()
        await live.until(lambda: not server.positions.get("SPY"))
        await settled(live)
        assert live.desk.directory.held() == {}
        assert after_a_restart(live) == {}
