"""From files to sessions: cuts judged bars, daily history, VIX and sectors into trading days."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from runtime.messages.base import Input
from runtime.messages.machine import Source
from runtime.messages.market import (
    Bars,
    BarsQuarantined,
    DailyBars,
    DailyReady,
    FloatArray,
    IdArray,
    VixClose,
)
from storage.loaders.daily import DailyHistory
from storage.loaders.minute import MinuteBars
from storage.loaders.panels import (
    DailyMatrix,
    OpeningMinutes,
    daily_matrix,
    opening_minutes,
    opening_volume,
    price_ratio,
)
from storage.loaders.quarantine import CLOSED, MINUTE, Refusal, Refusals
from storage.loaders.sectors import BENCHMARKS, SECTOR_ETFS, Sectors
from storage.loaders.session_data import (
    SessionData,
    Times,
    TimesOf,
    calendar_before,
    day_fields,
    yyyymmdd,
)
from storage.loaders.vix import VixHistory

__all__ = [
    "Rules",
    "SessionData",
    "SessionFiles",
    "Times",
    "TimesOf",
    "calendar_before",
    "day_fields",
    "import_sessions",
    "yyyymmdd",
]

VIX_SESSIONS = 2_600
"""Closes of the VIX a session starts with: ten years."""
_PRE_MARKET_OPENS = 330 * MINUTE
"""04:00 ET, before the regular open."""
_AFTER_HOURS_ENDS = 120 * MINUTE
"""20:00 ET, after a session's start at 18:00 ET the evening before."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions are cut from files.

    Attributes:
        history_sessions: Columns of `daily`. opening_sessions: columns of `opening_volume`.
        ready_after: ns after the close when daily bars come; give_up_after: when they are given up.
        ready_coverage: Share of the symbols with history and sector that makes them ready.
        extended: Keep minutes before the open and after the close too.
    """

    history_sessions: int = 300
    opening_sessions: int = 20
    ready_after: int = 20 * MINUTE
    give_up_after: int = 90 * MINUTE
    ready_coverage: float = 0.98
    extended: bool = False


class SessionFiles(msgspec.Struct, kw_only=True):
    """Everything that was read, judged, and what it is called on the tape."""

    minutes: MinuteBars
    daily: DailyHistory
    vix: VixHistory
    sectors: Sectors


def import_sessions(
    files: SessionFiles, sessions: Sequence[str], times: TimesOf, rules: Rules
) -> Iterator[SessionData | str]:
    """Cut files into sessions, oldest first.

    Args:
        files: What was read.
        sessions: ISO dates of trading days, ascending.
        times: The calendar.
        rules: How to cut.

    Yields:
        The session, or its date alone if the file has no minute bar for it.
    """
    cutter = _Cutter(files, sessions, times, rules)
    for day in sessions:
        yield cutter.cut(day)


def symbol_table(traded: Sequence[str], daily: DailyHistory) -> tuple[str, ...]:
    """Symbols with minute bars, the sector ETFs and SPY as far as the daily files know them, sorted."""
    anchors = [name for name in (*SECTOR_ETFS, *BENCHMARKS) if name in daily.symbols]
    return tuple(sorted({*traded, *anchors}))


class _Cutter:
    """Cuts one session after the other; the symbol table is the same for all of them."""

    def __init__(self, files: SessionFiles, sessions: Sequence[str], times: TimesOf, rules: Rules) -> None:
        self._files = files
        self._rules = rules
        self._times = times
        rows = files.minutes.rows
        self.symbols = symbol_table(self._traded(sessions), files.daily)
        self.sectors = tuple(files.sectors.etf.get(name, "") for name in self.symbols)
        place = {name: index for index, name in enumerate(self.symbols)}
        self._positions = np.array([place.get(name, -1) for name in rows.names], dtype=np.int32)
        dates = np.array(_calendar(sessions, rules.history_sessions, times), dtype=np.int32)
        self._dates = dates
        self._matrix: DailyMatrix = daily_matrix(files.daily, self.symbols, dates)
        self._minutes: OpeningMinutes = opening_minutes(
            rows, self._positions, len(self.symbols), self._file_sessions()
        )
        self._late = self._without_time()

    def _traded(self, sessions: Sequence[str]) -> list[str]:
        rows = self._files.minutes.rows
        codes: set[int] = set()
        for day in sessions:
            begin, end = self._span(self._times(day))
            codes.update(np.unique(rows.codes[begin:end]).tolist())
        return [rows.names[code] for code in sorted(codes)]

    def _span(self, day: Times) -> tuple[int, int]:
        """First and one past the last row of the file that belong to the session."""
        early = day.open - _PRE_MARKET_OPENS if self._rules.extended else day.open
        late = day.ends if self._rules.extended else day.close
        begin, end = np.searchsorted(self._files.minutes.rows.ts, [early, late])
        return int(begin), int(end)

    def _file_sessions(self) -> list[tuple[int, int, int]]:
        """Sessions the minute file has regular bars for, whether they were asked for or not."""
        stamps = self._files.minutes.rows.ts
        found = []
        # No regular minute is on another date in New York than in UTC.
        for day in np.unique(stamps.astype("datetime64[ns]").astype("datetime64[D]")):
            try:
                times = self._times(str(day))
            except ValueError:
                continue
            begin, end = np.searchsorted(stamps, [times.open, times.close])
            if end > begin:
                found.append((yyyymmdd(times.session), times.open, times.close))
        return found

    def cut(self, session: str) -> SessionData | str:
        day = self._times(session)
        date = yyyymmdd(session)
        begin, end = self._span(day)
        if begin == end:
            return session
        frames = list(self._frames(begin, end))
        refused = self._quarantined(day)
        inputs = [*refused, *frames, *self._after_close(day, date)]
        inputs.sort(key=lambda item: item[0])  # stable: quarantine before the frame it was taken from
        source = self._files.minutes.source
        return SessionData(
            **day_fields(session, self._times),
            symbols=self.symbols,
            sectors=self.sectors,
            panels=self._panels(date),
            inputs=tuple(inputs),
            origin=f"import {source}",
            bars=end - begin,
            quarantined=_counts(refused),
        )

    def _frames(self, begin: int, end: int) -> Iterator[tuple[int, Source, Input]]:
        rows = self._files.minutes.rows
        stamps = rows.ts[begin:end]
        starts = np.flatnonzero(np.diff(stamps, prepend=stamps[0] - 1))
        for first, last in zip(starts.tolist(), [*starts[1:].tolist(), end - begin], strict=True):
            ts = int(stamps[first])
            part = slice(begin + first, begin + last)
            yield (
                ts + MINUTE,
                "market",
                Bars.of(
                    np.asarray(self._positions[rows.codes[part]], dtype=np.int32),
                    rows.values[:, part],
                    ts_event=ts,
                ),
            )

    def _panels(self, date: int) -> dict[str, NDArray[np.generic]]:
        rules = self._rules
        dates, window, _ = self._matrix.window(date, rules.history_sessions)
        column = self._matrix.column(date)
        earlier = self._dates[max(0, column - rules.opening_sessions) : column]
        vix_dates, vix = self._files.vix.before(date, VIX_SESSIONS)
        panels: dict[str, NDArray[np.generic]] = {
            "daily": window,
            "daily_sessions": dates.copy(),
            "price_ratio": price_ratio(self._matrix, self._minutes, date, window),
            "vix": vix.copy(),
            "vix_sessions": vix_dates.copy(),
            "opening_volume": opening_volume(self._minutes, earlier),
        }
        for panel in panels.values():
            panel.flags.writeable = False
        return panels

    def _after_close(self, day: Times, date: int) -> Iterator[tuple[int, Source, Input]]:
        """The session's own daily bars and VIX, and word that they are complete or given up."""
        rules = self._rules
        ready, given_up = day.close + rules.ready_after, day.close + rules.give_up_after
        ids, columns, adjusted = self._todays(date)
        if len(ids):
            yield (
                ready,
                "market",
                DailyBars.of(ids, columns, ts_event=day.open, session=day.session, adj_close=adjusted),
            )
        level = self._files.vix.on(date)
        if level is not None:
            yield ready, "market", VixClose(ts_event=day.close, session=day.session, level=level)
        coverage = self._coverage(date)
        degraded = coverage < rules.ready_coverage
        at = given_up if degraded else ready
        yield (
            at,
            "market",
            DailyReady(ts_event=at, session=day.session, coverage=coverage, degraded=degraded),
        )

    def _todays(self, date: int) -> tuple[IdArray, FloatArray, tuple[float, ...]]:
        """The session's daily bars in the units of its panel: ids, (5, n) columns, adjusted closes."""
        matrix = self._matrix
        column = matrix.column(date)
        _, _, last = matrix.window(date, self._rules.history_sessions)
        today = matrix.values[:, :, column].copy()
        with np.errstate(invalid="ignore"):
            to_panel = matrix.factor[:, column] / last
        to_panel[~np.isfinite(to_panel)] = 1.0
        today[:4] *= to_panel
        today[4] /= to_panel
        ids = np.flatnonzero(np.isfinite(today[:5]).all(axis=0)).astype(np.int32)
        return ids, today[:5, ids], tuple(np.nan_to_num(today[5, ids], nan=0.0).tolist())

    def _coverage(self, date: int) -> float:
        """Share of the symbols with history and sector that have the session's daily bar."""
        column = self._matrix.column(date)
        closes = self._matrix.values[3]
        begin = max(0, column - self._rules.history_sessions)
        counted = np.isfinite(closes[:, begin:column]).any(axis=1) & np.array([bool(s) for s in self.sectors])
        total = int(counted.sum())
        return float(np.isfinite(closes[counted, column]).sum() / total) if total else 0.0

    # ---- what was refused -------------------------------------------------------------------

    def _quarantined(self, day: Times) -> list[tuple[int, Source, Input]]:
        """Rows of the session that were refused; with the first session also those that belong to none."""
        own = [row for row in self._files.minutes.refusals.rows if day.starts <= row.ts < day.ends]
        messages = self._told(self._files.minutes.source, [*own, *self._closed_hours(day)], day)
        for refusals, rows in self._late:
            messages.extend(self._told(refusals.source, rows, day))
        self._late = []
        return messages

    def _without_time(self) -> list[tuple[Refusals, list[Refusal]]]:
        """Refused rows that no session's window can claim, by file."""
        files = self._files
        minute = files.minutes.refusals
        oldest = _midnight(int(self._dates[0])) if len(self._dates) else 0  # what is older is used by nobody
        late = [(minute, [row for row in minute.rows if self._homeless(row.ts)])]
        for refusals in (*files.daily.refusals, *files.vix.refusals, files.sectors.refusals):
            late.append((refusals, [row for row in refusals.rows if not 0 < row.ts < oldest]))
        return [(refusals, rows) for refusals, rows in late if rows]

    def _homeless(self, ts: int) -> bool:
        """Whether a moment lies outside every session the calendar and the file know."""
        last = self._files.minutes.rows.ts
        return ts <= 0 or not len(last) or ts > int(last[-1]) + 4 * 1_440 * MINUTE

    def _closed_hours(self, day: Times) -> list[Refusal]:
        """Bars between 20:00 and 04:00 ET or on days without trading: nobody trades then."""
        rows = self._files.minutes.rows
        begin, end = np.searchsorted(rows.ts, [day.starts + _AFTER_HOURS_ENDS, day.open - _PRE_MARKET_OPENS])
        return [
            Refusal(
                reason=CLOSED,
                ts=int(rows.ts[at]),
                example=f"{rows.names[rows.codes[at]]!r} {np.datetime64(int(rows.ts[at]), 'ns')}Z",
            )
            for at in range(int(begin), int(end))
        ]

    def _told(self, source: str, rows: list[Refusal], day: Times) -> list[tuple[int, Source, Input]]:
        """One message a reason, at the time its first bar would have been known."""
        first: dict[str, Refusal] = {}
        counts: dict[str, int] = {}
        for row in rows:
            first.setdefault(row.reason, row)
            counts[row.reason] = counts.get(row.reason, 0) + 1
        messages: list[tuple[int, Source, Input]] = []
        for reason, row in first.items():
            at = min(max(row.ts + MINUTE, day.starts), day.ends - 1)
            at = at if day.starts <= row.ts < day.ends else day.starts
            messages.append(
                (
                    at,
                    "market",
                    BarsQuarantined(
                        ts_event=at, source=source, reason=reason, count=counts[reason], example=row.example
                    ),
                )
            )
        return messages


def _calendar(sessions: Sequence[str], history: int, times: TimesOf) -> list[int]:
    """Every trading day (yyyymmdd) from `history` sessions before the first to the last."""
    if not sessions:
        return []
    days = [sessions[-1]]
    while days[-1] > sessions[0]:
        days.append(times(days[-1]).previous)
    return [yyyymmdd(day) for day in (*calendar_before(sessions[0], history, times), *reversed(days))]


def _midnight(date: int) -> int:
    """ns UTC at which a date (yyyymmdd) begins."""
    text = f"{date // 10_000:04}-{date // 100 % 100:02}-{date % 100:02}"
    return int(np.datetime64(text, "ns").astype(np.int64))


def _counts(refused: Sequence[tuple[int, Source, Input]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _, _, message in refused:
        if isinstance(message, BarsQuarantined):
            counts[message.reason] = counts.get(message.reason, 0) + message.count
    return counts
