"""Lots that live through a split, on the loopback account: announced or not, in every order of events."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from fractions import Fraction

import anyio
import anyio.to_thread
import pytest
import pytest_asyncio

from actors.broker.bar_history import BarHistory
from actors.execution.split_watch import DayFacts
from actors.gateways.corporate_actions import CorporateActions
from runtime.kernel.gateway import Inbox
from runtime.messages.account import Reconciled
from runtime.messages.broker import CancelOrder, OrderAccepted, SubmitOrder
from runtime.messages.corporate import CorporateActionsRead, LotSplit, SplitApplied, SplitAwaited
from runtime.messages.market import Bars
from runtime.messages.risk import EquityMarked
from runtime.messages.trading import LotChanged
from storage.books import Books
from storage.projection import Projection
from tests.actors.gateways.streaming import keys, turns
from tests.alpaca_server.corporate import announced
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import LOT, SYMBOLS, LiveOrders, trading

FLAT = (100.0, 100.0, 100.0, 100.0)
MONDAY = "2026-11-23"
OPEN = 1_795_444_200_000_000_000
"""09:30 in New York on Monday, ns UTC."""


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY", "AAPL"), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT, "AAPL": FLAT})
        yield server


def resting(server: AlpacaServer) -> list[tuple[str, int, Decimal | None]]:
    """Type, shares and price of every live order."""
    live = [one for one in server.orders if one.is_live]
    return sorted((one.type, int(one.remaining), one.limit_price or one.stop_price) for one in live)


async def friday(server: AlpacaServer, quantity: int = 10, **fields: object) -> dict[str, bytes]:
    """A lot of SPY bought at 100 with exits at 95 and 105 that outlive the day; what is carried of it."""
    async with trading(server) as live:
        live.enter(quantity=quantity, time_in_force="gtc", **fields)
        await live.wait_for(OrderAccepted)
        await live.minute()
        await live.until(
            lambda: live.of(LotChanged) and live.of(LotChanged)[-1].quantity in (quantity, -quantity)
        )
        kept = live.machine.carry()
    await server.move_to("2026-11-23T06:00:00-05:00")
    return kept


def facts(close: float = 100.0) -> DayFacts:
    ids = {symbol: at for at, symbol in enumerate(SYMBOLS)}
    return DayFacts(MONDAY, OPEN, ids, lambda _: close, 0.02)


@asynccontextmanager
async def monday(
    server: AlpacaServer, kept: dict[str, bytes], **options: object
) -> AsyncIterator[LiveOrders]:
    """The next session's process, its announcements read through the gateway."""
    async with trading(server, carried=kept, session=MONDAY, day=facts()) as live:
        yield live


async def read_announcements(live: LiveOrders) -> None:
    history = BarHistory(live.server.urls.data, keys(live.server), live.wall)
    gateway = CorporateActions(
        Inbox(), live.host.post, header=live.header, source=history, held=lambda: ["SPY"], clock=live.clock,
        real=live.wall,
    )  # fmt: skip
    seen = len(live.of(CorporateActionsRead))
    async with anyio.create_task_group() as group:
        group.start_soon(gateway.run)
        await live.until(lambda: len(live.of(CorporateActionsRead)) > seen)
        group.cancel_scope.cancel()
    await history.aclose()


def announce(server: AlpacaServer, new: float, old: float, ex_date: str = MONDAY) -> None:
    kind, row = announced("SPY", new, old, ex_date)
    server.market.corporate_actions.setdefault(kind, []).append(row)


async def compared(live: LiveOrders) -> Reconciled:
    """The next comparison of an open market."""
    live.phase("TRADING")
    return await live.compared()


async def settled(live: LiveOrders) -> None:
    """Until nothing is on its way any more."""
    await turns()
    while len(live.inbox) or live.host.depth() or live.desk.cancels or live.desk.sendings:
        await turns()


def split_of(live: LiveOrders) -> LotSplit:
    (found,) = live.of(LotSplit)
    return found


