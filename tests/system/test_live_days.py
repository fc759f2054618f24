"""From one trading day into the next in one process: what ends, what is kept, what goes on."""

from pathlib import Path

import anyio
import anyio.to_thread
import pytest
import pytest_asyncio

from actors.gateways.replay_feed import TapeSession
from actors.verification import verify
from runtime.messages.broker import BrokerStreamChanged
from runtime.messages.machine import SessionStarted
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, OPEN, Live, lay_files
from tests.system.live_days import days_of, to_the_end


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


async def test_at_six_in_the_evening_the_tape_is_put_away_and_mondays_session_begins(server, root):
    live = Live(server, root)
    begun: list[str] = []
    days = days_of(live, begins=begun.append)
    live.engine = days.engine
    async with anyio.create_task_group() as group:
        group.start_soon(days.run)
        await live.ready()
        await live.minute(0, FLAT)
        await to_the_end(live)
        await live.until(
            lambda: [one.session for one in live.of(SessionStarted)] == ["2026-11-20", "2026-11-23"]
        )
        await live.until(lambda: len([one for one in live.of(BrokerStreamChanged) if one.ready]) == 2)
        monday = days.engine.header
        days.stop()
    assert begun == ["2026-11-20", "2026-11-23"]
    tapes = sorted(path.name for path in (root / "tapes").iterdir() if path.is_file())
    assert tapes == ["2026-11-20.tape.zst", "2026-11-23.tape"]
    for name in tapes:
        verdict = await anyio.to_thread.run_sync(verify, root / "tapes" / name)
        assert verdict.identical, verdict.text()
    assert monday.carried["portfolio"]
    # Friday's own daily bar, as the stream told it, is the last of Monday's history.
    panels = (await anyio.to_thread.run_sync(TapeSession, root / "tapes" / tapes[1])).panels
    spy = monday.symbols.index("SPY")
    assert panels["daily_sessions"][-1] == 20261120
    assert panels["daily"][:5, spy, -1].tolist() == list(FLAT)
    assert panels["opening_volume"][:, spy, -1].tolist() == [50_000.0] * 4
    assert live.clock.now() > OPEN


async def test_a_stop_in_the_second_session_ends_it_and_the_next_start_goes_on(server, root):
    live = Live(server, root)
    days = days_of(live)
    live.engine = days.engine
    async with anyio.create_task_group() as group:
        group.start_soon(days.run)
        await live.ready()
        await live.minute(0, FLAT)
        await to_the_end(live)
        await live.until(lambda: len([one for one in live.of(BrokerStreamChanged) if one.ready]) == 2)
        days.stop()
    again = days_of(live)
    assert again.engine.session == "2026-11-23"
    async with anyio.create_task_group() as group:
        group.start_soon(again.run)
        await again.engine.started.wait()
        assert again.engine.resumed > 0
        again.stop()
