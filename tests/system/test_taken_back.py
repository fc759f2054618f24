"""Fills that the broker takes back: told again after a restart, missed, or of an exit in the middle."""

from decimal import Decimal
from typing import Any

import pytest

from actors.refeed import Memory
from runtime.messages.account import LotCorrected
from runtime.messages.broker import FillCorrected, OrderAccepted, OrderFilled, OrderReplaced
from runtime.messages.trading import LotChanged
from tests.actors.gateways.order_desk import HASTE
from tests.actors.gateways.streaming import turns
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import ENTRY, LOT, LiveOrders, trading

FLAT = (100.0, 100.0, 100.0, 100.0)


def alpaca(**options: Any) -> AlpacaServer:
    return AlpacaServer(symbols=("SPY", "AAPL"), start="2026-11-20T10:00:00-05:00", **options)


def resting(server: AlpacaServer) -> list[tuple[str, int]]:
    """Type and shares of every live order."""
    return sorted((one.type, int(one.remaining)) for one in server.orders if one.is_live)


def lots(live: LiveOrders) -> dict[str, int]:
    """Shares of the portfolio's lots."""
    return {one.id: one.quantity for one in live.machine.actor("portfolio").carry().lots}


def held(live: LiveOrders) -> dict[str, int]:
    """Shares of the executor's lots."""
    return {one.lot_id: one.held for one in live.machine.actor("executor").carry().lots if one.held}


async def entered(live: LiveOrders, *shares: int) -> None:
    """Let the entry fill in parts."""
    await live.server.push_minute({"SPY": FLAT, "AAPL": FLAT})
    live.enter()
    await live.wait_for(OrderAccepted)
    for number, part in enumerate(shares, 1):
        await live.server.fill(ENTRY, 100, part)
        await live.until(lambda number=number: len(live.of(OrderFilled)) == number)


async def tell_once_more(server: AlpacaServer, kind: str) -> None:
    """Send the last event of a kind again, as it was."""
    event = [one for one in server.broker.teller.told if one["event"] == kind][-1]
    await server.act(lambda broker: broker.teller.outbox.append(event))


# ---- told again after a restart -----------------------------------------------------------------


@pytest.mark.parametrize("follows", [True, False], ids=["figure follows", "figure stays"])
@pytest.mark.parametrize("listed", [True, False], ids=["listed", "not listed"])
@pytest.mark.parametrize("is_fed_again", [True, False], ids=["same session", "next session"])
async def test_a_fill_that_was_taken_back_is_not_booked_again_after_a_restart(follows, listed, is_fed_again):
    async with alpaca(bust_follows=follows, busts_listed=listed) as server:
        async with trading(server) as live:
            await entered(live, 4, 6)
            await server.act(lambda broker: broker.bust(broker.executions[-1].id))
            await live.wait_for(LotCorrected)
            await live.until(lambda: resting(server) == [("limit", 4), ("stop", 4)])
            kept, memory = live.machine.carry(), Memory()
            for message in live.inputs:
                memory(0, 0, message, ())
        # In one session the tape tells every fill; across two only what actors carry.
        options = {"recalled": memory.fills, "told_until": memory.last_fill} if is_fed_again else {}
        async with trading(server, carried=kept, **options) as again:
            await tell_once_more(server, "fill")
            await turns()
            server.faults.add("abort", "trades event *")
            await server.place(symbol="AAPL", qty="1", side="buy", type="limit", limit_price="90")
            await again.until(lambda: again.stream.figures.catch_ups >= 2 and again.stream.is_ready)
            assert lots(again) == held(again) == {LOT: 4}
            assert not again.of(LotChanged)
            assert not again.notes() + again.notes("ERROR")
            assert again.of(OrderFilled) == []
            assert server.positions == {"SPY": 4}


async def test_shares_from_before_a_replacement_are_counted_on_after_a_restart():
    async with alpaca(replacement="fresh") as server:
        async with trading(server) as live:
            await server.push_minute({"SPY": FLAT, "AAPL": FLAT})
            live.enter(type="limit", limit_price=99.0, stop_loss=None, take_profit=None)
            await live.wait_for(OrderAccepted)
            await server.fill(ENTRY, 99, 4)
            await live.until(lambda: lots(live) == {LOT: 4})
            entry = server.broker.by_client_id(ENTRY)
            await server.act(
                lambda broker: broker.settle_replace(broker.replace(entry.id, {"limit_price": "98"}))
            )
            await live.wait_for(OrderReplaced)
            kept = live.machine.carry()
        async with trading(server, carried=kept) as again:
            new = next(one for one in server.orders if one.is_live)
            assert (new.filled_qty, lots(again)) == (0, {LOT: 4})
            await server.fill(new, 98, 2)
            await again.until(lambda: lots(again) == {LOT: 6})
            assert held(again) == {LOT: 6}
            assert not again.notes()


