"""A session in several parts: what an actor of a later one has heard before its first input.

A session that goes on under changed settings or code begins another tape. What was decided before is in that
tape's header; what was heard of the market is on the tapes before it, and regime and strategies hear it
again, as the changed settings and code do. What they say to that reaches nobody.
Source: architecture 1; faults.md A 13.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from actors import system
from actors.gateways.replay_feed import TapeSession
from actors.strategy import Fate, StrategyCarried
from config.snapshot import from_snapshot
from runtime.errors import DataError
from runtime.kernel.cell import ActorSpec
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Message
from runtime.messages.machine import SessionEnded, SessionParted, SessionStarted
from runtime.messages.market import SymbolAdded
from runtime.messages.session import SessionHeader
from storage.tape import Entry, TapeReader, part_beside

Heard = Sequence[Message | tuple[int, int] | None]

_carried = msgspec.msgpack.Decoder(StrategyCarried)

_CLOCK, _REGIME = "phase_clock", "regime"
_NAME_SYMBOLS = ("portfolio", "breaker", "ensemble")
"""Actors besides those that learn, to whom a symbol that was added is a place in their columns."""


def first_seq(header: SessionHeader) -> int:
    """The number of a tape's first input."""
    return header.parts[-1].last_seq + 1 if header.parts else 1


def earlier(session: TapeSession) -> Iterator[TapeSession]:
    """The parts before a tape's, oldest first, each found to be the one that is meant once it was read.

    Raises:
        DataError: One is not there, or is another tape.
    """
    for part in session.header.parts:
        before = TapeSession(part_beside(session.path, part.name))
        yield before
        if before.reader.chain.hex() != part.chain or before.reader.seq != part.last_seq:
            raise DataError(f"{before.path} is not the part of the session that {session.path} goes on from")


def entries(session: TapeSession) -> Iterator[Entry]:
    """Every input of the parts before a tape's, in order."""
    for before in earlier(session):
        yield from before.reader


def learned(
    session: TapeSession, own: Sequence[Entry] = (), carried: Mapping[str, bytes] | None = None
) -> dict[str, Heard]:
    """What regime and strategies of a tape have heard on the session's earlier tapes.

    Args:
        own: Inputs of the tape itself that they have heard too. carried: where the actors stand after them.

    Raises:
        DataError, TapeDamaged: An earlier part cannot be used.
    """
    header = session.header
    if not (header.parts or own):
        return {}
    first = TapeReader(part_beside(session.path, header.parts[0].name)).header if header.parts else header
    settings = from_snapshot(header.settings)
    specs = system.build(settings, header, session.panels, simulated=False)
    pupils = [spec for spec in specs if spec.name == _CLOCK or learns(spec)]
    school = Sequencer(pupils, carried=first.carried, virtual_time=False, decisions=hashlib.sha256())
    added: list[Message | tuple[int, int]] = []
    fates = _fates(header.carried if carried is None else carried, pupils)
    for entry in chain(entries(session), own):
        message = entry.message
        if not _is_mark(message):
            school.post(entry.source, message, entry.at)
        while fates and fates[-1][0] <= entry.seq:
            _, at, fate = fates.pop()
            school.tell(fate, at)
        if isinstance(message, SymbolAdded):
            added += [(entry.seq, entry.at), message]
    heard: Mapping[str, Heard] = school.histories()
    known = {name: told for name, told in heard.items() if name != _CLOCK}
    return known | (dict.fromkeys(_NAME_SYMBOLS, added) if added else {})


def _fates(carried: Mapping[str, bytes], pupils: Sequence[ActorSpec]) -> list[tuple[int, int, Fate]]:
    """What became of all strategies' signals and lots so far, the first one last."""
    found: list[tuple[int, int, Fate]] = []
    for spec in pupils:
        raw = carried.get(spec.name) if spec.private else None
        today = None if raw is None else _carried.decode(raw).today
        found += today.heard if today is not None else ()
    return sorted(found, key=lambda one: one[0])[::-1]  # those of one input keep their order


def learns(spec: ActorSpec) -> bool:
    """Whether an actor hears the market again: a strategy, or the regime."""
    return spec.private or spec.name == _REGIME


def _is_mark(message: Message) -> bool:
    """Whether it is about the recording: a later part's beginning, or an end."""
    if isinstance(message, SessionStarted):
        return message.part > 1
    return isinstance(message, SessionEnded | SessionParted)
