"""Curves in braille dots, one-line sparks and gauges, as text. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from math import isfinite

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLOCKS = "▁▂▃▄▅▆▇█"


def columns(at: Sequence[int], values: Sequence[float], dots: int, ends: int = 0) -> list[float | None]:
    """A curve at so many moments: at each the last value known then, None after its last.

    Args:
        at: Ascending.
        ends: Where the time axis ends, if later than the last point.
    """
    if not at or dots <= 0:
        return [None] * max(0, dots)
    first, last = at[0], max(at[-1], ends)
    if last == first:
        return [values[-1]] * dots
    found: list[float | None] = []
    for dot in range(dots):
        moment = first + (last - first) * dot // max(1, dots - 1)
        found.append(values[bisect_right(at, moment) - 1] if moment <= at[-1] else None)
    return found


def bounds(values: Sequence[float | None]) -> tuple[float, float]:
    """Lowest and highest that the axis must hold; a flat curve gets room around it."""
    known = [value for value in values if value is not None and isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    if high - low < 1e-9 * max(1.0, abs(high)):
        room = max(1.0, abs(high) * 0.001)
        return low - room, high + room
    return low, high


def braille(values: Sequence[float | None], height: int, low: float, high: float) -> list[str]:
    """Lines of text, top first, two values a cell; neighbouring values are joined."""
    width = (len(values) + 1) // 2
    cells = [[0] * width for _ in range(height)]
    top = 4 * height - 1
    before: int | None = None
    for x, value in enumerate(values):
        if value is None or not isfinite(value):
            before = None
            continue
        y = round((high - value) / (high - low) * top) if high > low else top // 2
        y = min(max(y, 0), top)
        start = y if before is None else before + (before < y) - (before > y)
        for dot in range(min(start, y), max(start, y) + 1):
            cells[dot // 4][x // 2] |= _DOTS[dot % 4][x % 2]
        before = y
    return ["".join(chr(0x2800 + cell) if cell else " " for cell in row) for row in cells]


def spark(values: Sequence[float | None], width: int) -> str:
    """The curve on one line of blocks."""
    low, high = bounds(values)
    step = len(values) / width if width else 1
    picked = [values[min(len(values) - 1, int(x * step))] for x in range(width)] if values else []
    return "".join(
        " " if value is None or not isfinite(value) else _BLOCKS[round((value - low) / (high - low) * 7)]
        for value in picked
    )


def gauge(fraction: float, width: int) -> tuple[str, str]:
    """The filled and the empty part of a gauge; beyond its limit it is full."""
    share = min(max(fraction, 0.0), 1.0) if isfinite(fraction) else 1.0
    halves = round(share * width * 2)
    if share > 0:
        halves = max(1, halves)
    filled = "━" * (halves // 2) + "╾" * (halves % 2)
    return filled, "─" * (width - len(filled))
