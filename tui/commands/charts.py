"""Pictures of a run as inline SVG: equity and drawdown over sessions, what acted meanwhile, small curves.

Drawn here because two curves need no plotting library: nothing is fetched, nothing runs in the page, and the
page's style sheet colours them for light and dark. Time is sessions side by side, nights cut out; within one
the place is the time from the open to the close.
"""

import bisect
import math
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from html import escape
from typing import NamedTuple
from zoneinfo import ZoneInfo

WIDTH, LEFT, RIGHT = 1_000, 112, 22
_INNER = WIDTH - LEFT - RIGHT
_EQUITY, _DRAWDOWN, _LANE, _GAP = 230, 100, 16, 26
_NEW_YORK = ZoneInfo("America/New_York")
_OPEN, _HOURS = time(9, 30), 6.5
_MOST_LABELS = 10
_SECOND = 1_000_000_000


class Mark(NamedTuple):
    """One point of the equity curve: ns UTC and USD."""

    ts: int
    equity: float


class Bar(NamedTuple):
    """Something that acted for a while, in its lane.

    Attributes:
        kind: Its class in the style sheet. begins, ends: ns UTC.
    """

    lane: str
    kind: str
    begins: int
    ends: int
    words: str


class TimeAxis:
    """From a moment to a place on the page.

    Args:
        sessions: (ISO date, ns UTC at which the trading day begins) in order.
    """

    def __init__(self, sessions: Sequence[tuple[str, int]]) -> None:
        self.dates = [date for date, _ in sessions]
        self._starts = [starts for _, starts in sessions]
        self._opens = [
            int(datetime.combine(datetime.fromisoformat(date), _OPEN, _NEW_YORK).timestamp()) * _SECOND
            for date, _ in sessions
        ]
        self.slot = _INNER / max(1, len(sessions))

    def x(self, ts: int) -> float:
        """The place of a moment; before the first and after the last session it is the page's edge."""
        n = bisect.bisect_right(self._starts, ts) - 1
        if n < 0:
            return float(LEFT)
        share = (ts - self._opens[n]) / (_HOURS * 3_600 * _SECOND)
        return LEFT + (n + min(1.0, max(0.0, share))) * self.slot

    def labels(self) -> list[tuple[float, str]]:
        """(place of a session's middle, its date) of as many as can be read; of a lone session its hours."""
        if len(self.dates) == 1:
            return [(LEFT + (hour - 9.5) / _HOURS * self.slot, f"{hour:02d}:00") for hour in range(10, 17)]
        step = math.ceil(len(self.dates) / _MOST_LABELS)
        return [(LEFT + (n + 0.5) * self.slot, self.dates[n]) for n in range(0, len(self.dates), step)]


def drawdowns(marks: Sequence[Mark], peak: float) -> list[Mark]:
    """How far below its highest value until then the equity stood, as fractions <= 0."""
    found = []
    for ts, equity in marks:
        peak = max(peak, equity)
        found.append(Mark(ts, equity / peak - 1.0 if peak > 0 else 0.0))
    return found


