"""Where books are: the root asked for, runs below the default one, and which of them may be deleted."""

import argparse
from pathlib import Path

from tui.commands.place import default_root, folder

__all__ = ["REPLAYED", "books_in", "default_root", "default_runs", "discard_books", "folder", "root_to_read"]

REPLAYED = "replay:"
"""Books of replays and demos begin so; no other books are ever deleted."""


def default_runs() -> Path:
    """Where runs keep their books unless told otherwise."""
    return default_root() / "runs"


def root_to_read(arguments: argparse.Namespace) -> Path:
    """The root asked for, or the default one if it has books.

    Raises:
        DatabaseRefused: The default root has none; the text names the runs that do.
    """
    from tui.commands.narration import detail

    if arguments.root is not None:
        detail(f"root {arguments.root}")
        return Path(arguments.root)
    from storage.database import DatabaseRefused, database_path

    root = default_root()
    if not database_path(root, "trades").exists():
        found = sorted(path.parents[1] for path in default_runs().glob("*/db/trades.db"))
        runs = ", ".join(f"--root {path}" for path in found[:5])
        hint = f"runs with books: {runs}" if runs else "`python -m runtime demo` makes some"
        raise DatabaseRefused(f"nothing has traded in {root}; {hint}")
    detail(f"root {root}, from TRADING_SYSTEM_ROOT or the checkout")
    return root


def books_in(root: Path) -> str:
    """Whose books a root holds; empty: nobody's.

    Raises:
        DatabaseRefused: There is a database that cannot be read.
    """
    from storage.database import DATABASES, books_of, database_path, open_reader

    for name in DATABASES:
        path = database_path(root, name)
        if not path.exists() or _unwritten(path):
            continue
        connection = open_reader(path, name)
        try:
            found = books_of(connection)
        finally:
            connection.close()
        if found:
            return found
    return ""


def _unwritten(path: Path) -> bool:
    """Whether a process died before it had made a table in this database."""
    import sqlite3

    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return False  # whoever opens it in earnest says what is wrong
    return int(tables) == 0


def discard_books(root: Path) -> None:
    """Delete the databases an earlier replay or demo left in a root, nothing else.

    Raises:
        BooksRefused: They are books of an account.
    """
    from runtime.errors import BooksRefused
    from storage.database import DATABASES, database_path

    books = books_in(root)
    if books and not books.startswith(REPLAYED):
        raise BooksRefused(
            f"{root} holds the books of {books!r}, which are never deleted: choose another --root"
        )
    for name in reversed(DATABASES):  # the first is the one that says whose they are
        path = database_path(root, name)
        for suffix in ("-wal", "-shm", ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
