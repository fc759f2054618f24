"""`errors`: the error log of a root: what went wrong, where, how often, and what a person said about it.

`resolve` goes to the running engine; without one it is written straight into the books, under the lock that
keeps an engine from starting meanwhile. An error that comes again after it was resolved is open again.

Exit codes: 0 shown, or done; 1 the engine refused; 2 no or several errors are named so; 7 another process is
at work and does not listen; 9 there are no books, or they cannot be read.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.text import one_line, printable
from tui.commands import engine, exits
from tui.commands.asking import ask
from tui.commands.moments import since
from tui.commands.output import add_root, new_york, print_json, print_table, text
from tui.commands.parser import as_text
from tui.commands.roots import REPLAYED, books_in, root_to_read

if TYPE_CHECKING:
    from storage.database import Mode
    from storage.readers.ledger import Ledger, Record

SCHEMA = 1
_LEVELS = ("WARNING", "ERROR", "CRITICAL")
_SHORT = 8
"""Characters of a long id that a table shows; the commands take the beginning of an id for it."""


def add(subparsers: Any) -> None:
    """Register `errors` and its own commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "errors", help="what went wrong: list it, look at one with its traceback, resolve it"
    )
    commands = parser.add_subparsers(dest="errors_command", required=True, metavar="COMMAND")
    listed = commands.add_parser("list", help="rows of the error log, the latest first")
    add_root(listed)
    listed.add_argument("--level", type=str.upper, choices=_LEVELS, default="WARNING", help="and above")
    listed.add_argument(
        "--component", type=as_text, default="", metavar="NAME", help="only this actor, gateway or part"
    )
    listed.add_argument(
        "--since", type=since, metavar="TIME", help="like 10m, 2h, 1d, 09:30, 2026-11-16 or 2026-11-16T09:30"
    )
    listed.add_argument("--unresolved", action="store_true", help="only what nobody has dealt with")
    listed.add_argument(
        "-n", "--rows", type=int, default=50, metavar="N", help="most rows (default 50; 0: all)"
    )
    listed.set_defaults(run=run_list)
    shown = commands.add_parser("show", help="one row with its traceback and context")
    shown.add_argument("id", type=as_text, metavar="ID", help="as the list has it, or how it begins")
    add_root(shown)
    shown.set_defaults(run=run_show)
    resolved = commands.add_parser("resolve", help="say that it has been dealt with, and how")
    resolved.add_argument("id", type=as_text, metavar="ID", help="as the list has it, or how it begins")
    resolved.add_argument(
        "--note", type=as_text, default="", metavar="TEXT", help="what it was, or what was done"
    )
    add_root(resolved)
    resolved.set_defaults(run=run_resolve)


def run_list(arguments: argparse.Namespace) -> int:
    """Print the rows that were asked for, and how many there are of each level."""
    from storage.readers.errors import errors
    from storage.readers.ledger import open_ledger

    with open_ledger(root_to_read(arguments)) as ledger:
        found = errors(
            ledger,
            level=arguments.level,
            component=arguments.component,
            since=arguments.since or 0,
            unresolved=arguments.unresolved,
            most=arguments.rows or -1,
        )
    if arguments.json:
        print_json(SCHEMA, found)
        return exits.OK
    rows, counts = found["errors"], found["counts"]
    if not rows:
        print("no errors" if not arguments.unresolved else "no unresolved errors")
        return exits.OK
    total = sum(count["rows"] for count in counts)
    print(
        ", ".join(f"{count['rows']} {count['level']}" for count in counts)
        + f"; {sum(count['resolved'] for count in counts)} resolved"
        + (f"; the latest {len(rows)} of {total}" if len(rows) < total else "")
    )
    print_table(
        "Errors",
        ("id", "last seen", "level", "component", "times", "state", "message"),
        (
            (
                _short(row["id"]),
                new_york(row["last_seen"]),
                row["level"],
                row["component"],
                row["occurrences"],
                "resolved" if row["is_resolved"] else "open",
                one_line(row["message"], 120),
            )
            for row in rows
        ),
    )
    return exits.OK


