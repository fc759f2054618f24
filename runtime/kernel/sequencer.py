"""One input at a time, to the end, in rank order: the machine that live trading and replay share."""

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from runtime.kernel.actor import Moment
from runtime.kernel.cell import ActorSpec, Cell, Figures
from runtime.kernel.timers import Timers
from runtime.messages.base import Command, Decision, Input, Message
from runtime.messages.codec import encode_into
from runtime.messages.machine import (
    ActorCrashed,
    ActorRestarted,
    ActorStopped,
    CancelTimer,
    SetTimer,
    Source,
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
        self._cells = [
            Cell(spec, index, self.moment, before.get(spec.name)) for index, spec in enumerate(ordered)
        ]
        self._by_name = {cell.spec.name: cell for cell in self._cells}
        self._routes: dict[tuple[type[Message], str], tuple[Cell, ...]] = {}
        self._port_routes: dict[type[Message], tuple[Cell, ...]] = {}
        self._ports = any(cell.spec.port for cell in self._cells)
        self._ready = 0
        self._settling = 0
        self._backlog: deque[Input] = deque()
        self._buffer = bytearray()
        self._hash = hashlib.sha256()
        for crash in recorded:
            if crash.actor in self._by_name:
                self._by_name[crash.actor].skips[crash.ordinal] = crash.message_digest

    # ---- feeding ----------------------------------------------------------------------------

    def post(self, source: Source, message: Input, at: int) -> None:
        """Handle one input to the end, with all it causes, timers due before it first.

        Args:
            at: When it became known, ns UTC. An earlier time than the last input's is lifted to it.
        """
        if self._virtual:
            self.advance(at)
        at = max(at, self.moment.now)
        if self._ports:
            for cell in self._port_cells(type(message)):
                self.moment.now = at
                self._run_port(cell, message)
            self._drain(at)
        self._handle(source, message, at)
        self._drain(at)

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
            when = max(min(event.ts_event, at), self.moment.now)
            if self._virtual:
                while (fired := self.timers.pop_due(when)) is not None:
                    self._handle("timer", fired, max(fired.ts_event, self.moment.now))
            self._handle("broker", event, max(when, self.moment.now))

    def _handle(self, source: Source, message: Input, at: int) -> None:
        self._seq += 1
        self.inputs += 1
        moment = self.moment
        moment.seq = seq = self._seq
        moment.now = at
        recorder = self._recorder
        if recorder is not None:
            recorder.input(seq, at, source, message)
        self.timers.forget_fired(message)
        caused: list[Message] = []
        self._route(message)
        if self._ready:
            self._run(caused)
        digest = self._settle_account(caused) if caused else b""
        if recorder is not None:
            recorder.caused(seq, len(caused), digest)
        for observer in self._observers:
            observer(seq, at, message, caused)

    # ---- running ----------------------------------------------------------------------------

    def _run(self, caused: list[Message]) -> None:
        """Run the lowest-ranked actor that has mail until none has."""
        cells = self._cells
        while pending := self._ready | self._settling:
            lowest = pending & -pending
            cell = cells[lowest.bit_length() - 1]
            if self._ready & lowest:
                message: Message | None = cell.inbox.popleft()
                if not cell.inbox:
                    self._ready &= ~lowest
                    if cell.settle is not None:
                        self._settling |= lowest
            else:
                message = None
                self._settling &= ~lowest
            result = cell.run(message)
            if isinstance(result, ActorCrashed):
                self._recover(cell, result, caused)
            elif result:
                for emitted in result:
                    self._release(emitted, caused)
                if len(caused) > CASCADE_LIMIT:
                    raise CascadeTooLong(f"input {self._seq} caused more than {CASCADE_LIMIT} messages")

    def _release(self, message: Message, caused: list[Message]) -> None:
        kind = type(message)
        if kind is SetTimer or kind is CancelTimer:
            self.timers.apply(message)  # type: ignore[arg-type]
        caused.append(message)
        self._route(message)
        if self._recorder is not None and isinstance(message, Command):
            self._recorder.command(self._seq, message)

    def _route(self, message: Message) -> None:
        kind = type(message)
        key = (kind, getattr(message, kind.address)) if kind.address else (kind, "")
        cells = self._routes.get(key)
        if cells is None:
            cells = self._subscribers(*key)
        for cell in cells:
            if cell.stopped:
                cell.figures.drops += 1
                continue
            inbox = cell.inbox
            inbox.append(message)
            depth = len(inbox)
            if depth > cell.figures.high_water:
                cell.figures.high_water = depth
            self._ready |= 1 << cell.index

    def _subscribers(self, kind: type[Message], wanted: str) -> tuple[Cell, ...]:
        """Who handles the kind; of an addressed one, who it is for and who listens to everything."""
        cells = tuple(
            cell
            for cell in self._cells
            if not cell.spec.port
            and kind in cell.handlers
            and (not kind.address or cell.spec.name == wanted or not (kind.exclusive or cell.spec.private))
        )
        self._routes[kind, wanted] = cells
        return cells

    def _port_cells(self, kind: type[Message]) -> tuple[Cell, ...]:
        cells = self._port_routes.get(kind)
        if cells is None:
            cells = tuple(c for c in self._cells if c.spec.port and kind in c.handlers)
            self._port_routes[kind] = cells
        return cells

    def _run_port(self, cell: Cell, message: Message) -> None:
        if cell.stopped:
            return
        result = cell.run(message)
        if isinstance(result, ActorCrashed):
            self._recover(cell, result, [])
            return
        for event in result:
            assert isinstance(event, Input), f"{cell.spec.name} may only emit inputs"
            self._backlog.append(event)

    def _settle_account(self, caused: list[Message]) -> bytes:
        """Count and hash what decision actors said; hand commands to the ports."""
        buffer = self._buffer
        buffer.clear()
        commands: list[Command] = []
        for message in caused:
            if isinstance(message, Decision):
                encode_into(message, buffer, -1)
                self.messages += 1
                if isinstance(message, Command):
                    commands.append(message)
        self._hash.update(buffer)
        if self._ports:
            for command in commands:
                for cell in self._port_cells(type(command)):
                    self._run_port(cell, command)
        return hashlib.sha256(buffer).digest()[:16]

    # ---- failing ----------------------------------------------------------------------------

    def _recover(self, cell: Cell, crash: ActorCrashed, caused: list[Message]) -> None:
        """Put the crash on the tape, then restart the actor or stop it."""
        if self._recorder is not None:
            self._recorder.crash(crash)
        caused.append(crash)
        self._route(crash)
        said: Message
        if cell.exceeded:
            said = self._stop(cell, f"more than {cell.spec.intensity} crashes in {cell.spec.period} ns")
        else:
            try:
                cell.restart()
            except Exception as error:  # noqa: BLE001 - the supervisor's edge: an actor that cannot be rebuilt is stopped
                said = self._stop(cell, f"could not be rebuilt: {type(error).__name__}")
            else:
                said = ActorRestarted(
                    ts_event=self.moment.now,
                    cause=self._seq,
                    actor=cell.spec.name,
                    refed=len(cell.history),
                    restarts=cell.figures.restarts,
                )
        caused.append(said)
        self._route(said)

    def _stop(self, cell: Cell, reason: str) -> ActorStopped:
        cell.stop()
        mask = ~(1 << cell.index)
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
            cell.figures.depth = len(cell.inbox)
        return {cell.spec.name: cell.figures for cell in self._cells}

    def actor(self, name: str) -> Any:
        """The live instance behind a name: for tests and read-only views, never for messages."""
        return self._by_name[name].actor

    def carry(self) -> dict[str, bytes]:
        """What every actor hands to the next session, encoded."""
        carried = {}
        for cell in self._cells:
            state = cell.actor.carry()
            if state is not None:
                carried[cell.spec.name] = msgspec.msgpack.encode(state)
        return carried
