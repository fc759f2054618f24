"""Parquet columns as NumPy arrays; a file that lacks one is refused by name."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runtime.errors import DataError
from runtime.messages.market import FloatArray, IdArray
from storage.loaders.quarantine import Int64Array

_NS_PER = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_DAY_NS = 86_400_000_000_000


def column_names(path: Path) -> tuple[str, ...]:
    """What columns a Parquet file has.

    Raises:
        DataError: No such file, or not Parquet.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file ({str(error).splitlines()[0]})") from None


def require(path: Path, have: Iterable[str], needed: Sequence[str], valid: str) -> None:
    """Refuse a file that lacks a column.

    Raises:
        DataError: Names the file, the missing columns and what is valid.
    """
    present = list(have)
    missing = [name for name in needed if name not in present]
    if missing:
        word = "columns" if len(missing) > 1 else "column"
        names = ", ".join(repr(name) for name in missing)
        raise DataError(f"{path}: {word} {names} missing (it has {', '.join(present)}); {valid}")


class ParquetColumns:
    """Some columns of one file, read once.

    Args:
        path: A Parquet file.
        names: Columns to read; they must be there.

    Raises:
        DataError: The file is damaged.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        try:
            self._table = pq.ParquetFile(path).read(columns=list(names))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def _column(self, name: str) -> Any:
        column = self._table.column(name)
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

    def symbols(self, name: str = "symbol") -> tuple[list[str], IdArray]:
        """Distinct texts of a column and (n,) positions in them; -1 where it is null."""
        column = self._column(name)
        if not pa.types.is_dictionary(column.type):
            column = self._cast(column, name, pa.string(), "text").dictionary_encode()
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        return [str(text) for text in column.dictionary.to_pylist()], codes

    def nanoseconds(self, name: str = "timestamp") -> Int64Array:
        """(n,) ns UTC; 0 where null or out of reach. Times without a zone are taken as UTC."""
        column = self._column(name)
        kind = column.type
        if pa.types.is_date(kind):
            days = column.cast(pa.date32()).cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False)
            return np.asarray(days.astype(np.int64) * _DAY_NS)
        if not pa.types.is_timestamp(kind):
            raise DataError(f"{self.path}: column {name!r} was {kind}; it must be a timestamp in UTC")
        factor = _NS_PER[kind.unit]
        units = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        reach = np.iinfo(np.int64).max // factor
        return np.where((units > 0) & (units < reach), units, 0) * np.int64(factor)

    def floats(self, name: str) -> FloatArray:
        """(n,) float64; NaN where null."""
        column = self._cast(self._column(name), name, pa.float64(), "a number")
        numbers = column.fill_null(float("nan")).to_numpy(zero_copy_only=False)
        return np.asarray(numbers, dtype=np.float64)

    def _cast(self, column: Any, name: str, kind: Any, must: str) -> Any:
        numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
        if kind == pa.float64() and not any(test(column.type) for test in numeric):
            raise DataError(f"{self.path}: column {name!r} was {column.type}; it must be {must}")
        try:
            return pc.cast(column, kind, safe=False)
        except pa.ArrowException:
            raise DataError(f"{self.path}: column {name!r} was {column.type}; it must be {must}") from None
