"""`logs`: what the processes of a root have logged, and with `-f` what they log from now on.

All files of the folder are read as one, those put aside included. Whatever a line says, it is shown without
control characters.

Exit codes: 0 shown; 9 there is no log; 130 Ctrl-C while following.
"""

import argparse
import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from runtime.log_lines import LEVELS
from runtime.text import one_line, printable
from tui.commands import exits
from tui.commands.log_reading import Filter, Line, Tail, logs_in, written
from tui.commands.moments import since
from tui.commands.narration import detail, is_verbose, say
from tui.commands.output import add_root, decorated, new_york
from tui.commands.place import root_of

SCHEMA = 1
_COLOURS = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;7;31"}
_SHOWN = ("ts", "level", "component", "event")
_UNSAID = (*_SHOWN, "logger", "file", "line", "raised_in", "raised_at", "traceback")
_MOST = 4_000
"""Characters of a line that are shown; `--json` has all."""


def add(subparsers: Any) -> None:
    """Register `logs`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "logs",
        help="what was logged, and what is being logged",
        description="Shows the log of a root, the latest lines first told last; -f goes on with new ones as "
        "they come. Times without an offset are New York's.",
    )
    add_root(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is logged from now on")
    parser.add_argument(
        "-n", "--lines", type=_count, metavar="N", help="most earlier lines (default 100; 0: all)"
    )
    parser.add_argument("--level", type=str.upper, choices=tuple(LEVELS), help="this level and above")
    parser.add_argument(
        "--component", action="append", default=[], metavar="NAME", help="only this part; may be repeated"
    )
    parser.add_argument(
        "--since", type=since, metavar="TIME", help="like 10m, 2h, 1d, 09:30, 2026-11-16 or 2026-11-16T09:30"
    )
    parser.add_argument(
        "--dir", default="logs", metavar="NAME", help="folder under the root, as log.dir says"
    )
    parser.set_defaults(run=run)


def _count(words: str) -> int:
    if not words.isdecimal():
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(words)


def run(arguments: argparse.Namespace) -> int:
    """Print the lines."""
    from runtime.errors import DataError

    folder = root_of(arguments) / arguments.dir
    if not logs_in(folder):
        raise DataError(
            f"no log in {folder}: nothing has run in this root, or it logs elsewhere (--root, --dir)"
        )
    detail(f"reading {', '.join(path.name for path in logs_in(folder))} in {folder}")
    chosen = Filter(
        rank=LEVELS[arguments.level] if arguments.level else 0,
        components=tuple(arguments.component),
        since=arguments.since or 0,
    )
    most = arguments.lines if arguments.lines is not None else 0 if arguments.since else 100
    tell = _as_json if arguments.json else _in_words(is_coloured=decorated(sys.stdout))
    if arguments.follow:
        _follow(folder, chosen, most, tell)
    else:
        names: dict[str, None] = {}
        if not _print(_named(written(folder), names), chosen, most, tell):
            _say_what_was_meant(chosen.components, names)
    return exits.OK


def _print(lines: Iterable[Line], chosen: Filter, most: int, tell: Callable[[Line], str]) -> bool:
    """Print the last of those that are wanted; whether there were any."""
    wanted, found = filter(chosen.wants, lines), False
    for line in deque(wanted, maxlen=most) if most else wanted:
        print(tell(line))
        found = True
    return found


def _named(lines: Iterable[Line], names: dict[str, None]) -> Iterator[Line]:
    """The same lines, and in `names` whose they are."""
    for line in lines:
        names[str(line["component"])] = names[str(line.get("logger", ""))] = None
        yield line


def _say_what_was_meant(asked: Iterable[str], names: Iterable[str]) -> None:
    """Silence looks as if all were well: say which of the parts asked for has no line at all, ever."""
    from config.errors import nearest

    known = [one_line(name, 40) for name in names if name]
    for name in asked:
        if not any(one == name or one.startswith(f"{name}.") for one in known):
            say(f"nothing is logged by {one_line(name, 40)!r}; {nearest(name, known)}")


def _follow(folder: Path, chosen: Filter, most: int, tell: Callable[[Line], str]) -> None:
    from tui.commands.watching import FolderWatch

    with FolderWatch([folder]) as changes:
        tail = Tail(folder)
        try:
            _print(tail.earlier(), chosen, most, tell)
            while True:
                sys.stdout.flush()
                changes.wait()
                _print(tail.grown(), chosen, 0, tell)
        finally:
            tail.close()


def _as_json(line: Line) -> str:
    return json.dumps({"schema": SCHEMA, **line})


def _in_words(*, is_coloured: bool) -> Callable[[Line], str]:
    """A line for people: when, how bad, who, what, and what else was said."""

    def tell(line: Line) -> str:
        level = f"{line['level']:<8}"
        colour = _COLOURS.get(line["level"]) if is_coloured else None
        level = f"\x1b[{colour}m{level}\x1b[0m" if colour else level
        more = "".join(f" {name}={value}" for name, value in line.items() if name not in _UNSAID)
        said = one_line(f"{line['event']}{more}", _MOST)
        moment = new_york(line["ts"]) if line["ts"] else "-"
        shown = f"{moment} {level} {one_line(line['component'], 40):<16} {said}"
        if is_verbose() and line.get("traceback"):
            shown += "\n" + printable(str(line["traceback"])).rstrip("\n")
        return shown

    return tell
