"""Cancel-all and close-all: asked, repeated, and believed only when the broker's own lists are empty."""

import asyncio
from typing import Any

import anyio
import pytest

from actors.broker.rest import Rest
from actors.broker.sweep import cancel_all, close_all
from actors.broker.sweep_steps import Swept
from runtime.kernel.clock import LiveClock
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

WALL = LiveClock()


async def place(server: AlpacaServer, name: str, **fields: Any) -> None:
    plain = {"symbol": "SPY", "qty": "10", "side": "buy", "type": "limit", "limit_price": "50"}
    await server.place(**{**plain, **fields}, client_order_id=name)


async def some_orders(server: AlpacaServer) -> None:
    """An entry, a resting exit of another lot, and a person's order."""
    server.hold("SPY", 10, 100)
    await place(server, "mr-20261120-1:e1")
    await place(server, "mr-20261120-2:t1", side="sell", limit_price="120")
    await place(server, "dashboard")


def live(server: AlpacaServer) -> list[str]:
    return [one.client_order_id for one in server.orders if one.is_live]


async def test_every_order_is_gone(alpaca: AlpacaServer, rest: Rest) -> None:
    await some_orders(alpaca)
    assert await cancel_all(rest, WALL, deadline_s=WALL_S) == Swept(True)
    assert live(alpaca) == []


async def test_entries_go_and_what_protects_or_is_not_ours_stays(alpaca: AlpacaServer, rest: Rest) -> None:
    await some_orders(alpaca)
    assert await cancel_all(rest, WALL, entries_only=True, deadline_s=WALL_S) == Swept(True)
    assert live(alpaca) == ["mr-20261120-2:t1", "dashboard"]


async def test_an_item_that_failed_is_asked_for_again(alpaca: AlpacaServer, rest: Rest) -> None:
    """faults.md E 51: 500 on some of the orders of a 207 answer."""
    await some_orders(alpaca)
    alpaca.faults.add("partial_207", "DELETE /v2/orders", count=2)
    assert (await cancel_all(rest, WALL, deadline_s=WALL_S)).is_done
    assert live(alpaca) == []


async def test_a_broker_that_answers_500_is_asked_until_it_does(alpaca: AlpacaServer, rest: Rest) -> None:
    await some_orders(alpaca)
    alpaca.faults.add("server_error_before", "*", times=3)
    assert (await cancel_all(rest, WALL, deadline_s=WALL_S)).is_done
    assert live(alpaca) == []


async def test_what_is_not_confirmed_is_not_called_done(alpaca: AlpacaServer, rest: Rest) -> None:
    await some_orders(alpaca)
    alpaca.faults.add("stuck_cancel", times=None)
    swept = await cancel_all(rest, WALL, deadline_s=2.0)
    assert not swept.is_done
    assert sorted(swept.left) == ["dashboard", "mr-20261120-1:e1", "mr-20261120-2:t1"]
    assert swept.reason == "not confirmed in time"


async def test_it_can_be_stopped_while_the_broker_is_away(alpaca: AlpacaServer, rest: Rest) -> None:
    await alpaca.stop(keep_port=True)
    stop = asyncio.Event()
    results: list[Swept] = []

    async def sweep() -> None:
        results.append(await cancel_all(rest, WALL, stop=stop))

    async with anyio.create_task_group() as group:
        group.start_soon(sweep)
        await anyio.wait_all_tasks_blocked()
        stop.set()
    assert not results[0].is_done


@pytest.mark.parametrize("alpaca_options", [{"fills": "quote"}])
async def test_all_positions_are_closed_after_all_orders(alpaca: AlpacaServer, rest: Rest) -> None:
    await alpaca.push_minute({"SPY": (100, 101, 99, 100), "AAPL": (200, 201, 199, 200)})
    alpaca.hold("SPY", 10, 100)
    alpaca.hold("AAPL", -5, 200)
    await place(alpaca, "mr-20261120-2:t1", side="sell", limit_price="120")
    assert await close_all(rest, WALL, deadline_s=WALL_S) == Swept(True)
    assert alpaca.positions == {}
    assert live(alpaca) == []


@pytest.mark.parametrize("alpaca_options", [{"fills": "quote"}])
async def test_a_position_that_was_not_closed_is_asked_for_again(alpaca: AlpacaServer, rest: Rest) -> None:
    await alpaca.push_minute({"SPY": (100, 101, 99, 100), "AAPL": (200, 201, 199, 200)})
    alpaca.hold("SPY", 10, 100)
    alpaca.hold("AAPL", 5, 200)
    alpaca.faults.add("partial_207", "DELETE /v2/positions", count=1)
    alpaca.faults.add("server_error_before", "DELETE /v2/positions/*")
    assert await close_all(rest, WALL, deadline_s=WALL_S) == Swept(True)
    assert alpaca.positions == {}


async def test_shares_that_wait_in_a_closing_order_are_not_sold_twice(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    """Nothing trades here, so the closing order rests."""
    alpaca.hold("SPY", 10, 100)
    swept = await close_all(rest, WALL, deadline_s=1.0)
    assert swept.left == ("SPY",)
    assert len([one for one in alpaca.orders if one.is_live]) == 1
    assert alpaca.history.requests("DELETE /v2/positions/") == []
