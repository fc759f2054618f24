"""The engine as screens and commands reach it: over its socket, beside a loopback account."""

import json
import sqlite3
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest
import pytest_asyncio

from actors.market.calendar import sessions_between
from runtime import kill_switch
from runtime.messages.broker import OrderAccepted, OrderFilled, SubmitOrder
from runtime.messages.machine import ErrorResolved
from runtime.messages.risk import HaltConfirmed, HaltLifted, HaltThrown, StrategyPaused
from storage.lock import RootLock
from tests.actors.gateways.screens import Screen, ask
from tests.actors.screen.reader import Reader
from tests.alpaca_server.server import AlpacaServer
from tests.storage.loaders.made import daily_rows, write
from tests.system.live_day import FLAT, SETTINGS, UP, Live, lay_files, running
from tests.system.watcher import Watcher
from tests.walls import WALL_S
from tui.commands.main import main

STRATEGY = "gap_fill"
ENTRY = "gap_fill-20261120-1:e1"
EXIT = "gap_fill-20261120-1:x1"


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


def books(root: Path, name: str, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(root / "db" / f"{name}.db") as link:
        found = link.execute(query).fetchall()
    link.close()
    return found


def state_of(seen: Reader) -> str:
    row = seen.tables["strategies"].get(STRATEGY)
    return row.state if row else ""


async def until_entered(live: Live) -> None:
    for number in range(5):
        await live.minute(number, FLAT)
    await live.until(lambda: live.of(OrderAccepted))
    await live.minute(5, FLAT)
    await live.until(lambda: live.of(OrderFilled))


async def test_a_screen_sees_the_day_as_it_goes_and_one_that_comes_later_sees_the_same(server, root):
    live = Live(server, root)
    async with running(live):
        watcher = Watcher(await Screen.attach(root))
        await until_entered(live)
        await watcher.until(lambda seen: seen.tables["positions"])
        (lot,) = watcher.seen.tables["positions"].values()
        assert (lot.symbol, lot.strategy, lot.last, lot.target) == ("SPY", STRATEGY, 99.6, 99.9)
        assert watcher.seen.head.mode == "PAPER"
        assert watcher.seen.head.orders == "up"
        await live.minute(6, UP)
        await watcher.until(lambda seen: seen.tables["trades"])
        await watcher.until(lambda seen: not any(o.working for o in seen.tables["orders"].values()))
        signals = watcher.seen.tables["signals"]
        assert [row.became for row in signals.values()] == ["closed"]
        assert watcher.seen.tables["orders"][ENTRY].status == "filled"
        actors = watcher.seen.tables["actors"]
        assert {"phase_clock", "executor", "market_stream", "ui_server"} <= actors.keys()
        late = Watcher(await Screen.attach(root, read_only=True))
        await late.until(lambda seen: seen.head)
        assert late.seen.tables["trades"] == watcher.seen.tables["trades"]
        assert late.seen.tables["signals"] == signals
        await late.screen.close()
        await watcher.screen.close()


async def test_a_screen_after_a_restart_knows_the_whole_day(server, root):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)
    second = Live(server, root)
    async with running(second):
        watcher = Watcher(await Screen.attach(root))
        await watcher.until(lambda seen: seen.tables["positions"])
        assert [row.became for row in watcher.seen.tables["signals"].values()] == ["filled"]
        assert watcher.seen.tables["orders"][ENTRY].status == "filled"
        await watcher.screen.close()


async def test_a_halt_on_the_socket_is_an_input_before_its_answer_and_no_entry_leaves(server, root):
    live = Live(server, root)
    async with running(live):
        answer = await ask(root, "halt", reason="a key", by="a screen")
        assert answer.ok, answer.text
        assert live.of(HaltThrown)[0].reason == "a key"
        assert live.engine.switch.state.halted
        await live.until(lambda: live.of(HaltConfirmed))
        for number in range(5):
            await live.minute(number, FLAT)
        assert not live.of(SubmitOrder)
        with anyio.fail_after(WALL_S):  # the file is written beside the answer
            while not await anyio.to_thread.run_sync(lambda: kill_switch.look(root).halted):
                await anyio.lowlevel.checkpoint()
        resumed = await ask(root, "resume", by="a screen")
        assert resumed.ok, resumed.text
        assert live.of(HaltLifted)[0].by == "a screen"
        assert not await anyio.to_thread.run_sync(lambda: kill_switch.look(root).halted)


async def test_flatten_on_the_socket_sells_what_is_held(server, root):
    live = Live(server, root)
    async with running(live):
        await until_entered(live)
        answer = await ask(root, "flatten", reason="enough", by="a screen")
        assert answer.ok
        assert live.of(HaltThrown)[-1].flatten
        await live.until(lambda: any(one.client_order_id == EXIT for one in live.of(OrderAccepted)))
        await live.minute(6, FLAT)
        await live.until(lambda: live.of(HaltConfirmed))
    assert live.of(HaltConfirmed)[-1].flat


async def test_flatten_names_what_is_not_ours_and_all_closes_it_too(server, root):
    server.hold("TSLA", 5, 200)
    await server.push_minute({"TSLA": FLAT})
    live = Live(server, root)
    async with running(live):
        await until_entered(live)
        named = await ask(root, "external", by="a screen")
        assert (named.ok, named.text) == (True, "TSLA 5 shares")
        answer = await ask(root, "flatten", reason="enough", by="a screen")
        assert "not ours, and left: TSLA 5 shares" in answer.text
        await live.until(lambda: any(one.client_order_id == EXIT for one in live.of(OrderAccepted)))
        await live.minute(6, FLAT)
        await live.until(lambda: live.of(HaltConfirmed))
        assert server.positions == {"TSLA": 5}
        answer = await ask(root, "halt", reason="all of it", by="a screen", everything=True)
        assert "not ours too: TSLA 5 shares" in answer.text
        assert (live.of(HaltThrown)[-1].flatten, live.of(HaltThrown)[-1].everything) == (True, True)
        await server.until(lambda: any(one.is_live and one.symbol == "TSLA" for one in server.orders))
        await server.push_minute({"TSLA": FLAT})
        await server.until(lambda: not server.positions)


