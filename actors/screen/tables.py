"""Rows of one table of the screen, and what changed in them since they were last told."""

from collections.abc import Callable
from typing import Any, Generic

from runtime.messages.screen import EquityPoints, Row, Table

MOST_TEXT = 300
"""Characters of a text from outside that a screen is told."""


def cut(text: str) -> str:
    """A text from outside, short enough for a row."""
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}..."


class Rows(Generic[Row]):
    """Keyed rows in the order in which they came; the same row again is no change.

    Args:
        most: How many are kept; the oldest go. keeps: rows that stay all the same.
    """

    def __init__(self, most: int, keeps: Callable[[Row], bool] | None = None) -> None:
        self._most, self._keeps = most, keeps
        self._rows: dict[str, Row] = {}
        self._fresh: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._untold: dict[str, None] = {}
        """Rows that nobody has been told of: when they go, there is nothing to tell either."""

    def put(self, row: Row) -> None:
        """A new row, or another one in the place of its key's."""
        key, rows = row.key, self._rows
        old = rows.get(key)
        if old is None:
            if len(rows) >= self._most:
                self._make_room()
            if key in self._gone:
                del self._gone[key]
            else:
                self._untold[key] = None
        elif old == row:
            return
        rows[key] = row
        self._fresh[key] = None

    def _make_room(self) -> None:
        keeps = self._keeps
        for key, row in self._rows.items():
            if keeps is None or not keeps(row):
                self.drop(key)
                return

    def drop(self, key: str) -> None:
        """The row is no longer there."""
        if self._rows.pop(key, None) is None:
            return
        self._fresh.pop(key, None)
        if key in self._untold:
            del self._untold[key]
        else:
            self._gone[key] = None

    def get(self, key: str) -> Row | None:
        """The row of a key."""
        return self._rows.get(key)

    def __iter__(self) -> Any:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def changes(self) -> Table[Row] | None:
        """What came, changed and went since the last call; None: nothing."""
        if not (self._fresh or self._gone):
            return None
        rows = self._rows
        table = Table(rows=tuple([rows[key] for key in self._fresh]), gone=tuple(self._gone))
        self._fresh, self._gone, self._untold = {}, {}, {}
        return table

    def whole(self) -> Table[Row]:
        """Every row; what changed is not forgotten by it."""
        return Table(rows=tuple(self._rows.values()), whole=True)


class Curve:
    """Equity over time, one point a period at most, each told once.

    Args:
        period: ns. most: points kept.
    """

    def __init__(self, period: int, most: int) -> None:
        self._period, self._most = period, most
        self._at: list[int] = []
        self._equity: list[float] = []
        self._told = 0
        self._is_new = False

    def put(self, at: int, equity: float) -> None:
        """A later point; a second one of the same period is left out."""
        at -= at % self._period
        if self._at and at <= self._at[-1]:
            return
        self._at.append(at)
        self._equity.append(equity)
        if len(self._at) > self._most:
            half = self._most // 2
            self._at, self._equity = self._at[-half:], self._equity[-half:]
            self._is_new = True

    def changes(self) -> EquityPoints | None:
        """What came since the last call; None: nothing."""
        if self._is_new:
            self._is_new, self._told = False, len(self._at)
            return self.whole()  # what was told before does not fit any more
        first, self._told = self._told, len(self._at)
        if first == self._told:
            return None
        return EquityPoints(at=tuple(self._at[first:]), equity=tuple(self._equity[first:]))

    def whole(self) -> EquityPoints:
        """Every point that has been told: a later one comes with the next changes, and once only."""
        told = self._told
        return EquityPoints(at=tuple(self._at[:told]), equity=tuple(self._equity[:told]), whole=True)
