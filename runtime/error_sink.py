"""Errors on their way to `error_log`: bounded, folded, never waited for.

Any thread may put; one writer takes. The same error again within a minute is counted on its first entry
instead of becoming another, and so is everything that one line of code says beyond a number of different
things in a minute: a storm costs a few rows. What finds no room is counted, and the count is told.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import msgspec

from runtime.text import printable

_WINDOW = 60_000_000_000
_REMEMBERED = 1_000
MOST_OF_ONE_PLACE = 20
"""Different entries that one line of code may leave in a minute; what follows is counted on one more."""


class ErrorEntry(msgspec.Struct, kw_only=True):
    """One row of `error_log` (seed 7). Times are ns UTC.

    Attributes:
        id: A UUID: writing or importing an entry twice leaves one row.
        occurrences: How often it was seen from `timestamp` to `last_seen`.
        context: What the message is about, as JSON, or empty.
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
    context: str = ""

    def row(self) -> tuple[str, tuple[object, ...]]:
        """The entry as a row for the books: it belongs to no session and no input."""
        return "error", (
            *(self.id, self.timestamp, self.level, self.logger_name, self.message, self.source_file),
            *(self.line_number, self.exception_type, self.exception_traceback, self.component),
            *(self.occurrences, self.last_seen, None, None, self.context),
        )


_Place = tuple[str, str, str, int]
_Fingerprint = tuple[str, str, str, int, str, str]


class ErrorSink:
    """Holds entries until the writer takes them.

    A finaliser or a signal handler may put while the same thread is in here; what it says is taken in when
    the thread is done.

    Args:
        capacity: Most distinct entries held; more are counted as overflow.
        new_id: Makes ids; tests inject their own.

    Attributes:
        clean: Takes secrets and control characters out of every text.
        overflow: Entries lost for want of room since the start.
    """

    def __init__(self, capacity: int = 1_000, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._capacity = capacity
        self._new_id = new_id
        self._lock = threading.RLock()
        self._is_inside = False
        self._aside: list[ErrorEntry] = []
        self._waiting: dict[str, ErrorEntry] = {}
        self._recent: dict[_Fingerprint, ErrorEntry] = {}
        self._places: dict[_Place, tuple[int, int]] = {}
        self._wake: Callable[[], None] | None = None
        self._overflow = 0
        self.clean: Callable[[str], str] = printable
        self._hearers: tuple[Callable[[ErrorEntry], None], ...] = ()
        self.overflow = 0

    def listen(self, wake: Callable[[], None] | None) -> None:
        """Have `wake` called when something is put: from any thread, so it must be safe there."""
        self._wake = wake

    def hear(self, tell: Callable[[ErrorEntry], None]) -> Callable[[], None]:
        """Have `tell` called with every new entry (not with its repetitions), in the thread that put it.

        Returns:
            Ends it; again is no error.
        """
        self._hearers += (tell,)

        def end() -> None:
            self._hearers = tuple(each for each in self._hearers if each is not tell)

        return end

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
        context: str = "",
    ) -> None:
        """Leave an entry; never waits for the writer, never raises for want of room."""
        found = ErrorEntry(
            id="",
            timestamp=timestamp,
            level=level,
            logger_name=self.clean(logger_name),
            message=self.clean(message),
            source_file=source_file,
            line_number=line_number,
            exception_type=exception_type,
            exception_traceback=self.clean(exception_traceback),
            component=self.clean(component),
            last_seen=timestamp,
            context=self.clean(context),
        )
        fresh: list[ErrorEntry] = []
        with self._inside() as is_first:
            if is_first:
                self._fold(found, fresh)
            elif len(self._aside) < self._capacity:
                self._aside.append(found)
                return
        while self._aside:
            with self._inside():
                if self._aside:
                    self._fold(self._aside.pop(0), fresh)
        if (wake := self._wake) is not None:
            wake()
        for entry in fresh:
            for tell in self._hearers:
                tell(entry)

    @contextmanager
    def _inside(self) -> Iterator[bool]:
        """Hold the lock; whether this thread does not hold it already."""
        with self._lock:
            if self._is_inside:
                yield False
                return
            self._is_inside = True
            try:
                yield True
            finally:
                self._is_inside = False

    def _fold(self, found: ErrorEntry, fresh: list[ErrorEntry]) -> None:
        now = found.timestamp
        place = found.level, found.logger_name, found.source_file, found.line_number
        same: _Fingerprint = (*place, found.exception_type, found.message)
        entry = self._current(same, now)
        if entry is None and self._is_storm(place, now):
            same = (*place, "", "")
            entry = self._current(same, now)
            found.message += " (and other things from the same place, counted here)"
        if entry is not None:
            entry.occurrences += 1
            entry.last_seen = now
        else:
            entry = found
            entry.id = self._new_id()
        if entry.id not in self._waiting and len(self._waiting) >= self._capacity:
            self.overflow += 1
            self._overflow += 1
            return
        if entry is found:
            fresh.append(msgspec.structs.replace(entry))
        self._waiting[entry.id] = entry
        self._recent.pop(same, None)
        self._recent[same] = entry
        while len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]

    def _current(self, same: _Fingerprint, now: int) -> ErrorEntry | None:
        entry = self._recent.get(same)
        return entry if entry is not None and now - entry.timestamp < _WINDOW else None

    def _is_storm(self, place: _Place, now: int) -> bool:
        """Count one more different entry of a place; whether it has left too many within a minute."""
        begun, count = self._places.pop(place, (now, 0))
        if now - begun >= _WINDOW:
            begun, count = now, 0
        self._places[place] = begun, count + 1
        while len(self._places) > _REMEMBERED:
            del self._places[next(iter(self._places))]
        return count >= MOST_OF_ONE_PLACE

    def take(self) -> list[ErrorEntry]:
        """Everything waiting, oldest first, as copies; one more entry tells of an overflow."""
        with self._inside():
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
        with self._inside():
            returned = {entry.id: entry for entry in entries if entry.id not in self._waiting}
            self._waiting = returned | self._waiting