def thinned(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most four points a pixel column: first, lowest, highest, last, so that no extreme is lost."""
    columns: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        columns.setdefault(int(point[0]), []).append(point)
    kept: list[tuple[float, float]] = []
    for column in columns.values():
        low, high = (pick(column, key=lambda p: p[1]) for pick in (min, max))
        chosen = {column[0], low, high, column[-1]}
        kept.extend(sorted(chosen, key=column.index) if len(chosen) > 1 else chosen)
    return kept


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values that span a range."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    base = 10.0 ** math.floor(math.log10(rough))
    step = next(base * factor for factor in (1, 2, 2.5, 5, 10) if base * factor >= rough)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def picture(
    marks: Sequence[Mark],
    axis: TimeAxis,
    bars: Sequence[Bar],
    *,
    start: float,
    peak: float,
    days: Sequence[tuple[str, str]],
) -> str:
    """Equity, drawdown and lanes below each other.

    Args:
        start: Equity before the first mark, USD. peak: the highest until then.
        days: (ISO date, words) shown where the pointer rests on a session.
    """
    lanes = list(dict.fromkeys(bar.lane for bar in bars))
    top_drawdown = _EQUITY + _GAP
    top_lanes = top_drawdown + _DRAWDOWN + _GAP
    height = top_lanes + len(lanes) * (_LANE + 6) + 24
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Equity and drawdown, {len(axis.dates)} sessions">',
        *_grid(axis, top_lanes - _GAP + 4, height),
        *_curve(marks, axis, _Band(8, _EQUITY, "equity", "{:,.0f}"), base=start, zero=False),
        *_curve(
            drawdowns(marks, peak),
            axis,
            _Band(top_drawdown, _DRAWDOWN, "drawdown", "{:.1%}"),
            base=0.0,
            zero=True,
        ),
    ]
    for n, lane in enumerate(lanes):
        y = top_lanes + n * (_LANE + 6)
        parts.append(f'<text class="lane" x="{LEFT - 8}" y="{y + 12}">{escape(lane)}</text>')
        parts += [_bar(bar, axis, y) for bar in bars if bar.lane == lane]
    words = dict(days)
    for n, date in enumerate(axis.dates):
        if date in words:
            parts.append(
                f'<rect class="hover" x="{LEFT + n * axis.slot:.1f}" y="0" width="{axis.slot:.1f}" '
                f'height="{top_lanes - _GAP}"><title>{escape(words[date])}</title></rect>'
            )
    return "\n".join([*parts, "</svg>"])


def sparkline(values: Sequence[float]) -> str:
    """A small curve of what adds up; empty where there is nothing to draw."""
    if not any(values):
        return ""
    low, high = min(*values, 0.0), max(*values, 0.0)
    width, height, reach = 120.0, 26.0, (high - low) or 1.0

    def y(value: float) -> float:
        return height - 3 - (value - low) / reach * (height - 6)

    step = (width - 4) / (len(values) - 1)
    path = " ".join(f"{2 + n * step:.1f},{y(value):.1f}" for n, value in enumerate(values))
    kind = "up" if values[-1] >= 0 else "down"
    return (
        f'<svg class="spark" viewBox="0 0 {width:.0f} {height:.0f}" aria-hidden="true">'
        f'<line class="grid" x1="0" x2="{width:.0f}" y1="{y(0.0):.1f}" y2="{y(0.0):.1f}"/>'
        f'<polyline class="{kind}" points="{path}"/></svg>'
    )


class _Band(NamedTuple):
    """A curve's place on the page."""

    top: float
    height: float
    kind: str
    number: str

    @property
    def label(self) -> float:
        """Where its name stands: away from the curve, which a drawdown keeps at the top."""
        return self.top + (self.height - 6 if self.kind == "drawdown" else 14)


def _grid(axis: TimeAxis, bottom: float, height: float) -> list[str]:
    parts = []
    if axis.slot >= 6 and len(axis.dates) > 1:
        parts += [
            f'<line class="session" x1="{LEFT + n * axis.slot:.1f}" x2="{LEFT + n * axis.slot:.1f}" '
            f'y1="8" y2="{bottom:.1f}"/>'
            for n in range(1, len(axis.dates))
        ]
    parts += [
        f'<text class="date" x="{place:.1f}" y="{height - 6}">{escape(label)}</text>'
        for place, label in axis.labels()
    ]
    return parts


def _curve(marks: Sequence[Mark], axis: TimeAxis, band: _Band, *, base: float, zero: bool) -> list[str]:
    values = [mark.equity for mark in marks] or [base]
    low, high = min(*values, base), max(*values, base)
    if zero:
        low, high = min(low, -1e-4), 0.0
    room = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
    low, high = (low - room, high) if zero else (low - room, high + room)

    def y(value: float) -> float:
        return band.top + (high - value) / (high - low) * band.height

    parts = []
    number = band.number.replace(".1%", ".2%") if high - low < 0.02 else band.number
    for value in ticks(low, high, 5 if band.height > 150 else 3):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            f'<text class="tick" x="{LEFT - 8}" y="{y(value) + 4:.1f}">{number.format(value)}</text>'
        )
    points = thinned((axis.x(mark.ts), y(mark.equity)) for mark in marks)
    if not points:
        return [*parts, f'<text class="tick" x="{LEFT + 130}" y="{band.top + 30}">nothing was marked</text>']
    path = " ".join(f"{x:.1f},{v:.1f}" for x, v in [(float(LEFT), y(base)), *points])
    last, floor = points[-1][0], y(base)
    if not zero:
        parts.append(
            f'<line class="base" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor:.1f}" y2="{floor:.1f}"/>'
        )
    parts.append(
        f'<polygon class="area {band.kind}" points="{LEFT},{floor:.1f} {path} {last:.1f},{floor:.1f}"/>'
        f'<polyline class="line {band.kind}" points="{path}"/>'
        f'<text class="name" x="{LEFT + 6}" y="{band.label}">{band.kind}</text>'
    )
    return parts


def _bar(bar: Bar, axis: TimeAxis, y: float) -> str:
    begins = axis.x(bar.begins)
    width = max(2.0, axis.x(bar.ends) - begins)
    return (
        f'<rect class="bar {escape(bar.kind)}" x="{begins:.1f}" y="{y}" width="{width:.1f}" '
        f'height="{_LANE}" rx="2"><title>{escape(bar.words)}</title></rect>'
    )
