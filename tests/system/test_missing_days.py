"""A session whose start had no time for all of its daily history: the rest is there for the next one."""

from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import pytest_asyncio

from actors.live_session import Start, make_start
from actors.market.calendar import midnight, sessions_between
from storage.loaders.first_days import write_history
from storage.loaders.session_data import yyyymmdd
from tests.alpaca_server.recording import Exchange
from tests.alpaca_server.server import AlpacaServer
from tests.storage.loaders.made import told
from tests.system.live_day import BOOKS, SESSION, SETTINGS, Live, lay_files, running
from tests.walls import WALL_S

DAYS = sessions_between("2026-08-01", "2026-11-19")[-60:]
BAR = (100.0, 101.0, 99.0, 100.0, 1e6)


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What an earlier start got of the broker: SPY, and not the member of a sector that it asked for too."""
    lay_files(tmp_path)
    folder = tmp_path / "data" / "historical" / "daily"
    (folder / "spy.parquet").unlink()
    since = yyyymmdd(sessions_between("2025-01-01", DAYS[0])[0])
    write_history(folder, [told({("SPY", midnight(day)): BAR for day in DAYS})], since, yyyymmdd(DAYS[-1]))
    return tmp_path


async def test_the_rest_is_read_while_the_session_runs_and_counts_from_the_next_start(server, root):
    for name in ("SPY", "AAA"):
        server.lay_in(name, {midnight(day): BAR for day in DAYS}, "1Day")
    live = Live(server, root)
    async with running(live):
        assert live.engine.header.symbols == ("SPY",)
        await server.until(lambda: len(_asked(server)) == 3, WALL_S)
        assert live.engine.header.symbols == ("SPY",)
        with anyio.fail_after(WALL_S):
            while live.engine.supervisor.figures()["missing_days"].state != "done":
                await anyio.lowlevel.checkpoint()
    assert {one.query["adjustment"] for one in _asked(server)} == {"raw", "split", "all"}

    def again() -> Start:
        return make_start(root, SESSION, SETTINGS, books=BOOKS, now=live.clock.now())

    assert (await anyio.to_thread.run_sync(again)).header.symbols == ("AAA", "SPY")


def _asked(server: AlpacaServer) -> list[Exchange]:
    asked = server.history.requests("GET /v2/stocks/bars")
    return [one for one in asked if "AAA" in one.query["symbols"]]
