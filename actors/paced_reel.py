"""The sessions of a paced playback, one of which is in hand: its actors, its screen, its place in the books.

What was played before comes again when a session is begun again: into the screen, not into books and tape.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import anyio.lowlevel
import anyio.to_thread
import msgspec

from actors.alerting.watch import ReplayedAlerts
from actors.gateways.db_writer import DbWriter
from actors.paced_session import Given, PacedSession, Recording, read_session
from actors.playback import ClosableRecorder, Session
from actors.screen.feed import Feed
from actors.screen.frames import Frames, Looks
from actors.screen.journal import Journal
from actors.screen.seed import Past, seed
from actors.screen.shown import Shown
from actors.screen.state import ScreenState
from config.schema import Settings
from runtime.error_sink import ErrorSink
from runtime.messages.base import Command, Input, Message
from runtime.messages.machine import ActorCrashed, Source
from runtime.messages.screen import Mode, Transport
from runtime.messages.session import SessionHeader
from storage.projection import Projection
from storage.statements import NOTHING, Mark


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is played.

    Attributes:
        sessions: Make each session afresh, in order; called in a worker thread.
        root: Where books and socket are; the caller holds its lock. books: whose they are.
        record: Makes the tape of a session, or None. speed: market seconds a second; 0: as fast as it goes.
    """

    sessions: Sequence[Callable[[], Session]]
    settings: Settings
    root: Path
    books: str
    mode: Mode
    record: Callable[[SessionHeader], ClosableRecorder] | None = None
    speed: float = 60.0


class Frontier:
    """A recorder, and a measure of how far the playback has ever been: only what is beyond it is told."""

    def __init__(self) -> None:
        self.reached = NOTHING
        self.mark = NOTHING
        self.tape: ClosableRecorder | None = None

    def is_new(self) -> bool:
        """Whether the input in hand is handled for the first time."""
        return self.mark > self.reached

    def input(self, seq: int, at: int, source: Source, message: Input) -> None:
        """A new input, or one that comes again."""
        self.mark = Mark(self.mark.session, seq)
        if self.tape is not None and self.is_new():
            self.tape.input(seq, at, source, message)

    def command(self, seq: int, message: Command) -> None:
        """A command that leaves."""
        if self.tape is not None and self.is_new():
            self.tape.command(seq, message)

    def crash(self, crash: ActorCrashed) -> None:
        """A crash."""
        if self.tape is not None and self.is_new():
            self.tape.crash(crash)

    def caused(self, seq: int, count: int, digest: bytes) -> None:
        """The input is handled."""
        if self.tape is not None and self.is_new():
            self.tape.caused(seq, count, digest)


