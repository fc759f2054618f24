"""Minute bars from Parquet: symbol, start of the minute in UTC, open to volume, perhaps trades and VWAP."""

from pathlib import Path

import msgspec
import numpy as np

from runtime.messages.market import COLUMNS
from storage.loaders.parquet import ParquetColumns, column_names, require
from storage.loaders.quarantine import MINUTES, RawRows, Refusals, Rows, admit

NEEDED = ("symbol", "timestamp", "open", "high", "low", "close", "volume")
_VALID = f"a minute file has {', '.join(NEEDED)} and perhaps trade_count, vwap"


class MinuteBars(msgspec.Struct, kw_only=True):
    """A file of minute bars, judged.

    Attributes:
        source: The file's name.
        rows: Bars that may be used, by time and symbol.
        refusals: Bars that may not, each with its reason.
        ignored: What else the file held, counted by kind (frames of trades, quotes, ...).
    """

    source: str
    rows: Rows
    refusals: Refusals
    ignored: dict[str, int] = {}


def load_minute(path: Path, *, now: int) -> MinuteBars:
    """Read and judge a Parquet file of minute bars.

    Args:
        path: Columns `NEEDED`, perhaps `trade_count` and `vwap`; prices raw, in USD.
        now: ns UTC; a later bar is refused.

    Raises:
        DataError: No such file, not Parquet, or a column is missing or of the wrong type.
    """
    have = column_names(path)
    require(path, have, NEEDED, _VALID)
    optional = [name for name in COLUMNS[5:] if name in have]
    columns = ParquetColumns(path, (*NEEDED, *optional))
    values = np.full((len(COLUMNS), len(columns)), np.nan)
    for row, name in enumerate(COLUMNS):
        if name in NEEDED or name in optional:
            values[row] = columns.floats(name)
    names, codes = columns.symbols()
    raw = RawRows(names=names, codes=codes, ts=columns.nanoseconds(), values=values)
    refusals = Refusals(path.name)
    return MinuteBars(source=path.name, rows=admit(raw, refusals, now=now, limits=MINUTES), refusals=refusals)
