"""How one input's messages travel from actor to actor: who gets what, and who runs next."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from runtime.kernel.cell import Cell, Emitted
from runtime.kernel.speech import check_decision
from runtime.messages.base import Command, Input, Message
from runtime.messages.codec import encode_each_into
from runtime.messages.machine import ActorCrashed, CancelTimer, SetTimer

CASCADE_LIMIT = 100_000
"""More messages than this from one input is a cycle, not a decision."""

Delivery = tuple[tuple[Callable[[Message], None], ...], int]
"""What is called with a message: first what a command or a timer does besides being delivered, then what puts
it into the inbox of each who handles it, in rank order (a stopped one counts a drop); and the bits of those
that then have mail. A true tuple: Python takes a named one apart much more slowly."""


class CascadeTooLong(RuntimeError):
    """One input caused more than `CASCADE_LIMIT` messages: a bug that must halt trading."""


Addressed = tuple[str, dict[str, Delivery]]
"""The field that says who a message is for; how it gets there by that field's value."""


class Flow:
    """Runs the lowest-ranked actor that has mail until none has.

    Args:
        cells: Every actor, in rank order; ports take no part.
        said: Where every decision is encoded for the hash, in the order in which it was made.
        command, timer: Do what a command, a timer needs besides delivery.
        recover: Tells of an actor's crash and restarts it.

    Attributes:
        ready: Bits of the cells that have mail. settling: of those whose round is to be ended.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        said: bytearray,
        command: Callable[[Command], None],
        timer: Callable[[SetTimer | CancelTimer], None],
        recover: Callable[[Cell, ActorCrashed, list[Message]], None],
    ) -> None:
        self._cells = {cell.bit: cell for cell in cells if not cell.spec.port}
        self._said = said
        self._command, self._timer, self._recover = command, timer, recover
        self._plain: dict[type[Message], Delivery] = {}
        """Of kinds without an address: the same for every message."""
        self._addressed: dict[type[Message], Addressed] = {}
        """Of all others."""
        self._acts: dict[type[Message], Callable[[Any], None]] = {}
        """What commands and timers do besides being delivered."""
        self._takers: dict[type[Message], tuple[Cell, ...]] = {}
        """Who handles an input, in rank order, stopped ones too."""
        self.ready = 0
        self.settling = 0

    # ---- who gets what ----------------------------------------------------------------------

    def enter(self, message: Input, caused: list[Message]) -> None:
        """Hand an input to whoever handles it; what several parts say goes on as those parts."""
        kind = type(message)
        if kind.parts:
            parts = getattr(message, kind.parts)
            if not parts or not self._spread(parts):
                for part in parts:
                    self.route(part)
        elif self.ready or kind.address:
            self.route(message)
        else:
            self._run_through(self._takers_of(kind), message, caused)

    def _spread(self, messages: Sequence[Message]) -> bool:
        """Deliver messages all at once if they are of one kind without an address; whether they were."""
        kind = type(messages[0])
        if kind not in self._plain or len(set(map(type, messages))) > 1:
            return False
        if kind in self._acts:
            act = self._acts[kind]
            for message in messages:
                act(message)
        for cell in self._takers_of(kind):
            if cell.stopped:
                cell.figures.drops += len(messages)
            else:
                cell.inbox.extend(messages)
                self.ready |= cell.bit
        return True

    def _takers_of(self, kind: type[Message]) -> tuple[Cell, ...]:
        takers = self._takers.get(kind)
        if takers is None:
            takers = self._takers[kind] = self._who_handles(kind, "")
        return takers

    def route(self, message: Message) -> None:
        """Put a message into the inboxes of all who handle it."""
        appends, mask = self._plain.get(type(message)) or self._delivery_of(message)
        for append in appends:
            append(message)
        self.ready |= mask

    def leave_out(self, cell: Cell) -> None:
        """A cell has stopped: it gets no mail any more."""
        self._plain.clear()
        self._addressed.clear()
        self.ready &= ~cell.bit
        self.settling &= ~cell.bit

    def _delivery_of(self, message: Message) -> Delivery:
        """How a message gets there whose kind has an address, or has not been met before."""
        kind = type(message)
        addressed = self._addressed.get(kind)
        if addressed is None:
            if not kind.address:
                made = self._plain[kind] = self._make_delivery(kind, "")
                return made
            addressed = self._addressed[kind] = (kind.address, {})
        address, deliveries = addressed
        wanted = getattr(message, address)
        delivery = deliveries.get(wanted)
        if delivery is None:
            delivery = deliveries[wanted] = self._make_delivery(kind, wanted)
        return delivery

    def _make_delivery(self, kind: type[Message], wanted: str) -> Delivery:
        cells = self._who_handles(kind, wanted)
        calls: list[Callable[[Any], None]] = []
        if issubclass(kind, Command):
            calls.append(self._command)
        elif issubclass(kind, SetTimer | CancelTimer):
            calls.append(self._timer)
        if calls:
            self._acts[kind] = calls[0]
        calls += (cell.drop if cell.stopped else cell.inbox.append for cell in cells)
        return tuple(calls), sum(cell.bit for cell in cells if not cell.stopped)

    def _who_handles(self, kind: type[Message], wanted: str) -> tuple[Cell, ...]:
        """Everybody who handles the kind; of an addressed one whom it is for and who listens to all."""
        return tuple(
            cell
            for cell in self._cells.values()
            if kind in cell.handlers
            and (not kind.address or cell.spec.name == wanted or not (kind.exclusive or cell.spec.private))
        )

    # ---- who runs next ----------------------------------------------------------------------

    def run(self, caused: list[Message]) -> None:
        """Run the lowest-ranked actor that has mail until none has; what they say is added to `caused`.

        Raises:
            CascadeTooLong: There is no end to it.
        """
        cells = self._cells
        while pending := self.ready | self.settling:
            lowest = pending & -pending
            cell = cells[lowest]
            if self.ready & lowest:
                if len(cell.inbox) == 1 or cell.skips:
                    crash = self._drain_singly(cell, caused)
                else:
                    crash = self._drain(cell, caused)
                if not cell.inbox:
                    self.ready &= ~lowest
                    if cell.settle is not None and (cell.actor.unsettled or crash is not None):
                        self.settling |= lowest
                if crash is not None:
                    self._recover(cell, crash, caused)
            else:
                self.settling &= ~lowest
                result = cell.run(None)
                if result:
                    self._take(cell, result, caused)
            if len(caused) > CASCADE_LIMIT:
                raise CascadeTooLong(f"one input caused more than {CASCADE_LIMIT} messages")

    def _run_through(self, cells: tuple[Cell, ...], message: Input, caused: list[Message]) -> None:
        """Run an input's subscribers in rank order without inboxes until one has something to say.

        The same order as `run` would take: nobody has mail yet, so the lowest-ranked subscriber is next,
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
                        self.ready |= later.bit
                if settle_next:
                    self.settling |= cell.bit
                self._take(cell, result, caused)
                return

    def _take(self, cell: Cell, result: Emitted | ActorCrashed, caused: list[Message]) -> None:
        """Release what a handler said, or recover from its crash."""
        if type(result) is ActorCrashed:
            self._recover(cell, result, caused)
        else:
            self._release(result, caused)  # type: ignore[arg-type]  # a crash it is not

    def _release(self, said: Emitted, caused: list[Message]) -> None:
        """Deliver what was said."""
        caused += said
        if len(said) > 2 and self._spread(said):  # as most is that is said to a frame: one kind, many times
            return
        plain, ready = self._plain, self.ready
        for emitted in said:
            appends, bits = plain.get(type(emitted)) or self._delivery_of(emitted)
            for append in appends:
                append(emitted)
            ready |= bits
        self.ready = ready

    def _drain(self, cell: Cell, caused: list[Message]) -> ActorCrashed | None:
        """Hand over the mail a cell has, in order, until a lower-ranked one has to run, or until a crash.

        `Cell.run` written as one loop, and what was said to all of the mail encoded and released at once:
        this is what every hop costs.
        """
        moment, handlers, calm = cell.moment, cell.handlers, cell.calm
        if cell.dated_seq != moment.seq:
            cell.date_history()
        mail = list(cell.inbox)
        cell.inbox.clear()
        if len(mail) > cell.high_water:
            cell.high_water = len(mail)
        rest = iter(mail)
        said: list[Message] = []
        failed: tuple[Message, BaseException] | None = None
        hurry = False
        begun = 0 if moment.seq & 15 else time.perf_counter_ns()
        for message in rest:
            try:
                answer = handlers[type(message)](message)
                if answer:
                    if type(answer) is not tuple:
                        answer = cell.bounded(answer)
                    for emitted in answer:
                        if type(emitted) not in calm:
                            hurry |= self._hurries(cell, emitted)
                    said += answer
                    if hurry:
                        break
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the supervisor's edge, as in `Cell.run`
                failed = message, error
                break
        if said:
            encoded = len(self._said)
            try:
                encode_each_into(said, self._said)
            except Exception:  # noqa: BLE001 - it is raised again by the message whose answer it is
                del self._said[encoded:]
                return self._drain_again(cell, mail, caused)
            self._release(said, caused)
        if begun:
            cell.figures.busy_ns += (time.perf_counter_ns() - begun) << 4
        return cell.handled(mail, list(rest), failed)

    def _hurries(self, cell: Cell, emitted: Message) -> bool:
        """Whether somebody of lower rank does more than note it, and so must run before the cell goes on.

        A kind that nobody does is remembered, and that it is a decision at all.

        Raises:
            TypeError: It is none.
        """
        check_decision(emitted)
        kind = type(emitted)
        for other in self._cells.values():
            if other.bit < cell.bit and kind in other.handlers and kind not in other.noted:
                return True
        cell.calm.add(kind)
        return False

    def _drain_again(self, cell: Cell, mail: list[Message], caused: list[Message]) -> ActorCrashed | None:
        """One of the answers to the mail cannot be encoded: find it with the actor as it was before."""
        cell.inbox.extendleft(reversed(mail))
        try:
            cell.restart()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the supervisor's edge
            first = cell.inbox.popleft()
            cell.ordinal += 1
            return cell.crash(first, error)
        return self._drain_singly(cell, caused)

    def _drain_singly(self, cell: Cell, caused: list[Message]) -> ActorCrashed | None:
        """The same message by message: one alone, or any while recorded crashes are to come."""
        while cell.inbox:
            said = cell.run(cell.inbox.popleft())
            if type(said) is ActorCrashed:
                return said
            if said:
                # A lower-ranked actor may have to run now; if none has, this one goes on.
                self._release(said, caused)  # type: ignore[arg-type]  # a crash it is not
                break
        return None
