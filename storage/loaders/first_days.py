"""Daily bars from the broker, kept as a file where a root has none of its own: a start needs some.

Nobody but us keeps that file. For each symbol it says from which session to which the broker was asked, so a
start asks only for what misses, and not every time for what the broker does not have.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from runtime.errors import DataError
from runtime.messages.market import FloatArray
from storage.loaders.daily import BARS, session_dates, snap
from storage.loaders.own_days import PREFIX, replace_table
from storage.loaders.own_minutes import Minutes
from storage.loaders.parquet import ParquetColumns, column_names

NAME = "broker.parquet"
QUIET_SESSIONS = 5
"""Without a bar in so many of the last sessions asked for, a symbol counts as gone: it is asked for again
when as many more have passed, not at every start."""
_KNOWN = b"known"
"""Under which the file says, as JSON by symbol, what `Known` has."""
_ANEW = "delete it, and the broker is asked anew"
_CLOSE = 3
_DAY_NS = 86_400_000_000_000
_DAYS = 1 << 20
"""More than there are days in any file."""


class DayBars(msgspec.Struct, frozen=True, kw_only=True):
    """Daily bars of some symbols, all there are: what has none here, the broker has none of.

    Attributes:
        asked: The symbols, each once. raw, split, whole: as traded, adjusted for splits, for dividends too.
    """

    asked: tuple[str, ...]
    raw: Minutes
    split: Minutes
    whole: Minutes


class Known(msgspec.Struct, frozen=True, array_like=True):
    """What the broker was asked for of one symbol, sessions as yyyymmdd.

    Attributes:
        since, until: First and last session. last: the last one with a bar, 0 without any.
    """

    since: int
    until: int
    last: int

    def is_quiet(self, sessions: Sequence[int]) -> bool:
        """Whether the broker had nothing, or nothing recent (sessions ascending)."""
        return not self.last or sum(self.last < day <= self.until for day in sessions) >= QUIET_SESSIONS


_decoder = msgspec.json.Decoder(dict[str, Known])


def known_of(path: Path) -> dict[str, Known]:
    """What the broker was asked for when a file was made, by symbol; nothing where an older one does not say.

    Raises:
        DataError: It is no such file.
    """
    try:
        column_names(path)  # refuses it by name
    except DataError as error:
        raise DataError(f"{error}; {_ANEW}") from None
    said = (pq.read_schema(path).metadata or {}).get(_KNOWN, b"{}")
    try:
        return _decoder.decode(said)
    except msgspec.MsgspecError:
        raise DataError(f"{path}: what it says of the sessions asked for cannot be read; {_ANEW}") from None


def owed(path: Path, own: Iterable[Path], names: Sequence[str], sessions: Sequence[int]) -> list[str]:
    """Symbols of which a file lacks sessions that the engine has not kept itself, in their order.

    A split, or a dividend, of such a session would be missed: our own bars tell those since the one before.

    Args:
        own: Files of `write_day`. sessions: yyyymmdd, ascending: what history is to have.

    Raises:
        DataError: A file cannot be read.
    """
    known = known_of(path) if path.exists() else {}
    asked_until = min((known[name].until for name in names if name in known), default=0)
    kept = _kept(own, {day for day in sessions if day > asked_until} if known else ())
    return [name for name in names if _is_owed(known.get(name), kept, name, sessions)]


def _is_owed(
    known: Known | None, kept: Mapping[int, Collection[str]], name: str, sessions: Sequence[int]
) -> bool:
    if known is None or (sessions and known.since > sessions[0]):
        return True
    due = [day for day in sessions if day > known.until]
    missing = [day for day in due if name not in kept.get(day, ())]
    if not missing or not known.is_quiet(sessions):
        return bool(missing)
    return len(due) >= min(QUIET_SESSIONS, len(sessions))


def _kept(own: Iterable[Path], sessions: Collection[int]) -> dict[int, frozenset[str]]:
    """Symbols of the engine's own files of some sessions."""
    found = {}
    for path in own:
        day = path.stem.removeprefix(PREFIX).replace("-", "")
        if day.isdigit() and int(day) in sessions:
            found[int(day)] = frozenset(ParquetColumns(path, ("symbol",)).symbols()[0])
    return found


