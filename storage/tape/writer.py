"""Writes a session's tape: a record is with the operating system before its input is handled."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from runtime.errors import BooksRefused, DataError, InvariantBroken, StorageUnavailable
from runtime.messages.base import Command, Input
from runtime.messages.codec import encode, encode_into
from runtime.messages.machine import ActorCrashed, Source
from runtime.messages.session import SessionHeader
from storage.disk import make_private, sync_directory
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
    MAGIC,
    SOURCE_CODES,
    SUFFIX,
    Footer,
    chained,
    frame,
)
from storage.tape.reader import TapeReader, Torn

BUFFER = 1 << 20
"""A tape that is not durable is handed over in pieces of this many bytes."""
BACKLOG = 64 << 20
"""How much is kept for a disk that takes nothing; about 2,000 minutes of 500 symbols."""

_NO_FRAME = bytes(FRAME.size)


class _Known(msgspec.Struct):
    """What a resumed tape has of its last input already, so that re-feeding does not record it twice."""

    commands: int = 0
    crashes: int = 0
    caused: bool = False


class TapeWriter:
    """Appends to one session's tape; what the sequencer records goes through it.

    A disk that takes nothing stops no input: records wait in memory, in order, and are tried again with each
    next one; meanwhile `failing` says why and `sync` refuses, so nothing that adds exposure leaves.

    `sync` may run in another thread than the rest, if the tape is durable.

    Args:
        path: A new file ending in `.tape`; it appears whole, with its header, or not at all.
        header: What the session starts from.
        durable: Hand every record over before returning. Otherwise they are handed over in large pieces.

    Attributes:
        failing: Why records wait in memory; empty: they do not.
        cut: What `resume` cut off a torn tape, or None.

    Raises:
        DataError: there is such a tape already, or the name does not end so.
        StorageUnavailable: it cannot be created.
    """

    def __init__(self, path: Path, header: SessionHeader, *, durable: bool) -> None:
        if path.suffix != SUFFIX:
            raise DataError(f"a tape's name ends in {SUFFIX}, not {path.name}")
        self._begin(path, header, durable)
        start = self._open_record()
        self._pending += msgspec.msgpack.encode(header)
        self._seal(start, HEADER)
        if path.exists() or path.with_name(path.name + ".zst").exists():
            raise DataError(f"the tape {path} exists already: resume it or name another")
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            make_private(path.parent)
            draft.unlink(missing_ok=True)
            self._file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            try:
                self._lock()
                self._hand_over()
                if self.failing:
                    raise StorageUnavailable(f"the tape {path} cannot be created: {self.failing}")
                os.fsync(self._file)
                os.link(draft, path)  # unlike a rename it refuses to replace a tape
                sync_directory(path.parent)
            except BaseException:
                os.close(self._file)
                raise
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(f"the tape {path} cannot be created: {error.strerror}") from error

    @classmethod
    def resume(cls, path: Path, *, durable: bool = True) -> Self:
        """Go on with a tape after a crash or a stop: a torn last record is cut, a footer taken off.

        The caller re-feeds the tape's entries with this writer as the recorder: what the tape has is not
        written again, what is missing of an input that was not handled to its end is.

        Raises:
            DataError: there is no such tape, or it is compressed and so closed for good.
            TapeDamaged: it is damaged in another way than a torn last record.
            BooksRefused: another process writes it.
            StorageUnavailable: it cannot be opened for writing.
        """
        if path.suffix != SUFFIX:
            raise DataError(f"the tape {path} is compressed: its session is over")
        writer = cls.__new__(cls)
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError as error:
            raise DataError(f"there is no tape at {path}") from error
        except OSError as error:
            raise StorageUnavailable(f"the tape {path} cannot be written: {error.strerror}") from error
        try:
            writer._file = file
            writer._resume(path, durable)
        except BaseException:
            os.close(file)
            raise
        return writer

    def _begin(self, path: Path, header: SessionHeader, durable: bool) -> None:
        self.path = path
        self.header = header
        self.failing = ""
        self.cut: Torn | None = None
        self._durable = durable
        self._pending = bytearray()
        self._chain = CHAIN_START
        self._records = self._inputs = self._commands = self._crashes = 0
        self._seq = 0
        self._pending += MAGIC
        self._lost_sync = ""
        self._closing = False
        self._known: _Known | None = None

    def _resume(self, path: Path, durable: bool) -> None:
        reader = TapeReader(path)
        self._begin(path, reader.header, durable)
        self._pending.clear()
        self._lock()
        sound, known = reader.size, _Known()
        for record in reader.records():
            if record.kind == FOOTER:
                break
            if record.kind == INPUT:
                known = _Known()
            elif record.kind == CAUSED:
                known.caused = True
            elif record.kind != HEADER:
                known.commands += record.kind == COMMAND
                known.crashes += record.kind == CRASH
            sound, self._chain, self._seq = reader.size, reader.chain, reader.seq
        counts = reader.counts
        self._records = sum(counts.values()) - counts[FOOTER]
        self._inputs, self._commands, self._crashes = counts[INPUT], counts[COMMAND], counts[CRASH]
        self.cut = reader.torn
        self._known = known
        try:
            os.ftruncate(self._file, sound)
            os.fsync(self._file)
        except OSError as error:
            raise StorageUnavailable(f"the tape {path} cannot be cut: {error.strerror}") from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BooksRefused(f"another process writes the tape {self.path}") from error

    # ---- what the sequencer records -----------------------------------------------------------

    def input(self, seq: int, at: int, source: Source, message: Input) -> None:
        """Put an input on the tape, before it is handled.

        Raises:
            InvariantBroken: its number does not follow the last one's.
            StorageUnavailable: the disk takes nothing and too much waits already.
        """
        if self._known is not None:
            if seq <= self._seq:
                return
            self._known = None  # re-feeding is over
        if (self._seq and seq != self._seq + 1) or self._closing:
            state = "closed" if self._closing else "open"
            raise InvariantBroken(
                f"input {seq} was to follow input {self._seq} on the {state} tape {self.path}"
            )
        pending = self._pending
        start = self._open_record()
        try:
            pending += INPUT_HEAD.pack(seq, at, SOURCE_CODES[source])
            encode_into(message, pending, -1)
        except BaseException:
            del pending[start:]
            raise
        self._seal(start, INPUT)
        self._seq = seq
        self._inputs += 1
        self._after(self._durable)

    def command(self, seq: int, message: Command) -> None:
        """Put a command on the tape, before it leaves."""
        if self._known is not None:
            if seq < self._seq:
                return
            if self._known.commands:
                self._known.commands -= 1
                return
        self._check_seq(seq)
        self._add(COMMAND, COMMAND_HEAD.pack(seq) + encode(message))
        self._commands += 1
        self._after(self._durable)

    def crash(self, crash: ActorCrashed) -> None:
        """Put a crash on the tape, without what differs between machines: traceback and path."""
        if self._known is not None:
            if crash.cause < self._seq:
                return
            if self._known.crashes:
                self._known.crashes -= 1
                return
        self._add(CRASH, encode(msgspec.structs.replace(crash, traceback="", source_file="")))
        self._crashes += 1
        self._after(self._durable)

    def caused(self, seq: int, count: int, digest: bytes) -> None:
        """Close an input's account; goes to the disk together with the next record."""
        if self._known is not None and (seq < self._seq or (seq == self._seq and self._known.caused)):
            return
        self._check_seq(seq)
        self._add(CAUSED, CAUSED_HEAD.pack(seq, count) + digest)
        self._after(False)

    def _check_seq(self, seq: int) -> None:
        if seq != self._seq:
            raise InvariantBroken(
                f"input {seq} caused something while {self._seq} was the last on {self.path}"
            )

    # ---- to the disk --------------------------------------------------------------------------

    def sync(self) -> None:
        """Wait until everything handed over is on the disk; an order that adds exposure goes after it.

        Raises:
            StorageUnavailable: it is not, so nothing that adds exposure may leave.
        """
        if not self._durable:
            self._hand_over()
        if self.failing:
            raise StorageUnavailable(f"the tape {self.path} takes no records: {self.failing}")
        if self._lost_sync:
            raise StorageUnavailable(self._lost_sync)
        try:
            os.fsync(self._file)
        except OSError as error:
            # The system may have dropped what it could not write; a later success would prove nothing.
            self._lost_sync = f"the tape {self.path} could not be synced: {error.strerror}"
            raise StorageUnavailable(self._lost_sync) from error

    def close(self) -> None:
        """Write the footer and wait for the disk. A second call does nothing.

        Raises:
            StorageUnavailable: the disk did not take everything; closing may be tried again.
        """
        if self._file < 0:
            return
        if not self._closing:
            self._closing = True
            footer = Footer(
                records=self._records,
                inputs=self._inputs,
                commands=self._commands,
                crashes=self._crashes,
                last_seq=self._seq,
            )
            self._add(FOOTER, msgspec.msgpack.encode(footer))
        self._hand_over()
        self.sync()
        self.abandon()

    def abandon(self) -> None:
        """Let go of the file without a footer, as a crash would, but with what waits handed over."""
        if self._file < 0:
            return
        self._hand_over()
        os.close(self._file)
        self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    @property
    def seq(self) -> int:
        """Sequence number of the last input."""
        return self._seq

    @property
    def chain(self) -> bytes:
        """The chain after the last record."""
        return self._chain

    def _open_record(self) -> int:
        start = len(self._pending)
        self._pending += _NO_FRAME
        return start

    def _add(self, kind: int, payload: bytes) -> None:
        chain = self._chain = chained(self._chain, kind, payload)
        self._pending += frame(len(payload), kind, chain)
        self._pending += payload
        self._records += 1

    def _seal(self, start: int, kind: int) -> None:
        """Chain the record whose payload was written in place, and fill in its frame."""
        pending = self._pending
        begin = start + FRAME.size
        with memoryview(pending) as view, view[begin:] as payload:
            chain = self._chain = chained(self._chain, kind, payload)
            view[start:begin] = frame(len(payload), kind, chain)
        self._records += 1

    def _after(self, at_once: bool) -> None:
        if at_once or len(self._pending) >= BUFFER:
            self._hand_over()

    def _hand_over(self) -> None:
        pending = self._pending
        try:
            while pending:
                written = os.write(self._file, pending)
                del pending[:written]
        except OSError as error:
            self.failing = error.strerror or str(error)
            if len(pending) > BACKLOG:
                raise StorageUnavailable(
                    f"the tape {self.path} takes no records: {self.failing}; {len(pending)} bytes wait"
                ) from error
        else:
            self.failing = ""
