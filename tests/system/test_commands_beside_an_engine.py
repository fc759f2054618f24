"""The command line beside a running engine: what `status` and `strategies` are told, and what they ask."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio.to_thread
import pytest
import pytest_asyncio

from runtime.messages.risk import StrategyPaused
from storage.lock import RootLock
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, Live, lay_files, running
from tui.commands import exits
from tui.commands.standing import code_of, standing
from tui.commands.strategies import rows_of


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    lay_files(tmp_path)
    with RootLock(tmp_path):
        yield tmp_path


async def in_thread(work: Callable[[], object]):
    return await anyio.to_thread.run_sync(work)


def command(*words: str) -> int:
    from tui.commands.main import main

    return main(list(words))


async def test_status_is_told_of_streams_and_actors_and_its_exit_code_is_the_engines_health(server, root):
    live = Live(server, root)
    async with running(live):
        await live.minute(0, FLAT)
        found = await in_thread(lambda: standing(root))
    assert found["engine"]["tells"]
    assert (found["streams"]["market"], found["streams"]["orders"]) == ("up", "up")
    assert found["streams"]["last_bar"] is not None
    actors = {each["actor"] for each in found["actors"]}
    assert {"portfolio", "breaker", "executor", "gap_fill", "market_stream", "order_gateway"} <= actors
    assert found["phase"] in ("TRADING", "MARKET_OPEN")
    assert (code_of(found), found["unwell"]) == (exits.OK, [])


async def test_a_pause_is_asked_of_the_engine_and_shows_at_once(server, root, capsys):
    live = Live(server, root)
    async with running(live):
        await live.minute(0, FLAT)
        words = ["--root", str(root)]
        assert await in_thread(lambda: command("strategies", "pause", "gap_fill", *words)) == exits.OK
        (said,) = live.of(StrategyPaused)
        assert (said.strategy, said.paused) == ("gap_fill", True)
        rows, is_live = await in_thread(lambda: rows_of(root))
        assert is_live
        (row,) = [each for each in rows if each["strategy"] == "gap_fill"]
        assert (row["state"], row["wish"]) == ("PAUSED", None)
        capsys.readouterr()
        assert (
            await in_thread(lambda: command("strategies", "unpause", "gap_fill", *words, "--json"))
            == exits.OK
        )
        assert json.loads(capsys.readouterr().out)["holds_from"] == "engine"
        assert [one.paused for one in live.of(StrategyPaused)] == [True, False]
        assert await in_thread(lambda: command("strategies", "pause", "orb", *words)) == exits.FAILED
        assert "refused" in capsys.readouterr().err
