"""One live session: the decision actors on their tape, the gateways around them, and an orderly end.

What an input caused leaves through here: commands to the order gateway, changes of phase to the kill switch,
rows to the books. A session that has a tape already goes on with it: the tape is fed again, and commands
without an answer are looked up at the broker, never sent again.
Source: architecture 2, 3, 4 and 9.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from actors import system
from actors.broker.bar_history import BarHistory
from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.market_feed import Hours, MarketStreamSettings
from actors.broker.minute_join import MinuteJoin, Quarantine
from actors.broker.rest import Rest
from actors.broker.stream_symbols import choose
from actors.broker.sweep import Sweeper
from actors.broker.trade_socket import TradeSocket
from actors.execution.lot_orders import LotOrders
from actors.gateways.alerts import AlertDesk, AlertGateway
from actors.gateways.broker_stream import BrokerStream
from actors.gateways.db_writer import DbWriter
from actors.gateways.emergency import Emergency, EmergencyExit
from actors.gateways.kill_watch import KillSwitch, KillWatch
from actors.gateways.market_stream import MarketStream
from actors.gateways.order_gateway import OrderGateway
from actors.gateways.replay_feed import BLOBS, TapeSession
from actors.kept_wishes import KeptWishes
from actors.live_screen import LiveScreen, Parts
from actors.live_session import Start, watch_lists
from actors.refeed import Memory, carried_from, check_unchanged, executor_state, refeed, was_halted
from config.live_money import Addresses
from config.schema import Settings
from config.secrets import Secrets
from config.snapshot import settings_hash
from runtime.error_fallback import FALLBACK
from runtime.error_sink import ErrorSink
from runtime.errors import DataError
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox, InboxClosed
from runtime.kernel.host import Host
from runtime.kernel.recording import Observer
from runtime.kernel.sequencer import Sequencer
from runtime.kernel.supervisor import GatewayCrash, GatewaySpec, Supervisor
from runtime.log import get_logger
from runtime.messages.base import Command, Input, Message
from runtime.messages.machine import SessionEnded, SessionStarted
from runtime.messages.risk import HaltConfirmed, PhaseChanged
from runtime.messages.session import SessionHeader
from storage.books import Books
from storage.panels import PanelStore
from storage.projection import Projection
from storage.statements import Row
from storage.tape import TapeWriter

SECOND = 1_000_000_000
STOP_ORDER = ("market_stream", "order_gateway", "emergency", "broker_stream", "kill_watch")
"""First nothing new is decided, then what was decided leaves, then what became of it is heard."""

_log = get_logger(__name__)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one session is to be.

    Attributes:
        root: Where tapes and books go; the caller holds its lock.
        session: ISO date of the trading day. books: whose, `paper:<account>` or `live:<account>`.
        make: Lays out the session if it has no tape yet; called in a worker thread.
    """

    root: Path
    session: str
    books: str
    settings: Settings
    addresses: Addresses
    secrets: Secrets
    make: Callable[[], Start]