# ---- missed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "not listed"])
async def test_a_bust_that_was_missed_on_an_order_that_works_on_is_found_and_booked(listed):
    async with alpaca(busts_listed=listed) as server, trading(server, patience=HASTE) as live:
        live.phase("TRADING")
        await entered(live, 4, 2)
        lost = server.faults.add("drop_frame", "trades event *", times=None)
        await server.act(lambda broker: broker.bust(broker.executions[-1].id))
        server.faults.remove(lost)
        await live.compared()
        (corrected,) = await live.wait_for(FillCorrected)
        assert (corrected.quantity_before, corrected.quantity, corrected.cumulative) == (2, 0, 4)
        assert lots(live) == held(live) == {LOT: 4}
        told = await live.compared()
        assert (told.settled, told.differences) == (True, 0)
        assert "SPY" in told.agreed
        await server.fill(ENTRY, 100, 6)
        await live.until(lambda: lots(live) == {LOT: 10})
        assert held(live) == {LOT: 10}


async def test_a_bust_that_was_missed_on_an_order_that_is_over_leaves_no_stop_beyond_what_is_held():
    async with alpaca() as server, trading(server, patience=HASTE) as live:
        live.phase("TRADING")
        await entered(live, 4, 6)
        lost = server.faults.add("drop_frame", "trades event *", times=None)
        await server.act(lambda broker: broker.bust(broker.executions[-1].id))
        server.faults.remove(lost)
        await live.compared()
        await live.wait_for(FillCorrected)
        await live.until(lambda: resting(server) == [("limit", 4), ("stop", 4)])
        assert lots(live) == held(live) == {LOT: 4}
        assert (await live.compared()).differences == 0


async def test_a_bust_told_late_after_it_was_found_is_booked_once():
    async with alpaca() as server, trading(server, patience=HASTE) as live:
        live.phase("TRADING")
        await entered(live, 4, 2)
        lost = server.faults.add("drop_frame", "trades event *", times=None)
        await server.act(lambda broker: broker.bust(broker.executions[-1].id))
        server.faults.remove(lost)
        await live.compared()
        await live.wait_for(FillCorrected)
        await tell_once_more(server, "trade_bust")
        await tell_once_more(server, "partial_fill")
        assert (await live.compared()).differences == 0
        assert lots(live) == held(live) == {LOT: 4}
        assert len(live.of(FillCorrected)) == 1


# ---- of an exit ---------------------------------------------------------------------------------


async def test_a_bust_of_part_of_an_exit_leaves_no_share_without_a_stop():
    async with alpaca() as server, trading(server) as live:
        await entered(live, 10)
        target = next(one for one in server.orders if one.is_live and one.type == "limit")
        await server.fill(target, 105, 4)
        await live.until(lambda: lots(live) == {LOT: 6})
        assert resting(server) == [("limit", 6), ("stop", 6)]
        await server.act(lambda broker: broker.bust(broker.executions[-1].id))
        await live.until(lambda: resting(server) == [("limit", 10), ("stop", 10)])
        assert lots(live) == held(live) == {LOT: 10}
        assert not live.notes()


@pytest.mark.parametrize("shares", [6, 14], ids=["too few", "too many"])
async def test_a_stop_that_does_not_cover_what_is_held_is_told_and_rested_anew(shares):
    async with alpaca() as server, trading(server) as live:
        live.phase("TRADING")
        await entered(live, 10)
        stop = next(one for one in server.orders if one.is_live and one.type == "stop")
        stop.qty = Decimal(shares)
        await live.compared()
        await live.until(lambda: resting(server) == [("limit", 10), ("stop", 10)])
        (row,) = [one for one in live.notes("ERROR") if "SPY" in one]
        assert f"{shares} shares" in row
        assert (await live.compared()).differences == 0
        assert lots(live) == held(live) == {LOT: 10}
