"""What earlier sessions' first hour and last minutes were: from minute files, tapes, or the broker.

A session starts with the opening volumes of the ones before it and with their last closes. What was found
once is kept, a small file `own-<session>.parquet` a session beside the minute files, so that the next start
reads neither tapes nor the broker again.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from runtime.messages.market import COLUMNS, Bars, BarsRevised, FloatArray, IdArray
from storage.loaders.minute import load_minute
from storage.loaders.own_days import PREFIX, replace_table
from storage.loaders.panels import OPENING_MINUTES, OpeningMinutes, opening_minutes
from storage.loaders.quarantine import MINUTE, Int64Array
from storage.loaders.session_data import yyyymmdd
from storage.tape import TapeReader, parts_in

CLOSING_MINUTES = 5
"""Minutes before the close of which a last price is looked for."""
Span = tuple[str, int, int]
"""Session (ISO), open and close, ns UTC."""
Row = tuple[float, ...]
"""Open to volume of one bar."""


class Minutes(msgspec.Struct, frozen=True, kw_only=True):
    """Bars in any order.

    Attributes:
        names: Symbols, each once. codes: (n,) positions in them.
        ts: (n,) start of the bar, ns UTC. values: (5, n) open to volume.
    """

    names: Sequence[str]
    codes: IdArray
    ts: Int64Array
    values: FloatArray

    @classmethod
    def of(cls, rows: Mapping[tuple[int, str], Row]) -> "Minutes":
        """Bars by start and symbol."""
        names = sorted({name for _, name in rows})
        place = {name: at for at, name in enumerate(names)}
        return cls(
            names=names,
            codes=np.array([place[name] for _, name in rows], dtype=np.int32),
            ts=np.array([ts for ts, _ in rows], dtype=np.int64),
            values=np.array(list(rows.values()), dtype=np.float64).reshape(-1, 5).T,
        )

    @classmethod
    def joined(cls, parts: Sequence["Minutes"]) -> "Minutes":
        """Several as one."""
        names = sorted({name for part in parts for name in part.names})
        place = {name: at for at, name in enumerate(names)}
        codes = [np.array([place[name] for name in part.names], dtype=np.int32)[part.codes] for part in parts]
        return cls(
            names=names,
            codes=np.concatenate([np.empty(0, dtype=np.int32), *codes]),
            ts=np.concatenate([np.empty(0, dtype=np.int64), *(part.ts for part in parts)]),
            values=np.concatenate([np.empty((5, 0)), *(part.values for part in parts)], axis=1),
        )

    def __len__(self) -> int:
        return len(self.ts)


Fetch = Callable[[Sequence[str], Sequence[tuple[int, int]]], list[Minutes]]
"""Reads the minutes from one moment to another, both included, for each span as far as there is time."""

_COVERED = 0.8
"""Share of the wanted symbols that makes a session known."""


class OwnMinutes:
    """The minutes of earlier sessions that a session starts from.

    Args:
        folder: Minute files, ours among them. tapes: recordings.
        symbols: The session's table. now: ns UTC; later bars are refused.
    """

    def __init__(self, folder: Path, tapes: Path, symbols: Sequence[str], *, now: int) -> None:
        self._folder, self._tapes = folder, tapes
        self._symbols = tuple(symbols)
        self._place = {name: at for at, name in enumerate(symbols)}
        self._now = now

    def read(self, spans: Sequence[Span], wanted: Sequence[str], fetch: Fetch | None) -> OpeningMinutes:
        """Opening volumes and last closes of sessions, ascending, from wherever they are known.

        Args:
            wanted: Symbols that a session must have to count as known. fetch: Asks the broker; None: nobody.

        Raises:
            DataError: A file cannot be read.
        """
        count = len(self._symbols)
        whole = OpeningMinutes(
            dates=np.array([yyyymmdd(day) for day, _, _ in spans], dtype=np.int32),
            last_close=np.full((count, len(spans)), np.nan),
            volume=np.full((len(OPENING_MINUTES), count, len(spans)), np.nan),
        )
        ids = [self._place[name] for name in wanted if name in self._place]
        for path in sorted(self._folder.glob("*.parquet"), key=lambda each: not each.name.startswith(PREFIX)):
            _fill(whole, self._of_file(path, spans))
        owed = [at for at in range(len(spans)) if _missing(whole, at, ids)]
        for at in owed:
            self._from_tape(whole, spans[at])
        owed = [at for at in reversed(owed) if _missing(whole, at, ids)]
        if fetch is not None and owed:
            self._from_broker(whole, [spans[at] for at in owed], wanted, fetch)
        return whole

    def _of_file(self, path: Path, spans: Sequence[Span]) -> OpeningMinutes:
        rows = load_minute(path, now=self._now).rows
        positions = np.array([self._place.get(name, -1) for name in rows.names], dtype=np.int32)
        here = [
            (yyyymmdd(day), opened, closed)
            for day, opened, closed in spans
            if len(rows.ts) and rows.ts[0] < closed and rows.ts[-1] >= opened
        ]
        return opening_minutes(rows, positions, len(self._symbols), here)

    def _from_tape(self, whole: OpeningMinutes, span: Span) -> None:
        session = span[0]
        found: dict[tuple[int, str], Row] = {}
        for path in parts_in(self._tapes, session):
            found |= minutes_of_tape(path, span)
        if found:
            self._keep(whole, span, Minutes.of(found))

    def _from_broker(
        self, whole: OpeningMinutes, spans: Sequence[Span], wanted: Sequence[str], fetch: Fetch
    ) -> None:
        asked = [part for span in spans for part in parts_of(span)]
        answers = fetch(wanted, asked)
        for at, span in enumerate(spans):
            mine = answers[2 * at : 2 * at + 2]
            found = Minutes.joined(mine)
            if len(mine) == 2 and len(found):
                self._keep(whole, span, found)

    def _keep(self, whole: OpeningMinutes, span: Span, found: Minutes) -> None:
        path = self._folder / f"{PREFIX}{span[0]}.parquet"
        replace_table(path, _table(found))
        _fill(whole, self._of_file(path, [span]))


def parts_of(span: Span) -> list[tuple[int, int]]:
    """First and last minute of the opening hour and of the session's end."""
    _, opened, closed = span
    return [
        (opened, opened + (OPENING_MINUTES[-1] - 1) * MINUTE),
        (closed - CLOSING_MINUTES * MINUTE, closed - MINUTE),
    ]