class Engine:
    """Runs one session until its end, or until it is stopped.

    Args:
        clock: Market time. real: time of waits, time-outs and the request budget; the same clock unless
            market time is driven.
        errors: What the process logs at WARNING and above; it lands in the books.
        observers: Called after every input, those of a tape that goes on included.
        listening: Called once screens and commands can reach it.

    Attributes:
        started: Set once everything runs.
        resumed: Inputs that were fed again from the session's tape.
        is_ended_by_halt: Whether it stopped because a halt was carried out (`kill_switch.exit_process`).
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
    ) -> None:
        self._plan = plan
        self._listening = listening
        self._clock, self._real = clock, real
        self._errors = errors or ErrorSink()
        self._observers = tuple(observers)
        self._stop = asyncio.Event()
        self._is_stopping = False
        self.started = asyncio.Event()
        self.resumed = 0
        self.is_ended_by_halt = False
        self.tape_path = plan.root / plan.settings.tapes.dir / f"{plan.session}.tape"
        self._is_new = False
        self._memory = Memory()
        self.emergency = Emergency(cancel_protective=plan.settings.kill_switch.cancel_protective)
        self._books: Books | None = None
        self._is_live = False
        self.desk = Desk(Directory())
        self._orders, self._kills = Inbox(), Inbox()
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
        self._screen: LiveScreen
        self._projection: Projection
        self.header: SessionHeader
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
        rest = Rest(self._plan.addresses.trading, self._plan.secrets, self._real)
        history = BarHistory(
            self._plan.addresses.data, self._plan.secrets, self._real, feed=self._plan.settings.data.feed
        )
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
            is_stopped = await happens_by(self._clock, self._stop, self.header.ends)
            self._is_stopping = True
            if cancelled := await self.supervisor.stop(STOP_ORDER):
                _log.warning("gateways had to be cancelled", gateways=", ".join(cancelled))
            if not is_stopped:
                ends = self.header.ends
                self.host.post("machine", SessionEnded(ts_event=ends, session=self.header.session))
            self.host.stop()
            await ended.wait()
            self._wishes.give_up()
            self.alerts.close()
            self.db.close()

    # ---- the tape ---------------------------------------------------------------------------

    def _open(self) -> None:
        """Begin the session's tape, or go on with it; in a worker thread, before anything runs."""
        plan = self._plan
        self._wishes = KeptWishes(plan.root)
        folder = self.tape_path.parent
        earlier = sorted(path for path in folder.glob("????-??-??.tape*") if path.name[:10] < plan.session)
        if self.tape_path.exists():
            self._go_on()
        else:
            if self.tape_path.with_name(self.tape_path.name + ".zst").exists():
                raise DataError(f"the session {plan.session} is over: its tape is compressed")
            self._is_new = not earlier
            self._begin(carried_from(earlier[-1]) if earlier else {})

    def _begin(self, carried: dict[str, bytes]) -> None:
        plan, start = self._plan, self._plan.make()
        store = PanelStore(self.tape_path.parent / BLOBS)
        refs = {name: store.put(panel) for name, panel in start.panels.items()}
        header = msgspec.structs.replace(start.header, panels=refs, carried=carried, books=plan.books)
        panels = {name: store.get(ref) for name, ref in refs.items()}
        specs = system.build(plan.settings, header, panels, simulated=False)
        self._memory.is_halted = was_halted(header)
        self._projection = Projection(header.session, header.symbols)
        self._screen = LiveScreen(plan.root, header, plan.settings, self._errors)
        self._tape = TapeWriter(self.tape_path, header, durable=True)
        self.sequencer = Sequencer(
            specs,
            carried=header.carried,
            recorder=self._tape,
            observers=self._all_observers(),
            virtual_time=False,
            decisions=hashlib.sha256(),
        )
        self.header = header

    def _go_on(self) -> None:
        """Feed the tape again; its rows are written as far as the books lack them."""
        plan = self._plan
        tape = TapeWriter.resume(self.tape_path)
        try:
            session = TapeSession(self.tape_path)
            self.header = header = session.header
            check_unchanged(header, plan.books, settings_hash(plan.settings))
            self._memory.is_halted = was_halted(header)
            self._projection = Projection(header.session, header.symbols)
            self._screen = LiveScreen(plan.root, header, plan.settings, self._errors)
            with Books(plan.root, plan.books, "durable") as self._books:
                self.sequencer = refeed(session, tape, self._all_observers())
            self._books = None
            if self._memory.is_over:
                raise DataError(f"the session {header.session} is over: its tape says so")
        except BaseException:
            tape.abandon()
            raise
        self._tape = tape
        self.resumed = self.sequencer.inputs

    def _all_observers(self) -> list[Observer]:
        first: list[Observer] = [self._memory, self.emergency, self._observe]
        return [*first, self.alerts.observe, self._screen.feed, *self._observers]

    # ---- the parts --------------------------------------------------------------------------

    def _assemble(self, rest: Rest, history: BarHistory) -> None:
        """Make the host and the gateways; they know what the tape knows."""
        plan, header, settings = self._plan, self.header, self._plan.settings
        self.host = host = Host(self.sequencer, self._clock)
        if not self.sequencer.seq:
            begun = SessionStarted(ts_event=header.starts, session=header.session)
            host.post("machine", begun, system=True)
        self._wishes.post(host.post, self._clock)
        self.switch = KillSwitch(
            plan.root,
            host.post,
            self._clock,
            was_halted=self._memory.is_halted,
            is_new=self._is_new,
            flattens=settings.kill_switch.flatten,
        )
        self.db = DbWriter(
            plan.root,
            plan.books,
            errors=self._errors,
            fallback=plan.root / settings.log.dir / FALLBACK,
        )
        self._remember()
        self.supervisor = Supervisor(
            [
                self._spec("kill_watch", self._kills, self._kill_watch),
                self._spec("broker_stream", Inbox(), self._broker_stream(rest)),
                self._spec("order_gateway", self._orders, self._order_gateway(rest)),
                self._spec("market_stream", Inbox(), self._market_stream(history)),
                self._spec("ui_server", Inbox(), self._ui_server()),
                self._spec("alerts", self.alerts.inbox, self._alert_gateway),
                self._spec("emergency", Inbox(), self._emergency_exit(rest)),
            ],
            self._real,
            record=self._record,
        )
        self.alerts.go_live(self._log_rows)
        self._is_live = True

    def held(self) -> list[str]:
        """Symbols of the lots that are not flat, each once."""
        return sorted({lot.symbol for lot in self._lots() if lot.held})

    def _lots(self) -> list[LotOrders]:
        carried = self.sequencer.carry().get("executor")
        return executor_state(carried).lots if carried is not None else []

    def _remember(self) -> None:
        """Tell directory and desk what the tape knows."""
        directory, memory = self.desk.directory, self._memory
        for lot in self._lots():
            directory.seed(lot.orders.values())
        for order in memory.ended_orders():
            directory.add(
                order.client_order_id,
                order.symbol,
                broker_order_id=order.broker_order_id,
                parent_id=order.parent_id,
                filled=order.filled,
                average_price=order.average_price,
                is_accepted=bool(order.broker_order_id),
                is_over=True,
            )
        for submission in memory.submissions.values():
            self.desk.take_over(submission)
        for cancel in memory.cancels.values():
            self.desk.take_over(cancel)

    def _spec(self, name: str, inbox: Inbox, build: Callable[[Inbox], Gateway]) -> GatewaySpec:
        rules = self._plan.settings.supervision
        return GatewaySpec(
            name=name,
            build=build,
            inbox=inbox,
            intensity=rules.max_restarts,
            period=round(rules.restart_period_s * SECOND),
            stop_timeout=round(rules.drain_timeout_s * SECOND) // len(STOP_ORDER),
            back_off_first=round(rules.backoff_first_s * SECOND),
            back_off_most=round(rules.backoff_max_s * SECOND),
        )

    def _alert_gateway(self, inbox: Inbox) -> Gateway:
        return AlertGateway("alerts", inbox, self.host.post, desk=self.alerts)

    def _kill_watch(self, inbox: Inbox) -> Gateway:
        return KillWatch("kill_watch", inbox, self.host.post, switch=self.switch)

    def _broker_stream(self, rest: Rest) -> Callable[[Inbox], Gateway]:
        source = TradeSocket(self._plan.addresses.trading_stream, self._plan.secrets, self._real)
        first = iter((True,))

        def build(inbox: Inbox) -> Gateway:
            return BrokerStream(
                "broker_stream",
                inbox,
                self.host.post,
                source=source,
                rest=rest,
                directory=self.desk.directory,
                clock=self._clock,
                real=self._real,
                told_until=self._memory.last_fill,
                is_first=next(first, False),
            )

        return build

    def _order_gateway(self, rest: Rest) -> Callable[[Inbox], Gateway]:
        def build(inbox: Inbox) -> Gateway:
            return OrderGateway(
                inbox,
                self.host.post,
                rest,
                self.desk,
                clock=self._clock,
                wall=self._real,
                sync=self._sync,
                halted=self._why_not,
                symbols=self.header.symbols,
            )

        return build

    def _emergency_exit(self, rest: Rest) -> Callable[[Inbox], Gateway]:
        def build(inbox: Inbox) -> Gateway:
            return EmergencyExit(
                "emergency",
                inbox,
                self.host.post,
                emergency=self.emergency,
                sweeper=Sweeper(rest, self.desk, self._real),
                patience=self._plan.settings.kill_switch.confirm_s,
                clock=self._clock,
                wall=self._real,
            )

        return build

    def _market_stream(self, history: BarHistory) -> Callable[[Inbox], Gateway]:
        plan, header, settings = self._plan, self.header, self._plan.settings
        choice = choose(self.held(), watch_lists(settings, header), settings.data.stream_symbols or None)
        self._screen.not_streamed = len(choice.left_out)
        if choice.left_out:
            _log.warning("symbols not streamed: the data plan has no room", left_out=choice.told())
        refused = Quarantine("market stream")
        join = MinuteJoin(
            header.symbols,
            starts=header.starts,
            ends=header.ends,
            refused=refused,
            told=self._memory.last_minute,
        )
        how = MarketStreamSettings(url=plan.addresses.data_stream)
        hours = Hours(open=header.open, close=header.close)
        gap_from = header.open if self._clock.now() > header.open else 0

        def build(inbox: Inbox) -> Gateway:
            return MarketStream(
                "market_stream",
                inbox,
                self.host.post,
                settings=how,
                secrets=plan.secrets,
                symbols=choice.symbols,
                hours=hours,
                join=join,
                refused=refused,
                history=history,
                clock=self._clock,
                real=self._real,
                gap_from=gap_from,
            )

        return build

    def _ui_server(self) -> Callable[[Inbox], Gateway]:
        return self._screen.gateway(
            Parts(
                host=self.host,
                supervisor=lambda: self.supervisor,
                switch=self.switch,
                db=self.db,
                clock=self._clock,
                real=self._real,
                stop=self.stop,
                ready=self._listening,
            )
        )

    # ---- what leaves ------------------------------------------------------------------------

    async def _sync(self) -> None:
        await anyio.to_thread.run_sync(self._tape.sync)

    def _why_not(self) -> str:
        """Why nothing that adds exposure may leave now, or empty; from any thread."""
        return "the engine is stopping" if self._is_stopping else self.switch.why_halted()

    def _observe(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        """Hand on what an input caused."""
        self._wishes(seq, at, message, caused)
        rows = self._projection.rows(seq, at, message, caused)
        if self._books is not None:
            self._books.apply(rows, self._projection.mark(seq), at)
        if not self._is_live:
            self._screen.feed.rows(rows)
            return
        if rows:
            self.db.post(self._projection.mark(seq), at, rows)
            self._screen.feed.rows(rows)
        for said in caused:
            if isinstance(said, Command):
                self._send(self._orders, said)
            elif isinstance(said, PhaseChanged):
                self._send(self._kills, said)
            elif isinstance(said, HaltConfirmed) and self._plan.settings.kill_switch.exit_process:
                self.is_ended_by_halt = True
                self.stop()

    def _log_rows(self, rows: Sequence[Row]) -> bool:
        """Rows that belong to no input, to the screen and to the books."""
        self._screen.feed.rows(rows)
        return self.db.log(rows)

    def _send(self, inbox: Inbox, said: Message) -> None:
        try:
            inbox.offer(said)
        except InboxClosed:
            # It is on the tape: the next start looks it up at the broker.
            _log.warning("not sent: the engine is stopping", kind=type(said).__name__)

    def _record(self, crash: GatewayCrash) -> None:
        """A crash of a gateway becomes a row of `error_log`."""
        self._errors.put(
            timestamp=crash.at,
            level="ERROR" if crash.verdict in ("restart", "stopping") else "CRITICAL",
            logger_name="runtime.kernel.supervisor",
            message=f"{crash.gateway} crashed ({crash.verdict}): {crash.error}",
            source_file=crash.source_file,
            line_number=crash.line_number,
            exception_type=crash.exception_type,
            exception_traceback=crash.traceback,
            component=crash.gateway,
        )
