"""`tape`: look at recordings, compress them, remove old ones, or make them from files of bars.

Exit codes: 0 done; 2 wrong words; 9 a tape cannot be used (the others are still shown or compressed).
"""

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import exits
from tui.commands.roots import folder

if TYPE_CHECKING:
    from storage.tape import TapeInfo

SCHEMA = 1
_TIMES = ("open", "close", "first_at", "last_at")


def add(subparsers: Any) -> None:
    """Register `tape` and its own commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser("tape", help="look at recordings, or make them")
    commands = parser.add_subparsers(dest="tape_command", required=True, metavar="COMMAND")
    shown = commands.add_parser("info", help="print what is on one or more tapes, checking every byte")
    shown.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a .tape or .tape.zst file")
    shown.add_argument("--json", action="store_true", help="one JSON object a line, one line a tape")
    shown.set_defaults(run=run_info)
    packed = commands.add_parser("compress", help="replace closed tapes by compressed ones")
    packed.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a .tape file")
    packed.add_argument("--json", action="store_true", help="one JSON object a line, one line a tape")
    packed.set_defaults(run=run_compress)
    pruned = commands.add_parser(
        "prune",
        help="remove old tapes and the panels only they need",
        description="Removes the tapes of sessions that lie more than so many days back, and the history "
        "panels that no other tape in the folder needs. Nothing is asked: what was removed is printed.",
    )
    pruned.add_argument("folder", type=folder, metavar="DIR", help="where the tapes are")
    pruned.add_argument(
        "--keep-days",
        type=_days,
        metavar="N",
        help="calendar days to keep, at least 1 (default: the setting tapes.keep_days)",
    )
    pruned.add_argument("--json", action="store_true", help="one JSON object")
    pruned.set_defaults(run=run_prune)
    add_import(commands)


def add_import(subparsers: Any) -> None:
    """Register `tape import`, whose module is loaded only when the command line is built."""
    if importlib.util.find_spec("tui.commands.tape_import") is not None:
        importlib.import_module("tui.commands.tape_import").add(subparsers)


def run_info(arguments: argparse.Namespace) -> int:
    """Print each tape; a damaged one is named and the rest still shown."""
    import msgspec

    from runtime.errors import DataError
    from storage.tape import info
    from tui.commands.output import print_json, times

    code = exits.OK
    for path in arguments.files:
        try:
            found = info(path)
        except DataError as error:
            code = exits.DATA
            if arguments.json:
                print_json(SCHEMA, {"path": str(path), "error": str(error)})
            else:
                print(f"error: {exits.words_of(error)}", file=sys.stderr)
            continue
        if arguments.json:
            facts = msgspec.to_builtins(found)
            print_json(SCHEMA, facts | {name: times(facts[name]) if facts[name] else None for name in _TIMES})
        else:
            print(_text(found))
    return code


def run_compress(arguments: argparse.Namespace) -> int:
    """Compress each tape; one that cannot be is named and the rest still done."""
    from runtime.errors import DataError, StorageUnavailable
    from storage.tape import compress
    from storage.tape.format import COMPRESSED
    from tui.commands.output import print_json

    code = exits.OK
    for path in arguments.files:
        try:
            if path.name.endswith(COMPRESSED) and path.is_file():
                packed, note = path, "compressed already"
            else:
                before = path.stat().st_size if path.is_file() else 0
                packed = compress(path)
                note = f"{before:,} -> {packed.stat().st_size:,} bytes"
        except (DataError, StorageUnavailable) as error:
            code = exits.DATA
            if arguments.json:
                print_json(SCHEMA, {"path": str(path), "error": str(error)})
            else:
                print(f"error: {exits.words_of(error)}", file=sys.stderr)
            continue
        if arguments.json:
            print_json(SCHEMA, {"path": str(packed), "bytes": packed.stat().st_size})
        else:
            print(exits.plain(f"{packed}: {note}"))
    return code


def run_prune(arguments: argparse.Namespace) -> int:
    """Remove old tapes and say which."""
    import os
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from config.load import load
    from runtime.errors import DataError
    from runtime.kernel.clock import LiveClock
    from storage.tape import prune
    from tui.commands.output import print_json

    if not arguments.folder.is_dir():
        raise DataError(f"there is no folder {arguments.folder}")
    days = arguments.keep_days or load(environ=os.environ).settings.tapes.keep_days
    now = datetime.fromtimestamp(LiveClock().now() / 1e9, UTC).astimezone(ZoneInfo("America/New_York"))
    removed = [str(path) for path in prune(arguments.folder, days, now.date())]
    if arguments.json:
        print_json(SCHEMA, {"keep_days": days, "removed": removed})
    else:
        for path in removed:
            print(exits.plain(path))
        print(f"{len(removed)} files removed, sessions of the last {days} days kept")
    return exits.OK


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 1000000, was {text!r}")
    return int(text)


def _text(tape: "TapeInfo") -> str:
    """A tape for people: one fact a line."""
    from runtime.text import one_line
    from tui.commands.output import new_york

    part = f" part {tape.part}" if tape.parts else ""
    session = f"{tape.session}{part}, {new_york(tape.open)} to {new_york(tape.close)}"
    state = "closed" if tape.closed else "not closed"
    rows = [
        ("session", session + (", early close" if tape.early_close else "")),
        ("file", f"{tape.size:,} bytes, {state}" + (", compressed" if tape.compressed else "")),
        ("symbols", f"{tape.symbols:,}"),
        ("inputs", f"{sum(tape.inputs.values()):,}: {_counts(tape.inputs)}"),
        ("messages", _counts(tape.messages)),
        ("bars", f"{tape.bars:,}"),
        ("time", f"{new_york(tape.first_at)} to {new_york(tape.last_at)}" if tape.first_at else "no input"),
        ("records", _counts(tape.records)),
        ("settings", tape.settings_hash),
        ("made by", f"code {tape.code_version}, Python {tape.python}, NumPy {tape.numpy}, {tape.cpu}"),
        ("books", tape.books or "none"),
        ("origin", tape.origin or "unknown"),
        ("chain", tape.chain),
    ]
    rows += [("goes on", f"from {one.name}, input {one.last_seq:,}") for one in tape.parts[-1:]]
    rows += [
        (f"panel {name}", f"{panel.ref.dtype}{panel.ref.shape}" + ("" if panel.present else ", MISSING"))
        for name, panel in tape.panels.items()
    ]
    rows += [
        ("crash", f"input {crash.seq}: {crash.actor} on {crash.message_type}: {crash.error}")
        for crash in tape.crashes
    ]
    if tape.unfinished:
        rows.append(("warning", "the last input was not handled to its end"))
    if tape.torn:
        rows.append(("warning", f"{tape.torn}; going on with the tape cuts it"))
    facts = (f"  {one_line(name, 80):<10} {one_line(value, 400)}" for name, value in rows)
    return "\n".join([one_line(tape.path, 4_000), *facts])


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count) or "none"
