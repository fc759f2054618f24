"""Daily history from several kinds of Parquet file, told apart by their columns.

| kind | columns beside symbol, timestamp | prices |
|---|---|---|
| `lean` | open..volume, price_factor, split_factor | raw; adjusted = raw * price_factor * split_factor |
| `factor` | open..volume, adj_factor | raw; close * adj_factor = split and dividend adjusted |
| `yahoo` | open..volume, adj_close | split-adjusted as of the download, adj_close for dividends too |
| `closes` | adj_close | adjusted closes only: history of returns, no prices |

Of several files the first that has a symbol gives all its history: units never mix within a symbol.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from runtime.errors import DataError
from runtime.messages.market import FloatArray
from storage.loaders.parquet import ParquetColumns, column_names
from storage.loaders.quarantine import ADJUSTED_DAYS, DAYS, Int64Array, RawRows, Refusals, Rows, admit

Kind = Literal["lean", "factor", "yahoo", "closes"]
BARS = ("open", "high", "low", "close", "volume")
_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "lean": (*BARS, "price_factor", "split_factor"),
    "factor": (*BARS, "adj_factor"),
    "yahoo": (*BARS, "adj_close"),
    "closes": ("adj_close",),
}
VALID = "a daily file has symbol, timestamp and " + ", or ".join(
    ", ".join(columns) for columns in _COLUMNS.values()
)
SIMPLE_SPLITS: tuple[float, ...] = tuple(
    sorted({a / b for a in (*range(1, 11), 12, 15, 20, 25, 30, 40, 50, 100) for b in (1, 2, 3, 4)} - {1.0})
)
"""Shares after for one before, and (as inverses) before for one after."""
SNAP = 0.005
"""A measured ratio this close to a simple one is that one."""
_DAY_NS = 86_400_000_000_000

DateArray = NDArray[np.int32]


class SymbolHistory(msgspec.Struct, kw_only=True):
    """One symbol's daily bars.

    Attributes:
        kind: Which kind of file they are from.
        dates: (n,) ascending sessions, yyyymmdd.
        values: (6, n) open, high, low, close, volume, adj_close as in the file; NaN where it has none.
        factor: (n,) of raw prices: cumulative split factor, raw * factor is split-adjusted; ones else.
    """

    kind: Kind
    dates: DateArray
    values: FloatArray
    factor: FloatArray


class DailyHistory(msgspec.Struct, kw_only=True):
    """What all daily files together tell, by symbol; and the rows that were refused, by file."""

    symbols: dict[str, SymbolHistory]
    refusals: list[Refusals]


def snap(ratio: float) -> float:
    """A ratio within 0.5 % of 1 or of a simple split ratio becomes that one."""
    for simple in (1.0, *SIMPLE_SPLITS, *(1 / split for split in SIMPLE_SPLITS)):
        if abs(ratio / simple - 1) <= SNAP:
            return simple
    return ratio


def load_daily(paths: Sequence[Path], *, now: int, absurd_ratio: float = DAYS.up) -> DailyHistory:
    """Read and judge daily files; later ones add the symbols that earlier ones lack.

    Args:
        paths: Parquet files of any of the four kinds.
        now: ns UTC; a later bar is refused.
        absurd_ratio: Above 1; a bar so many times above or below the one before is refused unless the
            price stays there.

    Raises:
        DataError: No such file, not Parquet, or columns of no known kind.
    """
    history = DailyHistory(symbols={}, refusals=[])
    for path in paths:
        refusals = Refusals(path.name)
        for name, found in _load(path, refusals, now, absurd_ratio).items():
            history.symbols.setdefault(name, found)
        history.refusals.append(refusals)
    return history


def session_dates(stamps: Int64Array) -> DateArray:
    """Sessions (yyyymmdd) of daily stamps: midnight New York in UTC, or plain dates at midnight UTC.

    Midnight in New York is 04:00 or 05:00 UTC of the same calendar day, so the UTC date is the session.
    """
    days = stamps.astype("datetime64[ns]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (days - months).astype(np.int64) + 1
    return np.asarray(year * 10_000 + month * 100 + day, dtype=np.int32)


def _kind(path: Path, have: Sequence[str]) -> Kind:
    """Which kind of daily file has these columns."""
    if "symbol" in have and "timestamp" in have:
        for kind, columns in _COLUMNS.items():
            if kind != "closes" and all(name in have for name in columns):
                return kind
        if "adj_close" in have and not any(name in have for name in BARS):
            return "closes"
    nearest = _nearest(have)
    missing = [name for name in ("symbol", "timestamp", *nearest) if name not in have]
    word = "columns" if len(missing) > 1 else "column"
    named = ", ".join(repr(name) for name in missing)
    raise DataError(f"{path}: {word} {named} missing (it has {', '.join(have)}); {VALID}")


def _nearest(have: Sequence[str]) -> tuple[str, ...]:
    """The columns of the kind whose adjustment columns are there; Yahoo's if none is."""
    for kind in ("lean", "factor"):
        if any(name in have for name in _COLUMNS[kind][len(BARS) :]):
            return _COLUMNS[kind]
    return _COLUMNS["yahoo"]


