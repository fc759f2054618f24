"""Keeps the books of a run that has no event loop: every input is projected, batches are committed."""

from collections.abc import Sequence
from pathlib import Path

from runtime.messages.base import Input, Message
from runtime.messages.session import SessionHeader
from storage.books import Books
from storage.projection import Projection


class Bookkeeper:
    """The books of one root behind the observer that `Playback` calls.

    Args:
        root: Where `db/` lies; None keeps the books in memory.
        books: Whose books they are.

    Raises:
        BooksRefused: The databases are another run's.
    """

    def __init__(self, root: Path | None, books: str) -> None:
        self.books = Books(root, books, "memory" if root is None else "replay")
        self._projection: Projection | None = None

    def begin(self, header: SessionHeader) -> None:
        """A session starts."""
        self._projection = Projection(header.session, header.symbols)

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        projection = self._projection
        assert projection is not None, "begin first"
        rows = projection.rows(seq, at, message, caused)
        if rows:
            self.books.apply(rows, projection.mark(seq), at)

    def end(self) -> None:
        """The session is over: commit."""
        self.books.commit()

    def close(self) -> None:
        """Commit and let go of the databases."""
        self.books.close()
