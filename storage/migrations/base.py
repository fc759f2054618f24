"""One numbered step of a database's schema, and what every database of ours has."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Migration:
    """A step: its statements run in one transaction with their record.

    Attributes:
        number: Counted from 1 without gaps; becomes `user_version`.
        title: What it does, in words.
        statements: Complete SQL statements, run in order.
    """

    number: int
    title: str
    statements: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the statements: a test pins it, so that a released step cannot be edited."""
        return hashlib.sha256("\n;\n".join(self.statements).encode()).hexdigest()


RECORDS = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        number INTEGER PRIMARY KEY,
        title  TEXT NOT NULL,
        digest TEXT NOT NULL
    ) STRICT
"""
"""Which steps a database has had; no times, so that equal books are equal files row by row."""

COMMON = (
    """
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE projection (                       -- how far the books are written
        name    TEXT PRIMARY KEY CHECK (name = 'tape'),
        session INTEGER NOT NULL,                   -- yyyymmdd of the trading day
        seq     INTEGER NOT NULL CHECK (seq >= 0),  -- last input that is covered
        at      INTEGER NOT NULL                    -- when that input was known, ns UTC
    ) STRICT
    """,
    """
    CREATE TABLE refused_rows (                     -- rows the schema refused: a bug to look at
        session   INTEGER NOT NULL,
        seq       INTEGER NOT NULL,
        n         INTEGER NOT NULL,                 -- position among the refused rows of that input
        statement TEXT NOT NULL,
        error     TEXT NOT NULL,
        parameters TEXT NOT NULL,
        PRIMARY KEY (session, seq, n)
    ) STRICT
    """,
)
