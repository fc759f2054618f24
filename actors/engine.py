"""One live session: the decision actors on their tape, the gateways around them, and an orderly end.

A session that has a tape already goes on with it (`live_tape`); what an input caused leaves through
`live_outlet`, to the gateways that `live_gateways` makes.
Source: architecture 2, 3, 4 and 9.
"""

import asyncio
from collections.abc import Callable, Sequence

import anyio
import anyio.abc
import anyio.to_thread

from actors.broker.bar_history import BarHistory
from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.rest import Rest
from actors.broker.right_of_way import RightOfWay
from actors.execution.left_behind import left_behind
from actors.gateways.alerts import AlertDesk
from actors.gateways.db_writer import DbWriter
from actors.gateways.emergency import Emergency
from actors.gateways.kill_watch import KillSwitch
from actors.kept_wishes import KeptWishes
from actors.live_door import Door
from actors.live_gateways import Gateways, all_lots_of, ask_again, know_splits, remember, without_answer
from actors.live_links import STOP_ORDER, Links, lots_of
from actors.live_outlet import Outlet
from actors.live_plan import Plan
from actors.live_screen import LiveScreen
from actors.live_session import Panels
from actors.live_tape import open_tape
from actors.live_waits import bar_history, trading_rest
from actors.refeed import Memory
from runtime.error_fallback import FALLBACK
from runtime.error_sink import ErrorSink
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.host import Host
from runtime.kernel.recording import Observer
from runtime.kernel.sequencer import Sequencer
from runtime.kernel.supervisor import Supervisor
from runtime.log import get_logger
from runtime.messages.machine import SessionEnded, SessionStarted
from runtime.messages.masking import Mask
from runtime.messages.session import SessionHeader
from storage.projection import Projection
from storage.standing import Standing
from storage.tape import TapeWriter, part_name

__all__ = ["Engine", "Plan"]

_NEXT = "the session is over, the next one is being opened"
_ENDS = "the engine ends"
_log = get_logger(__name__)


