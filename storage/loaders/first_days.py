"""Daily bars from the broker, kept as a file where a root has none: a start needs some to begin with."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from storage.loaders.daily import BARS, snap
from storage.loaders.own_days import replace_table

NAME = "broker.parquet"

DayRow = tuple[float, float, float, float, float]
"""Open, high, low, close and volume."""
Days = Mapping[tuple[str, int], DayRow]
"""By symbol and midnight in New York, ns UTC."""


def write_history(folder: Path, raw: Days, split: Days, whole: Days) -> Path:
    """Keep bars as a file of the kind `lean`, whole or not at all: raw prices need no guess at their scale.

    Args:
        raw: As traded. split: adjusted for splits. whole: for dividends too; where a bar is not among
            them it counts as not adjusted.

    Raises:
        OSError: The disk does not take it.
    """
    keys = sorted(raw)
    columns = {name: [raw[key][at] for key in keys] for at, name in enumerate(BARS)}
    columns["split_factor"] = [snap(_over(split.get(key), raw[key])) for key in keys]
    columns["price_factor"] = [_over(whole.get(key), split.get(key)) for key in keys]
    table = pa.table(
        {
            "symbol": pa.array([name for name, _ in keys], pa.string()),
            "timestamp": pa.array([ts // 1_000 for _, ts in keys], pa.timestamp("us", tz="UTC")),
            **{name: pa.array(values, pa.float64()) for name, values in columns.items()},
        }
    )
    path = folder / NAME
    replace_table(path, table)
    return path


def _over(one: DayRow | None, other: DayRow | None) -> float:
    """The ratio of two closes; 1 where there is none."""
    return one[3] / other[3] if one is not None and other is not None and other[3] > 0 and one[3] > 0 else 1.0
