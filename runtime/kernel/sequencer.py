"""One input at a time, to the end, in rank order: the machine that live trading and replay share."""

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from runtime.kernel.actor import Moment
from runtime.kernel.cell import ActorSpec, Cell, Figures
from runtime.kernel.flow import Flow
from runtime.kernel.recording import Observer, Recorded, Recorder
from runtime.kernel.timers import Timers
from runtime.messages.base import Command, Decision, Input, Message
from runtime.messages.machine import (
    ActorCrashed,
    ActorRestarted,
    ActorStopped,
    SessionEnded,
    Source,
    TimerFired,
)


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
        first_seq: Number of the first input.
        decisions: The hash to go on with (a run over several sessions); None: a new SHA-256.
        learned: What actors have heard before the first input, by name, as `histories` tells it.
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
        learned: Mapping[str, Sequence[Message | tuple[int, int] | None]] | None = None,
    ) -> None:
        ordered = sorted(specs, key=lambda spec: spec.rank)
        if len({spec.rank for spec in ordered}) != len(ordered):
            raise ValueError("two actors have the same rank")
        if len({spec.name for spec in ordered}) != len(ordered):
            raise ValueError("two actors have the same name")
        self.moment = Moment()
        self.timers = Timers()
        self.inputs = 0
        self.messages = 0
        """What the actors have emitted; what was told of their crashes is not counted."""
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
        for cell in self._cells:
            if learned and cell.failed_start is None and (heard := learned.get(cell.spec.name)):
                cell.learn(heard)
        self._unborn = [cell for cell in self._cells if cell.failed_start is not None]
        self._carried: dict[str, bytes] | None = None
        self._by_name = {cell.spec.name: cell for cell in self._cells}
        self._port_routes: dict[type[Message], tuple[Cell, ...]] = {}
        self._ports = tuple(cell for cell in self._cells if cell.spec.port)
        self._gather = next((cell.spec.gather for cell in self._cells if cell.spec.gather), None)
        self._backlog: deque[Input] = deque()
        self._commands: list[Command] = []
        # Without a tape nothing but `append` stands between a command and its port.
        command = self._commands.append if recorder is None else self._command
        self._flow = Flow(self._cells, self._said, command, self.timers.apply, self._recover)
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

    def tell(self, decision: Decision, at: int) -> None:
        """Let actors hear a decision that another sequencer's actors made, as part of the last input."""
        self.moment.now = max(at, self.moment.now)
        said: list[Message] = []
        self._flow.route(decision)
        self._flow.run(said)
        self._said.clear()
        self._commands.clear()

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
        """Handle what the ports have said: as one input if they can put it so, else one by one."""
        backlog, heap = self._backlog, self.timers.heap
        while backlog:
            if self._virtual and heap and heap[0][0] <= at:
                while (fired := self.timers.pop_due(at)) is not None:
                    self._handle("timer", fired, max(fired.ts_event, self.moment.now))
            if self._gather is None or len(backlog) == 1:
                event = backlog.popleft()
            else:
                event = self._gather(at, tuple(backlog))
                backlog.clear()
            self._handle("broker", event, at)

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
        flow = self._flow
        flow.enter(message, caused)
        if self._unborn:
            self._tell_unborn(caused)
        if flow.ready or flow.settling:
            flow.run(caused)
        if kind is SessionEnded:
            self._carry_out(caused)
        digest = b""
        if caused:
            if self._commands:
                self._deliver(caused)
            self.messages += len(caused)
            digest = self._account()
        if recorder is not None:
            recorder.caused(seq, len(caused), digest)
        for observer in self._observers:
            observer(seq, at, message, caused)

    # ---- ports ------------------------------------------------------------------------------

    def _command(self, command: Command) -> None:
        """Put a command on the tape and aside for the ports."""
        self._commands.append(command)
        if self._recorder is not None:
            self._recorder.command(self._seq, command)

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
            commands = self._commands.copy()
            self._commands.clear()
            if not self._ports:
                return
            kinds = set(map(type, commands))
            for cell in self._ports:
                all_its = kinds <= cell.handlers.keys()
                mail = commands if all_its else [one for one in commands if type(one) in cell.handlers]
                if cell.stopped or cell.skips:
                    for one in mail:
                        self._run_port(cell, one, caused)
                    continue
                cell.inbox.extend(mail)
                while cell.inbox:
                    crash = cell.answer(self._backlog)
                    if crash is not None:
                        self._recover(cell, crash, caused)
            if self._flow.ready:
                self._flow.run(caused)

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
        self.messages -= 2  # of what is in `caused` at the input's end: the crash and what became of it
        # Of a port's crashes actors hear nothing, because a tape is verified without the port.
        is_heard = not cell.spec.port
        if is_heard:
            self._flow.route(_known_to_all(crash))
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
                    refed=cell.remembered,
                    restarts=cell.figures.restarts,
                )
        caused.append(said)
        if is_heard:
            self._flow.route(said)

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
        self.messages -= 2
        if not cell.spec.port:
            self._flow.route(_known_to_all(crash))
            self._flow.route(stopped)

    def _stop(self, cell: Cell, reason: str) -> ActorStopped:
        cell.stop()
        self._flow.leave_out(cell)
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
            figures.handled, figures.depth = cell.ordinal, len(cell.inbox)
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

    def standing(self) -> dict[str, bytes]:
        """Where every actor stands between two inputs, encoded: enough to go on from in another part."""
        states = {cell.spec.name: cell.standing() for cell in self._cells}
        return {name: state for name, state in states.items() if state is not None}

    def histories(self) -> dict[str, list[Message | tuple[int, int] | None]]:
        """What each actor has handled, dated, in order: what `learned` of another sequencer takes."""
        return {cell.spec.name: list(cell.history) for cell in self._cells}


def _known_to_all(crash: ActorCrashed) -> ActorCrashed:
    """Only what a replay, which skips the message without calling the handler, knows too."""
    return msgspec.structs.replace(crash, error="", traceback="", source_file="", line_number=0)
