"""Exits that a person replaced, before, while and after an engine ran: lots, books and broker stay one."""

from decimal import Decimal

import pytest

from runtime.messages.broker import LookUpOrder, SubmitOrder
from runtime.messages.trading import LotChanged
from tests.alpaca_server.options import Options
from tests.alpaca_server.orders import Order
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import ENTRY, LOT, LiveOrders, trading

FLAT = (100.0, 100.0, 100.0, 100.0)
OTHERS = 20
"""Shares of somebody else: enough for an exit to be replaced for its whole quantity once more."""


def exit_of(server: AlpacaServer, kind: str) -> Order:
    """The lot's target (`limit`) or stop as it works now."""
    return next(one for one in server.orders if one.is_live and one.type == kind and one.side == "sell")


async def replaced(server: AlpacaServer, old: Order, price: str) -> Order:
    """What a person makes of an exit on the dashboard."""
    name = "limit_price" if old.type == "limit" else "stop_price"

    def deed(broker):
        new = broker.replace(old.id, {name: price})
        broker.settle_replace(new)
        return new

    return await server.act(deed)


def covered(server: AlpacaServer) -> list[tuple[str, Decimal]]:
    """Live exits and the shares they may still sell."""
    return sorted((one.type, one.remaining) for one in server.orders if one.is_live)


async def agrees(live: LiveOrders, held: int) -> None:
    """Until lot, broker and what rests are at so many shares, and stay so."""
    for _ in range(4):
        told = await live.compared()
        if told.settled and not told.differences and not live.desk.sendings and not live.desk.cancels:
            break
    assert live.server.positions["SPY"] == held + OTHERS
    assert [one.quantity for one in live.of(LotChanged)][-1] == held
    lots = live.machine.actor("executor").standing().lots  # type: ignore[attr-defined]
    assert [lot.held for lot in lots] == [held]
    assert covered(live.server) == ([("limit", held), ("stop", held)] if held else [])


@pytest.mark.parametrize("dialect", ["carried", "fresh"])
@pytest.mark.parametrize("kind", ["limit", "stop"])
@pytest.mark.parametrize(("first", "second"), [(3, 4), (3, 2), (3, 3), (0, 3), (3, 0), (3, 7)])
async def test_a_lot_whose_exit_was_replaced_and_sold_parts_while_no_engine_ran(
    dialect: str, kind: str, first: int, second: int
) -> None:
    options = Options(fills="quote", replacement=dialect)  # type: ignore[arg-type]
    async with AlpacaServer(options, symbols=("SPY",), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT})
        server.hold("SPY", OTHERS, 100)
        async with trading(server) as live:
            live.phase("TRADING")
            live.enter()
            await live.wait_for(SubmitOrder)
            await live.wait_for(LotChanged)
            await live.until(lambda: len(covered(server)) == 2)
            kept = live.machine.carry()
        old = exit_of(server, kind)
        if first:
            await server.fill(old, 100, first)
        new = await replaced(server, old, "104" if kind == "limit" else "96")
        if second:
            await server.fill(new, 101, second)
        async with trading(server, carried=kept) as live:
            live.phase("TRADING")
            await agrees(live, 10 - first - second)
            assert live.notes() == []


@pytest.mark.parametrize("dialect", ["carried", "fresh"])
@pytest.mark.parametrize("kind", ["limit", "stop"])
async def test_a_lot_whose_exit_is_replaced_before_the_engines_eyes(dialect: str, kind: str) -> None:
    options = Options(fills="quote", replacement=dialect)  # type: ignore[arg-type]
    async with AlpacaServer(options, symbols=("SPY",), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT})
        server.hold("SPY", OTHERS, 100)
        async with trading(server) as live:
            live.phase("TRADING")
            live.enter()
            await live.wait_for(LotChanged)
            await live.until(lambda: len(covered(server)) == 2)
            old = exit_of(server, kind)
            await server.fill(old, 100, 3)
            new = await replaced(server, old, "104" if kind == "limit" else "96")
            await agrees(live, 7)
            if new.is_live:
                await server.fill(new, 101, 4)
                await agrees(live, 3)
            live.leave(LOT, quantity=10)
            await live.until(lambda: server.positions == {"SPY": OTHERS})
            assert live.notes() == []


@pytest.mark.parametrize("dialect", ["carried", "fresh"])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("is_heard", [True, False])
async def test_an_entry_that_is_read_again_has_no_other_legs_because_one_was_replaced(
    dialect: str, times: int, is_heard: bool
) -> None:
    options = Options(fills="quote", replacement=dialect)  # type: ignore[arg-type]
    async with AlpacaServer(options, symbols=("SPY",), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT})
        server.hold("SPY", OTHERS, 100)
        async with trading(server) as live:
            live.phase("TRADING")
            live.enter()
            await live.wait_for(LotChanged)
            await live.until(lambda: len(covered(server)) == 2)
            if not is_heard:
                server.faults.add("drop_frame", "trades event *", times=None)
            latest = exit_of(server, "limit")
            await server.fill(latest, 100, 3)
            for number in range(times):
                latest = await replaced(server, latest, f"10{number + 6}")
            await server.fill(latest, 101, 3)
            if is_heard:
                await live.until(lambda: sum(one.quantity for one in live.of(LotChanged)[-1:]) == 4)
            server.faults.clear()
            asked = LookUpOrder(
                ts_event=0, cause=1, client_order_id=ENTRY, broker_order_id="", symbol="SPY", filled=10
            )
            live.inbox.offer(asked)
            for _ in range(8):
                await live.compared()
                if covered(server) == [("limit", 4), ("stop", 4)]:
                    break
            await agrees(live, 4)
            (lot,) = live.machine.actor("executor").standing().lots  # type: ignore[attr-defined]
            assert sorted(one.role for one in lot.orders.values() if one.is_live) == ["stop", "target"]
            live.leave(LOT, quantity=10)
            await live.until(lambda: server.positions == {"SPY": OTHERS})