def minutes_of_tape(path: Path, span: Span) -> dict[tuple[int, str], Row]:
    """The bars of a recording's opening hour and last minutes, corrections included.

    Raises:
        DataError: It cannot be read.
    """
    reader = TapeReader(path)
    symbols = reader.header.symbols
    found: dict[tuple[int, str], Row] = {}
    for entry in reader:
        message = entry.message if entry.source == "market" else None
        if not isinstance(message, Bars | BarsRevised):
            continue
        if any(first <= message.ts_event <= last for first, last in parts_of(span)):
            for at, symbol in enumerate(message.ids.tolist()):
                if symbol < len(symbols):
                    row = tuple(message.values[: len(COLUMNS) - 2, at].tolist())
                    found[message.ts_event, symbols[symbol]] = row
    return found


def _table(found: Minutes) -> pa.Table:
    """By time, then by symbol; the names ascend."""
    order = np.lexsort((found.codes, found.ts))
    names = pa.DictionaryArray.from_arrays(found.codes[order], pa.array(found.names, pa.string()))
    return pa.table(
        {
            "symbol": names.cast(pa.string()),
            "timestamp": pa.array(found.ts[order] // 1_000, pa.timestamp("us", tz="UTC")),
            **{
                name: pa.array(found.values[row, order], pa.float64()) for row, name in enumerate(COLUMNS[:5])
            },
        }
    )


def _fill(whole: OpeningMinutes, part: OpeningMinutes) -> None:
    """Put what a part knows where the whole knows nothing."""
    _, into, out = np.intersect1d(whole.dates, part.dates, assume_unique=True, return_indices=True)
    for mine, other in ((whole.last_close, part.last_close), (whole.volume, part.volume)):
        known: FloatArray = mine[..., into]
        mine[..., into] = np.where(np.isnan(known), other[..., out], known)


def _missing(whole: OpeningMinutes, column: int, ids: Sequence[int]) -> bool:
    """Whether too few of these symbols have an opening volume in a session."""
    return bool(ids) and float(np.isfinite(whole.volume[-1, ids, column]).mean()) < _COVERED
