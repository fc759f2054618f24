"""What becomes of a tape after its session: compressed, kept for a while, then removed with its panels."""

import hashlib
import os
from datetime import date, timedelta
from pathlib import Path

import zstandard

from runtime.errors import DataError, StorageUnavailable, TapeDamaged
from storage.disk import sync_directory
from storage.tape.files import trailer
from storage.tape.format import COMPRESSED, SUFFIX
from storage.tape.names import tapes_in
from storage.tape.reader import TapeReader

_CHUNK = 1 << 20
_LEVEL = 3
"""Level 6 takes three times as long for half a percent of minute bars."""


def verify(path: Path) -> TapeReader:
    """Read a tape to its end; the reader tells chain, counts and whether it was closed.

    Raises:
        DataError: it cannot be read.
        TapeDamaged: it is damaged; a torn last record alone is told by the reader.
    """
    reader = TapeReader(path)
    for _ in reader.records():
        pass
    return reader


def compress(path: Path) -> Path:
    """Replace a closed tape by a compressed one, once that has been read back and found equal.

    Returns:
        The compressed tape's path.

    Raises:
        DataError: the tape was not closed, or another one has its name.
        TapeDamaged: the tape is damaged.
        StorageUnavailable: the disk did not take the compressed tape.
    """
    original = verify(path)
    if not original.closed:
        raise DataError(f"the tape {path} was not closed: it stays as it is")
    target = path.with_name(path.name.removesuffix(SUFFIX) + COMPRESSED)
    try:
        if not target.exists():
            _pack(path, target, original.chain)
        elif verify(target).chain != original.chain:
            raise DataError(f"{target} is another tape than {path}: neither was touched")
        path.unlink()
        sync_directory(path.parent)
    except OSError as error:
        raise StorageUnavailable(f"the tape {path} cannot be compressed: {error.strerror}") from error
    return target


def _pack(path: Path, target: Path, chain: bytes) -> None:
    draft = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with path.open("rb") as source, os.fdopen(handle, "wb") as sink:
            packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
            digest = hashlib.sha256()
            while piece := source.read(_CHUNK):
                packed = packer.compress(piece)
                digest.update(packed)
                sink.write(packed)
            packed = packer.flush()
            digest.update(packed)
            sink.write(packed + trailer(digest.digest()))
            sink.flush()
            os.fsync(sink.fileno())
        if verify(draft).chain != chain:
            raise TapeDamaged(draft, offset=0, record=0, seq=0, reason="it was not written as it was packed")
        draft.rename(target)
        sync_directory(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def prune(directory: Path, keep_days: int, today: date) -> list[Path]:
    """Remove the tapes of sessions more than `keep_days` calendar days before `today`.

    Only files named by a session's date are looked at. A panel goes with the last tape that names it; one
    that no removed tape names is left alone, for a tape that is about to be made may need it.

    Returns:
        What was removed.
    """
    if keep_days < 1:
        raise ValueError(f"tapes are kept for at least 1 day, not {keep_days}")
    before = (today - timedelta(days=keep_days)).isoformat()
    old: list[Path] = []
    kept: list[Path] = []
    for path in tapes_in(directory):
        (old if path.name[: len(before)] < before else kept).append(path)
    if not old:
        return []
    orphans = _panels(old)
    for path in old:
        path.unlink()
    if orphans:
        orphans -= _panels(kept)
    blobs = [blob for name in sorted(orphans) if (blob := directory / "blobs" / f"{name}.npy").exists()]
    for blob in blobs:
        blob.unlink()
    return old + blobs


def _panels(paths: list[Path]) -> set[str]:
    """Names of the panels that the readable ones of these tapes need."""
    names: set[str] = set()
    for path in paths:
        try:
            header = TapeReader(path).header
        except DataError:
            continue  # a tape that cannot be opened needs nothing that could be given to it
        names.update(panel.sha256 for panel in header.panels.values())
    return names
