"""Lots closed by the kill switch past an executor that was given up: known to whoever comes after."""

from typing import Any

import msgspec
import pytest
import pytest_asyncio

from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.sweep import Sweeper
from actors.live_gateways import remember
from actors.portfolio import Carried
from actors.refeed import Memory, executor_state
from runtime.messages.broker import BrokerSnapshot, OrderFilled, SubmitOrder
from runtime.messages.risk import HaltThrown
from runtime.messages.trading import LotChanged
from tests.alpaca_server.options import Options
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import ENTRY, LOT, LiveOrders, trading

FLAT = (100.0, 100.0, 100.0, 100.0)
EXIT = f"{LOT}:x1"
OTHERS = 15
"""Shares of somebody else in our symbol: enough for ours to be sold out of them."""


@pytest_asyncio.fixture
async def server():
    options = Options(fills="quote")
    async with AlpacaServer(options, symbols=("SPY",), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT})
        yield server


async def held(server: AlpacaServer, *, is_deaf: bool = False) -> dict[str, bytes]:
    """Ten shares of ours beside those of somebody else; what the actors hand on.

    Args:
        is_deaf: Whether the executor heard nothing since it sent the entry.
    """
    async with trading(server) as live:
        live.phase("TRADING")
        live.enter()
        await live.wait_for(SubmitOrder)
        early = live.machine.carry()
        await live.wait_for(LotChanged)
        server.hold("SPY", 10 + OTHERS, 100)
        late = live.machine.carry()
    return late | {"executor": early["executor"]} if is_deaf else late


async def sweep(live: LiveOrders) -> None:
    """Close what is ours, as the kill switch does it, with nobody to hear of it but the portfolio."""
    live.machine._stop(live.machine._by_name["executor"], "a test")
    sweeper = Sweeper(
        live.rest, live.desk, live.wall, post=lambda said: live.host.post("broker", said), clock=live.clock
    )
    assert (await sweeper.close_ours(deadline_s=5)).is_done


@pytest.mark.parametrize("is_halted", [True, False], ids=["halted", "lifted"])
@pytest.mark.parametrize("is_booked", [True, False], ids=["booked", "not booked"])
@pytest.mark.parametrize("is_deaf", [True, False], ids=["deaf", "heard"])
async def test_the_next_sessions_executor_finds_its_lot_closed_and_sells_nothing_of_others(
    server: AlpacaServer, is_halted: bool, is_booked: bool, is_deaf: bool
) -> None:
    kept = await held(server, is_deaf=is_deaf)
    async with trading(server, carried=kept) as live:
        await sweep(live)
        assert server.positions == {"SPY": OTHERS}
        await live.until(lambda: [one for one in live.of(LotChanged) if one.state == "closed"])
        if is_booked:
            kept = kept | {"portfolio": live.machine.carry()["portfolio"]}
    sent = [one.client_order_id for one in server.orders]
    async with trading(server, carried=kept, ready=False) as live:
        lots = executor_state(kept["executor"]).lots
        remember(live.desk, lots, Memory(), live.clock.now())
        if is_halted:
            live.host.post("operator", HaltThrown(ts_event=live.clock.now(), reason="test", flatten=True))
        await live.ready()
        live.phase("TRADING")
        await live.compared()
        assert server.positions == {"SPY": OTHERS}
        assert [one.client_order_id for one in server.orders if one.is_live] == []
        # A deaf one hears at once of the entry's fill and its exits' end: it rests others, for a moment.
        assert is_deaf or [one.client_order_id for one in server.orders] == sent
        state = executor_state(live.machine.standing()["executor"])
        assert [lot.held for lot in state.lots] == [0]
        book = msgspec.msgpack.decode(live.machine.carry()["portfolio"], type=Carried)
        assert book.lots == []
        assert is_deaf or [text for text in live.notes() if "not ours" in text] == []


def told(name: str, side: Any, shares: int, execution: str) -> OrderFilled:
    return OrderFilled(
        ts_event=1, client_order_id=name, broker_order_id=f"b-{name}", execution_id=execution, symbol="SPY",
        side=side, quantity=shares, price=100.0, cumulative=shares, done=True,
    )  # fmt: skip


def test_what_a_dead_executor_did_not_hear_counts_as_ours_after_a_restart() -> None:
    desk, memory = Desk(Directory()), Memory()
    for seq, fill in enumerate((told(ENTRY, "buy", 10, "1"), told(EXIT, "sell", 4, "2")), 1):
        memory(seq, 0, fill, ())
    memory(3, 0, told("somebody", "buy", 5, "3"), ())
    remember(desk, [], memory, 0)
    assert desk.directory.held_by_lot() == {LOT: ("SPY", 6)}
    assert [one.is_over for one in desk.directory] == [False, False]  # the broker is asked for them once more


async def test_an_order_that_was_only_supposed_is_asked_for_once_and_forgotten(server: AlpacaServer) -> None:
    kept = await held(server)
    async with trading(server, carried=kept, ready=False) as live:
        lots = executor_state(kept["executor"]).lots
        remember(live.desk, lots, Memory(), live.clock.now())
        assert live.desk.directory.named(EXIT) is not None
        await live.ready()
        assert live.desk.directory.named(EXIT) is None
        assert len(server.history.requests("GET /v2/orders:by_client_order_id")) == 1
        live.leave(quantity=10)
        await live.until(lambda: server.positions == {"SPY": OTHERS})


@pytest.mark.parametrize("reason", ["start", "reconnect", "schedule", None])
async def test_a_session_that_died_before_the_broker_was_heard_out_asks_at_its_next_start(
    server: AlpacaServer, reason: Any
) -> None:
    """Its tape is not empty any more, and an exit that was sent past the executor is still not known."""
    kept = await held(server)
    desk, memory = Desk(Directory()), Memory()
    memory(1, 0, HaltThrown(ts_event=1, reason="test"), ())
    if reason:
        memory(2, 0, BrokerSnapshot(ts_event=2, reason=reason, orders=(), positions=()), ())
    remember(desk, executor_state(kept["executor"]).lots, memory, 3)
    assert (desk.directory.named(EXIT) is None) == (reason in ("start", "reconnect"))
