"""The rules of orders at a broker that is there: reconciling, protection, refusals, others in the account."""

from decimal import Decimal

import pytest
import pytest_asyncio

from runtime.messages.account import AssetsRead, ExternalChanged, LotCorrected, Reconciled
from runtime.messages.broker import (
    BrokerSnapshot,
    CancelOrder,
    LookUpOrder,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    SubmitOrder,
)
from runtime.messages.risk import HaltConfirmed, HaltThrown
from runtime.messages.trading import LotChanged, PositionMismatched
from tests.actors.gateways.streaming import turns
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import ENTRY, LOT, LiveOrders, trading

FLAT = (100.0, 100.0, 100.0, 100.0)


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY", "AAPL"), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT, "AAPL": FLAT})
        yield server


def sent(live: LiveOrders) -> list[str]:
    return [one.client_order_id for one in live.of(SubmitOrder)]


def resting(server: AlpacaServer) -> list[tuple[str, int]]:
    """Type and shares of every live order."""
    return sorted((one.type, int(one.remaining)) for one in server.orders if one.is_live)


async def opened(live: LiveOrders, lot: str = LOT) -> None:
    live.enter(lot)
    await live.until(lambda: any(one.client_order_id == f"{lot}:e1" for one in live.of(OrderAccepted)))
    await live.minute()
    await live.until(lambda: any(one.lot_id == lot for one in live.of(LotChanged)))


# ---- reconciling --------------------------------------------------------------------------------


async def test_in_an_open_market_positions_and_orders_are_read_once_a_minute(server):
    async with trading(server) as live:
        live.phase("TRADING")
        await opened(live)
        assert (await live.compared()).settled
        before = len(server.history.requests("GET"))
        for _ in range(3):
            assert (await live.compared()).settled
        reads = [one.what for one in server.history.requests("GET")[before:]]
        assert reads == ["GET /v2/positions", "GET /v2/orders"] * 3
        assert not live.notes() + live.notes("WARNING") + live.notes("ERROR")


async def test_shares_that_vanish_are_one_critical_row_and_keep_entries_out_of_the_symbol(server):
    async with trading(server) as live:
        live.phase("TRADING")
        await opened(live)
        server.hold("SPY", 4, 100)
        await live.compared()
        await live.compared()
        assert live.notes() == ["SPY: we had 10 shares, the broker has 4 shares; entries blocked"]
        await live.until(lambda: resting(server) == [("limit", 4), ("stop", 4)])
        live.enter("mr-20261120-2")
        live.enter("mr-20261120-3", symbol="AAPL")
        await live.wait_for(OrderAccepted, 3)
        assert sent(live) == [ENTRY, f"{LOT}:t1", "mr-20261120-3:e1"]
        server.hold("SPY", 10, 100)
        await live.compared()
        assert live.of(PositionMismatched)[-1].ours == live.of(PositionMismatched)[-1].broker == 10
        await live.until(lambda: resting(server)[:1] + resting(server)[-1:] == [("limit", 10), ("stop", 10)])
        live.enter("mr-20261120-4")
        await live.wait_for(OrderAccepted, 5)


async def test_a_fill_that_the_stream_never_told_is_taken_from_the_broker(server):
    async with trading(server) as live:
        live.phase("TRADING")
        live.enter()
        await live.wait_for(OrderAccepted)
        lost = server.faults.add("drop_frame", "trades event *", times=None)
        await live.minute()
        server.faults.remove(lost)
        assert not live.of(OrderFilled)
        await live.compared()
        await live.wait_for(LotChanged)
        assert live.of(OrderFilled)[0].cumulative == 10
        assert (await live.compared()).settled
        assert not live.of(PositionMismatched)


async def test_nothing_enters_while_the_account_cannot_be_compared(server):
    server.faults.add("server_error_before", "GET /v2/positions", times=2)
    async with trading(server, ready=False) as live:
        live.enter()
        await live.until(lambda: ENTRY in live.states())
        assert sent(live) == []
        await live.ready()
        live.enter("mr-20261120-2")
        await live.wait_for(OrderAccepted)
    assert live.of(BrokerSnapshot)[0].reason == "start"


# ---- others in the account ----------------------------------------------------------------------


