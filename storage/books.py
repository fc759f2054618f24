"""The books of one root: both databases, written in batches, each knowing how far it has come.

For replays and tests, on plain `sqlite3`; the live system's writer is `actors/gateways/db_writer.py`.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from storage.database import DATABASES, Mode, database_path, prepare
from storage.statements import NOTHING, STATEMENTS, Mark, Row
from storage.transaction import READ_MARK, MarkedRow, transaction


class Books:
    """Both databases and what is still to be written to them.

    One thread at a time may use it; which one does not matter.

    Args:
        root: The databases are `<root>/db/*.db`; ignored in memory.
        books: Whose books they must be.
        mode: `durable` syncs, `replay` does not, `memory` keeps nothing.
        batch: Rows after which `apply` commits by itself; 0: never.

    Raises:
        DatabaseRefused: A database is another's, newer than this program, or damaged.
    """

    def __init__(self, root: Path | None, books: str, mode: Mode = "replay", *, batch: int = 5_000) -> None:
        if root is None and mode != "memory":
            raise ValueError("books outside memory need a root")
        self.refused = 0
        self._batch = batch
        self._connections: dict[str, sqlite3.Connection] = {}
        try:
            for name in DATABASES:
                path = None if root is None or mode == "memory" else database_path(root, name)
                self._connections[name] = prepare(path, name, books, mode)
            self._covered = {name: read_mark(link) for name, link in self._connections.items()}
        except BaseException:
            self.close(commit=False)
            raise
        self._pending: dict[str, list[MarkedRow]] = {name: [] for name in DATABASES}
        self._count = 0
        self._mark: Mark | None = None
        self._at = 0

    def apply(self, rows: Iterable[Row], mark: Mark, at: int = 0) -> None:
        """Take the rows of one input; those a database has already are left out.

        Args:
            rows: What the input is worth. mark: its place. at: when it was known, ns UTC.
        """
        for row in rows:
            database = STATEMENTS[row[0]].database
            if mark > self._covered[database]:
                self._pending[database].append((mark, row))
                self._count += 1
        self._mark, self._at = mark, at
        if self._batch and self._count >= self._batch:
            self.commit()

    def log(self, rows: Iterable[Row]) -> None:
        """Take rows of the process itself (errors), which belong to no input."""
        for row in rows:
            self._pending[STATEMENTS[row[0]].database].append((NOTHING, row))
            self._count += 1

    def commit(self) -> None:
        """Write everything taken so far, each database in one transaction with its mark.

        Raises:
            sqlite3.Error: A database could not be written; its rows are kept for the next try.
        """
        mark = self._mark
        for name, connection in self._connections.items():
            rows, covered = self._pending[name], self._covered[name]
            ahead = mark is not None and mark > covered
            if not rows and not ahead:
                continue
            self.refused += run(connection, rows, mark if ahead else None, self._at)
            self._pending[name] = []
            if mark is not None and ahead:
                self._covered[name] = mark
        self._count = 0

    def covered(self) -> dict[str, Mark]:
        """How far each database is written."""
        return dict(self._covered)

    def connection(self, name: str) -> sqlite3.Connection:
        """The open database: for reading, between commits."""
        return self._connections[name]

    def close(self, *, commit: bool = True) -> None:
        """Commit what is left, then close both; again is no error."""
        try:
            if commit and self._connections:
                self.commit()
        finally:
            for connection in self._connections.values():
                connection.close()
            self._connections = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(commit=kind is None)


def run(connection: sqlite3.Connection, rows: list[MarkedRow], mark: Mark | None, at: int) -> int:
    """Run one transaction to its end; returns how many rows were refused and set aside."""
    steps = transaction(rows, mark, at)
    failure: Exception | None = None
    while True:
        try:
            step = next(steps) if failure is None else steps.throw(failure)
        except StopIteration as done:
            return int(done.value)
        failure = None
        try:
            if step.many:
                connection.executemany(step.sql, step.rows)
            else:
                connection.execute(step.sql, step.rows[0])
        except Exception as error:  # noqa: BLE001 - the transaction decides what the error means
            failure = error


def read_mark(connection: sqlite3.Connection) -> Mark:
    """How far the database is written; `NOTHING` if it is new."""
    row = connection.execute(READ_MARK).fetchone()
    return Mark(int(row[0]), int(row[1])) if row else NOTHING
