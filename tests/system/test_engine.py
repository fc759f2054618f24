"""A live session end to end: loopback streams in, orders out, a tape that replays, restarts and halts."""

import sqlite3
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest
import pytest_asyncio

from actors.gateways.kill_watch import KillSwitch
from actors.refeed import carried_from
from actors.verification import verify
from runtime import kill_switch
from runtime.errors import BooksRefused
from runtime.messages.broker import OrderAccepted, OrderFilled, OrderRejected, SubmitOrder
from runtime.messages.risk import HaltThrown, PhaseChanged, TaskAnswered, TaskDue
from runtime.messages.trading import LotChanged
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, MINUTE, OPEN, SETTINGS, UP, Live, lay_files, running

TARGET = 99.9
ENTRY = "gap_fill-20261120-1:e1"


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


def orders_sent(server: AlpacaServer) -> list[str]:
    """Client ids of every order that was posted, each time it was."""
    return [one.json["client_order_id"] for one in server.history.requests("POST /v2/orders")]


def books(root: Path, name: str, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(root / "db" / f"{name}.db") as link:
        found = link.execute(query).fetchall()
    link.close()
    return found


async def in_thread(work, *arguments):
    return await anyio.to_thread.run_sync(work, *arguments)


async def until_entered(live: Live) -> None:
    """The gap is seen, the entry sent in minute 4 and filled in the next one."""
    for number in range(5):
        await live.minute(number, FLAT)
    await live.until(lambda: live.of(OrderAccepted))
    await live.minute(5, FLAT)
    await live.until(lambda: live.of(OrderFilled))


async def until_closed(live: Live) -> None:
    """The target is reached and the lot is flat."""
    fills = len(live.of(OrderFilled))
    await live.minute(6, UP)
    await live.until(lambda: len(live.of(OrderFilled)) > fills)


async def assert_one_trade(server: AlpacaServer, root: Path, live: Live) -> None:
    """One order at the server, flat there and in the books, and the tape replays identically."""
    assert orders_sent(server) == [ENTRY]
    assert not any(server.positions.values())
    (trade,) = await in_thread(books, root, "trades", "SELECT id, side, entry_price, exit_price FROM trades")
    assert trade == ("gap_fill-20261120-1", "long", 99.6, TARGET)
    states = await in_thread(books, root, "trades", "SELECT role, status FROM orders ORDER BY role")
    assert states == [("entry", "filled"), ("stop", "canceled"), ("target", "filled")]
    assert await in_thread(books, root, "trades", "SELECT sum(quantity) FROM positions") == [(0,)]
    verdict = await in_thread(verify, live.engine.tape_path)
    assert verdict.identical, verdict.text()
    assert verdict.inputs == len(live.told)


async def test_minutes_become_a_bracket_fills_and_books_and_the_tape_replays_identically(server, root):
    live = Live(server, root)
    async with running(live):
        await until_entered(live)
        (sent,) = live.of(SubmitOrder)
        assert (sent.order_class, sent.side, sent.take_profit) == ("bracket", "buy", TARGET)
        assert server.positions["SPY"] == sent.quantity > 0
        await until_closed(live)
        await live.until(lambda: len([one for one in live.told if b"OrderCanceled" in one[0]]) == 1)
    await assert_one_trade(server, root, live)


@pytest.mark.parametrize("crash", [True, False], ids=["crash", "stop"])
async def test_a_restart_in_the_middle_goes_on_from_the_tape_and_sends_nothing_twice(server, root, crash):
    first = Live(server, root)
    async with running(first, crash=crash):
        await until_entered(first)
    second = Live(server, root)
    async with running(second):
        count = second.engine.resumed
        assert second.told[:count] == first.told
        await until_closed(second)
        await second.until(lambda: len([one for one in second.told if b"OrderCanceled" in one[0]]) == 1)
    await assert_one_trade(server, root, second)


async def test_an_entry_whose_answer_was_lost_in_a_crash_is_looked_up_and_not_sent_again(server, root):
    fault = server.faults.add("stall_after", on="POST /v2/orders")
    first = Live(server, root)
    async with running(first, crash=True):
        for number in range(4):
            await first.minute(number, FLAT)
        await server.push_minute({"SPY": FLAT}, t=None)
        first.clock.advance(server.clock.now())
        await server.until(lambda: orders_sent(server))
    server.faults.remove(fault)
    second = Live(server, root)
    async with running(second):
        await second.until(lambda: second.of(OrderAccepted))
        await second.minute(5, FLAT)
        await second.until(lambda: second.of(OrderFilled))
        await until_closed(second)
        await second.until(lambda: len([one for one in second.told if b"OrderCanceled" in one[0]]) == 1)
    await assert_one_trade(server, root, second)


async def test_after_the_halt_file_no_entry_leaves(server, root):
    live = Live(server, root)
    async with running(live):
        for number in range(3):
            await live.minute(number, FLAT)
        await in_thread(lambda: kill_switch.throw(root, "a test", at=live.clock.now()))
        await live.until(lambda: live.of(HaltThrown))
        await live.minute(3, FLAT)
        await live.minute(4, FLAT)
    assert orders_sent(server) == []
    assert not live.of(SubmitOrder)
    again = Live(server, root)
    async with running(again):
        await again.until(lambda: len(again.of(HaltThrown)) >= 2)
        await again.minute(5, FLAT)
    assert orders_sent(server) == []
    verdict = await in_thread(verify, again.engine.tape_path)
    assert verdict.identical, verdict.text()


async def test_the_tasks_that_ask_the_broker_are_done_and_in_the_books(server, root):
    live = Live(server, root)
    async with running(live):
        await live.until(lambda: len(live.of(TaskAnswered)) == 2)
    rows = "SELECT task, status, detail FROM task_log WHERE task IN {} ORDER BY task"
    names = ("sync_positions_from_broker", "validate_api_connectivity")
    synced, validated = await in_thread(books, root, "performance", rows.format(names))
    assert synced == (names[0], "done", "0 positions and 0 open orders compared with ours")
    assert validated[:2] == (names[1], "done")
    assert "account ACTIVE" in validated[2]
    verdict = await in_thread(verify, live.engine.tape_path)
    assert verdict.identical, verdict.text()


async def test_a_task_without_an_answer_is_done_by_the_next_start(server, root):
    fault = server.faults.add("stall_before", on="GET /v2/positions")
    first = Live(server, root)
    async with anyio.create_task_group() as group:
        group.start_soon(first.engine.run)
        await first.until(lambda: first.of(TaskDue))
        await server.until(lambda: server.history.requests("GET /v2/positions"))
        group.cancel_scope.cancel()
    server.faults.remove(fault)
    second = Live(server, root)
    async with running(second):
        await second.until(lambda: len(second.of(TaskAnswered)) == 2)
    assert [one.status for one in second.of(TaskAnswered)] == ["done", "done"]


async def test_a_gateway_that_crashes_comes_back_and_its_crash_is_one_row(server, root):
    live = Live(server, root)
    async with running(live):
        # What no decision actor ever sends it: the gateway raises, and is restarted around the same desk.
        live.engine.outlet.orders.offer(HaltThrown(ts_event=0, reason="not a command"))
        await until_entered(live)
    assert orders_sent(server) == [ENTRY]
    query = "SELECT component, exception_type, occurrences FROM error_log WHERE level = 'ERROR'"
    assert await in_thread(books, root, "performance", query) == [("order_gateway", "NotImplementedError", 1)]


async def test_a_session_that_is_over_hands_its_state_to_the_next(server, root):
    live = Live(server, root)
    async with running(live):
        await until_entered(live)
        await until_closed(live)
        for start in live.engine.header.phases:
            if start.ts > live.clock.now():
                live.clock.advance(start.ts)
                await live.until(lambda phase=start.phase: live.of(PhaseChanged)[-1].phase == phase)
        live.clock.advance(live.engine.header.ends)
        await live.until(lambda: b"SessionEnded" in live.told[-1][0])
    verdict = await in_thread(verify, live.engine.tape_path)
    assert verdict.identical, verdict.text()
    carried = await in_thread(carried_from, live.engine.tape_path)
    assert carried == live.engine.sequencer.carry()
    with pytest.raises(ExceptionGroup) as refused:
        async with running(Live(server, root)):
            pass
    assert "is over" in str(refused.value.exceptions[0])


async def test_the_next_session_starts_from_what_the_last_tape_ends_with(server, root):
    friday = Live(server, root)
    async with running(friday):
        await until_entered(friday)
        await until_closed(friday)
    cash = (await in_thread(carried_from, friday.engine.tape_path))["portfolio"]
    await server.move_to("2026-11-23T09:00:00-05:00")
    monday = Live(server, root, session="2026-11-23")
    async with running(monday):
        assert monday.engine.header.carried["portfolio"] == cash
    (first,) = await in_thread(books, root, "trades", "SELECT id FROM trades")
    assert first == ("gap_fill-20261120-1",)
    sessions = await in_thread(books, root, "performance", "SELECT date FROM session_log ORDER BY date")
    assert sessions == [("2026-11-20",), ("2026-11-23",)]
    assert orders_sent(server) == [ENTRY]
    verdict = await in_thread(verify, monday.engine.tape_path)
    assert verdict.identical, verdict.text()


HASTY = msgspec.structs.replace(
    SETTINGS, requests=msgspec.structs.replace(SETTINGS.requests, absent_s=0.2, pause_first_s=0.02)
)


async def test_an_exit_whose_answer_was_lost_at_the_end_of_a_session_leaves_in_the_next_one(server, root):
    friday = Live(server, root)
    async with running(friday, crash=True):
        await until_entered(friday)
        fault = server.faults.add("drop_before", on="POST /v2/orders")
        await in_thread(lambda: kill_switch.throw(root, "a test", flatten=True, at=friday.clock.now()))
        await server.until(lambda: len(orders_sent(server)) == 2)
    server.faults.remove(fault)
    await server.move_to("2026-11-23T10:00:00-05:00")
    monday = Live(server, root, HASTY, session="2026-11-23")
    async with running(monday):
        await monday.until(lambda: monday.of(OrderAccepted))
        await server.push_minute({"SPY": FLAT})
        await monday.until(lambda: monday.of(LotChanged) and monday.of(LotChanged)[-1].state == "closed")
    _, exit_order, again = orders_sent(server)
    assert exit_order == again  # the broker never had it: sent again under its own id
    assert monday.of(LotChanged)[-1].state == "closed"
    assert not any(server.positions.values())


async def test_an_entry_whose_answer_was_lost_at_the_end_of_a_session_is_abandoned_in_the_next_one(
    server, root
):
    friday = Live(server, root)
    async with running(friday, crash=True):
        fault = server.faults.add("drop_before", on="POST /v2/orders")
        for number in range(4):
            await friday.minute(number, FLAT)
        await server.push_minute({"SPY": FLAT}, t=OPEN + 4 * MINUTE)
        friday.clock.advance(OPEN + 5 * MINUTE)
        await server.until(lambda: orders_sent(server))
    server.faults.remove(fault)
    await server.move_to("2026-11-23T10:00:00-05:00")
    monday = Live(server, root, HASTY, session="2026-11-23")
    async with running(monday):
        await monday.until(lambda: monday.of(OrderRejected))
    assert monday.of(OrderRejected)[0].reason.startswith("abandoned")
    assert orders_sent(server) == [ENTRY]
    assert monday.engine.sequencer.actor("executor").carry().lots == []


async def test_other_settings_do_not_go_on_with_a_session(server, root):
    live = Live(server, root)
    async with running(live):
        await live.minute(0, FLAT)
    limits = msgspec.structs.replace(SETTINGS.account, max_positions=3)
    other = Live(server, root, msgspec.structs.replace(SETTINGS, account=limits))
    with pytest.raises(BooksRefused, match=r"the settings \(account.max_positions was 10, is 3\)"):
        await other.engine.run()


async def test_a_tape_that_no_longer_causes_what_it_caused_is_not_gone_on_with(server, root, monkeypatch):
    live = Live(server, root)
    async with running(live):
        await until_entered(live)
    monkeypatch.setattr("actors.strategies.gap_fill.MAX_STOP", 0.004)
    with pytest.raises(BooksRefused, match="no longer causes"):
        await Live(server, root).engine.run()
    assert orders_sent(server) == [ENTRY]


async def test_a_start_that_dies_before_it_looks_at_the_switch_halts_no_later_one(server, root, monkeypatch):
    """From the first tape on a root without the switch's directory is halted: it is made before."""
    came = anyio.Event()

    async def come_to_it(_: KillSwitch) -> None:
        came.set()
        await anyio.sleep_forever()

    with monkeypatch.context() as patch:
        patch.setattr(KillSwitch, "start", come_to_it)
        async with anyio.create_task_group() as group:
            group.start_soon(Live(server, root).engine.run)
            await came.wait()
            group.cancel_scope.cancel()
    live = Live(server, root)
    async with running(live):
        await live.minute(0, FLAT)
    assert live.engine.resumed
    assert not live.of(HaltThrown)


async def test_a_later_start_without_the_switchs_directory_is_halted(server, root):
    async with running(Live(server, root)):
        pass
    (root / kill_switch.DIRECTORY).rmdir()
    live = Live(server, root)
    async with running(live):
        await live.until(lambda: live.of(HaltThrown))
    assert "No such file or directory" in live.of(HaltThrown)[0].reason