async def test_what_others_hold_and_order_is_seen_counted_and_left_alone(server):
    server.hold("TSLA", 5, 200)
    server.hold("BTC", "0.25", 60_000)
    await server.place(symbol="AAPL", qty="3", side="buy", type="limit", limit_price="90")
    async with trading(server) as live:
        live.phase("TRADING")
        await opened(live)
        manual = await server.place(symbol="SPY", qty="7", side="buy", type="market")
        await live.minute()
        await live.until(lambda: any(one.symbol == "SPY" for one in live.of(ExternalChanged)))
        assert manual.filled_qty == 7
        assert server.positions["SPY"] == 17
        assert (await live.compared()).settled
        live.leave()
        await live.until(lambda: live.states().get(f"{LOT}:x1") == "accepted")
        await live.minute()
        await live.until(lambda: live.of(LotChanged)[-1].state == "closed")
        assert (await live.compared()).settled
        assert not live.notes()
    told = {one.symbol: (one.quantity + one.fraction, len(one.orders)) for one in live.of(ExternalChanged)}
    assert told == {"TSLA": (5, 0), "BTC": (0.25, 0), "AAPL": (0, 1), "SPY": (7, 0)}
    assert server.positions == {"TSLA": 5, "BTC": Decimal("0.25"), "SPY": 7}
    assert resting(server) == [("limit", 3)]


async def test_a_wash_trade_with_somebody_elses_order_denies_the_entry_alone(server):
    async with trading(server) as live:
        await opened(live)
        await server.place(symbol="AAPL", qty="3", side="buy", type="limit", limit_price="90")
        short = {"symbol": "AAPL", "stop_loss": None, "take_profit": None, "order_class": "simple"}
        live.enter("mr-20261120-2", "sell", **short)
        (refused,) = await live.wait_for(OrderRejected)
        assert refused.code == 40310000
        assert resting(server) == [("limit", 3), ("limit", 10), ("stop", 10)]
        assert not live.of(CancelOrder)


async def test_what_the_broker_does_not_trade_or_lend_is_never_sent(server):
    server.broker.assets["AAPL"].tradable = False
    server.broker.assets["SPY"].borrow_status = "hard_to_borrow"
    async with trading(server) as live:
        (read,) = await live.wait_for(AssetsRead)
        assert (read.untradable, read.unborrowable) == (("AAPL",), ("SPY",))
        live.enter("mr-20261120-2", symbol="AAPL")
        live.enter("mr-20261120-3", "sell", stop_loss=105.0, take_profit=95.0)
        live.enter()
        await live.wait_for(OrderAccepted)
    assert sent(live) == [ENTRY]


async def test_a_blocked_account_takes_no_entry(server):
    server.broker.account.trading_blocked = True
    async with trading(server) as live:
        live.enter()
        await live.until(lambda: ENTRY in live.states())
    assert sent(live) == []


# ---- protection ---------------------------------------------------------------------------------


async def test_a_partly_filled_entry_is_protected_after_five_seconds(server):
    server.faults.add("partial_fill", quantity=4)
    async with trading(server) as live:
        await opened(live)
        assert [one[0] for one in resting(server)] == ["limit", "market", "stop"]
        live.pass_time(4.9)
        assert not live.of(CancelOrder)
        live.pass_time(0.2)
        await live.until(lambda: f"{LOT}:t1" in live.states())
        assert resting(server) == [("limit", 4), ("stop", 4)]
        oco = live.of(SubmitOrder)[-1]
        assert (oco.order_class, oco.quantity, oco.time_in_force) == ("oco", 4, "gtc")


async def test_what_cannot_be_protected_is_sold(server):
    server.faults.add("partial_fill", quantity=4)
    server.faults.add(
        "refuse", "POST /v2/orders", nth=2, status=422, code=42210000, message="stop price must be lower"
    )
    async with trading(server) as live:
        await opened(live)
        live.pass_time(5.1)
        await live.until(lambda: live.states().get(f"{LOT}:x1") == "accepted")
        await live.minute()
        await live.until(lambda: live.of(LotChanged)[-1].state == "closed")
    assert server.positions == {}
    assert len(live.notes()) == 1


@pytest.mark.parametrize("leg", ["stop", "target"])
async def test_a_lot_that_lost_a_leg_of_its_bracket_is_sold(server, leg):
    server.faults.add("leg_rejected", role=leg)
    async with trading(server) as live:
        await opened(live)
        await live.until(lambda: live.states().get(f"{LOT}:x1") == "accepted")
        await live.minute()
        await live.until(lambda: live.of(LotChanged)[-1].state == "closed")
    assert server.positions == {}
    assert resting(server) == []


