"""A pause wished while no engine ran: it holds from the first input of the next start, once."""

import sqlite3
from pathlib import Path

import anyio.to_thread
import pytest
import pytest_asyncio

from actors.verification import verify
from runtime.errors import DataError
from runtime.messages.broker import SubmitOrder
from runtime.messages.risk import StrategyPaused
from runtime.messages.trading import SignalDropped
from storage.wishes import Wish, leave_wish, wishes_file
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, Live, lay_files, running


async def in_thread(work, *arguments):
    return await anyio.to_thread.run_sync(work, *arguments)


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


def wish(root: Path, *, paused: bool) -> None:
    leave_wish(root, Wish(strategy="gap_fill", paused=paused, by="a test", at=1))


def states(root: Path) -> list[str]:
    with sqlite3.connect(root / "db" / "performance.db") as link:
        query = "SELECT state FROM strategy_log WHERE strategy = 'gap_fill' ORDER BY session, seq, n"
        found = [state for (state,) in link.execute(query)]
    link.close()
    return found


async def test_a_paused_strategy_opens_nothing_from_the_next_start_on_and_the_tape_says_so(server, root):
    await in_thread(lambda: wish(root, paused=True))
    live = Live(server, root)
    async with running(live):
        for number in range(5):
            await live.minute(number, FLAT)
        await live.until(lambda: live.of(SignalDropped))
        assert not live.of(SubmitOrder)
    (said,) = live.of(StrategyPaused)
    assert (said.strategy, said.paused, said.by) == ("gap_fill", True, "a test")
    assert await in_thread(states, root) == ["ACTIVE", "PAUSED"]
    assert not await in_thread(wishes_file(root).exists)
    verdict = await in_thread(verify, live.engine.tape_path)
    assert verdict.identical, verdict.text()


async def test_a_wish_is_said_once_and_what_came_after_it_stands_at_the_next_start(server, root):
    await in_thread(lambda: wish(root, paused=True))
    first = Live(server, root)
    async with running(first, crash=True):
        await first.minute(0, FLAT)
        again = StrategyPaused(ts_event=first.clock.now(), strategy="gap_fill", paused=False, by="a person")
        first.engine.host.post("operator", again)
        await first.until(lambda: len(first.of(StrategyPaused)) == 2)
        await first.minute(1, FLAT)
    second = Live(server, root)
    async with running(second):
        await second.minute(2, FLAT)
    assert [one.paused for one in second.of(StrategyPaused)] == [True, False]
    assert await in_thread(states, root) == ["ACTIVE", "PAUSED", "ACTIVE"]


async def test_an_unpause_wished_in_between_lifts_the_pause_of_the_session_before(server, root):
    await in_thread(lambda: wish(root, paused=True))
    async with running(Live(server, root)):
        pass
    await in_thread(lambda: wish(root, paused=False))
    second = Live(server, root)
    async with running(second):
        await second.until(lambda: len(second.of(StrategyPaused)) == 2)
    assert await in_thread(states, root) == ["ACTIVE", "PAUSED", "ACTIVE"]


async def test_a_damaged_file_of_wishes_stops_the_start(server, root):
    def spoil() -> None:
        wish(root, paused=True)
        wishes_file(root).write_text("{")

    await in_thread(spoil)
    with pytest.raises(DataError, match="damaged"):
        await Live(server, root).engine.run()
