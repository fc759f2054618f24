"""How answers look: tables on a terminal, aligned text in a pipe, one object for machines.

Everything shown may come from outside (a broker's text, a file's symbol), so control characters are made
visible and nothing is read as markup.
"""

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TextIO
from zoneinfo import ZoneInfo

from runtime.text import one_line
from tui.commands.roots import folder

_NARROWEST = 12
_NEW_YORK = ZoneInfo("America/New_York")
TIMES = frozenset(
    [
        "timestamp",
        "ts",
        "minute",
        "started_at",
        "ended_at",
        "phase_at",
        "entry_timestamp",
        "exit_timestamp",
        "triggered_at",
        "expires_at",
        "cleared_at",
        "executed_at",
        "since",
        "last_signal",
        "last_bar",
        "input_ts",
        "last_seen",
        "resolved_at",
        "delivered_at",
    ]
)
"""Columns that hold ns UTC."""


def add_root(parser: argparse.ArgumentParser) -> None:
    """The options every reading command has."""
    parser.add_argument("--root", type=folder, help="whose books to read (default: TRADING_SYSTEM_ROOT)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def decorated(stream: TextIO | None) -> bool:
    """Whether colours and moving bars are welcome there: a terminal that nobody asked to be plain."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream is not None and not plain and stream.isatty()


def new_york(ts: int | None, *, date: bool = True) -> str:
    """ns UTC as New York wall-clock time to the second, `-` for none."""
    if ts is None:
        return "-"
    return _moment(ts).astimezone(_NEW_YORK).strftime("%Y-%m-%d %H:%M:%S ET" if date else "%H:%M:%S ET")


def times(ts: int) -> dict[str, Any]:
    """ns UTC as a machine reads it: the number, and ISO 8601 in UTC and New York."""
    moment = _moment(ts)
    return {"ns": ts, "utc": moment.isoformat(), "et": moment.astimezone(_NEW_YORK).isoformat()}


def print_json(schema: int, found: Mapping[str, Any]) -> None:
    """Print one object with its schema number; every time in it is written by `times`."""
    print(json.dumps({"schema": schema, **_readable(found)}, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a titled table; numbers are aligned to the right. Nothing is printed for no rows."""
    cells = [[text(value) for value in row] for row in rows]
    if not cells:
        return
    kept = list(zip(*cells, strict=True))
    right = [all(_is_number(value) for value in column) for column in kept]
    print()
    if decorated(sys.stdout):
        _rich_table(title, columns, cells, right)
        return
    widths = [max(len(name), *map(len, column)) for name, column in zip(columns, kept, strict=True)]
    print(title)
    for row in (columns, *cells):
        aligned = [
            value.rjust(width) if number else value.ljust(width)
            for value, width, number in zip(row, widths, right, strict=True)
        ]
        print("  " + "  ".join(aligned).rstrip())


def text(value: object) -> str:
    """A value in a table: money with separators, small numbers with four digits, `-` for nothing."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return one_line(str(value), 200)


def percent(fraction: float | None) -> str:
    """A fraction for people."""
    return "-" if fraction is None else f"{fraction:.2%}"


def _rich_table(title: str, columns: Sequence[str], cells: list[list[str]], right: Sequence[bool]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if _least_width(columns, cells, right) > console.width:
        _listed(title, columns, cells, console.width)
        return
    table = Table(title=Text(title, style="bold"), title_justify="left", box=SIMPLE_HEAD, show_edge=False)
    for name, number in zip(columns, right, strict=True):
        justify: Literal["right", "left"] = "right" if number else "left"
        table.add_column(Text(name), justify=justify, overflow="fold", no_wrap=number)
    for row in cells:
        table.add_row(*(Text(value) for value in row))
    console.print(table)


def _least_width(columns: Sequence[str], cells: list[list[str]], right: Sequence[bool]) -> int:
    """Columns a terminal must have for a table: numbers are never broken, words down to a dozen letters."""
    total = 0
    for place, (name, number) in enumerate(zip(columns, right, strict=True)):
        longest = max(len(row[place]) for row in cells)
        header = max(map(len, name.split() or [""]))
        total += max(header if not number else len(name), longest if number else min(longest, _NARROWEST)) + 2
    return total


def _listed(title: str, columns: Sequence[str], cells: list[list[str]], width: int) -> None:
    """A table on a terminal too narrow for one: each row's first value, the others named below it."""
    width = max(width, _NARROWEST)
    print(title)
    for first, *others in cells:
        print(f"  {first}"[:width])
        known = [(name, value) for name, value in zip(columns[1:], others, strict=True) if value != "-"]
        named = ", ".join(f"{name} {value}" for name, value in known)
        if named:
            print(textwrap.fill(named, width, initial_indent="    ", subsequent_indent="    "))


def _is_number(value: str) -> bool:
    return value == "-" or value.lstrip("+-").replace(",", "").replace(".", "").rstrip("%").isdigit()


def _moment(ts: int) -> datetime:
    seconds, rest = divmod(ts, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1_000)


def _readable(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _readable(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if name in TIMES and isinstance(value, int):
        return times(value)
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
