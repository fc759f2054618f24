import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest

from actors.gateways import kill_watch
from actors.gateways.kill_watch import KillSwitch, KillWatch
from runtime import kill_switch
from runtime.kernel.clock import ReplayClock
from runtime.kernel.gateway import Inbox
from runtime.kill_switch import CLEAR, look, read
from runtime.messages.base import Input
from runtime.messages.machine import Source
from runtime.messages.risk import HaltLifted, HaltThrown, PhaseChanged
from tests.walls import WALL_S

AT = 1_520_262_000_000_000_000


class Posted:
    """The inputs, and a way to wait for the next one."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self._came = asyncio.Event()

    def __call__(self, source: Source, message: Input, /) -> None:
        assert source == "operator"  # so the system lane takes it
        self.inputs.append(message)
        self._came.set()

    async def told(self, count: int) -> list[Input]:
        with anyio.fail_after(WALL_S):
            while len(self.inputs) < count:
                self._came.clear()
                await self._came.wait()
        return self.inputs


def thrown(reason: str, *, flatten: bool = False) -> HaltThrown:
    return HaltThrown(ts_event=AT, reason=reason, flatten=flatten)


def lifted(by: str) -> HaltLifted:
    return HaltLifted(ts_event=AT, by=by)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    kill_switch.prepare(tmp_path)
    return tmp_path


def halt(root: Path) -> Path:
    return root / "killswitch" / "HALT"


def switch_of(root: Path, **more: bool) -> tuple[KillSwitch, Posted]:
    posted = Posted()
    return KillSwitch(root, posted, ReplayClock(AT), **more), posted


@asynccontextmanager
async def watching(switch: KillSwitch, posted: Posted) -> AsyncIterator[KillWatch]:
    watch = KillWatch("kill_watch", Inbox(), posted, switch=switch)
    async with anyio.create_task_group() as group:
        group.start_soon(watch.run)
        await asyncio.to_thread(until, lambda: inotify_watches() >= 2)
        try:
            yield watch
        finally:
            watch.request_stop()


def begin(switch: KillSwitch) -> kill_switch.State:
    return asyncio.run(switch.start())


def inotify_watches() -> int:
    """How many places this process watches, by what the kernel says of its descriptors."""
    count = 0
    for number in os.listdir("/proc/self/fdinfo"):
        try:
            text = Path(f"/proc/self/fdinfo/{number}").read_text()
        except OSError:
            continue
        count += text.count("inotify wd:")
    return count


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WALL_S
    while not done():
        assert time.monotonic() < deadline
        os.sched_yield()


# ---- looking --------------------------------------------------------------------------------------


def test_a_clear_switch_says_nothing(root: Path) -> None:
    switch, posted = switch_of(root)
    assert (begin(switch), switch.look(), posted.inputs) == (CLEAR, CLEAR, [])


def test_the_look_before_an_order_finds_tells_and_latches(root: Path) -> None:
    switch, posted = switch_of(root)
    begin(switch)
    kill_switch.throw(root, "odd fills", at=AT)
    assert switch.look().halted
    assert switch.look() == kill_switch.State(True, "odd fills")
    halt(root).unlink()
    assert switch.look().halted
    assert posted.inputs == [thrown("odd fills")]


def test_a_start_with_the_file_there_is_halted_before_anything_trades(root: Path) -> None:
    halt(root).symlink_to("nowhere")
    switch, posted = switch_of(root)
    assert begin(switch).halted
    assert posted.inputs == [thrown("nowhere")]


def test_a_directory_that_is_missing_is_a_halt_but_a_prepared_root_has_one(tmp_path: Path) -> None:
    switch, posted = switch_of(tmp_path)
    assert begin(switch).halted
    assert len(posted.inputs) == 1
    kill_switch.prepare(tmp_path)
    switch, posted = switch_of(tmp_path)
    assert (begin(switch), posted.inputs) == (CLEAR, [])
    assert look(tmp_path) == CLEAR


def test_preparing_a_root_does_not_mend_a_directory_that_is_wrong(root: Path) -> None:
    (root / "killswitch").chmod(0o777)
    kill_switch.prepare(root)
    switch, _ = switch_of(root)
    assert begin(switch).halted
    assert (root / "killswitch").stat().st_mode & 0o777 == 0o777


def test_a_halt_of_the_books_outlives_a_file_that_was_only_removed(root: Path) -> None:
    switch, posted = switch_of(root, was_halted=True)
    assert begin(switch).halted
    assert posted.inputs == [thrown("HALT was removed while no engine ran; only `resume` lifts it")]


def test_a_halt_of_the_books_ends_with_the_receipt_of_a_resume(root: Path) -> None:
    kill_switch.throw(root, "x", at=AT)
    kill_switch.lift(root, "ann", at=AT)
    switch, posted = switch_of(root, was_halted=True)
    assert begin(switch) == CLEAR
    assert posted.inputs == [lifted("ann")]
    assert begin(switch) == CLEAR
    assert len(posted.inputs) == 1


def test_before_the_first_look_nothing_may_leave(root: Path) -> None:
    switch, _ = switch_of(root)
    assert switch.why_halted() == "the kill switch has not been looked at yet"


async def test_a_sender_in_a_thread_is_told_why_and_the_loop_latches_it(root: Path) -> None:
    switch, posted = switch_of(root)
    await switch.start()
    assert await asyncio.to_thread(switch.why_halted) == ""
    await asyncio.to_thread(kill_switch.throw, root, "odd fills", at=AT)
    assert await asyncio.to_thread(switch.why_halted) == f"{halt(root)} is there (file)"
    assert await posted.told(1) == [thrown("odd fills")]
    assert await asyncio.to_thread(switch.why_halted) == "odd fills"


def test_a_setting_makes_every_halt_close_all_positions(root: Path) -> None:
    switch, posted = switch_of(root, flattens=True)
    kill_switch.throw(root, "x", at=AT)
    begin(switch)
    assert posted.inputs == [thrown("x", flatten=True)]


# ---- watching -------------------------------------------------------------------------------------


def touch(root: Path) -> None:
    halt(root).touch()


def make_directory(root: Path) -> None:
    halt(root).mkdir()


def make_link(root: Path) -> None:
    halt(root).symlink_to("nowhere")


def command(root: Path) -> None:
    kill_switch.throw(root, "x", at=AT)


def move_directory(root: Path) -> None:
    (root / "killswitch").rename(root / "moved")


def open_directory(root: Path) -> None:
    (root / "killswitch").chmod(0o777)


@pytest.mark.parametrize("make", [touch, make_directory, make_link, command, move_directory, open_directory])
async def test_whatever_makes_it_a_halt_is_told_at_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    # It is told by an event: the look that needs none comes long after the wall.
    monkeypatch.setattr(kill_watch, "_AGAIN_MS", round(10_000 * WALL_S))
    switch, posted = switch_of(root)
    async with watching(switch, posted):
        await asyncio.to_thread(make, root)
        (message,) = await posted.told(1)
    assert isinstance(message, HaltThrown)
    assert not message.flatten
    assert switch.state.halted


async def test_a_file_removed_under_the_engine_is_written_back_with_its_words(root: Path) -> None:
    switch, posted = switch_of(root)
    async with watching(switch, posted):
        await asyncio.to_thread(kill_switch.throw, root, "odd fills", flatten=True, at=AT)
        await posted.told(1)
        for _ in range(3):
            await asyncio.to_thread(halt(root).unlink)
            await asyncio.to_thread(until, halt(root).exists)
        assert read(root) == kill_switch.Order("odd fills", True, "2018-03-05T15:00:00Z")
    assert posted.inputs == [thrown("odd fills", flatten=True)]
    assert kill_switch.resumed_by(root) is None


async def test_a_removed_directory_is_made_again_and_watched_again(root: Path) -> None:
    switch, posted = switch_of(root)
    async with watching(switch, posted):
        await asyncio.to_thread(kill_switch.throw, root, "x", at=AT)
        await posted.told(1)
        for number in range(2):
            await asyncio.to_thread((root / "killswitch").rename, root / f"old{number}")
            await asyncio.to_thread(until, halt(root).exists)
    assert posted.inputs == [thrown("x")]


async def test_a_second_halt_that_wants_all_sold_is_told_a_plain_one_is_not(root: Path) -> None:
    switch, posted = switch_of(root)
    async with watching(switch, posted):
        await asyncio.to_thread(kill_switch.throw, root, "first", at=AT)
        await posted.told(1)
        await asyncio.to_thread(kill_switch.throw, root, "plain", at=AT)
        await asyncio.to_thread(kill_switch.throw, root, "sell", flatten=True, at=AT)
        await posted.told(2)
    assert posted.inputs == [thrown("first"), thrown("sell", flatten=True)]


async def test_each_wish_beyond_the_last_is_told_and_written_back(root: Path) -> None:
    switch, posted = switch_of(root)
    async with watching(switch, posted):
        await asyncio.to_thread(kill_switch.throw, root, "ours", flatten=True, at=AT)
        await posted.told(1)
        await asyncio.to_thread(kill_switch.throw, root, "all", flatten=True, everything=True, at=AT)
        await posted.told(2)
        switch.throw("plain")
        await posted.told(3)
        await asyncio.to_thread(halt(root).unlink)
        await asyncio.to_thread(until, halt(root).exists)
        assert read(root).everything
    assert [(one.flatten, one.everything) for one in posted.inputs] == [  # type: ignore[union-attr]
        (True, False), (True, True), (True, True),
    ]  # fmt: skip


async def test_sigusr1_halts_and_writes_the_file(root: Path) -> None:
    switch, posted = switch_of(root)
    async with watching(switch, posted):
        os.kill(os.getpid(), signal.SIGUSR1)
        await posted.told(1)
        await asyncio.to_thread(until, halt(root).exists)
        os.kill(os.getpid(), signal.SIGUSR1)
    assert posted.inputs == [thrown("signal SIGUSR1")]
    assert read(root).reason == "signal SIGUSR1"


async def test_the_operators_commands_throw_and_lift(root: Path) -> None:
    switch, posted = switch_of(root)
    async with watching(switch, posted) as watch:
        watch.inbox.offer(thrown("key K", flatten=True))
        await posted.told(1)
        await asyncio.to_thread(until, halt(root).exists)
        watch.inbox.offer(lifted("ann"))
        await posted.told(2)
        assert switch.look() == CLEAR
        await asyncio.to_thread(kill_switch.throw, root, "again", at=AT)
        await posted.told(3)
    assert posted.inputs == [thrown("key K", flatten=True), lifted("ann"), thrown("again")]


async def test_a_lift_that_fails_leaves_it_halted(root: Path) -> None:
    switch, posted = switch_of(root)
    async with watching(switch, posted) as watch:
        await asyncio.to_thread((halt(root) / "precious").mkdir, parents=True)
        await posted.told(1)
        watch.inbox.offer(lifted("ann"))
    assert switch.state.halted
    assert [type(message) for message in posted.inputs] == [HaltThrown]


async def test_a_change_of_phase_is_a_look(root: Path) -> None:
    switch, posted = switch_of(root)
    watch = KillWatch("kill_watch", Inbox(), posted, switch=switch)
    await asyncio.to_thread(touch, root)
    await watch.handle(PhaseChanged(ts_event=AT, cause=1, phase="TRADING", previous="MARKET_OPEN"))
    assert posted.inputs == [thrown(f"{halt(root)} is there")]


async def test_a_halt_thrown_while_the_watcher_was_down_is_written_by_the_next_one(root: Path) -> None:
    switch, posted = switch_of(root)
    await switch.start()
    switch.throw("key K")
    assert not await asyncio.to_thread(halt(root).exists)
    async with watching(switch, posted):
        await asyncio.to_thread(until, halt(root).exists)
    assert posted.inputs == [thrown("key K")]


async def test_two_who_attend_at_once_write_one_after_the_other(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, release = threading.Event(), threading.Event(), threading.Event()
    write = kill_watch._keep_file

    def slow(*about: Any) -> str:
        if first.is_set():
            second.set()
        first.set()
        release.wait(WALL_S)
        return write(*about)

    monkeypatch.setattr(kill_watch, "_keep_file", slow)
    switch, posted = switch_of(root)
    await switch.start()
    switch.throw("key K")
    both = asyncio.gather(switch.attend(), switch.attend())
    assert await asyncio.to_thread(first.wait, WALL_S)
    assert not await asyncio.to_thread(second.wait, 0.2), "two drafts of one name would spoil each other"
    release.set()
    await both
    assert await asyncio.to_thread(os.listdir, halt(root).parent) == ["HALT"]
    assert not await asyncio.to_thread(halt(root).is_symlink)
    assert posted.inputs == [thrown("key K")]


async def test_a_root_that_cannot_be_written_stays_halted_in_memory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    switch, posted = switch_of(root)
    monkeypatch.setattr(kill_switch, "throw", full)
    async with watching(switch, posted) as watch:
        watch.inbox.offer(thrown("key K"))
        await posted.told(1)
        await switch.attend()
    assert switch.look().halted
    assert posted.inputs == [thrown("key K")]


async def test_a_halt_adopted_from_a_file_takes_an_old_receipt_away(root: Path) -> None:
    await asyncio.to_thread(kill_switch.lift, root, "ann", at=AT)
    switch, posted = switch_of(root)
    async with watching(switch, posted):
        await asyncio.to_thread(touch, root)
        await posted.told(1)
        await asyncio.to_thread(until, lambda: kill_switch.resumed_by(root) is None)
    assert halt(root).exists()


async def test_what_is_being_written_for_a_halt_does_not_come_after_its_lifting(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch, posted = switch_of(root)
    await switch.start()
    switch.throw("odd fills")
    await switch.attend()
    keep, lift, begun, may_go_on = kill_watch._keep_file, kill_switch.lift, asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slowly(*words: Any) -> str:
        loop.call_soon_threadsafe(begun.set)
        assert may_go_on.wait(WALL_S)
        return keep(*words)

    def lifted_first(*words: Any, **more: Any) -> None:
        lift(*words, **more)
        may_go_on.set()

    monkeypatch.setattr(kill_watch, "_keep_file", slowly)
    monkeypatch.setattr(kill_switch, "lift", lifted_first)
    async with anyio.create_task_group() as group:
        group.start_soon(switch.attend)
        await begun.wait()
        group.start_soon(switch.lift, "ann")
        while not may_go_on.is_set():
            await anyio.lowlevel.checkpoint()
            if switch._writing._waiters:  # the lifting waits for its turn
                may_go_on.set()
    assert look(root) == switch.state == CLEAR
    assert await asyncio.to_thread(kill_switch.resumed_by, root) == "ann"
    assert posted.inputs == [thrown("odd fills"), lifted("ann")]


async def test_a_halt_thrown_while_another_is_lifted_stands(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch, posted = switch_of(root)
    await switch.start()
    switch.throw("odd fills")
    await switch.attend()
    lift = kill_switch.lift

    def meanwhile(*words: Any, **more: Any) -> None:
        lift(*words, **more)
        anyio.from_thread.run_sync(lambda: switch.throw("and now this"))

    monkeypatch.setattr(kill_switch, "lift", meanwhile)
    switch.wake.clear()
    with pytest.raises(kill_switch.NotLifted, match="halted again meanwhile: and now this"):
        await switch.lift("ann")
    assert (switch.state.halted, switch.state.reason) == (True, "and now this")
    assert switch.wake.is_set()
    await switch.attend()
    assert (await asyncio.to_thread(read, root)).reason == "and now this"
    assert posted.inputs == [thrown("odd fills"), thrown("and now this")]