async def test_a_paused_strategy_enters_nothing_until_it_is_unpaused_the_next_session_too(server, root):
    live = Live(server, root)
    async with running(live):
        watcher = Watcher(await Screen.attach(root))
        answer = await watcher.ask("pause_strategy", strategy=STRATEGY, by="a screen")
        assert answer.ok, answer.text
        assert live.of(StrategyPaused)[0].paused
        await watcher.until(lambda seen: state_of(seen) == "PAUSED")
        for number in range(6):
            await live.minute(number, FLAT)
        assert not live.of(SubmitOrder)
        await watcher.screen.close()
    await server.move_to("2026-11-23T09:00:00-05:00")
    monday = Live(server, root, session="2026-11-23")
    async with running(monday):
        watcher = Watcher(await Screen.attach(root))
        await watcher.until(lambda seen: state_of(seen) == "PAUSED")
        assert (await watcher.ask("unpause_strategy", strategy=STRATEGY)).ok
        await watcher.until(lambda seen: state_of(seen) not in ("", "PAUSED"))
        await watcher.screen.close()


async def test_a_strategy_that_does_not_exist_is_not_paused(server, root):
    live = Live(server, root)
    async with running(live):
        answer = await ask(root, "pause_strategy", strategy="gap_fil")
        assert not answer.ok
        assert "did you mean gap_fill?" in answer.text
        assert not live.of(StrategyPaused)


async def test_an_error_is_resolved_with_a_note_in_the_books_and_on_the_screen(server, root):
    live = Live(server, root)
    async with running(live):
        live.engine.outlet.orders.offer(HaltThrown(ts_event=0, reason="not a command"))
        watcher = Watcher(await Screen.attach(root))
        await watcher.until(lambda seen: any(e.level == "ERROR" for e in seen.tables["errors"].values()))
        (error,) = [e for e in watcher.seen.tables["errors"].values() if e.level == "ERROR"]
        assert error.component == "order_gateway"
        assert (await watcher.ask("resolve_error", target=error.key, note="known")).ok
        assert live.of(ErrorResolved)[0].note == "known"
        await watcher.until(lambda seen: seen.tables["errors"][error.key].resolved)
        await watcher.until(lambda seen: seen.head.errors == 0)
        await watcher.screen.close()
    query = "SELECT is_resolved, note FROM error_log WHERE level = 'ERROR'"
    assert await anyio.to_thread.run_sync(books, root, "performance", query) == [(1, "known")]


async def test_explain_tells_the_chain_of_an_order_from_the_books(server, root):
    live = Live(server, root)
    async with running(live):
        await until_entered(live)
        answer = await ask(root, "explain", target=ENTRY)
        assert answer.ok, answer.text
        found = msgspec.json.decode(answer.body)
        kinds = {link["kind"] for lot in found["lots"] for link in lot["links"]}
        assert {"bar", "signal", "sizing", "approved", "order"} <= kinds
        assert "know no" in (await ask(root, "explain", target="nothing")).text


async def test_stop_on_the_socket_ends_the_engine_in_order(server, root):
    live = Live(server, root)
    async with running(live):
        assert (await ask(root, "stop")).ok
        with anyio.fail_after(WALL_S):
            await live.engine._stop.wait()


async def test_a_command_nobody_knows_is_said_to_be_one(server, root):
    live = Live(server, root)
    async with running(live):
        assert "did you mean halt?" in (await ask(root, "hallt")).text
        assert (await ask(root, "hello")).ok


async def test_the_seeds_letter_ends_the_engine_once_the_halt_is_confirmed(server, root):
    chosen = msgspec.structs.replace(
        SETTINGS, kill_switch=msgspec.structs.replace(SETTINGS.kill_switch, exit_process=True)
    )
    live = Live(server, root, chosen)
    async with running(live):
        assert (await ask(root, "halt")).ok
        with anyio.fail_after(WALL_S):
            await live.engine._stop.wait()
    assert live.engine.is_ended_by_halt


async def test_symbols_without_a_place_in_the_data_plan_are_named_in_the_status(server, root, capsys):
    before = sessions_between("2026-08-01", "2026-11-19")[-60:]
    ones = [1.0] * len(before)
    daily = root / "data" / "historical" / "daily" / "qqq.parquet"
    write(daily, daily_rows("QQQ", before, [300.0] * len(before)), price_factor=ones, split_factor=ones)
    chosen = msgspec.structs.replace(SETTINGS, data=msgspec.structs.replace(SETTINGS.data, stream_symbols=1))
    lock = RootLock(root)
    await anyio.to_thread.run_sync(lock.__enter__)
    live = Live(server, root, chosen)
    async with running(live):
        assert server.stream.subscribed("bars") == ["SPY"]
        await anyio.to_thread.run_sync(lambda: main(["status", "--root", str(root), "--json"]))
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert found["streams"]["not_streamed"] == 1
        (stream,) = [each for each in found["actors"] if each["actor"] == "market_stream"]
        assert stream["detail"] == "not streamed: gap_fill: QQQ"
        await anyio.to_thread.run_sync(lambda: main(["status", "--root", str(root)]))
        assert "no data    1 symbols: not streamed: gap_fill: QQQ" in capsys.readouterr().out
    await anyio.to_thread.run_sync(lambda: lock.__exit__(None, None, None))
