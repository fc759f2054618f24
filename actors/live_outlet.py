"""Where what an input caused leaves a live session: commands to gateways, rows to books and screens.

Until gateways run (a tape is fed again) only rows leave, and only those that the books lack.
Source: architecture 2.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from actors.gateways.db_writer import DbWriter
from actors.live_screen import LiveScreen
from actors.market.tasks import SYNC_POSITIONS, VALIDATE
from runtime.error_sink import ErrorSink
from runtime.kernel.crash_rows import recorder_of
from runtime.kernel.gateway import Inbox, InboxClosed
from runtime.log import get_logger
from runtime.messages.base import Command, Input, Message
from runtime.messages.risk import HaltConfirmed, PhaseChanged, TaskDue
from storage.books import Books
from storage.projection import Projection
from storage.statements import Row

_log = get_logger(__name__)


class Outlet:
    """Observer that hands on what every input caused.

    Args:
        errors: Where crashes of gateways go.
        halt_done: Called when the broker has confirmed a halt.

    Attributes:
        orders, kills, tasks: Inboxes of the order gateway, of the kill watch, and of who does tasks that ask
            the broker.
        projection, screen: Made once the session's header is known.
    """

    def __init__(self, errors: ErrorSink, halt_done: Callable[[], None]) -> None:
        self.orders, self.kills, self.tasks = Inbox(), Inbox(), Inbox()
        self.projection: Projection
        self.screen: LiveScreen
        self.crashed = recorder_of(errors)
        """Told of crashes of gateways."""
        self._halt_done = halt_done
        self._books: Books | None = None
        self._db: DbWriter | None = None

    @contextmanager
    def writing(self, books: Books) -> Iterator[None]:
        """Write rows into books at once for the time of a block: the tape is fed again."""
        self._books = books
        try:
            yield
        finally:
            self._books = None

    def go_live(self, db: DbWriter) -> None:
        """From now on commands leave, and rows go to the writer."""
        self._db = db

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        rows = self.projection.rows(seq, at, message, caused)
        if self._books is not None:
            self._books.apply(rows, self.projection.mark(seq), at)
        if self._db is None:
            self.screen.feed.rows(rows)
            return
        if rows:
            self._db.post(self.projection.mark(seq), at, rows)
            self.screen.feed.rows(rows)
        for said in caused:
            if isinstance(said, Command):
                self._send(self.orders, said)
            elif isinstance(said, PhaseChanged):
                self._send(self.kills, said)
            elif isinstance(said, TaskDue) and said.task in (VALIDATE, SYNC_POSITIONS):
                self._send(self.tasks, said)
            elif isinstance(said, HaltConfirmed):
                self._halt_done()

    def log_rows(self, rows: Sequence[Row]) -> bool:
        """Rows that belong to no input, to the screen and to the books; whether the books took them."""
        self.screen.feed.rows(rows)
        return self._db is not None and self._db.log(rows)

    def _send(self, inbox: Inbox, said: Message) -> None:
        try:
            inbox.offer(said)
        except InboxClosed:
            # It is on the tape: the next start looks it up at the broker.
            _log.warning("not sent: the engine is stopping", kind=type(said).__name__)
