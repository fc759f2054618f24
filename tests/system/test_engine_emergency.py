"""A running engine whose money actors are gone still cancels its entries, and still gets flat."""

from pathlib import Path

import anyio.to_thread
import pytest

from actors.executor import Executor
from actors.portfolio import Portfolio
from actors.verification import verify
from config.load import load
from runtime import kill_switch
from runtime.messages.account import AccountSwept
from runtime.messages.broker import OrderAccepted, OrderFilled
from runtime.messages.machine import ActorStopped
from runtime.messages.trading import LotChanged
from storage.readers.chain import chain
from storage.readers.ledger import open_ledger, records
from tests.alpaca_server.options import Options
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, ONE_STRATEGY, Live, lay_files, running

SETTINGS = load(None, environ={}, overrides=(*ONE_STRATEGY, "supervision.max_crashes_a_session=1")).settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


async def in_thread(work, *arguments):
    return await anyio.to_thread.run_sync(work, *arguments)


def wreck(monkeypatch, kind: type) -> None:
    """Have an actor crash on every acceptance."""

    def on_order_accepted(self, event: OrderAccepted) -> None:
        raise RuntimeError("wrecked")

    monkeypatch.setattr(kind, "on_order_accepted", on_order_accepted)
    monkeypatch.setattr(kind, "_table", None, raising=False)


async def until_given_up(live: Live) -> None:
    """The entry leaves; its acceptance and one more are too many."""
    for number in range(5):
        await live.minute(number, FLAT)
    await live.until(lambda: live.of(OrderAccepted))
    now = live.clock.now()
    live.engine.host.post(
        "broker", OrderAccepted(ts_event=now, client_order_id="x", broker_order_id="x", symbol="SPY")
    )
    await live.until(lambda: live.of(ActorStopped))


async def assert_replays(live: Live) -> None:
    verdict = await in_thread(verify, live.engine.tape_path)
    assert verdict.identical, verdict.text()


async def test_when_the_portfolio_is_given_up_the_entry_under_way_is_cancelled(root, monkeypatch):
    wreck(monkeypatch, Portfolio)
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        live = Live(server, root, SETTINGS)
        async with running(live):
            await until_given_up(live)
            await live.until(lambda: live.of(AccountSwept))
            (swept,) = live.of(AccountSwept)
        assert (swept.what, swept.done) == ("entries", True)
        assert "portfolio stopped" in swept.why
        assert [one.status for one in server.orders if one.parent is None] == ["canceled"]
    await assert_replays(live)


def explain(root: Path, name: str):
    """An order's row in the books, and its chain."""
    with open_ledger(root) as ledger:
        (row,) = records(ledger.trades, "SELECT * FROM orders WHERE id = ?", (name,))
        return row, chain(ledger, name)


@pytest.mark.parametrize(
    ("is_all", "swept"), [(False, "ours"), (True, "everything")], ids=["ours", "everything"]
)
async def test_a_flatten_gets_flat_without_an_executor(root, monkeypatch, is_all, swept):
    wreck(monkeypatch, Executor)
    options = Options(fills="quote")
    async with AlpacaServer(options, symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        server.hold("SPY", 3, 90)
        server.hold("TSLA", 5, 200)
        await server.push_minute({"TSLA": FLAT})
        await server.place(symbol="TSLA", qty="1", side="buy", type="limit", limit_price="10")
        live = Live(server, root, SETTINGS)
        async with running(live):
            await until_given_up(live)
            assert server.positions["SPY"] > 3
            at = live.clock.now()
            await in_thread(lambda: kill_switch.throw(root, "a test", flatten=True, everything=is_all, at=at))
            await live.until(lambda: [one for one in live.of(AccountSwept) if one.what == swept and one.done])
        left = {symbol: int(shares) for symbol, shares in server.positions.items() if shares}
        assert left == ({} if is_all else {"SPY": 3, "TSLA": 5})
        # By an order of the lot's own name: what it traded is booked on the lot.
        assert [one.quantity for one in live.of(LotChanged)][-1] == 0
        assert [one.symbol for one in server.orders if one.is_live] == ([] if is_all else ["TSLA"])
    assert [one.actor for one in live.of(ActorStopped)] == ["executor"]
    (sold,) = {one.client_order_id for one in live.of(LotChanged) if one.quantity == 0}
    row, explained = await in_thread(explain, root, sold)
    assert (row["role"], row["status"], row["side"], row["order_type"]) == (
        "exit",
        "filled",
        "sell",
        "market",
    )
    assert (
        row["filled_qty"]
        == row["quantity"]
        == sum(one.quantity for one in live.of(OrderFilled) if one.client_order_id == sold)
    )
    assert explained is not None
    links = [link["kind"] for link in explained["lots"][0]["links"] if link["answers"] == sold]
    assert links == ["order", "fill"]
    await assert_replays(live)


async def test_a_flatten_that_stands_at_the_next_start_takes_nothing_of_others(root, monkeypatch):
    wreck(monkeypatch, Executor)
    options = Options(fills="quote")
    async with AlpacaServer(options, symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        server.hold("SPY", 3, 90)
        first = Live(server, root, SETTINGS)
        async with running(first):
            await until_given_up(first)
            assert server.positions["SPY"] > 3
            at = first.clock.now()
            await in_thread(lambda: kill_switch.throw(root, "a test", flatten=True, at=at))
            await first.until(
                lambda: [one for one in first.of(AccountSwept) if one.what == "ours" and one.done]
            )
        assert server.positions["SPY"] == 3
        second = Live(server, root, SETTINGS)
        async with running(second):
            await second.until(
                lambda: len([one for one in second.of(AccountSwept) if one.what == "ours"]) > 1
            )
            assert second.engine.desk.directory.held() == {}
        assert server.positions["SPY"] == 3
