"""The report as files: the page, and the rows as CSV with every digit.

A file appears whole or not at all, for its owner only. In CSV, text that a spreadsheet would take for a
formula gets an apostrophe in front; numbers are written as they are, times in ISO 8601, UTC, to the
nanosecond.
"""

import csv
import io
import os
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.text import one_line
from storage.readers import history
from tui.commands.output import TIMES

if TYPE_CHECKING:
    from storage.readers.history import Span
    from storage.readers.ledger import Ledger, Record

STDOUT = "-"
_FORMULA = ("=", "+", "-", "@")

ALL: dict[str, "Callable[[Ledger, Span], list[Record]]"] = {
    "trades": history.trades,
    "fills": history.fills,
    "signals": history.signals,
    "equity": history.equity,
    "strategies": history.strategy_days,
    "breakers": history.breakers,
    "regimes": history.regimes,
}
"""What a folder of CSV files has; one file alone has the trades."""


def write_csv(target: str, ledger: "Ledger", span: "Span") -> list[str]:
    """Write the trades into a file, or everything into a folder; what was written.

    Args:
        target: A file, `-` for stdout, or a folder: one that exists, or whose name ends with a slash.
    """
    if target != STDOUT and (target.endswith("/") or os.path.isdir(target)):
        folder = Path(target)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return [
            line
            for name, read in ALL.items()
            for line in _write_rows(str(folder / f"{name}.csv"), read(ledger, span))
        ]
    return _write_rows(target, history.trades(ledger, span))


def write_text(target: str, content: str) -> None:
    """Write a file at once; what is there already is replaced, unless it is no plain file.

    Raises:
        OSError: It cannot be written.
    """
    data = content.encode("utf-8", "backslashreplace")
    if target == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)  # UTF-8 whatever the terminal's own encoding: it goes into a file
        return
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        with open(target, "wb") as special:  # a pipe or a device is written, never replaced
            special.write(data)
        return
    draft = f"{target}.{os.getpid()}"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
        os.replace(draft, target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _write_rows(target: str, rows: "Sequence[Record]") -> list[str]:
    content = io.StringIO(newline="")
    table = csv.writer(content, lineterminator="\n")
    if rows:
        table.writerow(rows[0].keys())
        table.writerows(_cells(row) for row in rows)
    write_text(target, content.getvalue())
    return [] if target == STDOUT else [f"{target}: {len(rows):,} rows"]


def _cells(row: "Record") -> Iterable[Any]:
    for name, value in row.items():
        if name in TIMES and isinstance(value, int):
            yield _iso(value)
        elif isinstance(value, str):
            plain = one_line(value, 20_000)
            yield f"'{plain}" if plain.startswith(_FORMULA) else plain
        else:
            yield value


def _iso(ts: int) -> str:
    seconds, rest = divmod(ts, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
