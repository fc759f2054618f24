"""Daily bars from the broker, kept as a file where a root has none: a start needs some to begin with."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from storage.loaders.daily import BARS
from storage.loaders.own_days import replace_table

NAME = "broker.parquet"

DayRow = tuple[float, float, float, float, float]
"""Open, high, low, close and volume."""
Days = Mapping[tuple[str, int], DayRow]
"""By symbol and midnight in New York, ns UTC."""


def write_history(folder: Path, split: Days, whole: Days) -> Path:
    """Keep bars as a file of the kind `yahoo`, whole or not at all.

    Args:
        split: Adjusted for splits. whole: for dividends too; where it lacks a bar, `split` stands for it.

    Raises:
        OSError: The disk does not take it.
    """
    keys = sorted(split)
    columns = {name: [split[key][at] for key in keys] for at, name in enumerate(BARS)}
    table = pa.table(
        {
            "symbol": pa.array([name for name, _ in keys], pa.string()),
            "timestamp": pa.array([ts // 1_000 for _, ts in keys], pa.timestamp("us", tz="UTC")),
            **{name: pa.array(values, pa.float64()) for name, values in columns.items()},
            "adj_close": pa.array([whole.get(key, split[key])[3] for key in keys], pa.float64()),
        }
    )
    path = folder / NAME
    replace_table(path, table)
    return path
