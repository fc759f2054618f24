"""A person accepts that settings or code have changed in the middle of a session: it goes on in another part.

What was decided before stays decided. The tape so far is fed again under the settings it began with; if every
input causes what the tape says, the state is the one that the broker's orders came from, to the last byte,
and the books are written as far as it goes. It is closed with a record that says so, and the next part's
header holds where each actor stands: lots, orders, breakers, money, how many signals had an id. Only the
market is heard again, by regime and strategies (`session_parts`); trading begins with the first live minute.
Source: architecture 1 and 4; faults.md A 13.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from actors import breaker, executor, portfolio
from actors.gateways.replay_feed import TapeSession
from actors.live_plan import Plan
from actors.refeed import Memory, refeed
from config.snapshot import settings_hash, snapshot
from runtime.errors import BooksRefused, DataError
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Input, Message
from runtime.messages.machine import SessionParted
from runtime.messages.market import Bars
from runtime.messages.session import SessionHeader, TapePart
from storage.books import Books
from storage.environment import environment
from storage.projection import Projection
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
        header, memory = session.header, Memory()
        count = _Minutes()
        sequencer = _at_its_end(plan, session, tape, memory, count)
        if memory.is_over:
            raise DataError(f"the session {header.session} is over: its tape says so")
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
        plan.accept(_told(after, changed, count.minutes))
    return following


class _Minutes:
    """Observer that counts the minutes of the market."""

    def __init__(self) -> None:
        self.minutes = 0

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self.minutes += isinstance(message, Bars)


def _at_its_end(
    plan: Plan, session: TapeSession, tape: TapeWriter, memory: Memory, minutes: _Minutes
) -> Sequencer:
    """The actors where the tape ends, and the books written as far."""
    header = session.header
    projection = Projection(header.session, header.symbols)
    with Books(plan.root, plan.books, "durable") as books:

        def write(seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
            books.apply(projection.rows(seq, at, message, caused), projection.mark(seq), at)

        try:
            return refeed(session, tape, [memory, minutes, write])
        except BooksRefused as error:
            raise BooksRefused(
                f"{error}; so lots and orders cannot be taken over from it, and the change is not accepted: "
                "start with the settings and code it began with, or wait for the next session"
            ) from error


def _say_parted(sequencer: Sequencer, header: SessionHeader, changed: list[str]) -> None:
    at = max(sequencer.moment.now, header.starts)
    said = SessionParted(
        ts_event=at, session=header.session, part=header.part + 1, changed="; ".join(changed)
    )
    sequencer.post("machine", said, at)


def _told(header: SessionHeader, changed: list[str], minutes: int) -> str:
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
            f"  loaded: {len(money.lots)} lots{f': {lots}' * bool(lots)}; {len(working)} open orders; "
            f"P&L of today's closed trades {realised:+.2f} USD",
            f"  breakers: {', '.join(acting) or 'none active'}",
            f"  fed again to regime and strategies: {minutes} minutes of the market; entries wait until our "
            "books have been compared with the broker's",
        )
    )


def _state(header: SessionHeader, actor: str, kind: type[_Kind]) -> _Kind:
    return msgspec.msgpack.decode(header.carried[actor], type=kind)