async def test_an_exit_that_is_cancelled_by_hand_rests_again(server):
    async with trading(server) as live:
        await opened(live)
        stop = next(one for one in server.orders if one.is_live and one.type == "stop")
        await server.act(lambda broker: broker.cancel(stop.id))
        await live.until(lambda: live.states().get(f"{LOT}:t1") == "accepted")
        assert resting(server) == [("limit", 10), ("stop", 10)]


async def test_an_entry_whose_bracket_the_broker_refuses_goes_plainly_and_gets_its_exits_by_its_fill(server):
    words = "bracket orders must be market or limit orders"
    server.faults.add("refuse", "POST /v2/orders", status=422, code=42210000, message=words)
    async with trading(server) as live:
        live.enter()
        await live.until(lambda: sent(live) == [ENTRY, f"{LOT}:e2"])
        await live.wait_for(OrderAccepted)
        await live.minute()
        await live.until(lambda: f"{LOT}:t1" in live.states())
        assert resting(server) == [("limit", 10), ("stop", 10)]
        assert live.of(LotChanged)[-1].quantity == 10


@pytest.mark.parametrize(
    ("status", "code", "message", "names"),
    [
        (422, 42210000, "words that nobody has seen", [ENTRY, f"{LOT}:e2", f"{LOT}:t1"]),
        (403, 40310000, "words that nobody has seen", [ENTRY]),
        (422, 42210000, "stop_loss.stop_price must be <= base_price - 0.01", [ENTRY]),
    ],
)
async def test_a_bracket_refused_in_unknown_words_is_one_exposure_at_most(
    server, status, code, message, names
):
    server.faults.add("refuse", "POST /v2/orders", status=status, code=code, message=message)
    async with trading(server) as live:
        live.enter()
        await live.wait_for(OrderRejected)
        await live.until(lambda: sent(live) == names[:2])
        if len(names) > 1:
            await live.wait_for(OrderAccepted)
        await live.minute()
        await live.until(lambda: sent(live) == names)
        if len(names) > 1:
            await live.until(lambda: resting(server) == [("limit", 10), ("stop", 10)])
    posts = [one for one in server.history.requests("POST /v2/orders") if one.applied]
    assert sum(":e" in one.json["client_order_id"] for one in posts) == (len(names) > 1)
    assert server.positions == ({"SPY": 10} if len(names) > 1 else {})


async def test_entries_that_outlive_a_day_are_cancelled_first_thing_after_a_restart(server):
    async with trading(server) as live:
        await opened(live, "mr-20261120-9")
        live.enter("mr-20261120-1", type="limit", limit_price=97.0, time_in_force="gtc")
        live.enter("mr-20261120-2", type="limit", limit_price=97.0)
        await live.wait_for(OrderAccepted, 3)
        kept = live.machine.carry()
    server.faults.add("refuse", "GET /stream", status=429, times=None)
    async with trading(server, ready=False, carried=kept) as again:
        await again.until(lambda: "canceled" in again.states().values())
        assert [one.client_order_id for one in again.of(CancelOrder)] == ["mr-20261120-1:e1"]
        assert not again.of(BrokerSnapshot)
    assert resting(server) == [("limit", 10), ("limit", 10), ("limit", 10), ("stop", 10), ("stop", 10)]


# ---- orders without news ------------------------------------------------------------------------


async def test_an_order_that_stays_without_an_answer_is_looked_up_until_it_has_one(server):
    server.faults.add("stuck_new")
    async with trading(server) as live:
        live.phase("TRADING")
        live.enter()
        await live.wait_for(OrderAccepted)
        while not live.of(LookUpOrder):
            live.pass_time(61)
            await turns()
        await live.until(lambda: server.history.requests("GET /v2/orders/"))
        assert len(live.notes("WARNING")) == 1
        order = server.broker.by_client_id(ENTRY)
        await server.act(lambda broker: broker.acknowledge(order, again=True))
        await live.minute()
        await live.wait_for(LotChanged)


async def test_a_cancellation_that_is_not_confirmed_is_asked_for_again(server):
    server.faults.add("stuck_cancel")
    async with trading(server) as live:
        live.enter(type="limit", limit_price=97.0)
        await live.wait_for(OrderAccepted)
        live.leave()
        await server.until(lambda: len(server.history.requests("DELETE /v2/orders/")) >= 2)
        await live.until(lambda: live.states().get(ENTRY) == "canceled")


