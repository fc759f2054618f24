"""Daily bars from the broker, kept as a file where a root has none: a start needs some to begin with.

Nobody but us keeps that file: where a session or a name is missing in it later, it is made anew.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.loaders.daily import BARS, snap
from storage.loaders.own_days import replace_table
from storage.loaders.parquet import column_names

NAME = "broker.parquet"
_ASKED = b"asked"
"""Under which the file says which symbols the broker was asked for, with commas between."""

DayRow = tuple[float, float, float, float, float]
"""Open, high, low, close and volume."""
Days = Mapping[tuple[str, int], DayRow]
"""By symbol and midnight in New York, ns UTC."""


def write_history(folder: Path, raw: Days, split: Days, whole: Days, *, asked: Iterable[str] = ()) -> Path:
    """Keep bars as a file of the kind `lean`, whole or not at all: raw prices need no guess at their scale.

    Symbols that an earlier file has and these bars have not stay as they were.

    Args:
        raw: As traded. split: adjusted for splits. whole: for dividends too; where a bar is not among
            them it counts as not adjusted.
        asked: Symbols that the broker was asked for, those that it does not have too.

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
    if path.exists():
        before = pq.read_table(path)
        fresh = pc.is_in(
            before["symbol"], value_set=pa.array(sorted({name for name, _ in keys}), pa.string())
        )
        table = pa.concat_tables([table, before.filter(pc.invert(fresh)).cast(table.schema)])
    table = table.replace_schema_metadata({_ASKED: ",".join(sorted(asked)).encode()})
    replace_table(path, table)
    return path


def asked_of(path: Path) -> frozenset[str]:
    """Symbols that the broker was asked for when a file was made.

    Raises:
        DataError: It is no such file.
    """
    column_names(path)  # refuses it by name
    said = (pq.read_schema(path).metadata or {}).get(_ASKED, b"")
    return frozenset(said.decode().split(",")) if said else frozenset()


def _over(one: DayRow | None, other: DayRow | None) -> float:
    """The ratio of two closes; 1 where there is none."""
    return one[3] / other[3] if one is not None and other is not None and other[3] > 0 and one[3] > 0 else 1.0
