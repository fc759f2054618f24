"""Everything that is known of one row, name by name: what a table has no room for."""

from collections.abc import Sequence
from typing import Any

from runtime.messages.screen import ErrorRow, LogRow
from tui.panels import figures
from tui.panels.columns import Column
from tui.panels.ink import Piece, Role
from tui.panels.lines import wrapped

Line = tuple[Piece, ...]
_NAME = 14
_LONGEST = 4_000
_MOST_LINES = 60


def of_row(columns: Sequence[Column[Any]], row: Any, width: int) -> list[Line]:
    """The row's cells one below the other, whole.

    Args:
        columns: Of the table it stands in. width: cells.
    """
    lines: list[Line] = []
    for column in columns:
        text, role = column.cell(row)
        lines += named(column.title, text.strip(), role, width)
    return lines


def of_log(row: LogRow, width: int) -> list[Line]:
    """A line of the log, broken where it must be."""
    return [
        *named("time", f"{figures.day(row.at)} {figures.clock(row.at)} ET", "text", width),
        *named("level", row.level, figures.state(row.level.upper()), width),
        *named("component", row.component, "accent", width),
        *named("text", row.text, "strong", width),
    ]


def of_error(row: ErrorRow, width: int) -> list[Line]:
    """A row of the error log with its traceback."""
    often = f", {row.count:,d} times" if row.count > 1 else ""
    lines = [
        *named("error", row.key, "quiet", width),
        *named("last seen", f"{figures.day(row.at)} {figures.clock(row.at)} ET{often}", "text", width),
        *named("level", row.level, figures.state(row.level.upper()), width),
        *named("component", row.component, "accent", width),
        *named("where", row.where, "text", width),
        *named("text", row.text, "strong", width),
        *named("state", "resolved" if row.resolved else "open", "good" if row.resolved else "warn", width),
        *named("note", row.note, "text", width),
    ]
    if row.traceback:
        lines += [(), (("traceback", "head"),)]
        for line in row.traceback.splitlines()[-200:]:
            indent = len(line) - len(line.lstrip(" "))
            pad = " " * min(indent, 8)
            parts = wrapped(line, max(12, width - len(pad)), 4)
            lines += [((pad, "text"), (part, "text" if indent < 4 else "quiet")) for part in parts]
    return lines


def named(name: str, text: str, role: Role, width: int) -> list[Line]:
    """A name and its value, which may take several lines; none where there is no value."""
    if not text or text == figures.NONE:
        return []
    parts = wrapped(text, max(12, width - _NAME), _MOST_LINES, _LONGEST)
    return [
        ((f"{'' if number else name:<{_NAME}}", "quiet"), (part, role)) for number, part in enumerate(parts)
    ]
