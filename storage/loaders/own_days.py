"""Daily bars that the live system kept itself, one file a session: they continue the history of daily files.

A file `own-<session>.parquet` lies beside the daily files and has symbol, timestamp, raw open to volume, and

* `split`: shares today for one of the session before (1: no split),
* `growth`: adjusted close over that of the session before, NaN where the broker did not tell,
* `scale`: raw price over the price in the units of the daily file; NaN where unknown.

A session that the daily file has itself is not continued: the file counts.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from runtime.messages.market import FloatArray
from storage.disk import make_private, sync_directory
from storage.loaders.daily import BARS, DailyHistory, SymbolHistory, session_dates
from storage.loaders.parquet import ParquetColumns, column_names, require

PREFIX = "own-"
NEEDED = ("symbol", "timestamp", *BARS, "split", "growth", "scale")
_CLOSE, _VOLUME, _ADJ = 3, 4, 5
_VALID = f"a file of the system's own daily bars has {', '.join(NEEDED)}"


class OwnDay(msgspec.Struct, frozen=True, kw_only=True):
    """The daily bars of one session.

    Attributes:
        session: ISO date. stamp: midnight in New York, ns UTC.
        symbols: (n,) their names. values: (5, n) raw open to volume.
        split, growth, scale: (n,) as in the file.
    """

    session: str
    stamp: int
    symbols: tuple[str, ...]
    values: FloatArray
    split: FloatArray
    growth: FloatArray
    scale: FloatArray


def is_own(path: Path) -> bool:
    """Whether a daily file is one of ours."""
    return path.name.startswith(PREFIX)


def write_day(folder: Path, day: OwnDay) -> Path:
    """Keep a session's bars, whole or not at all; an earlier file of that session is replaced.

    Raises:
        OSError: The disk does not take it.
    """
    columns = {name: pa.array(day.values[row], pa.float64()) for row, name in enumerate(BARS)}
    stamps = np.full(len(day.symbols), day.stamp // 1_000, dtype=np.int64)
    table = pa.table(
        {
            "symbol": pa.array(day.symbols, pa.string()),
            "timestamp": pa.array(stamps, pa.timestamp("us", tz="UTC")),
            **columns,
            "split": pa.array(day.split, pa.float64()),
            "growth": pa.array(day.growth, pa.float64()),
            "scale": pa.array(day.scale, pa.float64()),
        }
    )
    path = folder / f"{PREFIX}{day.session}.parquet"
    replace_table(path, table)
    return path


def replace_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file under a name of its own, make it durable, and rename it into place."""
    make_private(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(draft, "wb", opener=_private) as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        sync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def continue_history(history: DailyHistory, paths: Sequence[Path]) -> DailyHistory:
    """The history with our own sessions behind those of the files.

    Args:
        paths: Files of `write_day`, in order of their sessions.

    Raises:
        DataError: A file cannot be read.
    """
    rows: dict[str, list[tuple[int, FloatArray]]] = {}
    for path in paths:
        require(path, column_names(path), NEEDED, _VALID)
        columns = ParquetColumns(path, NEEDED)
        names, codes = columns.symbols()
        values = np.stack([columns.floats(name) for name in NEEDED[2:]])
        for at, date in enumerate(session_dates(columns.nanoseconds()).tolist()):
            rows.setdefault(names[codes[at]], []).append((date, values[:, at]))
    symbols = dict(history.symbols)
    for name, own in rows.items():
        known = symbols.get(name)
        if known is not None:
            symbols[name] = _continued(known, own)
    return DailyHistory(symbols=symbols, refusals=history.refusals)


def _continued(known: SymbolHistory, own: Sequence[tuple[int, FloatArray]]) -> SymbolHistory:
    dates = [int(known.dates[-1])]
    columns: list[NDArray[np.float64]] = [known.values[:, -1]]
    factors = [float(known.factor[-1])]
    for date, row in own:
        if date <= dates[-1]:
            continue
        split = float(row[5]) if row[5] > 0 else 1.0
        column = _column(known.kind, row, columns[-1], split)
        if column is not None:
            dates.append(date)
            columns.append(column)
            factors.append(factors[-1] * split if known.kind in ("lean", "factor") else 1.0)
    return SymbolHistory(
        kind=known.kind,
        dates=np.concatenate([known.dates, np.array(dates[1:], dtype=known.dates.dtype)]),
        values=np.concatenate([known.values, np.array(columns[1:]).reshape(-1, 6).T], axis=1),
        factor=np.concatenate([known.factor, np.array(factors[1:])]),
    )


def _column(
    kind: str, row: FloatArray, before: NDArray[np.float64], split: float
) -> NDArray[np.float64] | None:
    """(6,) one session in the units of the file; None where they are unknown."""
    column = np.full(6, np.nan)
    growth, scale = float(row[6]), float(row[7])
    if kind in ("lean", "factor"):
        column[:5] = row[:5]
        plain = float(row[_CLOSE]) * split / float(before[_CLOSE])
    elif kind == "yahoo":
        if not scale > 0:
            return None
        column[:_VOLUME] = row[:_VOLUME] / scale
        column[_VOLUME] = row[_VOLUME] * scale
        plain = float(column[_CLOSE]) / float(before[_CLOSE])
    else:
        plain = float("nan")
    rate = growth if growth > 0 else plain
    if not rate > 0:
        return None
    column[_ADJ] = float(before[_ADJ]) * rate
    return column