class Engine:
    """Runs one session until its end, or until it is stopped.

    Args:
        clock: Market time. real: time of waits, time-outs and the request budget; the same clock unless
            market time is driven.
        errors: What the process logs at WARNING and above; it lands in the books.
        observers: Called after every input, those of a tape that goes on included.
        listening: Called once screens and commands can reach it.
        door: Where they come in, kept by whoever runs several sessions; None: one of its own.

    Attributes:
        session: ISO date of its trading day. tape_path: its tape, the last part of the session.
        started: Set once everything runs.
        resumed: Inputs that were fed again from the session's tape.
        is_ended_by_halt: Whether it stopped because a halt was carried out (`kill_switch.exit_process`).
        is_over: Whether the session came to its end, and was not stopped before.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        clock: Clock,
        real: Clock,
        errors: ErrorSink | None = None,
        observers: Sequence[Observer] = (),
        listening: Callable[[], None] = lambda: None,
        door: Door | None = None,
    ) -> None:
        self._plan = plan
        self._serves_door = door is None
        self._door = door or Door(plan.root, real, stop=self.stop, ready=listening)
        self._clock, self._real = clock, real
        self._errors = errors or ErrorSink()
        self._observers = tuple(observers)
        self._stop = asyncio.Event()
        self._is_stopping = False
        self.started = asyncio.Event()
        self.resumed = 0
        self.is_ended_by_halt = self.is_over = False
        self.session, self.tape_path = plan.session, plan.tapes / part_name(plan.session, 1)
        self._memory = Memory()
        self.emergency = Emergency(cancel_protective=plan.settings.kill_switch.cancel_protective)
        self.outlet = Outlet(self._errors, self._halt_done)
        self._way = RightOfWay(real)
        self.desk = Desk(Directory(), self._way.passed)
        self.alerts = AlertDesk(
            plan.settings.alerts,
            plan.secrets,
            session=plan.session,
            account=plan.books.partition(":")[0],
            clock=clock,
            real=real,
            errors=self._errors,
        )
        # Made by `_open`, which looks at the disk.
        self._wishes: KeptWishes
        self._tape: TapeWriter
        self.header: SessionHeader
        self._panels: Panels
        self.sequencer: Sequencer
        self.host: Host
        self.switch: KillSwitch
        self.db: DbWriter
        self.supervisor: Supervisor

    # ---- life -------------------------------------------------------------------------------

    def stop(self) -> None:
        """End in order; stops at the broker stay. The tape can be gone on with."""
        self._stop.set()

    async def run(self) -> None:
        """Run the session.

        Raises:
            BooksRefused: The session began with other settings, code or account, its tape no longer causes
                what it caused, or another process runs it; nothing was sent.
            DataError: The files or the tape cannot be used.
            ExceptionGroup: What nothing works without has failed.
        """
        await anyio.to_thread.run_sync(self._open)
        rest = trading_rest(self._plan, self._real)
        history = bar_history(self._plan, self._real)
        is_closed = False
        try:
            self._assemble(rest, history)
            await self._work()
            await anyio.to_thread.run_sync(self._tape.close)
            is_closed = True
        finally:
            with anyio.CancelScope(shield=True):
                if not is_closed:
                    await anyio.to_thread.run_sync(self._tape.abandon)
                await rest.aclose()
                await history.aclose()
                self.outlet.screen.close()

    async def _work(self) -> None:
        ended = asyncio.Event()

        async def run_host() -> None:
            await self.host.run()
            ended.set()

        async with anyio.create_task_group() as group:
            await group.start(self.db.run)
            group.start_soon(run_host)
            group.start_soon(self.supervisor.run)
            group.start_soon(self._wishes.forget, self._sync)
            self.started.set()
            self.is_over = not await happens_by(self._clock, self._stop, self.header.ends)
            self._is_stopping = True
            await self._door.close(_NEXT if self.is_over else _ENDS)
            if cancelled := await self.supervisor.stop(STOP_ORDER):
                _log.warning("gateways had to be cancelled", gateways=", ".join(cancelled))
            if self.is_over:
                ends = self.header.ends
                self.host.post("machine", SessionEnded(ts_event=ends, session=self.header.session))
            self.host.stop()
            await ended.wait()
            for each in self.open_ends():
                _log.error("ended before everything was known", open=each)
            self._wishes.give_up()
            self.alerts.close()
            self.db.close()

    def left_behind(self) -> list[str]:
        """In words what is held, and what protects it at the broker."""
        return left_behind(lots_of(self.sequencer))

    def open_ends(self) -> list[str]:
        """In words what the session does not know of its orders: the next start asks the broker."""
        found = []
        if names := without_answer(self.sequencer, self.desk.directory, self._clock.now()):
            found.append(f"the broker's answer is missing for {', '.join(names)}")
        if self._memory.deaf:
            found.append(f"the order stream was not ready: {self._memory.deaf}")
        return found

    # ---- the parts --------------------------------------------------------------------------

    def _open(self) -> None:
        """Begin the session's tape, or go on with it; in a worker thread, before anything runs."""
        self._wishes = KeptWishes(self._plan.root)
        opened = open_tape(self._plan, self._memory, self.outlet, self._told)
        self._tape, self.header, self.sequencer = opened.tape, opened.header, opened.sequencer
        self.tape_path = opened.tape.path
        self._panels = opened.panels
        self.resumed = opened.resumed

    def _told(self, header: SessionHeader) -> list[Observer]:
        """Who is told of every input of the session, in order."""
        outlet, directory = self.outlet, self.desk.directory
        know_splits(directory, header)
        outlet.projection = Projection(header.session, header.symbols)
        outlet.screen = LiveScreen(self._plan.root, header, self._plan.settings, self._errors)
        first: list[Observer] = [self._memory, self.emergency, self._wishes, outlet, self._way.observe]
        return [*first, directory.observe, self.alerts.observe, outlet.screen.feed, *self._observers]

    def _assemble(self, rest: Rest, history: BarHistory) -> None:
        """Make the host and the gateways; they know what the tape knows."""
        plan, header, settings = self._plan, self.header, self._plan.settings
        keys = (plan.secrets.api_key, plan.secrets.secret_key)
        mask = Mask(key.reveal() for key in keys if key is not None)
        self.host = host = Host(self.sequencer, self._clock, clean=mask)
        if not self.sequencer.inputs:
            begun = SessionStarted(ts_event=header.starts, session=header.session, part=header.part)
            host.post("machine", begun, system=True)
        self._wishes.post(host.post, self._clock)
        self.switch = KillSwitch(
            plan.root,
            host.post,
            self._clock,
            was_halted=self._memory.is_halted,
            flattens=settings.kill_switch.flatten,
        )
        self.db = DbWriter(
            plan.root,
            plan.books,
            errors=self._errors,
            fallback=plan.root / settings.log.dir / FALLBACK,
            turn=self._way.free,
            standing=self._standing,
        )
        remember(self.desk, all_lots_of(self.sequencer), self._memory, self._clock.now())
        ask_again(self._memory, self.outlet)
        gateways = Gateways(
            Links(
                plan=plan,
                header=header,
                panels=self._panels,
                memory=self._memory,
                outlet=self.outlet,
                host=host,
                switch=self.switch,
                db=self.db,
                desk=self.desk,
                way=self._way,
                alerts=self.alerts,
                emergency=self.emergency,
                rest=rest,
                history=history,
                clock=self._clock,
                real=self._real,
                sync=self._tape.sync,
                why_not=self._why_not,
                stop=self.stop,
                door=self._door,
                serves_door=self._serves_door,
            )
        )
        self.supervisor = gateways.supervisor
        gateways.open_door()
        self.alerts.go_live(self.outlet.log_rows)
        self.outlet.go_live(self.db)

    # ---- what leaves ------------------------------------------------------------------------

    async def _sync(self) -> None:
        await anyio.to_thread.run_sync(self._tape.sync)

    def _standing(self) -> Standing:
        sequencer = self.sequencer
        mark = self.outlet.projection.mark(sequencer.seq)
        return Standing(mark=mark, at=sequencer.moment.now, actors=sequencer.standing())

    def _why_not(self) -> str:
        """Why nothing that adds exposure may leave now, or empty; from any thread."""
        return "the engine is stopping" if self._is_stopping else self.switch.why_halted()

    def _halt_done(self) -> None:
        """The broker has confirmed a halt: the process ends if the settings want that."""
        if self._plan.settings.kill_switch.exit_process:
            self.is_ended_by_halt = True
            self.stop()
