"""Bytes of a tape file, plain or compressed; a compressed one vouches for its own bytes.

A `.tape.zst` is one Zstandard frame and then a skippable frame with the SHA-256 of the first: any Zstandard
tool unpacks it, and a changed bit that unpacking would overlook is still found.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import zstandard

from runtime.errors import DataError
from storage.tape.format import COMPRESSED

_CHUNK = 1 << 20
_PACKED_CHUNK = 1 << 15
_TRAILER_HEAD = (0x184D2A50).to_bytes(4, "little") + (32).to_bytes(4, "little")


def trailer(digest: bytes) -> bytes:
    """The skippable frame at the end of a compressed tape."""
    return _TRAILER_HEAD + digest


class PlainFile:
    """A tape as it was written."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read

    def check_end(self) -> None:
        """Nothing more to check."""


class CompressedFile:
    """Unpacks as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = zstandard.ZstdDecompressor().decompressobj()
        self._digest = hashlib.sha256()
        self._ready = bytearray()
        self._taken = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end.

        Raises:
            EOFError: the compressed bytes are damaged or end early.
        """
        while len(self._ready) - self._taken < size and not self._unpacker.eof:
            self._unpack()
        start, self._taken = self._taken, min(self._taken + size, len(self._ready))
        with memoryview(self._ready) as view:
            return bytes(view[start : self._taken])

    def _unpack(self) -> None:
        packed = self._file.read(_PACKED_CHUNK)
        if not packed:
            raise EOFError("the compressed file ends early")
        del self._ready[: self._taken]
        self._taken = 0
        try:
            self._ready += self._unpacker.decompress(packed)
        except zstandard.ZstdError as error:
            raise EOFError(f"the compressed bytes are damaged: {error}") from error
        rest = len(self._unpacker.unused_data) if self._unpacker.eof else 0
        self._digest.update(packed[: len(packed) - rest])

    def check_end(self) -> None:
        """Compare the packed bytes with the digest at their end.

        Raises:
            EOFError: they differ.
        """
        if self._unpacker.unused_data + self._file.read() != trailer(self._digest.digest()):
            raise EOFError("the compressed bytes do not match the checksum at their end")


@contextmanager
def open_tape(path: Path) -> Iterator[PlainFile | CompressedFile]:
    """Open a tape for reading from its first byte.

    Raises:
        DataError: it cannot be opened or read.
    """
    try:
        with path.open("rb", buffering=_CHUNK) as file:
            yield CompressedFile(file) if path.name.endswith(COMPRESSED) else PlainFile(file)
    except FileNotFoundError as error:
        raise DataError(f"there is no tape at {path}") from error
    except OSError as error:
        raise DataError(f"the tape {path} cannot be read: {error.strerror}") from error
