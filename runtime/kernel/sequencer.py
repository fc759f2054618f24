"""One input at a time, to the end, in rank order: the machine that live trading and replay share."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from runtime.kernel.actor import Moment
from runtime.kernel.cell import ActorSpec, Cell, Figures
from runtime.kernel.timers import Timers
from runtime.messages.base import Command, Input, Message
from runtime.messages.machine import (
    ActorCrashed,
    ActorRestarted,
    ActorStopped,
    CancelTimer,
    SessionEnded,
    SetTimer,
    Source,
    TimerFired,
)

CASCADE_LIMIT = 100_000
"""More messages than this from one input is a cycle, not a decision."""


class CascadeTooLong(RuntimeError):
    """One input caused more than `CASCADE_LIMIT` messages: a bug that must halt trading."""


class Recorder(Protocol):
    """Where the sequencer writes what must be on the tape (storage/tape.py has the real one)."""

    def input(self, seq: int, at: int, source: Source, message: Input) -> None:
        """Called before the input is handled."""

    def command(self, seq: int, message: Command) -> None:
        """Called before the command leaves."""

    def crash(self, crash: ActorCrashed) -> None:
        """Called as soon as an actor crashed."""

    def caused(self, seq: int, count: int, digest: bytes) -> None:
        """Called when everything the input caused has been handled."""


class Observer(Protocol):
    """Sees each input with everything it caused, once it is over: projections, screens, tests."""

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None: ...


class Recorded(msgspec.Struct, frozen=True):
    """A crash that a tape tells of: replay skips the same message for the same actor."""

    actor: str
    ordinal: int
    message_digest: str


class Route(NamedTuple):
    """Where a kind of message goes.

    Attributes:
        cells: Who handles it, in rank order. appends: how it gets into each one's inbox.
        mask: The bits of those that then have mail: a stopped one counts a drop instead.
    """

    cells: tuple[Cell, ...]
    appends: tuple[Callable[[Message], None], ...]
    mask: int


class Sequencer:
    """Runs the actors of one session.

    Args:
        specs: The actors; ranks must be unique.
        carried: What each actor carried over from the session before, by name.
        recorder: The tape being written, or None.
        observers: Called after each input.
        virtual_time: Fire due timers before each input (replay clock). Otherwise timers are inputs that
            somebody else posts: the live clock or a recorded tape.
        recorded: Crashes that a tape tells of.
        decisions: The hash to go on with (a run over several sessions); None: a new SHA-256.
    """

    def __init__(
        self,
        specs: Iterable[ActorSpec],
        *,
        carried: Mapping[str, bytes] | None = None,
        recorder: Recorder | None = None,
        observers: Sequence[Observer] = (),
        virtual_time: bool = True,
        recorded: Iterable[Recorded] = (),
        first_seq: int = 1,
        decisions: "hashlib._Hash | None" = None,
    ) -> None:
        ordered = sorted(specs, key=lambda spec: spec.rank)
        if len({spec.rank for spec in ordered}) != len(ordered):
            raise ValueError("two actors have the same rank")
        if len({spec.name for spec in ordered}) != len(ordered):
            raise ValueError("two actors have the same name")
        self.moment = Moment()
        self.timers = Timers()
        self.messages = 0
        self.inputs = 0
        self._seq = first_seq - 1
        self._recorder = recorder
        self._observers = tuple(observers)
        self._virtual = virtual_time
        before = carried or {}
        self._said = bytearray()
        self._cells = [
            Cell(spec, index, self.moment, before.get(spec.name), self._said)
            for index, spec in enumerate(ordered)
        ]
        self._unborn = [cell for cell in self._cells if cell.failed_start is not None]
        self._carried: dict[str, bytes] | None = None
        self._by_name = {cell.spec.name: cell for cell in self._cells}
        self._routes: dict[tuple[type[Message], str], Route] = {}
        self._plain: dict[type[Message], Route] = {}
        """Routes of kinds that need nothing but delivery: no address, no timer, no command."""
        self._leaving: dict[type[Message], bool] = {}
        """Whether a kind is a command, as far as asked."""
        self._port_routes: dict[type[Message], tuple[Cell, ...]] = {}
        self._ports = any(cell.spec.port for cell in self._cells)
        self._ready = 0
        self._settling = 0
        self._backlog: deque[Input] = deque()
        self._commands: list[Command] = []
        self._aside: list[Message] = []
        self._hash = hashlib.sha256() if decisions is None else decisions
        self.expect(recorded)

    # ---- feeding ----------------------------------------------------------------------------

    def post(self, source: Source, message: Input, at: int) -> None:
        """Handle one input to the end, with all it causes, timers due before it first.

        Args:
            at: When it became known, ns UTC. An earlier time than the last input's is lifted to it.
        """
        moment = self.moment
        if self._virtual:
            heap = self.timers.heap
            if heap and heap[0][0] <= at:
                self.advance(at)
        if at < moment.now:
            at = moment.now
        if self._ports:
            for cell in self._port_cells(type(message)):
                moment.now = at
                self._run_port(cell, message, self._aside)
            self._drain(at)
        self._handle(source, message, at)
        if self._backlog:
            self._drain(at)

    def expect(self, recorded: Iterable[Recorded]) -> None:
        """Tell of crashes a tape has recorded, before the messages they fell on come again."""
        for crash in recorded:
            if crash.actor in self._by_name:
                self._by_name[crash.actor].skips[crash.ordinal] = crash.message_digest

    def advance(self, until: int) -> None:
        """Fire every timer due at or before `until`, in order of due time, then of setting."""
        while (fired := self.timers.pop_due(until)) is not None:
            at = max(fired.ts_event, self.moment.now)
            self._handle("timer", fired, at)
            self._drain(at)

    def _drain(self, at: int) -> None:
        """Handle what the ports emitted, each as an input of its own."""
        while self._backlog:
            event = self._backlog.popleft()
            when = event.ts_event if event.ts_event < at else at
            if when < self.moment.now:
                when = self.moment.now
            if self._virtual:
                heap = self.timers.heap
                if heap and heap[0][0] <= when:
                    while (fired := self.timers.pop_due(when)) is not None:
                        self._handle("timer", fired, max(fired.ts_event, self.moment.now))
                    when = max(when, self.moment.now)
            self._handle("broker", event, when)

    def _handle(self, source: Source, message: Input, at: int) -> None:
        self._seq += 1
        self.inputs += 1
        moment = self.moment
        moment.seq = seq = self._seq
        moment.now = at
        recorder = self._recorder
        if recorder is not None:
            recorder.input(seq, at, source, message)
        kind = type(message)
        if kind is TimerFired:
            self.timers.forget_fired(message)
        caused: list[Message] = []
        if self._aside:
            caused, self._aside = self._aside, caused
        route = self._plain.get(kind)
        if route is None or self._ready:
            self._route(message)
        else:
            self._run_through(route.cells, message, caused)
        if self._unborn:
            self._tell_unborn(caused)
        if self._ready or self._settling:
            self._run(caused)
        if kind is SessionEnded:
            self._carry_out(caused)
        digest = b""
        if caused:
            if self._commands:
                self._deliver(caused)
            digest = self._account()
        if recorder is not None:
            recorder.caused(seq, len(caused), digest)
        for observer in self._observers:
            observer(seq, at, message, caused)

    # ---- running ----------------------------------------------------------------------------

    def _run_through(self, cells: tuple[Cell, ...], message: Input, caused: list[Message]) -> None:
        """Run an input's subscribers in rank order without inboxes until one has something to say.

        The same order as `_run` would take: nobody has mail yet, so the lowest-ranked subscriber is next,
        and settles before a higher-ranked one runs.
        """
        for place, cell in enumerate(cells):
            if cell.stopped:
                cell.drop(message)
                continue
            result = cell.run(message)
            settle_next = cell.settle is not None and cell.actor.unsettled
            if settle_next and not result:
                settle_next = False
                result = cell.run(None)
            if result:
                # Those who come after get the input before what it caused.
                for later in cells[place + 1 :]:
                    if later.stopped:
                        later.drop(message)
                    else:
                        later.inbox.append(message)
                        self._ready |= later.bit
                if settle_next:
                    self._settling |= cell.bit
                self._take(cell, result, caused)
                return

    def _run(self, caused: list[Message]) -> None:
        """Run the lowest-ranked actor that has mail until none has."""
        cells, release = self._cells, self._take
        while pending := self._ready | self._settling:
            lowest = pending & -pending
            cell = cells[lowest.bit_length() - 1]
            if self._ready & lowest:
                crash = cell.drain(release, caused)
                if not cell.inbox:
                    self._ready &= ~lowest
                    if cell.settle is not None and (cell.actor.unsettled or crash is not None):
                        self._settling |= lowest
                if crash is not None:
                    self._recover(cell, crash, caused)
            else:
                self._settling &= ~lowest
                result = cell.run(None)
                if result:
                    release(cell, result, caused)

    def _take(
        self, cell: Cell, result: list[Message] | tuple[Message, ...] | ActorCrashed, caused: list[Message]
    ) -> bool:
        """Release what a handler said, or recover from its crash; whether a lower-ranked actor has mail."""
        if type(result) is ActorCrashed:
            self._recover(cell, result, caused)
            return True
        released: Sequence[Message] = result  # type: ignore[assignment]
        self.messages += len(released)
        plain, ready = self._plain, self._ready
        for emitted in released:
            route = plain.get(type(emitted))
            if route is None:
                route = self._special(emitted)
            caused.append(emitted)
            _, appends, mask = route
            for append in appends:
                append(emitted)
            ready |= mask
        self._ready = ready
        if len(caused) > CASCADE_LIMIT:
            raise CascadeTooLong(f"input {self._seq} caused more than {CASCADE_LIMIT} messages")
        return ready & (cell.bit - 1) != 0

    def _special(self, message: Message) -> Route:
        """Do what a kind needs besides delivery (an address, a timer, a command); who gets it."""
        kind = type(message)
        leaves = self._leaving.get(kind)
        if leaves is None:
            leaves = self._leaving[kind] = issubclass(kind, Command)
        if leaves:
            command: Command = message  # type: ignore[assignment]
            self._commands.append(command)
            if self._recorder is not None:
                self._recorder.command(self._seq, command)
        elif kind is SetTimer or kind is CancelTimer:
            self.timers.apply(message)  # type: ignore[arg-type]
        return self._route_of(kind, message)

    def _route_of(self, kind: type[Message], message: Message) -> Route:
        key = (kind, getattr(message, kind.address)) if kind.address else (kind, "")
        route = self._routes.get(key)
        return self._make_route(*key) if route is None else route

    def _route(self, message: Message) -> None:
        route = self._route_of(type(message), message)
        for append in route.appends:
            append(message)
        self._ready |= route.mask

    def _make_route(self, kind: type[Message], wanted: str) -> Route:
        """To everybody who handles the kind; an addressed one to whom it is for and who listens to all."""
        cells = tuple(
            cell
            for cell in self._cells
            if not cell.spec.port
            and kind in cell.handlers
            and (not kind.address or cell.spec.name == wanted or not (kind.exclusive or cell.spec.private))
        )
        route = self._routes[kind, wanted] = Route(
            cells,
            tuple(cell.drop if cell.stopped else cell.inbox.append for cell in cells),
            sum(cell.bit for cell in cells if not cell.stopped),
        )
        if not kind.address and not issubclass(kind, Command | SetTimer | CancelTimer):
            self._plain[kind] = route
        return route

    def _port_cells(self, kind: type[Message]) -> tuple[Cell, ...]:
        cells = self._port_routes.get(kind)
        if cells is None:
            cells = tuple(c for c in self._cells if c.spec.port and kind in c.handlers)
            self._port_routes[kind] = cells
        return cells

    def _run_port(self, cell: Cell, message: Message, caused: list[Message]) -> None:
        if cell.stopped:
            cell.drop(message)
            return
        result = cell.run(message)
        if type(result) is ActorCrashed:
            self._recover(cell, result, caused)
        elif result:
            self._backlog.extend(result)  # type: ignore[arg-type]

    def _deliver(self, caused: list[Message]) -> None:
        """Hand commands to the ports; a port's crash is heard within the same input."""
        while self._commands:
            commands, self._commands = self._commands, []
            if not self._ports:
                return
            for command in commands:
                for cell in self._port_cells(type(command)):
                    self._run_port(cell, command, caused)
            if self._ready:
                self._run(caused)

    def _account(self) -> bytes:
        """Hash what decision actors said; the digest of this input's part, if a tape wants it."""
        said = self._said
        self._hash.update(said)
        digest = b"" if self._recorder is None else hashlib.sha256(said).digest()[:16]
        said.clear()
        return digest

    # ---- failing ----------------------------------------------------------------------------

    def _recover(self, cell: Cell, crash: ActorCrashed, caused: list[Message]) -> None:
        """Put the crash on the tape, then restart the actor or stop it."""
        if self._recorder is not None:
            self._recorder.crash(crash)
        caused.append(crash)
        # Actors get only what a replay, which skips the message without calling the handler, knows too; of a
        # port's crashes nothing, because a tape is verified without the port.
        is_heard = not cell.spec.port
        if is_heard:
            self._route(msgspec.structs.replace(crash, error="", traceback="", source_file="", line_number=0))
        said: Message
        exceeded = cell.exceeded
        try:
            # Also before stopping it: what it carries out of the session must not be half a handler's work.
            cell.restart()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an actor that cannot be rebuilt is stopped
            said = self._stop(cell, f"could not be rebuilt: {type(error).__name__}")
        else:
            if exceeded:
                said = self._stop(cell, cell.too_often)
            else:
                cell.figures.restarts += 1
                said = ActorRestarted(
                    ts_event=self.moment.now,
                    cause=self._seq,
                    actor=cell.spec.name,
                    refed=len(cell.history),
                    restarts=cell.figures.restarts,
                )
        caused.append(said)
        if is_heard:
            self._route(said)

    def _tell_unborn(self, caused: list[Message]) -> None:
        """Actors that could not be made are stopped from the first input on; the rest trade on."""
        unborn, self._unborn = self._unborn, []
        for cell in unborn:
            self._give_up(cell, cell.start_crash(), "could not be started", caused)

    def _carry_out(self, caused: list[Message]) -> None:
        """Take what every actor hands on, while a failure can still be told and recorded."""
        self._carried = self._collected(caused)

    def _collected(self, caused: list[Message]) -> dict[str, bytes]:
        carried: dict[str, bytes] = {}
        for cell in self._cells:
            state = cell.carry()
            if isinstance(state, ActorCrashed):
                self._give_up(cell, state, "could not be carried over; what it began with is kept", caused)
                state = cell.carry()
            if isinstance(state, bytes):
                carried[cell.spec.name] = state
        return carried

    def _give_up(self, cell: Cell, crash: ActorCrashed, reason: str, caused: list[Message]) -> None:
        """Record and tell a failure outside any message; nothing is restarted."""
        if self._recorder is not None:
            self._recorder.crash(crash)
        stopped = self._stop(cell, reason)
        caused += (crash, stopped)
        if not cell.spec.port:
            self._route(msgspec.structs.replace(crash, error="", traceback="", source_file="", line_number=0))
            self._route(stopped)

    def _stop(self, cell: Cell, reason: str) -> ActorStopped:
        cell.stop()
        self._routes.clear()  # they know who takes mail
        self._plain.clear()
        mask = ~cell.bit
        self._ready &= mask
        self._settling &= mask
        return ActorStopped(ts_event=self.moment.now, cause=self._seq, actor=cell.spec.name, reason=reason)

    # ---- asking -----------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """Sequence number of the last input."""
        return self._seq

    @property
    def decisions_hash(self) -> "hashlib._Hash":
        """SHA-256 over every message a decision actor emitted, in order; may be copied, not updated."""
        return self._hash

    def figures(self) -> dict[str, Figures]:
        """Per-actor figures by name, in rank order."""
        for cell in self._cells:
            figures = cell.figures
            figures.depth = len(cell.inbox)
            # An input may be handed over without the inbox.
            figures.high_water = max(cell.high_water, 1 if figures.handled else 0)
        return {cell.spec.name: cell.figures for cell in self._cells}

    def actor(self, name: str) -> Any:
        """The live instance behind a name: for tests and read-only views, never for messages."""
        return self._by_name[name].actor

    def carry(self) -> dict[str, bytes]:
        """What every actor hands to the next session, encoded: as of SessionEnded, or of now before it."""
        if self._carried is not None:
            return dict(self._carried)
        return self._collected([])
