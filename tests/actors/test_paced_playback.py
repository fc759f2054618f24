"""A playback at a person's pace decides what one at full speed decides, wherever it is stopped or sent."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from actors.gateways.bookkeeper import Bookkeeper
from actors.gateways.replay_feed import MadeSession, TapeSession
from actors.paced_playback import PacedPlayback
from actors.paced_reel import Plan
from actors.paced_session import PacedSession, read_session
from actors.playback import Playback
from actors.verification import verify
from runtime.error_sink import ErrorSink
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.messages.screen_wire import Answer
from storage.panels import PanelStore
from storage.tape import TapeWriter
from tests.actors.gateways.screens import Screen, ask
from tests.actors.screen.reader import Reader
from tests.system import days
from tests.system.recordings import DEMO, demo_market
from tests.walls import WALL_S

BOOKS = "replay:paced"
SETTINGS = days.settings(DEMO)
SECOND = 1_000_000_000


@cache
def at_full_speed(count: int) -> tuple[str, int]:
    """What the first sessions decide, and how many orders they send."""
    player = Playback(SETTINGS, books=BOOKS)
    summary = player.run([MadeSession(made) for made in demo_market()[:count]])
    return summary.decisions_sha256, summary.orders


class Paced:
    """A playback of the demo's first sessions on a socket."""

    def __init__(self, root: Path, count: int, speed: float, real: LiveClock | ReplayClock) -> None:
        self.root, self.real = root, real
        self.tapes = root / "tapes"
        self.tape: TapeWriter | None = None
        store = PanelStore(self.tapes / "blobs")
        self.ready = anyio.Event()
        self.playback = PacedPlayback(
            Plan(
                sessions=[lambda made=made: MadeSession(made, store) for made in demo_market()[:count]],
                settings=SETTINGS,
                root=root,
                books=BOOKS,
                mode="DEMO",
                record=self._record,
                speed=speed,
            ),
            real=real,
            errors=ErrorSink(),
            ready=self.ready.set,
        )
        self.transport = None
        self.screen: Screen
        self.seen = Reader()

    def _record(self, header) -> TapeWriter:
        self.tape = TapeWriter(self.tapes / f"{header.session}.tape", header, durable=False)
        return self.tape

    async def until(self, holds) -> None:
        with anyio.fail_after(WALL_S):
            while not holds():
                self.take(await self.screen.frame())

    def take(self, frame) -> None:
        self.seen.take(frame)
        self.transport = frame.transport or self.transport

    async def ask(self, command: str, **fields) -> Answer:
        return await ask(self.root, command, **fields)

    async def ended(self) -> None:
        await self.until(lambda: self.transport and self.transport.ended)


@asynccontextmanager
async def playing(root: Path, count: int = 1, speed: float = 0.0, real=None) -> AsyncIterator[Paced]:
    paced = Paced(root, count, speed, real or LiveClock())
    async with anyio.create_task_group() as group:
        group.start_soon(paced.playback.run)
        await paced.ready.wait()
        paced.screen = await Screen.attach(root)
        yield paced
        await paced.screen.close()
        paced.playback.stop()
    if paced.tape is not None:
        await anyio.to_thread.run_sync(paced.tape.abandon)