@pytest.mark.parametrize("orders", ["stale", "adjusted", "canceled"])
async def test_ten_for_one_as_announced_leaves_one_live_stop_in_the_new_terms(server, orders):
    kept = await friday(server)
    announce(server, 10, 1)
    await server.split("SPY", 10, 1, orders=orders)
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await live.until(lambda: f"{LOT}:t1" in live.states() and live.states()[f"{LOT}:t1"] == "accepted")
        await settled(live)
        assert resting(server) == [("limit", 100, Decimal("10.5")), ("stop", 100, Decimal("9.5"))]
        one = split_of(live)
        assert (one.before, one.quantity, one.entry_price) == (10, 100, 10.0)
        assert (one.stop_loss, one.take_profit, one.in_lieu, one.realised) == (9.5, 10.5, 0.0, 0.0)
        (applied,) = live.of(SplitApplied)
        assert (applied.numerator, applied.denominator, applied.source) == (10, 1, "announced")
        last = await compared(live)
        assert (last.held, last.settled, last.differences) == ({"SPY": 100}, True, 0)
        assert {one.equity for one in live.of(EquityMarked)} == {97_000.0}
        assert not live.notes() + live.notes("ERROR")
        assert sum("split 10 for 1" in text for text in live.notes("WARNING")) >= 1
        live.enter("mr-20261123-1")
        await live.until(lambda: "mr-20261123-1:e1" in live.states())
        assert [one.role for one in live.of(SubmitOrder)] == ["target"]


async def test_a_stop_in_the_new_terms_sells_all_new_shares(server):
    kept = await friday(server)
    announce(server, 10, 1)
    await server.split("SPY", 10, 1)
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await live.until(lambda: live.states().get(f"{LOT}:t1") == "accepted")
        await server.push_minute({"SPY": (10.0, 10.0, 9.4, 9.4)}, t=OPEN)
        await live.until(lambda: live.of(LotChanged))
        closed = live.of(LotChanged)[-1]
        assert (closed.state, closed.exit_reason, closed.exit_price) == ("closed", "stop", 9.5)
        assert closed.realised == pytest.approx(-50.0)
    assert server.positions == {}
    assert resting(server) == []


@pytest.mark.parametrize("keeps_parts", [False, True])
async def test_one_for_eight_pays_for_the_part_of_a_share_and_rests_for_the_whole_ones(server, keeps_parts):
    kept = await friday(server, quantity=20)
    announce(server, 1, 8)
    await server.split("SPY", 1, 8, orders="canceled", keeps_parts=keeps_parts)
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await live.until(lambda: live.states().get(f"{LOT}:t1") == "accepted")
        one = split_of(live)
        assert (one.before, one.quantity, one.entry_price, one.in_lieu) == (20, 2, 800.0, 400.0)
        assert one.realised == 0.0
        assert resting(server) == [("limit", 2, Decimal("840")), ("stop", 2, Decimal("760"))]
        last = await compared(live)
        assert (last.settled, last.differences, last.external) == (True, 0, int(keeps_parts))
        assert {mark.equity for mark in live.of(EquityMarked)} == {97_000.0}
    assert server.positions["SPY"] == (Decimal("2.5") if keeps_parts else 2)


async def test_a_short_lot_whose_exits_follow_its_fill_is_restated_too(server):
    short = {"side": "sell", "stop_loss": 105.0, "take_profit": 95.0}
    kept = await friday(server, **short, target_follows_fill=True, stop_follows_fill=True)
    announce(server, 4, 1)
    await server.split("SPY", 4, 1)
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await live.until(lambda: live.states().get(f"{LOT}:t1") == "accepted")
        assert (split_of(live).before, split_of(live).quantity) == (-10, -40)
        assert resting(server) == [("limit", 40, Decimal("23.75")), ("stop", 40, Decimal("26.25"))]
        assert (await compared(live)).differences == 0
        assert {mark.equity for mark in live.of(EquityMarked)} == {97_000.0}
    assert server.positions == {"SPY": -40}


async def test_less_than_a_share_is_paid_out_and_the_lot_is_closed(server):
    kept = await friday(server, quantity=5)
    announce(server, 1, 8)
    await server.split("SPY", 1, 8, orders="canceled")
    server.hold("SPY", 0, 0)
    async with monday(server, kept) as live:
        await read_announcements(live)
        await live.until(lambda: live.of(LotSplit))
        one = split_of(live)
        assert (one.state, one.quantity, one.exit_reason, one.in_lieu) == ("closed", 0, "split", 500.0)
        await settled(live)
        assert (await compared(live)).settled
    assert resting(server) == []


