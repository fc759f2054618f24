"""How one input's messages travel from actor to actor: who gets what, and who runs next."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from runtime.kernel.cell import DECISIONS, Cell, Emitted, check_decision
from runtime.messages.base import Command, Input, Message
from runtime.messages.codec import encode_into
from runtime.messages.machine import ActorCrashed, CancelTimer, SetTimer

CASCADE_LIMIT = 100_000
"""More messages than this from one input is a cycle, not a decision."""


class CascadeTooLong(RuntimeError):
    """One input caused more than `CASCADE_LIMIT` messages: a bug that must halt trading."""


class Route(NamedTuple):
    """Where a kind of message goes.

    Attributes:
        appends: How it gets into the inbox of each who handles it, in rank order.
        mask: The bits of those that then have mail: a stopped one counts a drop instead.
        urgent: The bits of those that do more than note it.
        cells: Who they are.
    """

    appends: tuple[Callable[[Message], None], ...]
    mask: int
    urgent: int
    cells: tuple[Cell, ...]


class Flow:
    """Runs the lowest-ranked actor that has mail until none has.

    Args:
        cells: Every actor, in rank order; ports take no part.
        said: Where every decision is encoded for the hash, in the order in which it was made.
        act: Does what a command or a timer needs besides delivery.
        recover: Tells of an actor's crash and restarts it.

    Attributes:
        ready: Bits of the cells that have mail. settling: of those whose round is to be ended.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        said: bytearray,
        act: Callable[[Message], None],
        recover: Callable[[Cell, ActorCrashed, list[Message]], None],
    ) -> None:
        self._cells = {cell.bit: cell for cell in cells if not cell.spec.port}
        self._said = said
        self._act, self._recover = act, recover
        self._routes: dict[tuple[type[Message], str], Route] = {}
        self._plain: dict[type[Message], Route] = {}
        """Routes of kinds that need nothing but delivery: no address, no timer, no command."""
        self._acting: dict[type[Message], bool] = {}
        """Whether a kind is a command or about a timer, as far as asked."""
        self.ready = 0
        self.settling = 0

    # ---- who gets what ----------------------------------------------------------------------

    def enter(self, message: Input, caused: list[Message]) -> None:
        """Hand an input to whoever handles it; what several parts say goes on as those parts."""
        kind = type(message)
        if kind.parts:
            for part in getattr(message, kind.parts):
                appends, mask, _, _ = self._plain.get(type(part)) or self._route_of(part)
                for append in appends:
                    append(part)
                self.ready |= mask
            return
        route = self._plain.get(kind)
        if route is None or self.ready:
            self.route(message)
        else:
            self._run_through(route.cells, message, caused)

    def route(self, message: Message) -> None:
        """Put a message into the inboxes of all who handle it."""
        route = self._plain.get(type(message)) or self._route_of(message)
        for append in route.appends:
            append(message)
        self.ready |= route.mask

    def leave_out(self, cell: Cell) -> None:
        """A cell has stopped: it gets no mail any more."""
        self._routes.clear()
        self._plain.clear()
        self.ready &= ~cell.bit
        self.settling &= ~cell.bit

    def _special(self, message: Message) -> Route:
        """Do what a kind needs besides delivery (an address, a timer, a command); who gets it."""
        kind = type(message)
        acts = self._acting.get(kind)
        if acts is None:
            acts = self._acting[kind] = issubclass(kind, Command | SetTimer | CancelTimer)
        if acts:
            self._act(message)
        route = self._routes.get((kind, getattr(message, kind.address) if kind.address else ""))
        return self._route_of(message) if route is None else route

    def _route_of(self, message: Message) -> Route:
        kind = type(message)
        key = (kind, getattr(message, kind.address) if kind.address else "")
        route = self._routes.get(key)
        return self._make_route(*key) if route is None else route

    def _make_route(self, kind: type[Message], wanted: str) -> Route:
        """To everybody who handles the kind; an addressed one to whom it is for and who listens to all."""
        cells = tuple(
            cell
            for cell in self._cells.values()
            if kind in cell.handlers
            and (not kind.address or cell.spec.name == wanted or not (kind.exclusive or cell.spec.private))
        )
        running = [cell for cell in cells if not cell.stopped]
        route = self._routes[kind, wanted] = Route(
            tuple(cell.drop if cell.stopped else cell.inbox.append for cell in cells),
            sum(cell.bit for cell in running),
            sum(cell.bit for cell in running if kind not in cell.noted),
            cells,
        )
        if not kind.address and not issubclass(kind, Command | SetTimer | CancelTimer):
            self._plain[kind] = route
        return route

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
                if len(cell.inbox) > cell.high_water:
                    cell.high_water = len(cell.inbox)
                crash = self._drain_with_care(cell, caused) if cell.skips else self._drain(cell, caused)
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

    def _release(self, said: Emitted, caused: list[Message]) -> int:
        """Deliver what was said; the bits of those who have mail now that they will not only note."""
        urgent = 0
        caused += said
        for emitted in said:
            appends, bits, hurry, _ = self._plain.get(type(emitted)) or self._special(emitted)
            for append in appends:
                append(emitted)
            self.ready |= bits
            urgent |= hurry
        return urgent

    def _drain(self, cell: Cell, caused: list[Message]) -> ActorCrashed | None:
        """Hand over the mail a cell has, in order, until a lower-ranked one has to run, or until a crash.

        `Cell.run` and `_release` once a message, written as one loop: this is what every hop costs.
        """
        moment, buffer, plain, handlers = cell.moment, self._said, self._plain, cell.handlers
        if cell.dated[0] != moment.seq:
            cell.date_history()
        mail = list(cell.inbox)
        cell.inbox.clear()
        rest = iter(mail)
        lower, ready, urgent, encoded = cell.bit - 1, 0, 0, len(buffer)
        begun = 0 if moment.seq & 15 else time.perf_counter_ns()
        for message in rest:
            try:
                answer = handlers[type(message)](message)
                if answer:
                    if type(answer) is not tuple:
                        answer = cell.bounded(answer)
                    for emitted in answer:
                        if type(emitted) not in DECISIONS:
                            check_decision(emitted)
                        encode_into(emitted, buffer, -1)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the supervisor's edge, as in `Cell.run`
                del buffer[encoded:]
                self.ready |= ready
                return cell.handled(mail, list(rest), (message, error))
            if answer:
                encoded = len(buffer)
                caused += answer
                for emitted in answer:
                    appends, bits, hurry, _ = plain.get(type(emitted)) or self._special(emitted)
                    for append in appends:
                        append(emitted)
                    ready |= bits
                    urgent |= hurry
                if urgent & lower:
                    break
        self.ready |= ready
        if begun:
            cell.figures.busy_ns += (time.perf_counter_ns() - begun) << 4
        return cell.handled(mail, list(rest))

    def _drain_with_care(self, cell: Cell, caused: list[Message]) -> ActorCrashed | None:
        """The same while recorded crashes are to come: each message may be one of them."""
        while cell.inbox:
            said = cell.run(cell.inbox.popleft())
            if type(said) is ActorCrashed:
                return said
            if said and self._release(said, caused) & (cell.bit - 1):  # type: ignore[arg-type]
                break
        return None
