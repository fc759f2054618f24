"""Small files of bars for loader tests, and where the recorded ones are."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.market.calendar import session_times
from storage.loaders.first_days import DayBars
from storage.loaders.own_minutes import Minutes
from storage.loaders.quarantine import MINUTE

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
NOW = 1_790_000_000_000_000_000
"""2026-09-21, ns UTC."""
recorded = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data is not on this machine")

Row = tuple[str, int, float, float, float, float, float]


def bars(session: str, symbol: str, closes: list[float], first: int = 0) -> list[Row]:
    """Rows (symbol, ts, o, h, l, c, v) of consecutive minutes from minute `first` on."""
    begin = session_times(session).open + first * MINUTE
    return [
        (symbol, begin + at * MINUTE, close, close + 0.02, close - 0.02, close, 1_000.0 + at)
        for at, close in enumerate(closes)
    ]


def write(path: Path, rows: list[Row], **extra: list[float]) -> Path:
    """Rows as a Parquet file with a timestamp in microseconds UTC, and further columns."""
    columns: dict[str, object] = {
        "symbol": pa.array([row[0] for row in rows], pa.string()),
        "timestamp": pa.array([row[1] // 1000 for row in rows], pa.timestamp("us", tz="UTC")),
    }
    for at, name in enumerate(("open", "high", "low", "close", "volume"), start=2):
        columns[name] = pa.array([float(row[at]) for row in rows], pa.float64())
    columns.update({name: pa.array(values, pa.float64()) for name, values in extra.items()})
    pq.write_table(pa.table(columns), path)
    return path


def daily_rows(symbol: str, sessions: list[str], closes: list[float]) -> list[Row]:
    """One row a session, stamped midnight in New York (04:00 or 05:00 UTC)."""
    rows = []
    for session, close in zip(sessions, closes, strict=True):
        midnight = int(np.datetime64(session, "ns").astype(np.int64)) + 4 * 60 * MINUTE
        rows.append((symbol, midnight, close, close * 1.01, close * 0.99, close, 1e6))
    return rows


DayRow = tuple[float, float, float, float, float]
Days = Mapping[tuple[str, int], DayRow]
"""Open to volume by symbol and midnight in New York, ns UTC."""


def told(
    raw: Days, split: Days | None = None, whole: Days | None = None, asked: Iterable[str] = ()
) -> DayBars:
    """What the broker told of some symbols; of `asked` that are not among the bars it has none."""
    parts = [
        Minutes.of({(ts, name): row for (name, ts), row in (part or {}).items()})
        for part in (raw, split, whole)
    ]
    names = dict.fromkeys([*(name for name, _ in raw), *asked])
    return DayBars(asked=tuple(names), raw=parts[0], split=parts[1], whole=parts[2])