async def test_announced_but_not_in_the_account_yet_nothing_rests_and_nothing_enters_until_both_agree(server):
    kept = await friday(server)
    announce(server, 10, 1)
    async with monday(server, kept) as live:
        await read_announcements(live)
        await live.wait_for(SplitAwaited)
        await settled(live)
        assert not live.of(CancelOrder)  # in the night nothing can trade
        live.phase("PRE_MARKET")
        await live.until(lambda: resting(server) == [])
        await settled(live)
        live.enter("mr-20261123-1")
        live.leave()  # what a strategy wants out of waits too
        await live.until(lambda: "mr-20261123-1:e1" in live.states())
        assert not live.of(SubmitOrder)
        assert live.of(Reconciled)[-1].settled
        await server.split("SPY", 10, 1)
        await compared(live)
        await live.until(lambda: live.states().get(f"{LOT}:x1") in ("submitted", "accepted"))
        assert (live.of(SubmitOrder)[-1].role, live.of(SubmitOrder)[-1].quantity) == ("exit", 100)


async def test_announced_for_today_but_price_and_shares_are_the_old_ones_rests_again_as_before(server):
    kept = await friday(server)
    announce(server, 10, 1)
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await live.until(lambda: resting(server) == [])
        live.pass_time(12_600)
        live.phase("TRADING")
        opening(live, 100.5)
        await live.until(lambda: live.states().get(f"{LOT}:t1") == "accepted")
        assert resting(server) == [("limit", 10, Decimal("105")), ("stop", 10, Decimal("95"))]
        assert [one.waits for one in live.of(SplitAwaited)] == [True, False]
        assert not live.of(LotSplit)


def opening(live: LiveOrders, price: float) -> None:
    at = SYMBOLS.index("SPY")
    frame = Bars.of([at], [[price]] * 4 + [[1_000.0]], ts_event=OPEN)
    live.host.post("market", frame)


async def unavailable(server: AlpacaServer, live: LiveOrders, status: int) -> None:
    server.faults.add(
        "refuse", "GET /v1/corporate-actions", status=status, code=40410000 if status == 404 else 40310000,
        message="endpoint not found" if status == 404 else "not in your plan", times=None,
    )  # fmt: skip
    await read_announcements(live)


@pytest.mark.parametrize("status", [403, 404])
async def test_without_announcements_shares_and_price_tell_of_the_split(server, status, monkeypatch):
    monkeypatch.setattr("actors.gateways.corporate_actions._SECOND", 1_000)
    kept = await friday(server)
    await server.split("SPY", 10, 1)
    async with monday(server, kept) as live:
        await unavailable(server, live, status)
        (read,) = live.of(CorporateActionsRead)
        assert not read.available
        assert sum("could not be read" in text for text in live.notes("WARNING")) == 1
        live.phase("PRE_MARKET")
        await live.until(lambda: resting(server) == [])  # the stop would sell at a tenth
        live.pass_time(12_600)
        live.phase("MARKET_OPEN")
        opening(live, 10.1)
        await live.until(lambda: live.states().get(f"{LOT}:t1") == "accepted")
        assert split_of(live).source == "seen"
        assert resting(server) == [("limit", 100, Decimal("10.5")), ("stop", 100, Decimal("9.5"))]
        await settled(live)
        assert (await compared(live)).differences == 0
        assert not live.notes()[1:]


async def test_shares_that_half_vanish_without_a_price_for_it_are_a_persons(server):
    kept = await friday(server)
    server.hold("SPY", 5, 100)
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await live.until(lambda: resting(server) == [])
        live.pass_time(12_600)
        live.phase("MARKET_OPEN")
        opening(live, 100.2)
        await live.until(lambda: [one.waits for one in live.of(SplitAwaited)] == [True, False])
        assert not live.of(LotSplit)
        if not live.notes():  # exits that are just leaving put the judgement off to the next comparison
            await settled(live)
            await compared(live)
        assert "SPY: we had 10 shares, the broker has 5 shares; entries blocked" in live.notes()


async def test_exits_that_the_broker_ended_overnight_rest_again_only_after_the_account_was_compared(server):
    kept = await friday(server)
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await settled(live)
        stop = next(one for one in server.orders if one.is_live and one.type == "stop")
        seen = len(live.of(Reconciled))
        await server.act(lambda broker: broker.cancel(stop.id))
        await live.until(lambda: live.states().get(f"{LOT}:t1") == "accepted")
        assert len(live.of(Reconciled)) > seen
        assert resting(server) == [("limit", 10, Decimal("105")), ("stop", 10, Decimal("95"))]


