"""Reads a tape back, checking every byte: inputs in order, each with what it caused."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from runtime.errors import TapeDamaged
from runtime.messages.base import Command, Input
from runtime.messages.codec import decode
from runtime.messages.machine import SOURCES, ActorCrashed, Source
from runtime.messages.session import SCHEMA, SessionHeader
from storage.tape.files import open_tape
from storage.tape.format import (
    CAUSED,
    CAUSED_HEAD,
    CHAIN_START,
    COMMAND,
    COMMAND_HEAD,
    CRASH,
    FOOTER,
    FRAME,
    HEADER,
    INPUT,
    INPUT_HEAD,
    KINDS,
    MAGIC,
    Footer,
    chained,
)

_HEAD = FRAME.size - 4


class Record(NamedTuple):
    """One record that has passed its checks."""

    offset: int
    number: int
    kind: int
    payload: bytes


class Torn(msgspec.Struct, frozen=True):
    """A last record of which only a part was written.

    Attributes:
        offset: Where it begins: everything before is sound.
        size: How many bytes of it there are.
    """

    offset: int
    size: int

    def __str__(self) -> str:
        return f"the last record is torn: {self.size} bytes of it from byte {self.offset} on"


class Entry:
    """One input and the records that follow it. Messages are decoded when first asked for.

    Attributes:
        at: When the input became known, ns UTC.
        raw: The encoded message.
        crashes: What crashed on it, before it was on the tape (the simulated broker sees it first) or after.
        count: How many messages it caused; None if the tape ends before it was handled to the end.
        digest: First 16 bytes of the SHA-256 over the encoded messages it caused.
    """

    __slots__ = (
        "_command_records", "_message", "_record", "_tape",
        "at", "count", "crashes", "digest", "raw", "seq", "source",
    )  # fmt: skip

    def __init__(self, tape: "TapeReader", record: Record) -> None:
        self._tape = tape
        self._record = record
        self.seq, self.at, code = INPUT_HEAD.unpack_from(record.payload)
        self.source: Source = SOURCES[code]
        self.raw = memoryview(record.payload)[INPUT_HEAD.size :]
        self.crashes: tuple[ActorCrashed, ...] = ()
        self.count: int | None = None
        self.digest = b""
        self._command_records: tuple[Record, ...] = ()
        self._message: Input | None = None

    @property
    def message(self) -> Input:
        """The input.

        Raises:
            TapeDamaged: it is sound but no message this version of the code knows.
        """
        if self._message is None:
            self._message = self._tape.decoded(self._record, self.raw, Input, self.seq - 1)
        return self._message

    @property
    def commands(self) -> tuple[Command, ...]:
        """What left for the broker because of it, in order."""
        return tuple(
            self._tape.decoded(record, memoryview(record.payload)[COMMAND_HEAD.size :], Command, self.seq)
            for record in self._command_records
        )

    def add_command(self, record: Record) -> None:
        """A command record that belongs to it."""
        self._command_records += (record,)


class TapeReader:
    """A tape, compressed or not. Iterating reads it from the start, as often as wanted.

    Args:
        path: A `.tape` or `.tape.zst` file.

    Attributes:
        header: What the session starts from.
        torn: Set when reading has met a torn last record; nothing is cut here.
        footer: Set when reading has met the footer: the tape was closed.
        chain: The chain after the last record read.
        size: Bytes of sound records read so far, uncompressed.
        counts: Records read so far by kind.

    Raises:
        DataError: there is no such file or it cannot be read.
        TapeDamaged: it is no tape, or its header is damaged. Iterating raises it for any later damage.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin()
        first = next(self.records(), None)
        if first is None:
            raise self._damage("the header is incomplete")
        self.header = self._read_header(first.payload)

    def _begin(self) -> None:
        self.torn: Torn | None = None
        self.footer: Footer | None = None
        self.chain = CHAIN_START
        self.size = 0
        self.counts = dict.fromkeys(KINDS, 0)
        self._seq = 0
        self._number = 0

    @property
    def closed(self) -> bool:
        """Whether the reading met a footer."""
        return self.footer is not None

    @property
    def seq(self) -> int:
        """Sequence number of the last input read; 0 before the first."""
        return self._seq

    # ---- entries ----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Entry]:
        entry: Entry | None = None
        early: tuple[ActorCrashed, ...] = ()
        for record in self.records():
            if record.kind == INPUT:
                if entry is not None:
                    yield entry
                entry = Entry(self, record)
                entry.crashes, early = early, ()
            elif record.kind == CRASH:
                crash = self.decoded(record, memoryview(record.payload), ActorCrashed, self._seq)
                if entry is None or entry.count is not None:
                    early += (crash,)
                else:
                    entry.crashes += (crash,)
            elif entry is not None:
                if record.kind == COMMAND:
                    entry.add_command(record)
                elif record.kind == CAUSED:
                    entry.count = CAUSED_HEAD.unpack_from(record.payload)[1]
                    entry.digest = record.payload[CAUSED_HEAD.size :]
        if entry is not None:
            entry.crashes += early
            yield entry

    def decoded(self, record: Record, raw: memoryview, kind: type[Any], after: int) -> Any:
        """A message of a sound record that stands after input `after`.

        Raises:
            TapeDamaged: it is not a message of this kind.
        """
        try:
            message = decode(raw)
        except (ValueError, RecursionError, NotImplementedError) as error:
            raise self._damage(f"its message cannot be read: {error}", record, after) from error
        if not isinstance(message, kind):
            said = f"a {type(message).__name__} stands where a {kind.__name__} belongs"
            raise self._damage(said, record, after)
        return message

    # ---- records ----------------------------------------------------------------------------

    def records(self) -> Iterator[Record]:
        """Every record in order, each checked against frame, chain and its neighbours."""
        self._begin()
        with open_tape(self.path) as file:
            try:
                magic = file.read(len(MAGIC))
                if magic != MAGIC:
                    raise self._damage("it does not begin like a tape")
                self.size = len(MAGIC)
                while (record := self._read_record(file)) is not None:
                    yield record
                if self.torn is None:
                    file.check_end()
            except EOFError as error:
                raise self._damage(str(error)) from error

    def _read_record(self, file: Any) -> Record | None:
        head = file.read(FRAME.size)
        if not head:
            return None
        if self.footer is not None:
            raise self._damage(f"{len(head)} or more bytes follow the footer")
        if len(head) < FRAME.size:
            self.torn = Torn(self.size, len(head))
            return None
        length, kind, chain, checksum = FRAME.unpack(head)
        if crc32(head[:_HEAD]) != checksum:
            raise self._damage("the checksum of its frame is wrong")
        payload = file.read(length)
        if len(payload) < length:
            self.torn = Torn(self.size, len(head) + len(payload))
            return None
        if chained(self.chain, kind, payload) != chain:
            raise self._damage("its content does not match the hash chain")
        record = Record(self.size, self._number, kind, payload)
        self._check_place(record)
        self.chain = chain
        self.size += FRAME.size + length
        self._number += 1
        self.counts[kind] += 1
        return record

    def _check_place(self, record: Record) -> None:
        """Whether a record may stand here: chain and checksum only say that it was written so."""
        kind, payload = record.kind, record.payload
        if kind not in KINDS:
            raise self._damage(f"records of kind {kind} are unknown to this version")
        if (kind == HEADER) != (record.number == 0):
            raise self._damage(f"a {KINDS[kind]} record cannot stand here")
        try:
            if kind == INPUT:
                seq, _, code = INPUT_HEAD.unpack_from(payload)
                if self._seq and seq != self._seq + 1:
                    raise self._damage(f"input {seq} follows input {self._seq}")
                if code >= len(SOURCES):
                    raise self._damage(f"source {code} is unknown to this version")
                self._seq = seq
            elif kind in (COMMAND, CAUSED):
                (seq,) = COMMAND_HEAD.unpack_from(payload)
                if seq != self._seq:
                    raise self._damage(
                        f"a {KINDS[kind]} record of input {seq} stands after input {self._seq}"
                    )
            elif kind == FOOTER:
                self._check_footer(payload)
        except (ValueError, struct.error) as error:
            raise self._damage(f"its fields cannot be read: {error}") from error

    def _check_footer(self, payload: bytes) -> None:
        footer = msgspec.msgpack.decode(payload, type=Footer)
        counts = self.counts
        read = Footer(
            records=self._number,
            inputs=counts[INPUT],
            commands=counts[COMMAND],
            crashes=counts[CRASH],
            last_seq=self._seq,
        )
        if footer != read:
            raise self._damage(f"the footer tells of {footer}, read was {read}")
        self.footer = footer

    def _read_header(self, payload: bytes) -> SessionHeader:
        try:
            header = msgspec.msgpack.decode(payload, type=SessionHeader)
        except (ValueError, RecursionError) as error:
            raise self._damage(f"the header cannot be read: {error}") from error
        if header.schema > SCHEMA:
            raise self._damage(f"its schema {header.schema} is newer than this version's {SCHEMA}")
        return header

    def _damage(self, reason: str, record: Record | None = None, after: int | None = None) -> TapeDamaged:
        return TapeDamaged(
            self.path,
            offset=self.size if record is None else record.offset,
            record=self._number if record is None else record.number,
            seq=self._seq if after is None else after,
            reason=reason,
        )
