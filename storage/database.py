"""Opening a database: whose books it is, which schema it has, how hard it is synced.

Nothing here reads a database file but SQLite itself: a plain `open` and `close` of the same file inside
the process would drop SQLite's locks and let another process delete the write-ahead log (faults 1.7).
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from runtime.errors import BooksRefused, StorageUnavailable
from storage.migrations import APPLICATION_IDS, MIGRATIONS, Migration
from storage.migrations.base import RECORDS

Mode = Literal["durable", "replay", "memory"]
DATABASES: tuple[str, ...] = ("trades", "performance")
"""In the order in which their transactions are committed."""

BUSY_MS = 5_000
_CACHE_KIB = 16_384
_SYNCHRONOUS = {
    ("trades", "durable"): "FULL",  # NORMAL loses acknowledged commits at a power cut (faults 1.5)
    ("performance", "durable"): "NORMAL",
}


class DatabaseRefused(StorageUnavailable):
    """The database was not touched; the text says what to do."""


class SchemaTooNew(DatabaseRefused):
    """A newer version of this program has written the database."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(f"{path} has schema {found}, this program knows {known}: update the program")
        self.path, self.found, self.known = path, found, known


def database_path(root: Path, name: str) -> Path:
    """Where a root keeps the database of that name."""
    return root / "db" / f"{name}.db"


def prepare(path: Path | None, name: str, books: str, mode: Mode) -> sqlite3.Connection:
    """Open the database, creating and migrating it where needed, and see whose books it is.

    Args:
        path: The file; None: in memory.
        name: A key of `MIGRATIONS`.
        books: Whose books these must be: `live:<account>`, `paper:<account>` or `replay:<run>`.
        mode: How hard it is synced: replays can be run again, so theirs never is.

    Returns:
        A connection in autocommit mode that any one thread at a time may use.

    Raises:
        BooksRefused: The file holds another's books.
        SchemaTooNew: A later version has written it.
        DatabaseRefused: The file is damaged, unreadable or not one of ours.
    """
    if not books:
        raise ValueError("a database must be told whose books it holds")
    try:
        connection = _connect(path)
        try:
            _identify(connection, path, name)
            for pragma in pragmas(name, mode):
                connection.execute(pragma)
            migrate(connection, name, MIGRATIONS[name], path)
            _claim(connection, path, books)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise DatabaseRefused(f"{path or name}: {error}") from error
    return connection


def pragmas(name: str, mode: Mode) -> tuple[str, ...]:
    """What every writing connection sets, in order."""
    return (
        f"PRAGMA busy_timeout = {BUSY_MS}",
        "PRAGMA journal_mode = " + ("MEMORY" if mode == "memory" else "WAL"),
        f"PRAGMA synchronous = {_SYNCHRONOUS.get((name, mode), 'OFF')}",
        "PRAGMA temp_store = MEMORY",
        f"PRAGMA cache_size = -{_CACHE_KIB}",
        f"PRAGMA wal_autocheckpoint = {1_000 if mode == 'durable' else 8_000}",
    )


def migrate(
    connection: sqlite3.Connection, name: str, steps: Sequence[Migration], path: Path | None = None
) -> None:
    """Apply the steps the database lacks, each in a transaction of its own.

    Raises:
        SchemaTooNew: The database is beyond the last step.
    """
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _integer(connection, "PRAGMA user_version")
            if version > len(steps):
                raise SchemaTooNew(path or Path(name), version, len(steps))
            if version == len(steps):
                connection.execute("ROLLBACK")
                return
            step = steps[version]
            connection.execute(RECORDS)
            for statement in step.statements:
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_migrations (number, title, digest) VALUES (?, ?, ?)",
                (step.number, step.title, step.digest),
            )
            connection.execute(f"PRAGMA application_id = {APPLICATION_IDS[name]}")
            connection.execute(f"PRAGMA user_version = {step.number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def books_of(connection: sqlite3.Connection) -> str:
    """Whose books the database holds, or empty."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'books'").fetchone()
    return str(row[0]) if row else ""


def open_reader(path: Path, name: str) -> sqlite3.Connection:
    """Open an existing database for reading only; rows are addressed by column name.

    Raises:
        DatabaseRefused: There is none, it is damaged, or not one of ours.
    """
    if not path.is_file():
        raise DatabaseRefused(f"{path}: there is no such database; has anything run with this --root?")
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            _identify(connection, path, name)
            if _integer(connection, "PRAGMA application_id") == 0:
                raise DatabaseRefused(f"{path} is empty: nothing has been written yet")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise DatabaseRefused(f"{path}: {error}") from error
    connection.row_factory = sqlite3.Row
    return connection


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA user_version")  # makes the file; its mode passes on to -wal and -shm
        os.chmod(path, 0o600)
    except BaseException:
        connection.close()
        raise
    return connection


def _identify(connection: sqlite3.Connection, path: Path | None, name: str) -> None:
    """Refuse a file of another program or of another kind, and a schema from the future."""
    found, wanted = _integer(connection, "PRAGMA application_id"), APPLICATION_IDS[name]
    tables = _integer(connection, "SELECT count(*) FROM sqlite_master")
    if found != wanted and (found != 0 or tables != 0):
        raise DatabaseRefused(f"{path} is not a {name} database of this program (application id {found})")
    version, known = _integer(connection, "PRAGMA user_version"), len(MIGRATIONS[name])
    if version > known:
        raise SchemaTooNew(path or Path(name), version, known)


def _claim(connection: sqlite3.Connection, path: Path | None, books: str) -> None:
    """Write whose books these are, once; refuse another's ever after."""
    connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('books', ?)", (books,))
    found = books_of(connection)
    if found != books:
        raise BooksRefused(
            f"{path or ':memory:'} holds the books of {found!r}, not of {books!r}: choose another --root, "
            "or move the database away"
        )


def _integer(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])