async def test_a_spin_off_keeps_entries_out_for_the_day_and_touches_nothing_else(server):
    kept = await friday(server)
    row = {"source_symbol": "SPY", "source_rate": 1, "new_symbol": "NEW", "new_rate": 0.5, "ex_date": MONDAY}
    server.market.corporate_actions["spin_offs"] = [row]
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await settled(live)
        live.enter("mr-20261123-1")
        await live.until(lambda: "mr-20261123-1:e1" in live.states())
        assert not live.of(SubmitOrder)
        assert live.notes("WARNING") == ["SPY: spin off (NEW) takes effect; no entries in it today"]
        assert len(resting(server)) == 2


async def test_a_restart_after_the_split_finds_it_done(server):
    kept = await friday(server)
    announce(server, 10, 1)
    await server.split("SPY", 10, 1)
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await live.until(lambda: live.states().get(f"{LOT}:t1") == "accepted")
        await settled(live)
        again = live.machine.carry()
    async with monday(server, again) as live:
        await read_announcements(live)
        live.phase("TRADING")
        await settled(live)
        assert (await compared(live)).differences == 0
        assert not live.of(SplitAwaited) + live.of(LotSplit) + live.of(SubmitOrder)
    assert resting(server) == [("limit", 100, Decimal("10.5")), ("stop", 100, Decimal("9.5"))]


async def test_fills_and_splits_of_the_books_alone_give_cash_shares_and_equity_to_the_cent(server):
    kept, days = None, []
    async with trading(server) as live:
        live.enter(quantity=21, time_in_force="gtc")
        await live.wait_for(OrderAccepted)
        await live.minute(100.07, 100.07, 100.07, 100.07)
        await live.until(lambda: live.of(LotChanged))
        kept = live.machine.carry()
        days.append(live)
    await server.move_to("2026-11-23T06:00:00-05:00")
    announce(server, 1, 8)
    await server.split("SPY", 1, 8, orders="canceled")
    async with monday(server, kept) as live:
        await read_announcements(live)
        live.phase("PRE_MARKET")
        await live.until(lambda: live.states().get(f"{LOT}:t1") == "accepted")
        await server.push_minute({"SPY": (800.0, 845.0, 800.0, 845.0)}, t=OPEN)
        await live.until(lambda: live.of(LotChanged))
        days.append(live)
    cash, held, lots, trade = await anyio.to_thread.run_sync(rebuilt, days)
    final = days[-1].of(EquityMarked)[-1]
    assert held == {}
    assert float(cash) == pytest.approx(final.cash, abs=0.000_001)
    assert float(cash) == pytest.approx(final.equity, abs=0.000_001)
    assert lots == [("closed", 0, int((cash - 97_000) * 1_000_000))]
    assert trade == ("CLOSED", 2, pytest.approx(float(cash - 97_000)))


def rebuilt(days: list[LiveOrders]) -> tuple[Fraction, dict[str, int], list[tuple], tuple]:
    """Cash and shares out of books that are written from what was said; the lots and the trade in them."""
    with Books(None, "paper:PA3LOOPBACK1", "memory") as books:
        for live in days:
            projection = Projection(live.header.session, live.header.symbols)
            for seq, (message, caused) in enumerate(live.steps, 1):
                books.apply(projection.rows(seq, message.ts_event, message, caused), projection.mark(seq))
        books.commit()
        assert books.refused == 0
        link = books.connection("trades")
        lots = link.execute("SELECT state, quantity, realised_micros FROM lots").fetchall()
        trade = link.execute("SELECT status, quantity, pnl FROM trades").fetchone()
        return *recomputed(link, Fraction(97_000)), lots, trade


def recomputed(trades: sqlite3.Connection, cash: Fraction) -> tuple[Fraction, dict[str, int]]:
    """Cash and shares from fills and splits alone, in the order in which they came."""
    held: dict[str, int] = {}
    rows = trades.execute(
        "SELECT session, seq, symbol, CASE direction WHEN 'buy' THEN quantity ELSE -quantity END, cash_micros"
        " FROM executions"
        " UNION ALL SELECT session, seq, symbol, quantity_after - quantity_before, cash_micros FROM splits"
        " ORDER BY session, seq"
    )
    for _, _, symbol, shares, micros in rows:
        held[symbol] = held.get(symbol, 0) + shares
        cash += Fraction(micros, 1_000_000)
    return cash, {symbol: shares for symbol, shares in held.items() if shares}
