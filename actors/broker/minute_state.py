"""What is known of a minute while it is joined, and the price each symbol is judged by.

Bars that came as a batch stay columns until somebody asks for a single one: most are never asked for.
"""

from collections.abc import Set
from math import nan
from typing import Literal

import numpy as np

from actors.broker.minute_batch import Batch
from runtime.messages.market import Bars, Columns, FloatArray

Reason = Literal["late", "updated", "backfill"]
Row = tuple[float, float, float, float, float, float, float]
"""One bar in the order of `runtime.messages.market.COLUMNS`."""


class Minute:
    """One minute as far as it has come.

    Attributes:
        spoilt: Symbols that contradicted themselves before it was told.
        after: Corrections, and bars read by REST, that came before the minute was told.
    """

    __slots__ = ("_batched", "_batches", "_rows", "after", "is_told", "spoilt")

    def __init__(self, *, is_told: bool = False) -> None:
        self.is_told = is_told
        self.spoilt: set[int] = set()
        self.after: dict[Reason, dict[int, Row]] = {}
        self._rows: dict[int, Row] = {}
        self._batches: list[Batch] = []
        self._batched: set[int] = set()

    @property
    def rows(self) -> dict[int, Row]:
        """Every bar by symbol id; changes to it are changes of the minute."""
        for batch in self._batches:
            self._rows.update(zip(batch.ids, zip(*batch.values.tolist(), strict=True), strict=True))
        self._batches.clear()
        self._batched.clear()
        return self._rows

    def add(self, batch: Batch) -> None:
        """Take in bars of symbols that have none yet."""
        self._batches.append(batch)
        self._batched |= batch.members

    def has_none_of(self, symbols: Set[int]) -> bool:
        """Whether no bar of these symbols is known."""
        return self._batched.isdisjoint(symbols) and self._rows.keys().isdisjoint(symbols)

    def has_reported(self, wanted: Set[int]) -> bool:
        """Whether every one of these symbols has a bar, or has contradicted itself."""
        if len(self._batched) + len(self._rows) + len(self.spoilt) < len(wanted):
            return False  # most minutes are told from this alone
        if not self._rows and not self.spoilt:
            return wanted <= self._batched
        return wanted <= self._batched | self._rows.keys() | self.spoilt

    def symbols(self) -> int:
        """Who has a bar, a bit per symbol id."""
        there = [*self._batched, *self._rows]
        flags = np.zeros(max(there, default=0) + 1, dtype=np.uint8)
        flags[there] = 1
        return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")

    def bars(self, ts: int) -> Columns | None:
        """The minute that began at `ts`, ns UTC; None if nobody reported."""
        if self._rows or not self._batches:
            return columns(Bars, ts, self.rows) if self.rows else None
        ids = np.array([one for batch in self._batches for one in batch.ids], dtype=np.int32)
        values = np.concatenate([batch.values for batch in self._batches], axis=1)
        order = ids.argsort()
        return Bars.of(ids[order], values[:, order], ts_event=ts)


class Levels:
    """The price a symbol is judged by, and how many bars far from it may yet prove to be the new level.

    Attributes:
        close: (n,) USD by symbol id, NaN where nothing is known. pending: (n,) bars.
    """

    def __init__(self, count: int) -> None:
        self.close: FloatArray = np.full(count, nan)
        self.pending = np.zeros(count, dtype=np.int64)

    def grow(self, count: int) -> None:
        """Make room for so many symbols."""
        more = count - len(self.close)
        if more > 0:
            self.close = np.append(self.close, np.full(more, nan))
            self.pending = np.append(self.pending, np.zeros(more, dtype=np.int64))


def columns(kind: type[Columns], ts: int, rows: dict[int, Row], **fields: object) -> Columns:
    """Bars by symbol id as columns."""
    ids = sorted(rows)
    values = np.array([rows[symbol] for symbol in ids], dtype=np.float64).T
    return kind.of(ids, np.ascontiguousarray(values), ts_event=ts, **fields)
