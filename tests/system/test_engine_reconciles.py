"""What happened at the broker while no engine ran is found at the next start, and settled or told."""

import sqlite3
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import pytest_asyncio

from actors.gateways.order_gateway import OrderGateway
from actors.verification import verify
from runtime.messages.account import ExternalChanged, Reconciled
from runtime.messages.base import Message
from runtime.messages.broker import (
    BrokerStreamChanged,
    OrderAccepted,
    OrderFilled,
    SubmitOrder,
)
from runtime.messages.codec import decode
from runtime.messages.risk import Noted
from runtime.messages.trading import LotChanged, PositionMismatched
from tests.actors.gateways.streaming import turns
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, Live, lay_files, running
from tests.system.test_engine import ENTRY, until_entered
from tests.walls import WALL_S


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


def rows(root: Path, name: str, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(root / "db" / f"{name}.db") as link:
        found = link.execute(query).fetchall()
    link.close()
    return found


async def in_thread(work, *arguments):
    return await anyio.to_thread.run_sync(work, *arguments)


async def resting(server: AlpacaServer) -> list[str]:
    return sorted(one.type for one in server.orders if one.is_live)


def since_started(live: Live, kind: type[Message]) -> list[Message]:
    """What this process said, without what it heard again of the one before it."""
    told = [(decode(message), caused) for message, caused in live.told]
    starts = (n for n, (one, _) in enumerate(told) if isinstance(one, BrokerStreamChanged) and one.started)
    since = told[max(starts) :]
    return [one for _, caused in since for one in map(decode, caused) if isinstance(one, kind)]


async def assert_replays(live: Live) -> None:
    verdict = await in_thread(verify, live.engine.tape_path)
    assert verdict.identical, verdict.text()


async def test_a_target_that_filled_while_nobody_looked_is_booked_at_the_next_start(server, root):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)
    await server.push_minute({"SPY": (99.6, 100.2, 99.6, 100.1)})
    assert not any(server.positions.values())
    second = Live(server, root)
    async with running(second):
        await second.until(lambda: second.of(LotChanged)[-1].state == "closed")
        await second.until(lambda: second.of(Reconciled)[-1].settled)
    assert not since_started(second, Noted)
    (trade,) = await in_thread(rows, root, "trades", "SELECT status, exit_reason FROM trades")
    assert trade == ("CLOSED", "target")
    await assert_replays(second)


async def test_exits_that_were_cancelled_by_hand_rest_again(server, root):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)
    for order in [one for one in server.orders if one.is_live]:
        if order.is_live:
            await server.act(lambda broker, order=order: broker.cancel(order.id))
    assert await resting(server) == []
    second = Live(server, root)
    async with running(second):
        await second.until(lambda: second.of(SubmitOrder)[-1].order_class == "oco")
        await server.until(lambda: len([one for one in server.orders if one.is_live]) == 2)
    assert await resting(server) == ["limit", "stop"]
    await assert_replays(second)


async def test_shares_sold_by_hand_are_a_critical_row_and_keep_entries_out(server, root):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)
    held = int(server.positions["SPY"])
    server.hold("SPY", held - 3, 99.6)
    second = Live(server, root)
    async with running(second):
        for number in (6, 7):
            await second.minute(number, FLAT)
        await second.until(lambda: second.of(PositionMismatched))
    query = "SELECT level, component, message, occurrences FROM error_log WHERE level = 'CRITICAL'"
    text = f"SPY: we had {held} shares, the broker has {held - 3} shares; entries blocked"
    assert await in_thread(rows, root, "performance", query) == [("CRITICAL", "executor", text, 1)]
    await assert_replays(second)


async def test_what_was_in_the_account_before_is_shown_and_still_there_afterwards(server, root):
    server.hold("TSLA", 5, 200)
    live = Live(server, root)
    async with running(live):
        await until_entered(live)
        assert [(one.symbol, one.quantity) for one in live.of(ExternalChanged)] == [("TSLA", 5)]
    found = await in_thread(rows, root, "trades", "SELECT symbol, quantity, open_orders FROM external")
    assert found == [("TSLA", 5.0, 0)]
    assert server.positions["TSLA"] == 5
    assert len(live.of(OrderFilled)) == 1
    # Told once more when the event came before the answer that knows its exits.
    assert {one.client_order_id for one in live.of(OrderAccepted)} == {ENTRY}
    await assert_replays(live)


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> list[OrderGateway]:
    """The order gateways that are made."""
    made: list[OrderGateway] = []
    init = OrderGateway.__init__

    def keep(self: OrderGateway, *given: Any, **named: Any) -> None:
        init(self, *given, **named)
        made.append(self)

    monkeypatch.setattr(OrderGateway, "__init__", keep)
    return made


async def until_nothing_is_read(live: Live, gateway: OrderGateway) -> None:
    """What is asked for while something is read waits for the next time: the last may stay open."""
    with anyio.fail_after(WALL_S):
        await turns()
        while gateway._under_way or len(gateway.inbox) or live.engine.host.depth():
            await turns()


async def test_in_trading_only_positions_and_orders_are_read_once_a_minute(server, root, gateways):
    live = Live(server, root)
    async with running(live):
        await until_entered(live)
        await until_nothing_is_read(live, gateways[-1])
        before = len(server.history.requests("GET"))
        done = len(live.of(Reconciled))
        for number in range(6, 11):
            await live.minute(number, FLAT)
            await live.until(lambda many=done + number - 5: len(live.of(Reconciled)) >= many)
        reads = [one.what for one in server.history.requests("GET")[before:]]
    assert reads == ["GET /v2/positions", "GET /v2/orders"] * 5
    await assert_replays(live)
