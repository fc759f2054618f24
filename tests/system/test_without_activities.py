"""A lot is left, and keeps a stop until then, though the broker does not answer what traded."""

import pytest

from actors.broker.catch_up import MOST_UNANSWERED
from tests.alpaca_server.options import Options
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import LOT, LiveOrders, trading
from tests.system.test_replaced_orders import FLAT, OTHERS, covered, exit_of, replaced

ACTIVITIES = "GET /v2/account/activities/FILL*"


async def deafened(live: LiveOrders) -> None:
    """Activities are away for good, and the stream has broken off."""
    live.desk.directory.unanswered = MOST_UNANSWERED  # so often it was asked for already
    live.server.faults.add("server_error_before", ACTIVITIES, times=None)
    live.server.faults.add("server_error_before", "GET /v2/stream*", times=1)
    for connection in live.server.trades.connections:
        connection.abort()
    await live.until(lambda: not live.stream.is_ready)


async def test_a_lot_whose_target_traded_unheard_is_left_without_activities() -> None:
    async with AlpacaServer(
        Options(fills="quote"), symbols=("SPY",), start="2026-11-20T10:00:00-05:00"
    ) as server:
        await server.push_minute({"SPY": FLAT})
        server.hold("SPY", OTHERS, 100)
        async with trading(server) as live:
            live.phase("TRADING")
            live.enter()
            await live.until(lambda: len(covered(server)) == 2)
            await deafened(live)
            await server.fill(exit_of(server, "limit"), 105, 3)
            await live.until(lambda: live.stream.is_ready)
            live.leave(LOT, quantity=10)
            await live.until(lambda: server.positions == {"SPY": OTHERS})
            assert live.notes() == []


@pytest.mark.parametrize("dialect", ["carried", "fresh"])
@pytest.mark.parametrize("kind", ["limit", "stop"])
async def test_a_lot_whose_replaced_exit_is_unclear_keeps_a_stop_and_is_left_once_it_is_clear(
    dialect: str, kind: str
) -> None:
    options = Options(fills="quote", replacement=dialect)  # type: ignore[arg-type]
    async with AlpacaServer(options, symbols=("SPY",), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT})
        server.hold("SPY", OTHERS, 100)
        async with trading(server) as live:
            live.phase("TRADING")
            live.enter()
            await live.until(lambda: len(covered(server)) == 2)
            old = exit_of(server, kind)
            await deafened(live)
            await server.fill(old, 100, 3)
            new = await replaced(server, old, "104" if kind == "limit" else "96")
            await server.fill(new, 101, 3)
            await live.until(lambda: live.stream.is_ready)
            live.leave(LOT, quantity=10)
            for _ in range(4):
                live.pass_time(121)
                await live.until(lambda: not len(live.inbox))
                assert "stop" in [one for one, _ in covered(server)]
                assert server.positions == {"SPY": OTHERS + 4}
            server.faults.clear()
            for _ in range(20):
                live.pass_time(121)
                await live.compared()
                if server.positions == {"SPY": OTHERS}:
                    break
            assert server.positions == {"SPY": OTHERS}
