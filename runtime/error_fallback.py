"""Errors kept in a file while the database cannot take them; imported once, by their ids, when it can.

Whoever holds the root's lock may touch the file, nobody else. Each entry is one line of JSON; a line that a
full disk tore in two spoils nothing but itself.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from runtime.error_sink import ErrorEntry, ErrorSink

FALLBACK = "errors-fallback.jsonl"
"""Its name in the folder of the logs."""
MOST_BYTES = 64_000_000


def append_fallback(path: Path, entries: Iterable[ErrorEntry]) -> None:
    """Keep entries in the file.

    Raises:
        OSError: The file cannot be written either, or is too long already.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # It begins a line of its own: the last one may have been torn.
    data = b"\n" + b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(handle).st_size + len(data) > MOST_BYTES:
            raise OSError(f"{path} is longer than {MOST_BYTES:,} bytes")
        if os.write(handle, data) != len(data):
            raise OSError(f"{path}: written in part only")
    finally:
        os.close(handle)


def read_fallback(path: Path) -> tuple[list[ErrorEntry], int]:
    """Read back what was kept; of an entry that is there more than once the last counts.

    Returns:
        The entries, and how many lines were no entries.

    Raises:
        OSError: The file cannot be read.
    """
    entries: dict[str, ErrorEntry] = {}
    bad = 0
    if not path.is_file():
        return [], bad
    for line in path.read_bytes().splitlines():
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line, type=ErrorEntry)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            bad += 1
        else:
            entries[entry.id] = entry
    return list(entries.values()), bad


def spill(sink: ErrorSink, path: Path) -> bool:
    """Move what waits in the sink to the file; what cannot be written stays. Whether all of it was moved."""
    entries = sink.take()
    if not entries:
        return True
    try:
        append_fallback(path, entries)
    except OSError:
        sink.give_back(entries)
        return False
    return True