def run_show(arguments: argparse.Namespace) -> int:
    """Print one row."""
    from storage.readers.errors import one_error
    from storage.readers.ledger import open_ledger

    with open_ledger(root_to_read(arguments)) as ledger:
        row = one_error(ledger, _id_of(ledger, arguments.id))
    assert row is not None
    row["context"] = _context(row["context"])
    if arguments.json:
        print_json(SCHEMA, {"error": row})
        return exits.OK
    _show(row)
    return exits.OK


def _show(row: "Record") -> None:
    print(f"{row['level']} {text(row['id'])}\n{printable(row['message'])}\n")
    seen = new_york(row["timestamp"])
    if row["occurrences"] > 1:
        seen += f" to {new_york(row['last_seen'])}, {row['occurrences']:,} times"
    place = f"{row['source_file']}:{row['line_number']}" if row["source_file"] else ""
    for name, value in (
        ("seen", seen),
        ("component", row["component"]),
        ("logger", row["logger_name"]),
        ("place", place),
        ("exception", row["exception_type"]),
        ("input", f"{row['session']}:{row['seq']}" if row["session"] else ""),
        ("resolved", f"{new_york(row['resolved_at'])} by {row['resolved_by']}" if row["is_resolved"] else ""),
        ("note", row["note"]),
        *((f"  {name}", value) for name, value in row["context"].items()),
    ):
        if value != "":
            print(f"{one_line(name, 40):<14}{one_line(str(value), 2_000)}")
    if row["exception_traceback"]:
        print(f"\n{printable(row['exception_traceback']).rstrip()}")


def run_resolve(arguments: argparse.Namespace) -> int:
    """Resolve one row."""
    from storage.readers.ledger import open_ledger

    root = root_to_read(arguments)
    with open_ledger(root) as ledger:
        id = _id_of(ledger, arguments.id)
    note, by = one_line(arguments.note.strip()), f"user {os.getuid()} on the command line"
    if engine.holder_of(root) is None:
        _write(root, id, note, by)
        said = f"error {id} is resolved"
    else:
        told = ask(root, {"command": "resolve_error", "target": id, "note": note, "by": by})
        said = told or f"error {id} is resolved"
    if arguments.json:
        print_json(SCHEMA, {"id": id, "note": note, "text": said})
    else:
        print(said)
    return exits.OK


def _write(root: Path, id: str, note: str, by: str) -> None:
    """Write it into the books of a root in which nothing runs.

    Raises:
        RootBusy: An engine has just started. StorageUnavailable: They cannot be written.
    """
    import sqlite3

    from runtime.errors import StorageUnavailable
    from storage.books import Books
    from storage.lock import RootLock

    now = time.time_ns()  # noqa: TID251 - the wall clock of whoever says it
    with RootLock(root):
        whose = books_in(root)
        mode: Mode = "replay" if whose.startswith(REPLAYED) else "durable"
        try:
            with Books(root, whose, mode) as books:
                books.log([("error_resolved", (now, by, note, id))])
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the books in {root} cannot be written: {error}") from error


def _id_of(ledger: "Ledger", words: str) -> str:
    """The one id that is meant.

    Raises:
        WrongUse: None is, or several are.
    """
    from storage.readers.errors import latest, named

    found = named(ledger, words.strip()) if words.strip() else []
    if len(found) == 1:
        return found[0]
    said = one_line(repr(words), 80)
    if found:
        raise exits.WrongUse(f"{said} is the beginning of several errors: {', '.join(found)}")
    known = ", ".join(latest(ledger)) or "none"
    raise exits.WrongUse(f"no error is called {said}; the latest are {known}")


def _short(id: str) -> str:
    return id[:_SHORT] if len(id) == 36 else id


def _context(words: str) -> dict[str, Any]:
    try:
        found = json.loads(words) if words else {}
    except ValueError:
        return {"text": words}
    return found if isinstance(found, dict) else {"text": found}