class Reel:
    """Begins sessions, hears what they cause, and keeps what they hand on.

    Args:
        db: Writes the books. errors: shown too.
        now, real: Market time and wall time. transport: where the playback stands.

    Attributes:
        place: Of the session in hand among all. session, feed: its actors; what a screen is told of it.
        shown: Its frames, and those of the session that takes its place.
        turning: Held while one session takes the place of another.
    """

    def __init__(
        self,
        plan: Plan,
        db: DbWriter,
        errors: ErrorSink,
        *,
        now: Callable[[], int],
        real: Callable[[], int],
        transport: Callable[[], Transport],
    ) -> None:
        self._plan, self._db, self._errors = plan, db, errors
        self._now, self._real, self._transport = now, real, transport
        self.place = 0
        self.session: PacedSession
        self.feed: Feed
        self.shown = Shown()
        self.turning = anyio.Lock()
        self._begun = asyncio.Event()
        self._carried: list[Mapping[str, bytes]] = [{}]
        """What each session begins with, as far as known."""
        self._given: dict[int, list[Given]] = {}
        self._days: list[tuple[int, float]] = []
        self._starts: list[int] = []
        """Begin of each session that was begun, ns."""
        self._frontier = Frontier()
        self._projection: Projection
        self._alerts: ReplayedAlerts
        self._unheard: Callable[[], None] = lambda: None

    # ---- asking -----------------------------------------------------------------------------

    @property
    def is_ended(self) -> bool:
        """Whether the last session is over."""
        return self.session.is_over and self.place + 1 == len(self._plan.sessions)

    @property
    def is_past(self) -> bool:
        """Whether the session in hand has been further than it is now, or a later one was played."""
        return self._projection.mark(self.session.sequencer.seq) < self._frontier.reached

    def place_of(self, at: int) -> int:
        """The latest session played that had begun by then; the first where none had."""
        return max((place for place, starts in enumerate(self._starts) if starts <= at), default=0)

    async def between(self) -> None:
        """Wait while a session is over and the next has not begun."""
        while self.session.is_over and not self.is_ended:
            self._begun.clear()
            await self._begun.wait()

    # ---- turning ----------------------------------------------------------------------------

    async def begin(self, place: int) -> None:
        """Begin a session, for the first time or again."""
        async with self.turning:
            if self._starts:
                self._given[self.place] = self.session.given
            recording = await anyio.to_thread.run_sync(self._read, place)
            if place == len(self._starts):
                self._starts.append(recording.header.starts)
            journal = self.feed.state.journal if place > self.place else None
            self.place = place
            self._show(recording, journal)
            self._begun.set()

    async def finish(self) -> None:
        """Keep what the session in hand hands on, the first time that it is over."""
        playing = self.session
        if len(self._carried) > self.place + 1:
            return
        self._db.log(self._alerts.end())
        self._carried.append(playing.sequencer.carry())
        while self.feed.fold():
            await anyio.lowlevel.checkpoint()
        self._days.append((playing.header.close, self.feed.state.equity))
        if self._frontier.tape is not None:
            await anyio.to_thread.run_sync(self._frontier.tape.close)
            self._frontier.tape = None

    def _read(self, place: int) -> Recording:
        plan, frontier = self._plan, self._frontier
        carried = self._carried[place]
        recording = read_session(plan.sessions[place](), plan.settings, carried, plan.books)
        is_new = place == len(self._starts)
        if is_new and plan.record is not None:
            frontier.tape = plan.record(recording.header)
        return recording

    def _show(self, recording: Recording, journal: Journal | None) -> None:
        plan, header, frontier = self._plan, recording.header, self._frontier
        if journal is not None:
            journal.begin_session()
        state = ScreenState(header, plan.settings, journal)
        seed(state, Past(days=tuple(self._days[: self.place])))
        self._projection = Projection(header.session, header.symbols)
        self._alerts = ReplayedAlerts(plan.settings.alerts, header.session)
        frontier.mark = self._projection.mark(0)
        self._unheard()
        self.feed = Feed(state)
        self._unheard = self._errors.hear(self.feed.entry)
        self.session = playing = PacedSession(
            recording,
            plan.settings,
            recorder=frontier,
            observers=[self._observe, self.feed],
            given=self._given.get(self.place, ()),
        )
        looks = Looks(
            now=self._now,
            real=self._real,
            actors=playing.sequencer.figures,
            gauges=lambda: playing.sequencer.actor("breaker").gauges(),
            db_lag=lambda: self._db.depth,
            transport=self._transport,
        )
        self.shown.show(
            Frames(
                self.feed,
                looks,
                mode=plan.mode,
                account=plan.books,
                root=str(plan.root),
                pid=os.getpid(),
            )
        )

    def _observe(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        """Books and screen; what comes again is in the books already."""
        projection, frontier = self._projection, self._frontier
        rows = projection.rows(seq, at, message, caused)
        told = self._alerts.rows(seq, at, message, caused)
        mark = projection.mark(seq)
        if mark > frontier.reached:
            frontier.reached = mark
            if rows:
                self._db.post(mark, at, rows)
            if told:
                self._db.log(told)
        if rows or told:
            self.feed.rows([*rows, *told])