def books(root: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(root / "db" / "trades.db") as link:
        found = link.execute(query).fetchall()
    link.close()
    return found


async def in_thread(work, *arguments):
    return await anyio.to_thread.run_sync(work, *arguments)


async def assert_as_at_full_speed(paced: Paced, count: int) -> None:
    """Books, tapes and decisions are those of a plain playback."""
    decisions, orders = at_full_speed(count)
    found = await in_thread(books, paced.root, "SELECT count(*) FROM orders WHERE role = 'entry'")
    entries = await in_thread(plain_entries, count)
    assert found == [(entries,)]
    for path in sorted(paced.tapes.glob("*.tape")):
        verdict = await in_thread(verify, path)
        assert verdict.identical, verdict.text()
    if count == 1:
        assert paced.playback.session.sequencer.decisions_hash.hexdigest() == decisions
        assert paced.playback.session.orders == orders


@cache
def plain_entries(count: int) -> int:
    run = days.play(demo_market()[:count], SETTINGS)
    return run.trades.execute("SELECT count(*) FROM orders WHERE role = 'entry'").fetchone()[0]


def test_stepped_event_by_event_a_session_decides_what_it_decides_at_once() -> None:
    recording = read_session(MadeSession(demo_market()[0]), SETTINGS, {}, BOOKS)
    session = PacedSession(recording, SETTINGS)
    last = 0
    while not session.is_over:
        assert session.due() >= last
        last = session.due()
        session.step()
    session.step()
    assert (session.sequencer.decisions_hash.hexdigest(), session.orders) == at_full_speed(1)


async def test_it_plays_two_sessions_and_stays_open_at_the_end(
    tmp_path: Path,
) -> None:
    async with playing(tmp_path, count=2) as paced:
        await paced.ended()
        assert (paced.transport.place, paced.transport.sessions) == (1, 2)
        assert not (await paced.ask("play")).ok
        assert (await paced.ask("hello")).ok
        assert paced.seen.head.mode == "DEMO"
        assert len(paced.seen.tables["trades"]) > 0
    await assert_as_at_full_speed(paced, 2)


async def test_it_waits_as_the_speed_says_but_passes_the_quiet_hours(tmp_path: Path) -> None:
    clock = ReplayClock(SECOND)
    async with playing(tmp_path, speed=60.0, real=clock) as paced:
        open_at = paced.playback.session.header.open
        while paced.playback.session.due() < open_at + 120 * SECOND:
            clock.advance(clock.next_due() or clock.now())
            await anyio.lowlevel.checkpoint()
        assert clock.now() < 8 * SECOND  # fifteen hours until the first minute went by in a few steps
        begun, session = clock.now(), paced.playback.session
        first = session.due()
        while session.due() < first + 600 * SECOND:
            clock.advance(clock.next_due() or clock.now())
            await anyio.lowlevel.checkpoint()
        assert 9 * SECOND <= clock.now() - begun <= 11 * SECOND  # ten minutes at sixty times


async def test_pause_step_and_play(tmp_path: Path) -> None:
    async with playing(tmp_path, speed=1.0) as paced:
        assert (await paced.ask("pause")).ok
        session = paced.playback.session
        before = session.sequencer.inputs
        for _ in range(3):
            assert (await paced.ask("step")).ok
        assert session.sequencer.inputs >= before + 3
        assert session.at >= session.header.open  # the first minute is the next after the night
        await paced.until(lambda: paced.transport and not paced.transport.playing)
        assert (await paced.ask("speed", value=0)).ok
        assert (await paced.ask("play")).ok
        await paced.ended()
    await assert_as_at_full_speed(paced, 1)


@pytest.mark.parametrize("value", [-1.0, 1e9, float("inf")])
async def test_a_speed_that_is_none_is_refused(tmp_path: Path, value: float) -> None:
    async with playing(tmp_path, speed=1.0) as paced:
        assert not (await paced.ask("speed", value=value)).ok


async def test_seeking_on_back_and_to_orders_changes_nothing_that_is_kept(tmp_path: Path) -> None:
    async with playing(tmp_path, speed=1.0) as paced:
        assert (await paced.ask("pause")).ok
        header = paced.playback.session.header
        noon = header.open + 9_000 * SECOND
        assert (await paced.ask("seek", value=float(noon))).ok
        await paced.until(lambda: paced.transport and abs(paced.transport.at - noon) < SECOND)
        held = dict(paced.seen.tables["positions"])
        trades = dict(paced.seen.tables["trades"])
        assert (await paced.ask("seek", value=float(header.open + 60 * SECOND))).ok
        await paced.until(lambda: paced.transport.at < noon - 60 * SECOND and not paced.playback._wanted)
        await paced.until(lambda: len(paced.seen.tables["trades"]) == 0)
        assert not (await paced.ask("halt")).ok  # that has been played before
        orders = paced.playback.session.orders
        assert (await paced.ask("seek_order")).ok
        await paced.until(lambda: paced.transport.orders > orders)
        assert (await paced.ask("seek", value=float(noon))).ok
        await paced.until(lambda: paced.transport.at >= noon - SECOND)
        await paced.until(lambda: paced.seen.tables["trades"] == trades)
        assert paced.seen.tables["positions"] == held
        assert (await paced.ask("speed", value=0)).ok
        assert (await paced.ask("play")).ok
        await paced.ended()
    await assert_as_at_full_speed(paced, 1)


async def test_back_from_the_second_session_to_the_first_and_on_again(tmp_path: Path) -> None:
    async with playing(tmp_path, count=2) as paced:
        await paced.ended()
        first = demo_market()[0]
        assert (await paced.ask("seek", value=float(first.open + 600 * SECOND))).ok
        await paced.until(lambda: paced.transport.place == 0)
        assert paced.seen.head.session == first.session
        assert (await paced.ask("play")).ok
        await paced.until(lambda: paced.transport.ended and paced.transport.place == 1)
    await assert_as_at_full_speed(paced, 2)


async def test_a_halt_is_the_runs_own_and_comes_again_at_its_place(tmp_path: Path) -> None:
    async with playing(tmp_path, speed=1.0) as paced:
        await paced.ask("pause")
        header = paced.playback.session.header
        early = header.open + 240 * SECOND
        await paced.ask("seek", value=float(early))
        await paced.until(lambda: paced.transport and abs(paced.transport.at - early) < SECOND)
        answer = await paced.ask("halt", reason="enough")
        assert answer.ok, answer.text
        await paced.until(lambda: paced.seen.head.halted)
        assert paced.seen.head.halt_reason == "enough"
        sent = paced.playback.session.orders
        assert not (tmp_path / "killswitch").exists()
        await paced.ask("seek", value=float(header.open))
        await paced.until(lambda: not paced.seen.head.halted)
        await paced.ask("seek", value=float(header.close - SECOND))
        await paced.until(lambda: paced.seen.head.halted and paced.transport.at >= header.close - 2 * SECOND)
        added = [o for o in paced.seen.tables["orders"].values() if o.role == "entry" and o.at > early]
        assert not added
        assert paced.playback.session.orders >= sent
        assert (await paced.ask("resume", by="a test")).ok
        await paced.until(lambda: not paced.seen.head.halted)
        await paced.ask("seek", value=float(header.ends))
        await paced.ended()
    for path in sorted(paced.tapes.glob("*.tape")):
        verdict = await in_thread(verify, path)
        assert verdict.identical, verdict.text()


async def test_a_tape_is_played_as_a_made_session_is(tmp_path: Path) -> None:
    async with playing(tmp_path) as paced:
        await paced.ended()
    (path,) = sorted(paced.tapes.glob("*.tape"))
    recording = await in_thread(lambda: read_session(TapeSession(path), SETTINGS, {}, BOOKS))
    session = PacedSession(recording, SETTINGS)
    while not session.is_over:
        session.step()
    assert (session.sequencer.decisions_hash.hexdigest(), session.orders) == at_full_speed(1)


async def test_explain_and_errors_work_as_in_a_live_engine(tmp_path: Path) -> None:
    async with playing(tmp_path, count=2) as paced:
        await paced.ended()
        trade = next(iter(paced.seen.tables["trades"]))
        answer = await paced.ask("explain", target=trade)
        assert answer.ok, answer.text
        assert any(row.component == "stumbler" for row in paced.seen.tables["errors"].values())


async def test_the_history_of_alerts_is_that_of_a_run_at_full_speed(tmp_path: Path) -> None:
    def history(link: sqlite3.Connection) -> list[tuple[object, ...]]:
        return link.execute("SELECT * FROM alert_log ORDER BY id").fetchall()

    def at_once() -> list[tuple[object, ...]]:
        keeper = Bookkeeper(None, BOOKS, alerts=SETTINGS.alerts)
        Playback(SETTINGS, books=BOOKS, projection=keeper).run([MadeSession(demo_market()[0])])
        keeper.end()
        try:
            return history(keeper.books.connection("performance"))
        finally:
            keeper.close()

    def kept() -> list[tuple[object, ...]]:
        with sqlite3.connect(tmp_path / "db" / "performance.db") as link:
            found = history(link)
        link.close()
        return found

    async with playing(tmp_path) as paced:
        await paced.ended()
        shown = len(paced.playback.reel.feed.state.journal.alerts)
    wanted = await in_thread(at_once)
    assert await in_thread(kept) == wanted
    assert shown == len(wanted) > 1
