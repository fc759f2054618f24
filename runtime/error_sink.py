"""Errors on their way to `error_log`: bounded, folded, never waited for.

Any thread may put; one writer takes. The same error again within a minute is counted on its first entry
instead of becoming another, so a storm costs one row. What finds no room is counted, and the count is told.
"""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import uuid4

import msgspec

_WINDOW = 60_000_000_000
_REMEMBERED = 1_000


class ErrorEntry(msgspec.Struct, kw_only=True):
    """One row of `error_log` (seed 7). Times are ns UTC.

    Attributes:
        id: A UUID: writing or importing an entry twice leaves one row.
        occurrences: How often it was seen from `timestamp` to `last_seen`.
    """

    id: str
    timestamp: int
    level: str
    logger_name: str
    message: str
    source_file: str = ""
    line_number: int = 0
    exception_type: str = ""
    exception_traceback: str = ""
    component: str = "process"
    occurrences: int = 1
    last_seen: int = 0

    def row(self) -> tuple[str, tuple[object, ...]]:
        """The entry as a row for the books: it belongs to no session and no input."""
        return "error", (
            *(self.id, self.timestamp, self.level, self.logger_name, self.message, self.source_file),
            *(self.line_number, self.exception_type, self.exception_traceback, self.component),
            *(self.occurrences, self.last_seen, None, None),
        )


_Fingerprint = tuple[str, str, str, str, int, str]


class ErrorSink:
    """Holds entries until the writer takes them.

    Args:
        capacity: Most distinct entries held; more are counted as overflow.
        new_id: Makes ids; tests inject their own.
    """

    def __init__(self, capacity: int = 1_000, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._capacity = capacity
        self._new_id = new_id
        self._lock = threading.Lock()
        self._waiting: dict[str, ErrorEntry] = {}
        self._recent: dict[_Fingerprint, ErrorEntry] = {}
        self._wake: Callable[[], None] | None = None
        self._overflow = 0
        self.overflow = 0
        """Entries lost for want of room since the start."""

    def listen(self, wake: Callable[[], None] | None) -> None:
        """Have `wake` called when something is put: from any thread, so it must be safe there."""
        self._wake = wake

    def put(
        self,
        *,
        timestamp: int,
        level: str,
        logger_name: str,
        message: str,
        source_file: str = "",
        line_number: int = 0,
        exception_type: str = "",
        exception_traceback: str = "",
        component: str = "process",
    ) -> None:
        """Leave an entry; never waits for the writer, never raises for want of room."""
        same = (level, logger_name, message, source_file, line_number, exception_type)
        with self._lock:
            entry = self._recent.get(same)
            if entry is not None and timestamp - entry.timestamp < _WINDOW:
                entry.occurrences += 1
                entry.last_seen = timestamp
            else:
                entry = ErrorEntry(
                    id=self._new_id(),
                    timestamp=timestamp,
                    level=level,
                    logger_name=logger_name,
                    message=message,
                    source_file=source_file,
                    line_number=line_number,
                    exception_type=exception_type,
                    exception_traceback=exception_traceback,
                    component=component,
                    last_seen=timestamp,
                )
            if entry.id not in self._waiting and len(self._waiting) >= self._capacity:
                self.overflow += 1
                self._overflow += 1
                return
            self._waiting[entry.id] = entry
            self._recent.pop(same, None)
            self._recent[same] = entry
            while len(self._recent) > _REMEMBERED:
                del self._recent[next(iter(self._recent))]
            wake = self._wake
        if wake is not None:
            wake()

    def take(self) -> list[ErrorEntry]:
        """Everything waiting, oldest first, as copies; one more entry tells of an overflow."""
        with self._lock:
            entries = [msgspec.structs.replace(entry) for entry in self._waiting.values()]
            self._waiting.clear()
            lost, self._overflow = self._overflow, 0
            if lost:
                last = entries[-1].last_seen
                entries.append(
                    ErrorEntry(
                        id=self._new_id(),
                        timestamp=last,
                        level="ERROR",
                        logger_name="runtime.error_sink",
                        message=f"{lost} errors were not kept: more than {self._capacity} were waiting",
                        component="log",
                        last_seen=last,
                    )
                )
        return entries

    def give_back(self, entries: Iterable[ErrorEntry]) -> None:
        """Return entries that could not be written; room is made for them by no one else's loss."""
        with self._lock:
            returned = {entry.id: entry for entry in entries if entry.id not in self._waiting}
            self._waiting = returned | self._waiting


def append_fallback(path: Path, entries: Iterable[ErrorEntry]) -> None:
    """Keep entries in a file while the database cannot take them.

    Raises:
        OSError: The file cannot be written either.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    data = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
    with path.open("ab") as file:
        file.write(data)


def read_fallback(path: Path) -> tuple[list[ErrorEntry], int]:
    """Read back what was kept; a torn or foreign line is skipped.

    Returns:
        The entries, and how many lines were no entries.
    """
    entries: list[ErrorEntry] = []
    bad = 0
    if not path.is_file():
        return entries, bad
    for line in path.read_bytes().splitlines():
        try:
            entries.append(msgspec.json.decode(line, type=ErrorEntry))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            bad += 1
    return entries, bad
