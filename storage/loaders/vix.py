"""Daily closes of the VIX from Parquet files: symbol, timestamp, close; other columns are not used."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from runtime.messages.market import FloatArray
from storage.loaders.daily import DateArray, session_dates
from storage.loaders.parquet import ParquetColumns, column_names, require
from storage.loaders.quarantine import Limits, RawRows, Refusals, admit

NEEDED = ("timestamp", "close")
_LIMITS = Limits(most=1_000.0)
"""It has doubled within a day, and fallen by half within two: no jump is too large."""
_VALID = "a VIX file has timestamp, close and perhaps symbol, open, high, low"


class VixHistory(msgspec.Struct, kw_only=True):
    """Closes of the VIX.

    Attributes:
        dates: (n,) ascending sessions, yyyymmdd. closes: (n,) index points.
    """

    dates: DateArray
    closes: FloatArray
    refusals: list[Refusals]

    def before(self, session: int, most: int) -> tuple[DateArray, FloatArray]:
        """Up to `most` sessions and closes, the last of them before `session` (yyyymmdd)."""
        end = int(np.searchsorted(self.dates, session))
        begin = max(0, end - most)
        return self.dates[begin:end], self.closes[begin:end]

    def on(self, session: int) -> float | None:
        """The close of a session (yyyymmdd), if known."""
        at = int(np.searchsorted(self.dates, session))
        known = at < len(self.dates) and int(self.dates[at]) == session
        return float(self.closes[at]) if known else None


def load_vix(paths: Sequence[Path], *, now: int) -> VixHistory:
    """Read VIX files; where two have a session the earlier file counts.

    Only the close is judged: published opens lie outside the day's range at times.

    Args:
        paths: Parquet files.
        now: ns UTC; a later close is refused.

    Raises:
        DataError: No such file, not Parquet, or a column is missing.
    """
    closes: dict[int, float] = {}
    every: list[Refusals] = []
    for path in paths:
        have = column_names(path)
        require(path, have, NEEDED, _VALID)
        columns = ParquetColumns(path, NEEDED)
        values = np.full((7, len(columns)), np.nan)
        values[:4] = columns.floats("close")
        values[4] = 0.0
        refusals = Refusals(path.name)
        codes = np.zeros(len(columns), dtype=np.int32)
        raw = RawRows(names=("VIX",), codes=codes, ts=columns.nanoseconds(), values=values)
        rows = admit(raw, refusals, now=now, limits=_LIMITS)
        for date, close in zip(session_dates(rows.ts).tolist(), rows.values[3].tolist(), strict=True):
            closes.setdefault(date, close)
        every.append(refusals)
    ordered = sorted(closes)
    return VixHistory(
        dates=np.array(ordered, dtype=np.int32),
        closes=np.array([closes[date] for date in ordered], dtype=np.float64),
        refusals=every,
    )
