"""Daily history, price ratios and opening volumes as the arrays a session starts from.

Columns of `daily` are the calendar's sessions up to the previous one, whether a file has them or not, so a
gap in the data shows as NaN and never shifts what came before it.

Units are those of the file; raw prices are restated in the shares of the previous session, so a split within
the history is no jump. The split of the session itself is in `price_ratio`: a split is announced days before.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from runtime.messages.market import CLOSE, FloatArray
from runtime.messages.market import VOLUME as VOLUME_ROW
from storage.loaders.daily import DailyHistory, DateArray, snap
from storage.loaders.quarantine import MINUTE, Rows

ROWS = ("open", "high", "low", "close", "volume", "adj_close")
"""Rows of the `daily` panel."""
_CLOSE, _VOLUME, _ADJ = 3, 4, 5
OPENING_MINUTES = (5, 15, 30, 60)
"""Lengths of the opening windows of `opening_volume`, minutes from the open (strategies 3.2, or_min)."""
RATIO_SESSIONS = 20
"""Earlier sessions whose ratios are looked at."""
RATIO_DRIFT = 0.02
"""The newest ratio this far off the median means that the units changed: the ratio is unknown."""

BoolArray = NDArray[np.bool_]


class DailyMatrix(msgspec.Struct, kw_only=True):
    """All daily history on one calendar.

    Attributes:
        dates: (T,) ascending sessions, yyyymmdd.
        values: (6, S, T) as in the files. factor: (S, T) split factor of raw prices; NaN without a bar.
        raw: (S,) whether the symbol's prices are as traded.
    """

    dates: DateArray
    values: FloatArray
    factor: FloatArray
    raw: BoolArray

    def column(self, date: int) -> int:
        """Position of a session (yyyymmdd) that is on the calendar."""
        at = int(np.searchsorted(self.dates, date))
        if at >= len(self.dates) or int(self.dates[at]) != date:
            raise KeyError(date)
        return at

    def window(self, date: int, most: int) -> tuple[DateArray, FloatArray, FloatArray]:
        """The `most` sessions before `date`: dates (D,), values (6, S, D) and last split factors (S,)."""
        end = self.column(date)
        begin = max(0, end - most)
        values = self.values[:, :, begin:end].copy()
        factor = self.factor[:, begin:end]
        last = _last_known(factor)
        with np.errstate(invalid="ignore"):
            to_last = factor / last[:, None]
        split = np.isfinite(to_last) & (to_last != 1.0)
        values[:_VOLUME, split] *= to_last[split]
        values[_VOLUME, split] /= to_last[split]
        return self.dates[begin:end], values, last


class OpeningMinutes(msgspec.Struct, kw_only=True):
    """What minute files tell of the sessions they have.

    Attributes:
        dates: (F,) ascending sessions with regular-hours bars, yyyymmdd.
        last_close: (S, F) close of the last regular bar, USD; NaN without one.
        volume: (4, S, F) shares traded in the opening windows; NaN where no bar.
    """

    dates: DateArray
    last_close: FloatArray
    volume: FloatArray


def daily_matrix(history: DailyHistory, symbols: Sequence[str], dates: DateArray) -> DailyMatrix:
    """Lay the history of these symbols on these sessions (ascending, yyyymmdd)."""
    shape = (len(symbols), len(dates))
    values = np.full((len(ROWS), *shape), np.nan)
    factor = np.full(shape, np.nan)
    raw = np.zeros(len(symbols), dtype=bool)
    for row, name in enumerate(symbols):
        found = history.symbols.get(name)
        if found is None:
            continue
        _, ours, theirs = np.intersect1d(dates, found.dates, assume_unique=True, return_indices=True)
        values[:, row, ours] = found.values[:, theirs]
        factor[row, ours] = found.factor[theirs]
        raw[row] = found.kind in ("lean", "factor")
    return DailyMatrix(dates=dates, values=values, factor=factor, raw=raw)


def opening_minutes(
    rows: Rows, positions: DateArray, symbols: int, sessions: Sequence[tuple[int, int, int]]
) -> OpeningMinutes:
    """Sum up opening volumes and take last closes.

    Args:
        rows: Minute bars.
        positions: (len(rows.names),) position of each of their symbols in the table; -1: not in it.
        symbols: Size of the table, S.
        sessions: (yyyymmdd, open, close in ns UTC) of the sessions the file has, ascending.
    """
    last = np.full((symbols, len(sessions)), np.nan)
    volume = np.full((len(OPENING_MINUTES), symbols, len(sessions)), np.nan)
    for column, (_, opened, closed) in enumerate(sessions):
        begin, end = (int(at) for at in np.searchsorted(rows.ts, [opened, closed]))
        ids = positions[rows.codes[begin:end]]
        in_table = ids >= 0
        ids = ids[in_table]
        last[ids, column] = rows.values[CLOSE, begin:end][in_table]  # time ascends: the last one stays
        stamps = rows.ts[begin:end][in_table]
        shares = rows.values[VOLUME_ROW, begin:end][in_table]
        for window, minutes in enumerate(OPENING_MINUTES):
            within = stamps < opened + minutes * MINUTE
            total = np.bincount(ids[within], weights=shares[within], minlength=symbols)
            seen = np.bincount(ids[within], minlength=symbols) > 0
            volume[window, seen, column] = total[seen]
    dates = np.array([date for date, _, _ in sessions], dtype=np.int32)
    return OpeningMinutes(dates=dates, last_close=last, volume=volume)


def opening_volume(minutes: OpeningMinutes, dates: DateArray) -> FloatArray:
    """(4, S, K) opening volumes of these sessions (K,); NaN where the file has none."""
    found = np.full((*minutes.volume.shape[:2], len(dates)), np.nan)
    _, ours, theirs = np.intersect1d(dates, minutes.dates, assume_unique=True, return_indices=True)
    found[:, :, ours] = minutes.volume[:, :, theirs]
    return found


def price_ratio(matrix: DailyMatrix, minutes: OpeningMinutes, date: int, window: FloatArray) -> FloatArray:
    """(S,) today's raw price over the panel's price, from earlier sessions only.

    * A symbol without a price in the panel: 1, there is nothing to convert.
    * Raw prices: 1, but on the day of a split the ratio of the shares.
    * Adjusted prices: the median over earlier sessions that have both the minutes and the daily bar of
      (last regular minute close / daily close), snapped; NaN when there is none, or when the newest one
      tells of a change of units.

    Args:
        matrix: Daily history.
        minutes: Minute history on the same symbols.
        date: The session, yyyymmdd.
        window: (6, S, D) its daily panel.
    """
    column = matrix.column(date)
    ratio = np.full(len(matrix.raw), np.nan)
    last = _last_known(matrix.factor[:, :column])
    today = matrix.factor[:, column]
    priced = np.isfinite(window[_CLOSE]).any(axis=1)
    measured = _measured(matrix, minutes, date)
    for row in range(len(ratio)):
        if not priced[row]:
            ratio[row] = 1.0
        elif matrix.raw[row]:
            known = np.isfinite(today[row]) and np.isfinite(last[row])
            ratio[row] = snap(float(last[row] / today[row])) if known else 1.0
        else:
            ratio[row] = _typical(measured[row])
    return ratio


def _measured(matrix: DailyMatrix, minutes: OpeningMinutes, date: int) -> FloatArray:
    """(S, n) raw over daily closes of the newest earlier sessions of the minute file."""
    end = int(np.searchsorted(minutes.dates, date))
    on_calendar = int(np.searchsorted(minutes.dates, matrix.dates[0]))  # older files may reach further back
    begin = max(on_calendar, end - RATIO_SESSIONS)
    columns = [matrix.column(int(each)) for each in minutes.dates[begin:end]]
    found: FloatArray = minutes.last_close[:, begin:end] / matrix.values[_CLOSE][:, columns]
    return found


def _typical(ratios: FloatArray) -> float:
    known = ratios[np.isfinite(ratios)]
    if not len(known):
        return float("nan")
    middle = float(np.median(known))
    if abs(float(known[-1]) / middle - 1) > RATIO_DRIFT:
        return float("nan")
    return snap(middle)


def _last_known(factor: FloatArray) -> FloatArray:
    """(S,) the newest finite entry of each row of (S, T), NaN if there is none."""
    found = np.full(factor.shape[0], np.nan)
    finite = np.isfinite(factor)
    rows = np.flatnonzero(finite.any(axis=1))
    if len(rows):
        newest = factor.shape[1] - 1 - np.argmax(finite[rows, ::-1], axis=1)
        found[rows] = factor[rows, newest]
    return found
