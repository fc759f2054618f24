"""A busy desk while REST fails, fills come in parts and the stream is lost: in the end all sides agree."""

import random
from collections import Counter

import anyio
import pytest

from runtime.messages.account import Reconciled
from runtime.messages.broker import OrderFilled, SubmitOrder
from tests.actors.gateways.streaming import turns
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import LiveOrders, trading
from tests.walls import WALL_S

REST = (
    "gateway_timeout_before", "gateway_timeout_after", "server_error_before", "server_error_after",
    "drop_before", "drop_after",
)  # fmt: skip
STEPS = 30


async def step(live: LiveOrders, server: AlpacaServer, chance: random.Random, number: int) -> None:
    """One thing that happens, and time passing."""
    what = chance.choice(
        ("enter", "enter", "leave", "minute", "minute", "minute", "lost", "fault", "partial")
    )
    if what == "enter":
        await live.ready()
        resting = {"type": "limit", "limit_price": 99.0} if chance.random() < 0.4 else {}
        live.enter(f"mr-20261120-{number}", quantity=chance.randint(2, 20), **resting)
    elif what == "leave":
        held = [lot.lot_id for lot in live.machine.actor("executor")._lots.values() if lot.held]
        if held:
            live.leave(chance.choice(held))
    elif what == "lost":
        for connection in server.trades.connections:
            connection.abort()
    elif what == "fault":
        server.faults.add(chance.choice(REST), "* /v2/orders*", nth=chance.randint(1, 4))
    elif what == "partial":
        server.faults.add("partial_fill", share="0.5")
    else:
        low, high = chance.uniform(96, 100), chance.uniform(100, 104)
        if chance.random() < 0.2:
            low, high = chance.choice(((94.0, 100.0), (100.0, 106.0)))
        await live.minute(100.0, round(high, 2), round(low, 2), 100.0)
    await turns(chance.randint(1, 40))
    live.pass_time(chance.choice((1, 6, 20)))
    await turns(20)


async def at_rest(live: LiveOrders, server: AlpacaServer) -> Reconciled:
    """The comparison after which nothing is under way any more."""
    server.faults.clear()
    with anyio.fail_after(WALL_S):
        while True:
            await live.ready()
            with anyio.fail_after(WALL_S):
                await live.desk.settled.wait()
            live.pass_time(61)
            await server.push_minute({"SPY": (100.0, 100.0, 100.0, 100.0)})
            found = await live.compared()
            orders = [one for lot in live.machine.actor("executor")._lots.values() for one in lot.live]
            is_moving = any(
                one.status not in ("accepted", "partially_filled") or one.role == "exit" for one in orders
            )
            if found.settled and not found.differences and not (is_moving or live.desk.sendings):
                return found


@pytest.mark.parametrize("seed", range(5))
async def test_in_the_end_everybody_counts_the_same(seed):
    chance = random.Random(seed)
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": (100.0, 100.0, 100.0, 100.0)})
        async with trading(server) as live:
            live.phase("TRADING")
            for number in range(1, STEPS + 1):
                await step(live, server, chance, number)
            await at_rest(live, server)
            executor, portfolio = live.machine.actor("executor"), live.machine.actor("portfolio")
            held = {lot.lot_id: lot.held for lot in executor._lots.values()}
            assert len(held) >= 3, "a run without lots shows nothing"
            assert sum(held.values()) == portfolio._book.net("SPY") == server.positions.get("SPY", 0)
            told: Counter[str] = Counter()
            for fill in {one.execution_id: one for one in live.of(OrderFilled)}.values():
                told[fill.client_order_id] += fill.quantity  # what is told again has the name it had
            there = {one.client_order_id: int(one.filled_qty) for one in server.orders}
            assert {name: shares for name, shares in there.items() if shares} == dict(told)
            assert len(live.of(SubmitOrder)) == len({one.client_order_id for one in live.of(SubmitOrder)})
            promised = sum(
                int(one.remaining)
                for one in server.orders
                if one.is_live and one.type == "stop" and one.status != "held"
            )
            assert promised == sum(held.values())
            assert not [text for text in live.notes() if "UNPROTECTED" in text or "oversold" in text]