def write_history(folder: Path, told: Sequence[DayBars], since: int, until: int) -> Path:
    """Keep bars as a file of the kind `lean`, whole or not at all: raw prices need no guess at their scale.

    Symbols that an earlier file has and these bars have not stay as they were. A bar that is not among the
    adjusted ones counts as not adjusted.

    Args:
        since, until: First and last session asked for, yyyymmdd. Where the broker has no bar of the last
            sessions of anybody yet, it counts as asked until the newest there is.

    Raises:
        OSError: The disk does not take it. DataError: the earlier file is damaged.
    """
    path = folder / NAME
    raw = Minutes.joined([one.raw for one in told])
    table = _table(raw, [one.split for one in told], [one.whole for one in told])
    known = known_of(path) if path.exists() else {}
    last = _last_dates(raw)
    until = min(until, max(last.values(), default=until))
    for name in (name for one in told for name in one.asked):
        before = known[name].last if name in known else 0
        known[name] = Known(since, until, last.get(name, before))
    if path.exists():
        table = pa.concat_tables([table, _others(path, last, table.schema)])
    said = json.dumps({name: msgspec.to_builtins(known[name]) for name in sorted(known)})
    replace_table(path, table.replace_schema_metadata({_KNOWN: said.encode()}))
    return path


def _others(path: Path, fresh: Iterable[str], schema: pa.Schema) -> pa.Table:
    """The rows of an earlier file whose symbols have no new ones."""
    try:
        before = pq.read_table(path)
        is_fresh = pc.is_in(before["symbol"], value_set=pa.array(sorted(fresh), pa.string()))
        return before.filter(pc.invert(is_fresh)).cast(schema)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({str(error).splitlines()[0]}); {_ANEW}") from None


def _last_dates(bars: Minutes) -> dict[str, int]:
    """The last session of each symbol, yyyymmdd."""
    dates = session_dates(bars.ts)
    newest = np.zeros(len(bars.names), dtype=np.int64)
    np.maximum.at(newest, bars.codes, dates)
    return {name: day for name, day in zip(bars.names, newest.tolist(), strict=True) if day}


def _table(raw: Minutes, split: Sequence[Minutes], whole: Sequence[Minutes]) -> pa.Table:
    """By symbol, then by time."""
    closes = raw.values[_CLOSE]
    in_splits, in_whole = (_closes(Minutes.joined(parts), raw) for parts in (split, whole))
    order = np.lexsort((raw.ts, raw.codes))
    names = pa.DictionaryArray.from_arrays(raw.codes[order], pa.array(raw.names, pa.string()))
    columns = {name: raw.values[row] for row, name in enumerate(BARS)}
    columns["split_factor"] = _snapped(_over(in_splits, closes))
    columns["price_factor"] = _over(in_whole, in_splits)
    return pa.table(
        {
            "symbol": names.cast(pa.string()),
            "timestamp": pa.array(raw.ts[order] // 1_000, pa.timestamp("us", tz="UTC")),
            **{name: pa.array(values[order], pa.float64()) for name, values in columns.items()},
        }
    )


def _closes(other: Minutes, raw: Minutes) -> FloatArray:
    """(n,) the closes of other bars of the same symbols and days; NaN where there is none."""
    place = {name: at for at, name in enumerate(raw.names)}
    codes = np.array([place.get(name, -1) for name in other.names], dtype=np.int64)[other.codes]
    mine, theirs = _keys(raw.codes.astype(np.int64), raw.ts), _keys(codes, other.ts)
    order = np.argsort(theirs, kind="stable")
    at = np.searchsorted(theirs[order], mine, side="right") - 1
    found = np.full(len(mine), np.nan)
    is_there = at >= 0
    is_there[is_there] = theirs[order][at[is_there]] == mine[is_there]
    found[is_there] = other.values[_CLOSE][order][at[is_there]]
    return found


def _keys(codes: NDArray[np.int64], ts: NDArray[np.int64]) -> NDArray[np.int64]:
    return codes * _DAYS + ts // _DAY_NS


def _over(one: FloatArray, other: FloatArray) -> FloatArray:
    """(n,) the ratio of two closes; 1 where there is none."""
    is_known = (one > 0) & (other > 0)
    return np.divide(one, other, out=np.ones(len(one)), where=is_known)


def _snapped(ratios: FloatArray) -> FloatArray:
    """(n,) the same, a simple ratio where it is near one: few of them differ."""
    distinct, places = np.unique(ratios, return_inverse=True)
    return np.array([snap(ratio) for ratio in distinct.tolist()])[places]