async def test_a_leg_whose_cancellation_nobody_told_is_looked_up_and_its_lot_is_closed(server):
    """Long after the entry had its news: what is sent for a lot later is watched too."""
    async with trading(server) as live:
        live.phase("TRADING")
        await opened(live)
        for _ in range(4):
            await live.minute()
            await live.compared()
        assert not live.of(LookUpOrder)
        server.faults.add("drop_frame", "trades event canceled", times=None)
        live.leave()
        await live.until(lambda: live.of(OrderCanceled))  # the leg that was asked for; the other went with it
        for _ in range(4):
            if not live.of(LookUpOrder):
                await live.minute()
                await live.compared()
        # A list that was read before the exit came lacks it, and has it looked up: that is not the leg's.
        looked_up = [one.reason for one in live.of(LookUpOrder) if one.client_order_id != f"{LOT}:x1"]
        assert looked_up == ["no news while pending_cancel"]
        await live.until(lambda: live.states().get(f"{LOT}:x1") == "accepted")
        await live.minute()
        await live.until(lambda: live.of(LotChanged)[-1].state == "closed")
    assert server.positions == {}


async def test_a_fill_that_is_taken_back_leaves_no_order_and_no_share(server):
    async with trading(server) as live:
        await opened(live)
        (execution,) = server.broker.executions
        await server.act(lambda broker: broker.bust(execution.id))
        await live.until(lambda: len(live.of(OrderCanceled)) == 2)
        (corrected,) = live.of(LotCorrected)
        assert (corrected.state, corrected.quantity, corrected.realised) == ("closed", 0, 0.0)
        assert not live.of(PositionMismatched)
    assert resting(server) == []
    assert server.positions == {}


async def test_a_price_that_is_corrected_is_the_lots_price(server):
    async with trading(server) as live:
        await opened(live)
        (execution,) = server.broker.executions
        await server.act(lambda broker: broker.correct(execution.id, Decimal("99.5")))
        (corrected,) = await live.wait_for(LotCorrected)
        assert (corrected.quantity, corrected.entry_price) == (10, 99.5)
        assert resting(server) == [("limit", 10), ("stop", 10)]


# ---- the kill switch ----------------------------------------------------------------------------


async def test_a_halt_cancels_entries_leaves_stops_and_has_it_compared_with_the_account(server):
    async with trading(server) as live:
        await opened(live)
        live.enter("mr-20261120-2", type="limit", limit_price=97.0)
        await live.wait_for(OrderAccepted, 2)
        live.host.post("operator", HaltThrown(ts_event=live.clock.now(), reason="test"))
        (confirmed,) = await live.wait_for(HaltConfirmed)
        assert (confirmed.flat, confirmed.working) == (False, 2)
        await live.wait_for(Reconciled, 2)
        assert live.of(Reconciled)[-1].differences == 0
    assert resting(server) == [("limit", 10), ("stop", 10)]


async def test_a_halt_that_closes_everything_ends_flat_and_leaves_what_is_not_ours(server):
    server.hold("TSLA", 5, 200)
    await server.place(symbol="AAPL", qty="3", side="buy", type="limit", limit_price="90")
    async with trading(server) as live:
        await opened(live)
        server.faults.add("partial_fill", quantity=4)
        live.enter("mr-20261120-2")
        await live.wait_for(OrderAccepted, 2)
        await live.minute()
        await live.until(lambda: any(one.lot_id == "mr-20261120-2" for one in live.of(LotChanged)))
        live.host.post("operator", HaltThrown(ts_event=live.clock.now(), reason="test", flatten=True))
        exits = (f"{LOT}:x1", "mr-20261120-2:x1")
        await live.until(lambda: all(live.states().get(name) == "accepted" for name in exits))
        await live.minute()
        (confirmed,) = await live.wait_for(HaltConfirmed)
        assert (confirmed.flat, confirmed.working) == (True, 0)
        await live.until(lambda: live.of(Reconciled)[-1].reason == "schedule")
        assert not live.notes()
        (said,) = [one for one in live.notes("WARNING") if "not ours" in one]
        assert said.endswith("not closed with them: TSLA 5 shares, 1 orders in AAPL")
    assert server.positions == {"TSLA": 5}
    assert resting(server) == [("limit", 3)]
