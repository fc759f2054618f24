"""One batch as one transaction, told step by step to whoever has the connection.

The steps are a generator without I/O, so the synchronous books and the asynchronous writer run the same
SQL in the same order. Rows keep their order within a table; statements read no table but their own, so the
result does not depend on where the batches were cut.
"""

import contextlib
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from typing import NamedTuple

from storage.statements import STATEMENTS, Mark, Params, Row

MarkedRow = tuple[Mark, Row]
"""A row and the input it comes from."""

ROW_ERRORS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, OverflowError, ValueError)
"""The row itself is at fault, so it is set aside; anything else is the database's trouble."""


class Step(NamedTuple):
    """One call on the connection: `executemany` when `many`, else `execute`."""

    sql: str
    rows: Sequence[Params]
    many: bool


Steps = Generator[Step, None, int]
"""Send None after a step went well, throw what it raised otherwise; returns the count of refused rows."""

_MARK = """
    INSERT INTO projection (name, session, seq, at) VALUES ('tape', ?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET session = excluded.session, seq = excluded.seq, at = excluded.at
"""
_REFUSED = """
    INSERT INTO refused_rows (session, seq, n, statement, error, parameters)
         SELECT ?1, ?2, count(*), ?3, ?4, ?5 FROM refused_rows WHERE session = ?1 AND seq = ?2
"""
READ_MARK = "SELECT session, seq FROM projection WHERE name = 'tape'"


def lanes(rows: Iterable[MarkedRow]) -> list[tuple[str, list[Params]]]:
    """Group rows by table, and within a table runs of one statement, keeping the order of each table."""
    tables: dict[str, list[tuple[str, list[Params]]]] = {}
    for _, (key, params) in rows:
        lane = tables.setdefault(STATEMENTS[key].table, [])
        if lane and lane[-1][0] == key:
            lane[-1][1].append(params)
        else:
            lane.append((key, [params]))
    return [run for lane in tables.values() for run in lane]


def transaction(rows: Sequence[MarkedRow], mark: Mark | None, at: int) -> Steps:
    """Write one batch of one database.

    Args:
        rows: In the order of their inputs. mark: the last input covered; None moves no mark.
        at: When that input was known, ns UTC.

    Raises:
        sqlite3.Error: The database could not be written; the transaction is rolled back.
    """
    yield _one("BEGIN IMMEDIATE")
    try:
        try:
            for key, group in lanes(rows):
                yield Step(STATEMENTS[key].sql, group, many=True)
            refused = 0
        except ROW_ERRORS:
            yield _one("ROLLBACK")
            yield _one("BEGIN IMMEDIATE")
            refused = yield from _row_by_row(rows)
        if mark is not None:
            yield _one(_MARK, (mark.session, mark.seq, at))
        yield _one("COMMIT")
    except sqlite3.Error:
        with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back already
            yield _one("ROLLBACK")
        raise
    return refused


def _row_by_row(rows: Sequence[MarkedRow]) -> Steps:
    """Write what can be written and keep the rest aside, where a person finds it."""
    refused = 0
    for mark, (key, params) in rows:
        try:
            yield _one(STATEMENTS[key].sql, params)
        except ROW_ERRORS as error:
            refused += 1
            text = repr(params).encode("utf-8", "replace").decode()
            yield _one(_REFUSED, (mark.session, mark.seq, key, f"{type(error).__name__}: {error}", text))
    return refused


def _one(sql: str, params: Params = ()) -> Step:
    return Step(sql, (params,), many=False)
