"""Keeps the books of a run that has no event loop: every input is projected, batches are committed."""

from collections.abc import Sequence
from pathlib import Path

from actors.alerting.watch import ReplayedAlerts
from config.alerts import Alerts
from runtime.error_fallback import read_fallback
from runtime.error_sink import ErrorSink
from runtime.log import get_logger
from runtime.messages.base import Input, Message
from runtime.messages.session import SessionHeader
from storage.books import Books
from storage.projection import Projection

_log = get_logger(__name__)


class Bookkeeper:
    """The books of one root behind the observer that `Playback` calls.

    Args:
        root: Where `db/` lies; None keeps the books in memory.
        books: Whose books they are.
        errors: What the process itself logs at WARNING and above; it lands in `error_log`.
        fallback: Where an earlier run left errors that found no database.
        alerts: What would be told to a person in live trading; the history says that it was not sent.

    Raises:
        BooksRefused: The databases are another run's.
    """

    def __init__(
        self,
        root: Path | None,
        books: str,
        errors: ErrorSink | None = None,
        fallback: Path | None = None,
        alerts: Alerts | None = None,
    ) -> None:
        self._alerts = alerts
        self._told: ReplayedAlerts | None = None
        self._errors = errors
        self.books = Books(root, books, "memory" if root is None else "replay")
        self._projection: Projection | None = None
        if fallback is not None:
            self._import(fallback)

    def _import(self, fallback: Path) -> None:
        try:
            kept, _ = read_fallback(fallback)
            if kept:
                self.books.log(entry.row() for entry in kept)
                self.books.commit()
                fallback.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("errors kept in a file are not imported", error=str(error))

    def begin(self, header: SessionHeader) -> None:
        """A session starts."""
        self._projection = Projection(header.session, header.symbols)
        self._told = ReplayedAlerts(self._alerts, header.session) if self._alerts is not None else None

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        projection = self._projection
        assert projection is not None, "begin first"
        rows = projection.rows(seq, at, message, caused)
        if rows:
            self.books.apply(rows, projection.mark(seq), at)
        if self._told is not None and (told := self._told.rows(seq, at, message, caused)):
            self.books.log(told)

    def end(self) -> None:
        """The session is over: commit."""
        if self._told is not None:
            self.books.log(self._told.end())
        self.take_errors()
        self.books.commit()

    def take_errors(self) -> None:
        """Put what the process has logged into the books."""
        if self._errors is not None:
            self.books.log(error.row() for error in self._errors.take())

    def close(self) -> None:
        """Commit and let go of the databases."""
        self.take_errors()
        self.books.close()
