"""The books of a root, opened for reading: both databases and rows as plain dictionaries."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from storage.database import DatabaseRefused, books_of, database_path, open_reader
from storage.migrations import MIGRATIONS

Record = dict[str, Any]


class Ledger(NamedTuple):
    """Both databases of a root, read-only.

    Attributes:
        books: Whose they are.
    """

    trades: sqlite3.Connection
    performance: sqlite3.Connection
    books: str


@contextmanager
def open_ledger(root: Path) -> Iterator[Ledger]:
    """Open a root's books for reading; each database is read as of one moment.

    Raises:
        DatabaseRefused: There are none, or they cannot be used.
    """
    trades = open_reader(database_path(root, "trades"), "trades")
    try:
        performance = open_reader(database_path(root, "performance"), "performance")
        try:
            trades.execute("BEGIN")
            performance.execute("BEGIN")
            yield Ledger(trades, performance, books_of(trades))
        except sqlite3.Error as error:
            hint = _hint(trades, performance)
            raise DatabaseRefused(f"the books under {root} cannot be read: {error}{hint}") from error
        finally:
            performance.close()
    finally:
        trades.close()


def _hint(trades: sqlite3.Connection, performance: sqlite3.Connection) -> str:
    """What to do about books of an older version, which lack what this one reads."""
    for name, link in (("trades", trades), ("performance", performance)):
        (found,) = link.execute("PRAGMA user_version").fetchone()
        if found < len(MIGRATIONS[name]):
            return "; an older version wrote them: whatever writes them next brings them up to date"
    return ""


Parameters = tuple[object, ...] | dict[str, Any]


def records(connection: sqlite3.Connection, sql: str, parameters: Parameters = ()) -> list[Record]:
    """All rows as dictionaries."""
    return [dict(row) for row in connection.execute(sql, parameters)]


def record(connection: sqlite3.Connection, sql: str, parameters: Parameters = ()) -> Record | None:
    """The first row, or None."""
    row = connection.execute(sql, parameters).fetchone()
    return None if row is None else dict(row)
