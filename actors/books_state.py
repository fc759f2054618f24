"""Takes the actors of a session out of the books, where the code cannot come there by its own decisions.

The books keep where every actor stood after an input that they cover. What the tape has beyond it, mostly
nothing, is fed to the code as it is now: only what it sends to the broker must be what was sent.
Source: architecture 4; faults.md A 13.
"""

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from actors import system
from actors.breaker import MONEY_ACTORS
from actors.gateways.replay_feed import TapeSession
from actors.session_parts import first_seq, learned
from config.schema import Settings
from runtime.errors import BooksRefused
from runtime.kernel.recording import Observer, Recorder
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Command, Input, Message
from runtime.messages.broker import CancelOrder, ReplaceOrder, SubmitOrder
from runtime.messages.codec import encode
from runtime.messages.machine import ActorCrashed, SessionStarted, Source
from runtime.messages.session import SessionHeader
from storage.standing import Standing
from storage.statements import Mark
from storage.tape import Entry


class Late:
    """Recorder that hands on only when it is told that it may."""

    def __init__(self) -> None:
        self._held: list[Callable[[Recorder], None]] = []
        self._tape: Recorder | None = None

    def _hand(self, record: Callable[[Recorder], None]) -> None:
        if self._tape is None:
            self._held.append(record)
        else:
            record(self._tape)

    def input(self, seq: int, at: int, source: Source, message: Input) -> None:
        """A new input."""
        self._hand(lambda tape: tape.input(seq, at, source, message))

    def command(self, seq: int, message: Command) -> None:
        """A command that leaves."""
        self._hand(lambda tape: tape.command(seq, message))

    def crash(self, crash: ActorCrashed) -> None:
        """A crash."""
        self._hand(lambda tape: tape.crash(crash))

    def caused(self, seq: int, count: int, digest: bytes) -> None:
        """The input is handled."""
        self._hand(lambda tape: tape.caused(seq, count, digest))

    def forget(self) -> None:
        """What was held is nobody's."""
        self._held.clear()

    def release(self, tape: Recorder) -> None:
        """Hand on what was held, and what comes, to a tape."""
        self._tape = tape
        for record in self._held:
            record(tape)
        self._held.clear()


def usable(kept: Standing | None, header: SessionHeader) -> Standing:
    """What the books keep of a tape's session; what they keep of an earlier one is older than the tape."""
    session, first = int(header.session.replace("-", "")), first_seq(header)
    if kept is not None and kept.mark.session == session and kept.mark.seq >= first:
        return kept
    return Standing(mark=Mark(session, first - 1), at=header.starts, actors=header.carried)


def from_books(
    session: TapeSession, settings: Settings, kept: Standing, observers: Sequence[Observer]
) -> tuple[Sequencer, Late]:
    """The actors where a tape ends.

    Args:
        settings: Those that the tape began with. kept: what the books keep.
        observers: Called for every input that `kept` does not cover.

    Returns:
        The sequencer, and its recorder: what the tape lacks of its last input is held there.

    Raises:
        BooksRefused: The tape and the books do not fit, or the code would have sent other orders.
    """
    header, entries = session.header, list(session.reader)
    covered = [one for one in entries if one.seq <= kept.mark.seq]
    tail = entries[len(covered) :]
    first = first_seq(header)
    if (covered[-1].seq if covered else first - 1) != kept.mark.seq:
        raise BooksRefused(f"the books cover input {kept.mark.seq}, which {session.path} does not have")
    said: list[Message] = []
    heard: list[Observer] = [lambda seq, at, message, caused: said.extend(caused)]

    def tell(seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        for one in heard:
            one(seq, at, message, caused)

    recorder = Late()
    sequencer = Sequencer(
        system.build(settings, header, session.panels, simulated=False),
        carried=kept.actors,
        recorder=recorder,
        observers=[tell],
        virtual_time=False,
        # That the actors go on is told under the number of the input they stand behind.
        first_seq=kept.mark.seq if covered else first,
        decisions=hashlib.sha256(),
        learned=learned(session, covered, kept.actors),
    )
    if covered:
        begun = SessionStarted(
            ts_event=header.starts, session=header.session, part=header.part + 1, unbroken=True
        )
        sequencer.post("machine", begun, kept.at)
        _compare(session, kept.mark.seq, said, None)
    heard += observers
    for entry in tail:
        said.clear()
        recorder.forget()
        sequencer.post(entry.source, entry.message, entry.at)
        _compare(session, entry.seq, said, entry)
    return sequencer, recorder


def _compare(session: TapeSession, seq: int, said: Sequence[Message], entry: Entry | None) -> None:
    """Whether what the code sends is what was sent; an input that was cut short may have more to send."""
    mine, theirs = _orders(said), _orders(entry.commands if entry is not None else ())
    if entry is not None and entry.count is None:
        mine = mine[: len(theirs)]
    crashed = [one.actor for one in said if isinstance(one, ActorCrashed) and one.actor in MONEY_ACTORS]
    if crashed or mine != theirs:
        what = f"{crashed[0]} crashes" if crashed else f"{len(mine)} orders would leave, {len(theirs)} did"
        raise BooksRefused(f"{session.path}: after input {seq}, which the books do not cover whole, {what}")


def _orders(said: Sequence[Message]) -> list[bytes]:
    """What changes something at the broker, whatever the reason given for it; reads change nothing."""
    return [
        encode(_reasonless(one)) for one in said if isinstance(one, SubmitOrder | CancelOrder | ReplaceOrder)
    ]


def _reasonless(one: SubmitOrder | CancelOrder | ReplaceOrder) -> Message:
    if isinstance(one, ReplaceOrder):
        return msgspec.structs.replace(one, cause=0)
    return msgspec.structs.replace(one, cause=0, reason="")