def _load(path: Path, refusals: Refusals, now: int, absurd_ratio: float) -> dict[str, SymbolHistory]:
    kind = _kind(path, column_names(path))
    columns = ParquetColumns(path, ("symbol", "timestamp", *_COLUMNS[kind]))
    values = np.full((7, len(columns)), np.nan)
    if kind == "closes":
        values[:4] = columns.floats("adj_close")
        values[4] = 0.0
    else:
        for row, name in enumerate(BARS):
            values[row] = columns.floats(name)
    if kind == "lean":  # the two spare rows of the judge carry what adjusts the close
        values[5], values[6] = columns.floats("price_factor"), columns.floats("split_factor")
    elif kind in ("factor", "yahoo"):
        values[5] = columns.floats("adj_factor" if kind == "factor" else "adj_close")
    names, codes = columns.symbols()
    stamps = columns.nanoseconds()
    days = np.asarray(stamps // _DAY_NS * _DAY_NS)  # two stamps of one session are duplicates
    scale = {"lean": values[6], "factor": values[5]}.get(kind)
    raw = RawRows(names=names, codes=codes, ts=days, values=values, scale=scale)
    usual = DAYS if kind in ("lean", "factor") else ADJUSTED_DAYS
    limits = msgspec.structs.replace(usual, up=absurd_ratio, down=1 / absurd_ratio)
    return _by_symbol(kind, admit(raw, refusals, now=now, limits=limits))


def _by_symbol(kind: Kind, rows: Rows) -> dict[str, SymbolHistory]:
    order = np.argsort(rows.codes, kind="stable")
    bounds = np.searchsorted(rows.codes[order], np.arange(len(rows.names) + 1))
    dates = session_dates(rows.ts)
    found = {}
    for index, name in enumerate(rows.names):
        own = order[bounds[index] : bounds[index + 1]]
        values, factor = _adjusted(kind, rows.values[:, own])
        found[name] = SymbolHistory(kind=kind, dates=dates[own], values=values, factor=factor)
    return found


def _adjusted(kind: Kind, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(6, n) panel rows and (n,) split factors from (7, n) judged rows of one symbol."""
    values = rows[:6].copy()
    factor = np.ones(rows.shape[1])
    if kind == "lean":
        factor = rows[6].copy()
        values[5] = rows[3] * rows[5] * rows[6]
    elif kind == "factor":
        factor = _split_part(rows[5])
        values[5] = rows[3] * rows[5]
    elif kind == "closes":
        values[5] = rows[3]
        values[:5] = np.nan
    return values, factor


def _split_part(adjust: FloatArray) -> FloatArray:
    """The part of split-and-dividend factors (n,) that splits made: their steps of a simple ratio."""
    factor = np.ones(len(adjust))
    for at in range(len(adjust) - 1, 0, -1):
        step = float(adjust[at - 1] / adjust[at])
        simple = snap(step) if abs(step - 1) > 0.15 else 1.0  # no dividend is that large
        factor[at - 1] = factor[at] * (simple if simple != step else 1.0)
    return factor
