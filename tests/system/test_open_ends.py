"""A session that ends before the broker's answer says so, and the next start gets the answer."""

import pytest_asyncio

from runtime.messages.broker import OrderAccepted, OrderFilled
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, MINUTE, OPEN, Live, lay_files, running
from tests.system.test_engine import ENTRY, until_entered

ENDED = "ended before everything was known"


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


async def test_an_end_with_nothing_open_says_nothing(server, tmp_path, capfd):
    lay_files(tmp_path)
    live = Live(server, tmp_path)
    async with running(live):
        await until_entered(live)
    assert live.engine.open_ends() == []
    said = capfd.readouterr()
    assert ENDED not in said.out + said.err


async def test_an_order_whose_answer_was_lost_is_named_at_the_end_and_settled_by_the_next_start(
    server, tmp_path, capfd
):
    lay_files(tmp_path)
    lost = server.faults.add("gateway_timeout_after", on="POST /v2/orders")
    mute = server.faults.add("server_error_before", on="GET /v2/orders:by_client_order_id", times=None)
    swallowed = server.faults.add("drop_frame", "trades event *", times=None)
    first = Live(server, tmp_path)
    async with running(first):
        for number in range(4):
            await first.minute(number, FLAT)
        await server.push_minute({"SPY": FLAT}, t=OPEN + 4 * MINUTE)
        first.clock.advance(OPEN + 5 * MINUTE)
        await server.until(lambda: mute.hits)
    (told,) = first.engine.open_ends()
    assert told == f"the broker's answer is missing for {ENTRY}"
    said = capfd.readouterr()
    assert (said.out + said.err).count(ENDED) == 1
    for fault in (lost, mute, swallowed):
        server.faults.remove(fault)
    second = Live(server, tmp_path)
    async with running(second):
        await second.until(lambda: second.of(OrderAccepted) and not second.engine.open_ends())
    assert second.engine.open_ends() == []
    assert [one.client_order_id for one in server.orders if one.client_order_id == ENTRY] == [ENTRY]


async def test_a_fill_that_could_not_be_read_is_named_at_the_end_and_booked_by_the_next_start(
    server, tmp_path
):
    lay_files(tmp_path)
    first = Live(server, tmp_path)
    async with running(first):
        for number in range(5):
            await first.minute(number, FLAT)
        await first.until(lambda: first.of(OrderAccepted))
        odd = server.faults.add("unknown_event", "trades event fill")
        mute = server.faults.add("server_error_before", on="GET /v2/orders/*", times=None)
        await server.push_minute({"SPY": FLAT}, t=OPEN + 5 * MINUTE)
        await server.until(lambda: mute.hits)
        assert server.positions["SPY"]
    (told,) = first.engine.open_ends()
    assert told == f"the broker's answer is missing for {ENTRY}"
    assert first.of(OrderFilled) == []
    for fault in (odd, mute):
        server.faults.remove(fault)
    second = Live(server, tmp_path)
    async with running(second):
        await second.until(lambda: second.of(OrderFilled) and not second.engine.open_ends())
    assert second.engine.open_ends() == []


async def test_a_stream_that_is_down_at_the_end_is_told(server, tmp_path):
    lay_files(tmp_path)
    live = Live(server, tmp_path)
    async with running(live):
        server.trades.connections[0].abort()
        await live.until(live.engine.open_ends)
    assert live.engine.open_ends()[0].startswith("the order stream was not ready: ")
