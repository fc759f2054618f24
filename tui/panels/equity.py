"""The equity curve: in braille with an axis where there is room, else a spark on one line."""

from collections.abc import Sequence

from runtime.messages.screen import EquityPoints
from tui.panels import figures
from tui.panels.ink import Piece, Role
from tui.panels.lines import Lines, fit
from tui.panels.plot import bounds, braille, columns, spark
from tui.view import View

_AXIS = 11
_LEAST_HEIGHT = 4
_MINUTE = 60_000_000_000
_OPEN = {"MARKET_OPEN", "TRADING", "MARKET_CLOSE"}


def until_now(view: View) -> EquityPoints:
    """Today's curve up to the present minute: equity is marked when it changes, and stands between marks."""
    points, head = view.today, view.head
    now = view.at - view.at % _MINUTE
    if head is None or head.phase not in _OPEN or not points.at or points.at[-1] >= now:
        return points
    return EquityPoints(at=(*points.at, now), equity=(*points.equity, points.equity[-1]))


def trend(points: EquityPoints) -> Role:
    """How a curve is coloured: by where it stands against its start."""
    if len(points.equity) < 2 or points.equity[-1] == points.equity[0]:
        return "accent"
    return "up" if points.equity[-1] > points.equity[0] else "down"


class EquityChart(Lines):
    """One curve with its highest, lowest and last value and its time axis."""

    DEFAULT_CSS = """
    EquityChart { border: round $line; padding: 0 1; border-title-color: $quiet; border-title-style: none; }
    """

    def __init__(self, title: str, *, history: bool = False) -> None:
        """Show today's curve by minute, or that of earlier sessions by day."""
        super().__init__()
        self.border_title = title
        self._history = history
        self._points = EquityPoints()
        self._drawn: tuple[tuple[int, int], list[list[Piece]]] | None = None

    def show(self, view: View) -> None:
        """Paint it if there are other points."""
        points = view.history if self._history else until_now(view)
        if points is not self._points and points != self._points:
            self._points = points
            self._drawn = None
            self.refresh()

    def line(self, y: int, width: int) -> Sequence[Piece]:
        """A line of the chart, drawn as a whole once for a size."""
        size = (width, self.content_size.height)
        if self._drawn is None or self._drawn[0] != size:
            self._drawn = (size, chart(self._points, *size, by_day=self._history))
        lines = self._drawn[1]
        return lines[y] if y < len(lines) else []


def chart(points: EquityPoints, width: int, height: int, *, by_day: bool = False) -> list[list[Piece]]:
    """The whole chart as lines of pieces; empty where there is nothing to draw or no room."""
    room = width - _AXIS - 1
    if not points.at or room < 4 or height < 1:
        return [[("no points yet", "faint")]]
    has_axis = height > _LEAST_HEIGHT
    rows = height - 1 if has_axis else height
    values = columns(points.at, points.equity, 2 * room)
    low, high = bounds(points.equity)
    role = trend(points)
    labels = {0: high, rows - 1: low}
    if rows > _LEAST_HEIGHT:
        labels[rows // 2] = high - (high - low) * (rows // 2) / (rows - 1)
    lines: list[list[Piece]] = []
    for y, dots in enumerate(braille(values, rows, low, high)):
        label = figures.money(labels[y]) if y in labels else ""
        lines.append([(fit(label, _AXIS, "right"), "quiet"), (" ", "text"), (dots, role)])
    if has_axis:
        lines.append(_axis(points, room, by_day=by_day))
    return lines


def _axis(points: EquityPoints, room: int, *, by_day: bool) -> list[Piece]:
    """First and last time, and between them what was gained; where there is no room less of it."""
    write = figures.day if by_day else figures.minute
    first, last = write(points.at[0]), write(points.at[-1])
    gained, role = figures.gain(points.equity[-1] - points.equity[0])
    indent = " " * (_AXIS + 1)
    if room < len(first) + len(gained) + len(last) + 2:
        return [(indent + first[:room], "faint")]
    space = room - len(first) - len(last) - len(gained)
    before = " " * (space // 2)
    return [(indent + first + before, "faint"), (gained, role), (" " * (space - len(before)) + last, "faint")]


class Spark(Lines):
    """Today's equity on one line."""

    DEFAULT_CSS = """
    Spark { height: 1; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._points = EquityPoints()

    def show(self, view: View) -> None:
        """Paint it if there are other points."""
        points = until_now(view)
        if points is not self._points and points != self._points:
            self._points = points
            self.refresh()

    def line(self, y: int, width: int) -> Sequence[Piece]:
        """Lowest, the curve, highest."""
        points = self._points
        if not points.at:
            return [("equity: no points yet", "faint")]
        low, high = figures.dollars(min(points.equity)), figures.dollars(max(points.equity))
        room = width - len(low) - len(high) - 9
        values = columns(points.at, points.equity, max(0, room))
        return [
            ("equity ", "quiet"),
            (low + " ", "faint"),
            (spark(values, room), trend(points)),
            (" " + high, "faint"),
        ]
