"""The socket while one session follows another: screens stay attached, what is asked is answered."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import pytest_asyncio

from runtime import kill_switch
from runtime.messages.machine import SessionStarted
from runtime.messages.risk import HaltThrown, StrategyPaused
from runtime.messages.screen_wire import Answer
from storage.lock import RootLock
from tests.actors.gateways.screens import Screen, ask
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import lay_files
from tests.system.turning import FRIDAY, MONDAY, Turn, turning
from tests.system.watcher import Watcher
from tests.walls import WALL_S
from tui.commands import exits
from tui.commands.main import main
from tui.commands.standing import standing


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


async def assert_monday_is_halted(turn: Turn, reason: str) -> None:
    await turn.monday()
    await turn.live.until(lambda: [one for one in turn.live.of(HaltThrown) if reason in one.reason])
    assert turn.days.engine.session == MONDAY
    assert turn.days.engine.switch.state.halted
    assert await in_thread(lambda: kill_switch.look(turn.live.root).halted)


async def test_a_screen_stays_attached_from_one_day_to_the_next(server, root):
    async with turning(server, root) as turn:
        watcher = Watcher(await Screen.attach(root))
        await watcher.until(lambda seen: seen.head and seen.head.session == FRIDAY)
        await turn.six_in_the_evening()
        await watcher.until(lambda seen: seen.head.entries.startswith("the session is over"))
        late = Watcher(await Screen.attach(root))
        await late.until(lambda seen: seen.head)
        assert late.seen.frames[0].whole
        assert late.seen.head.session == FRIDAY
        assert late.seen.tables["tasks"]
        await turn.monday()
        for one in (watcher, late):
            await one.until(lambda seen: seen.head.session == MONDAY)
            assert one.seen.frames[-1].whole
            numbers = [frame.number for frame in one.seen.frames]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            await one.until(lambda seen: seen.head.orders == "up")
            assert "ui_server" in one.seen.tables["actors"]
            await one.screen.close()


async def test_a_halt_between_two_days_is_written_and_the_next_day_begins_halted(server, root):
    async with turning(server, root) as turn:
        await turn.six_in_the_evening()
        answer = await ask(root, "halt", reason="a key at six", by="a screen")
        assert answer.ok
        assert "HALT is written" in answer.text
        assert await in_thread(lambda: kill_switch.look(root).halted)
        await assert_monday_is_halted(turn, "a key at six")


async def test_a_flatten_between_two_days_is_one_on_the_next(server, root):
    async with turning(server, root) as turn:
        await turn.six_in_the_evening()
        assert (await ask(root, "flatten", reason="all of it", by="a screen")).ok
        await assert_monday_is_halted(turn, "all of it")
        assert turn.live.of(HaltThrown)[-1].flatten


async def test_that_the_whole_account_is_to_be_closed_is_not_lost_between_two_days(server, root):
    async with turning(server, root) as turn:
        await turn.six_in_the_evening()
        answer = await ask(root, "halt", flatten=True, everything=True, reason="all of it", by="a screen")
        assert answer.ok
        assert "what is not ours too" in answer.text
        await assert_monday_is_halted(turn, "all of it")
        assert turn.live.of(HaltThrown)[-1].everything


async def test_a_signal_between_two_days_is_not_lost(server, root):
    async with turning(server, root) as turn:
        await turn.six_in_the_evening()
        os.kill(os.getpid(), signal.SIGUSR1)
        with anyio.fail_after(WALL_S):
            while not await in_thread(lambda: kill_switch.look(root).halted):
                await anyio.lowlevel.checkpoint()
        await assert_monday_is_halted(turn, "signal SIGUSR1")


async def test_the_commands_halt_and_status_reach_the_engine_between_two_days(server, root, capsys):
    async with turning(server, root) as turn:
        await turn.six_in_the_evening()
        found = await in_thread(lambda: standing(root))
        assert found["engine"]["tells"]
        assert found["session"]["date"] == FRIDAY
        assert await in_thread(lambda: main(["halt", "--root", str(root)])) == exits.OK
        said = "\n".join(capsys.readouterr().out.splitlines()[-3:])
        assert [line.split()[0] for line in said.splitlines()] == ["file", "socket", "signal"]
        assert "not reached" not in said
        assert (await in_thread(lambda: standing(root)))["halted"]
        await assert_monday_is_halted(turn, "halt by user")


async def test_what_needs_a_session_waits_for_the_next_one_or_is_refused_in_words(server, root):
    async with turning(server, root) as turn:
        await turn.six_in_the_evening()
        told: list[Answer] = []

        async def pause() -> None:
            told.append(await ask(root, "pause_strategy", strategy="gap_fill", by="a screen"))

        await pause()
        assert not told[0].ok
        assert "ask again" in told[0].text
        assert (await ask(root, "hello")).text == str(os.getpid())
        assert "know no" in (await ask(root, "explain", target="nothing")).text
        async with anyio.create_task_group() as group:
            group.start_soon(pause)
            await turn.monday()
        assert told[1].ok, told[1].text
        assert [one.strategy for one in turn.live.of(StrategyPaused)] == ["gap_fill"]


async def test_a_stop_between_two_days_ends_it_before_the_next(server, root):
    async with turning(server, root) as turn:
        await turn.six_in_the_evening()
        assert (await ask(root, "stop")).ok
        turn.go_on()
    assert turn.days.engine.session == MONDAY
    assert not [one for one in turn.live.of(SessionStarted) if one.session == MONDAY][1:]


@pytest.mark.parametrize("steps", [0, 2, 5, 12, 30])
async def test_a_halt_in_the_very_moment_of_the_change_is_never_lost(server, root, steps):
    async with turning(server, root) as turn:
        screen = await Screen.attach(root)
        await screen.frame()
        told: list[Answer] = []

        async def halt() -> None:
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            told.append(await screen.ask("halt", reason="at six", by="a screen"))

        turn.go_on()
        async with anyio.create_task_group() as group:
            # Six o'clock comes without a pause, and the halt so many turns of the loop after it.
            turn.live.clock.advance(turn.live.engine.header.ends)
            group.start_soon(halt)
        assert told[0].ok, told[0].text
        await assert_monday_is_halted(turn, "at six" if "written" in told[0].text else "")
        await screen.close()
