"""What is on a tape: read through to its end, so whatever is told has been checked."""

from pathlib import Path

import msgspec

from runtime.messages.machine import SOURCES
from runtime.messages.market import Bars
from runtime.messages.session import PanelRef, TapePart
from storage.panels import PanelStore
from storage.tape.format import COMPRESSED, KINDS
from storage.tape.reader import TapeReader


class PanelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A history panel that the tape needs, and whether its file is there."""

    ref: PanelRef
    present: bool


class CrashInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An actor's crash, as recorded."""

    seq: int
    actor: str
    message_type: str
    error: str


class TapeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What `tape info` prints.

    Attributes:
        open, close, first_at, last_at: ns UTC; 0: the tape has no input.
        part: Of the session, counted from 1. parts: its earlier ones, whose market its actors have heard.
        symbols: How many the table in the header has.
        records: By kind. inputs: by source. messages: inputs by type, in order of first appearance.
        bars: Minute bars, one symbol and minute each.
        unfinished: Whether the last input was not handled to its end (never on a closed tape: one made
            from files has inputs that nobody has handled yet).
        chain: The hash chain after the last sound record, hex.
        torn: What is torn off at the end; empty: nothing.
        size: Bytes of the file.
    """

    path: str
    session: str
    part: int
    parts: tuple[TapePart, ...]
    open: int
    close: int
    early_close: bool
    symbols: int
    records: dict[str, int]
    inputs: dict[str, int]
    messages: dict[str, int]
    bars: int
    first_seq: int
    last_seq: int
    first_at: int
    last_at: int
    commands: int
    crashes: list[CrashInfo]
    unfinished: bool
    chain: str
    torn: str
    closed: bool
    compressed: bool
    size: int
    settings_hash: str
    books: str
    origin: str
    code_version: str
    python: str
    numpy: str
    cpu: str
    panels: dict[str, PanelInfo]


def info(path: Path) -> TapeInfo:
    """Read a tape to its end and tell what is on it.

    Raises:
        DataError: it cannot be read.
        TapeDamaged: it is damaged; a torn last record is told, not raised.
    """
    tape = TapeReader(path)
    inputs = dict.fromkeys(SOURCES, 0)
    messages: dict[str, int] = {}
    bars = first_at = last_at = first_seq = 0
    crashes: list[CrashInfo] = []
    unfinished = False
    for entry in tape:
        message = entry.message
        kind = type(message).__name__
        inputs[entry.source] += 1
        messages[kind] = messages.get(kind, 0) + 1
        if isinstance(message, Bars):
            bars += len(message)
        if not first_seq:
            first_seq, first_at = entry.seq, entry.at
        last_at = entry.at
        unfinished = entry.count is None
        crashes += [
            CrashInfo(seq=crash.cause, actor=crash.actor, message_type=crash.message_type, error=crash.error)
            for crash in entry.crashes
        ]
    header = tape.header
    records = {name: tape.counts[kind] for kind, name in KINDS.items()}
    store = PanelStore(path.parent / "blobs")
    return TapeInfo(
        path=str(path),
        session=header.session,
        part=header.part,
        parts=header.parts,
        open=header.open,
        close=header.close,
        early_close=header.early_close,
        symbols=len(header.symbols),
        records=records,
        inputs=inputs,
        messages=messages,
        bars=bars,
        first_seq=first_seq,
        last_seq=tape.seq,
        first_at=first_at,
        last_at=last_at,
        commands=records["command"],
        crashes=crashes,
        unfinished=unfinished and not tape.closed,
        chain=tape.chain.hex(),
        torn="" if tape.torn is None else str(tape.torn),
        closed=tape.closed,
        compressed=path.name.endswith(COMPRESSED),
        size=path.stat().st_size,
        settings_hash=header.settings_hash,
        books=header.books,
        origin=header.origin,
        code_version=header.code_version,
        python=header.python,
        numpy=header.numpy,
        cpu=header.cpu,
        panels={name: PanelInfo(ref=ref, present=ref in store) for name, ref in header.panels.items()},
    )
