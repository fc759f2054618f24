"""A person accepts that settings or code have changed in the middle of a session: it goes on in another part.

What was decided before stays decided. The tape so far is fed again under the settings it began with; if every
input causes what the tape says, the state is the one that the broker's orders came from, to the last byte,
and the books are written as far as it goes. Code that decides otherwise takes the state that the books keep
(`books_state`). The tape is closed with a record that says so, and the next part's
header holds where each actor stands: lots, orders, breakers, money, how many signals had an id. Only the
market is heard again, by regime and strategies (`session_parts`); trading begins with the first live minute.
Source: architecture 1 and 4; faults.md A 13.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from actors import breaker, executor, portfolio
from actors.books_state import from_books, usable
from actors.gateways.replay_feed import TapeSession
from actors.live_plan import Plan
from actors.refeed import Memory, refeed
from config.errors import ConfigError
from config.snapshot import from_snapshot, settings_hash, snapshot
from runtime.errors import BooksRefused, DataError
from runtime.kernel.recording import Observer
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Input, Message
from runtime.messages.machine import SessionParted
from runtime.messages.market import Bars
from runtime.messages.session import SessionHeader, TapePart
from storage.books import Books
from storage.environment import environment
from storage.projection import Projection
from storage.standing import read_standing
from storage.tape import TapeWriter, part_name

_Kind = TypeVar("_Kind", bound=msgspec.Struct)


def begin_part(plan: Plan, path: Path, changed: list[str]) -> Path:
    """Close a session's tape and begin the next part's, which has no input yet; tells what was done.

    Args:
        path: The tape so far. changed: what has, in words.

    Returns:
        The new part's tape.

    Raises:
        BooksRefused: The changed code does not decide what the tape says was decided; nothing was changed.
        DataError: The session is over, or a tape cannot be used.
        StorageUnavailable: A tape or the books cannot be written.
    """
    tape = TapeWriter.resume(path)
    try:
        session = TapeSession(path)
        header, memory, count = session.header, Memory(), 0
        for entry in session.reader:
            memory(entry.seq, entry.at, entry.message, entry.commands)
            count += isinstance(entry.message, Bars)
        if memory.is_over:
            raise DataError(f"the session {header.session} is over: its tape says so")
        sequencer, source = _at_its_end(plan, session, tape)
        carried = sequencer.standing()
        if not memory.is_parted:
            _say_parted(sequencer, header, changed)
        tape.close()
    except BaseException:
        tape.abandon()
        raise
    part = TapePart(name=path.name, last_seq=tape.seq, chain=tape.chain.hex())
    after = msgspec.structs.replace(
        header,
        settings=snapshot(plan.settings),
        settings_hash=settings_hash(plan.settings),
        carried=carried,
        parts=(*header.parts, part),
        **msgspec.structs.asdict(environment()),
    )
    following = path.with_name(part_name(header.session, after.part))
    TapeWriter(following, after, durable=True).abandon()
    if plan.accept is not None:
        plan.accept(_told(after, changed, count, source))
    return following


def _at_its_end(plan: Plan, session: TapeSession, tape: TapeWriter) -> tuple[Sequencer, str]:
    """The actors where the tape ends, and how they came there; the books are written as far."""
    try:
        with Books(plan.root, plan.books, "durable") as books:
            return refeed(
                session, tape, [_writing(session, books)]
            ), "as they are on the tape, found identical"
    except (BooksRefused, ConfigError) as error:
        with Books(plan.root, plan.books, "durable") as books:
            return _out_of(books, plan, session, tape, error)


def _out_of(
    books: Books, plan: Plan, session: TapeSession, tape: TapeWriter, why: Exception
) -> tuple[Sequencer, str]:
    """The same from what the books keep, where the code as it is now decides otherwise."""
    header = session.header
    try:
        settings = from_snapshot(header.settings)
    except ConfigError:
        settings = plan.settings  # it has what this version no longer knows
    try:
        kept = usable(read_standing(books.connection("trades")), header)
        sequencer, recorder = from_books(session, settings, kept, [_writing(session, books)])
    except (BooksRefused, msgspec.MsgspecError) as error:
        raise BooksRefused(
            f"the change is not accepted, nothing was done: the code decides otherwise ({why}), and from the "
            f"books it cannot be taken over ({error}); start with the settings and code it began with, or "
            "wait for the next session"
        ) from error
    recorder.release(tape)
    return sequencer, f"out of the books as of input {kept.mark.seq}, for the code decides otherwise ({why})"


def _writing(session: TapeSession, books: Books) -> Observer:
    """Observer that writes the books as far as they lack something."""
    header = session.header
    projection = Projection(header.session, header.symbols)

    def write(seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        books.apply(projection.rows(seq, at, message, caused), projection.mark(seq), at)

    return write


def _say_parted(sequencer: Sequencer, header: SessionHeader, changed: list[str]) -> None:
    at = max(sequencer.moment.now, header.starts)
    said = SessionParted(
        ts_event=at, session=header.session, part=header.part + 1, changed="; ".join(changed)
    )
    sequencer.post("machine", said, at)


def _told(header: SessionHeader, changed: list[str], minutes: int, source: str) -> str:
    """What was done, for people."""
    money = _state(header, "portfolio", portfolio.Carried)
    orders = _state(header, "executor", executor.ExecutorCarried)
    breakers = _state(header, "breaker", breaker.Carried)
    lots = ", ".join(f"{lot.symbol} {lot.quantity:+d} ({lot.id})" for lot in money.lots)
    working = [one for lot in orders.lots for one in lot.orders.values() if one.is_live]
    acting = [f"{row.breaker} {row.action} {row.target}".rstrip() for row in breakers.chain.rows]
    if breakers.halted is not None:
        acting.insert(0, f"kill switch: {breakers.halted}")
    realised = sum(record.net_today for record in money.records.values())
    return "\n".join(
        (
            f"session {header.session} goes on as part {header.part}; changed: {'; '.join(changed)}",
            f"  loaded, {source}:",
            f"  {len(money.lots)} lots{f': {lots}' * bool(lots)}; {len(working)} open orders; "
            f"P&L of today's closed trades {realised:+.2f} USD",
            f"  breakers: {', '.join(acting) or 'none active'}",
            f"  fed again to regime and strategies: {minutes} minutes of the market; entries wait until our "
            "books have been compared with the broker's",
        )
    )


def _state(header: SessionHeader, actor: str, kind: type[_Kind]) -> _Kind:
    return msgspec.msgpack.decode(header.carried[actor], type=kind)
