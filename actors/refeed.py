"""Brings the decision actors to where a tape ends: after a crash, after a stop, and for the next session.

The tape is fed again to fresh actors. What each input causes must be what the tape says it caused; if it is
not, code or machine have changed and the state would not be the one that the broker's orders came from.
Source: architecture 9; faults.md A.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from actors import system
from actors.execution.order_state import TERMINAL, changed
from actors.executor import ExecutorCarried
from actors.gateways.replay_feed import TapeSession, recorded
from actors.phase_clock import Carried as ClockCarried
from actors.session_parts import entries, first_seq, learned
from config.schema import Settings
from config.snapshot import differences, from_snapshot, settings_hash, snapshot
from runtime.errors import BooksRefused
from runtime.kernel.recording import Observer, Recorder
from runtime.kernel.sequencer import Sequencer
from runtime.messages.account import CLOSES_OURS, AccountSwept
from runtime.messages.base import Command, Input, Message
from runtime.messages.broker import (
    BrokerSnapshot,
    BrokerStreamChanged,
    CancelOrder,
    CancelRejected,
    FillCorrected,
    OrderAccepted,
    OrderCanceled,
    OrderChanged,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    ReplaceOrder,
    SubmitOrder,
)
from runtime.messages.machine import ActorCrashed, SessionEnded, SessionParted, Source
from runtime.messages.market import Bars, DailyReady
from runtime.messages.risk import HaltLifted, HaltThrown, TaskDone, TaskDue
from runtime.messages.session import SessionHeader
from storage.environment import environment

_ANSWERS = (OrderAccepted, OrderRejected, OrderFilled, OrderCanceled, OrderExpired)


class Memory:
    """Observer that keeps what gateways must know of the inputs before they start.

    Attributes:
        submissions, cancels, replaces: Commands without an answer, by client order id, in order.
        orders: The last that the executor said of each order. tasks: asked for and not answered.
        last_minute: Start of the last minute told, ns UTC; 0: none. last_fill: time of the last fill.
        is_halted: Whether the kill switch is thrown. is_over: whether the session has ended.
        is_day_told: Whether the session's own daily bars were told. is_parted: whether the last input says
            that the session goes on in another part.
        fills: Fills, their corrections and replacements, in order. closed_at: how many of them there were
            when all that is ours was last closed past the decision actors; -1: it never was.
        deaf: Why the order stream was not ready when last heard of, or empty.
        is_compared: Whether the broker has told where its orders and positions stand, and before that what
            became of ours.
    """

    def __init__(self, *, is_halted: bool = False) -> None:
        self.submissions: dict[str, SubmitOrder] = {}
        self.cancels: dict[str, CancelOrder] = {}
        self.replaces: dict[str, ReplaceOrder] = {}
        self.orders: dict[str, OrderChanged] = {}
        self.tasks: dict[str, TaskDue] = {}
        self.fills: list[OrderFilled | FillCorrected | OrderReplaced] = []
        self.last_minute = self.last_fill = 0
        self.is_halted = is_halted
        self.is_over = self.is_day_told = self.is_parted = False
        self.closed_at = -1
        self.deaf = ""
        self.is_compared = False

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self._hear(message)
        for said in caused:
            if isinstance(said, OrderChanged):
                self.orders[said.client_order_id] = said
            elif isinstance(said, SubmitOrder):
                self.submissions[said.client_order_id] = said
            elif isinstance(said, TaskDue):
                self.tasks[said.task] = said
            elif isinstance(said, TaskDone):
                self.tasks.pop(said.task, None)
            elif isinstance(said, CancelOrder):
                self.cancels[said.client_order_id] = said
            elif isinstance(said, ReplaceOrder):
                self.replaces[said.client_order_id] = said

    def _hear(self, message: Input) -> None:
        if isinstance(message, OrderFilled | FillCorrected | OrderReplaced):
            self.fills.append(message)
        self.is_parted = isinstance(message, SessionParted)
        self.closed_at = len(self.fills) if _closes_ours(message) else self.closed_at
        if isinstance(message, Bars):
            self.last_minute = max(self.last_minute, message.ts_event)
        elif isinstance(message, _ANSWERS):
            self.submissions.pop(message.client_order_id, None)
            if isinstance(message, OrderFilled):
                self.last_fill = max(self.last_fill, message.ts_event)
            if not isinstance(message, OrderAccepted | OrderFilled) or getattr(message, "done", False):
                self.cancels.pop(message.client_order_id, None)
                self.replaces.pop(message.client_order_id, None)
        elif isinstance(message, CancelRejected):
            self.cancels.pop(message.client_order_id, None)
            self.replaces.pop(message.client_order_id, None)
        elif isinstance(message, OrderReplaced):
            self.replaces.pop(message.client_order_id, None)
        elif isinstance(message, HaltThrown | HaltLifted):
            self.is_halted = isinstance(message, HaltThrown)
        elif isinstance(message, BrokerStreamChanged):
            self.deaf = "" if message.ready else message.reason or "not ready"
        elif isinstance(message, BrokerSnapshot):
            # One that was asked for meanwhile says nothing of what was missed.
            self.is_compared = self.is_compared or message.reason != "schedule"
        elif isinstance(message, DailyReady):
            self.is_day_told = True
        elif isinstance(message, SessionEnded):
            self.is_over = True

    def ended_orders(self) -> list[OrderChanged]:
        """Orders that nothing more can happen to."""
        return [order for order in self.orders.values() if order.status in TERMINAL]


def _closes_ours(message: Input) -> bool:
    return isinstance(message, AccountSwept) and message.done and message.what in CLOSES_OURS


class Watched:
    """Recorder that hands on, and knows what the last input caused.

    Args:
        tape: Where records go; None: nowhere.
    """

    def __init__(self, tape: Recorder | None) -> None:
        self._tape = tape
        self.last = 0, b""

    def input(self, seq: int, at: int, source: Source, message: Input) -> None:
        """A new input."""
        if self._tape is not None:
            self._tape.input(seq, at, source, message)

    def command(self, seq: int, message: Command) -> None:
        """A command that leaves."""
        if self._tape is not None:
            self._tape.command(seq, message)

    def crash(self, crash: ActorCrashed) -> None:
        """A crash."""
        if self._tape is not None:
            self._tape.crash(crash)

    def caused(self, seq: int, count: int, digest: bytes) -> None:
        """The input is handled."""
        self.last = count, digest
        if self._tape is not None:
            self._tape.caused(seq, count, digest)


def refeed(session: TapeSession, tape: Recorder | None, observers: Sequence[Observer]) -> Sequencer:
    """Feed a tape to fresh actors; the sequencer stands where the tape ends.

    Args:
        session: The tape. tape: its writer if the session goes on, else None.
        observers: Called for every input of the tape, and for those that come later.

    Raises:
        BooksRefused: An input caused other messages than the tape says.
        TapeDamaged: A record cannot be trusted.
    """
    header = session.header
    watched = Watched(tape)
    sequencer = Sequencer(
        system.build(from_snapshot(header.settings), header, session.panels, simulated=False),
        carried=header.carried,
        recorder=watched,
        observers=observers,
        virtual_time=False,
        first_seq=first_seq(header),
        decisions=hashlib.sha256(),
        learned=learned(session),
    )
    # Read to its end before anything is fed: the last input's missing records are appended while it is fed.
    for entry in list(session.reader):
        sequencer.expect(recorded(entry))
        sequencer.post(entry.source, entry.message, entry.at)
        if entry.count is not None and watched.last != (entry.count, entry.digest):
            raise BooksRefused(
                f"{session.path}: input {entry.seq} ({type(entry.message).__name__}) no longer causes "
                "what it caused; `replay --verify` shows where"
            )
    return sequencer


def recall(session: TapeSession, memory: Memory) -> None:
    """Tell a memory what was before a tape: inputs and commands of the earlier parts, and their orders."""
    header = session.header
    memory.is_halted = was_halted(header)
    if not header.parts:
        return
    for entry in entries(session):
        memory(entry.seq, entry.at, entry.message, entry.commands)
    if (raw := header.carried.get("executor")) is not None:
        for lot in executor_state(raw).lots:
            for order in lot.orders.values():
                memory.orders[order.client_order_id] = changed(order, 0, 0)
    if (raw := header.carried.get("phase_clock")) is not None:
        clock = msgspec.msgpack.decode(raw, type=ClockCarried)
        for task, phase in clock.today.asked.items() if clock.today else ():
            memory.tasks[task] = TaskDue(ts_event=0, cause=0, task=task, phase=phase, late=False)


def check_unchanged(header: SessionHeader, books: str, settings: Settings) -> None:
    """See that a session goes on as what it began.

    Args:
        books: Whose books this start is for. settings: its settings.

    Raises:
        BooksRefused: The tape is another account's, or settings or code have changed since; says how.
    """
    if found := changes(header, books, settings):
        raise BooksRefused(
            f"the session {header.session} began with other values of: {', '.join(found)}; "
            "go on with those it began with, accept the change with --accept-change, or wait for the next "
            "session"
        )


def changes(header: SessionHeader, books: str, settings: Settings) -> list[str]:
    """What of account, settings and code is not as it was when a tape began, in words.

    Raises:
        BooksRefused: The account is another one: no person can accept that.
    """
    found = []
    if header.books != books:
        raise BooksRefused(
            f"the session {header.session} began with other values of: the account (was {header.books}, is "
            f"{books}); its orders are not this account's"
        )
    if header.settings_hash != settings_hash(settings):
        told = differences(header.settings, snapshot(settings))
        found.append(f"the settings ({'; '.join(told) or 'one that this version no longer has'})")
    code = environment().code_version
    if header.code_version != code:
        found.append(f"the code (was {header.code_version}, is {code})")
    return found


def carried_from(path: Path) -> dict[str, bytes]:
    """What the session of a tape hands to the next one; a session that was cut short ends first.

    Raises:
        BooksRefused: The code no longer decides as it did then. TapeDamaged, DataError: as for any tape.
    """
    session = TapeSession(path)
    memory = Memory()
    sequencer = refeed(session, None, [memory])
    if not memory.is_over:
        header = session.header
        sequencer.post("machine", SessionEnded(ts_event=header.ends, session=header.session), header.ends)
    return sequencer.carry()


def was_halted(header: SessionHeader) -> bool:
    """Whether the session before was left halted."""
    carried = header.carried.get("executor")
    return carried is not None and executor_state(carried).is_halted


def executor_state(carried: bytes) -> ExecutorCarried:
    """What the executor carries."""
    return msgspec.msgpack.decode(carried, type=ExecutorCarried)
