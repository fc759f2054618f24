"""`strategies`: what each of them does and why it is silent; pause one, or let it trade again.

A running engine is asked; without one the wish is kept below the root, under the lock that keeps an engine
from starting meanwhile, and holds from the next start. A paused strategy opens nothing; what it holds keeps
its stops and targets, and its exits pass.

Exit codes: 0 shown, or done; 1 the engine refused; 2 there is no such strategy; 7 another process is at work
and does not listen; 9 there are no books, or a file is damaged.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from runtime import kill_switch
from tui.commands import engine, exits
from tui.commands.asking import ask
from tui.commands.output import add_root, percent, print_json, print_table
from tui.commands.parser import as_text
from tui.commands.place import root_of
from tui.commands.roots import root_to_read

SCHEMA = 1
_LIVE = ("state", "slots", "held", "day_pnl", "total_pnl", "trades", "win_rate", "signals", "silent")


def add(subparsers: Any) -> None:
    """Register `strategies` and its own commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "strategies", help="what each strategy does and why it is silent; pause one"
    )
    commands = parser.add_subparsers(dest="strategies_command", required=True, metavar="COMMAND")
    shown = commands.add_parser("list", help="state, share, slots, profit, record, why it is silent")
    add_root(shown)
    shown.set_defaults(run=run_list)
    for name, words in (
        ("pause", "open nothing more; stops, targets and exits go on"),
        ("unpause", "let it trade again"),
    ):
        changed = commands.add_parser(name, help=words)
        changed.add_argument("strategy", type=as_text, metavar="NAME", help="as `strategies list` calls it")
        add_root(changed)
        changed.set_defaults(run=run_change, paused=name == "pause")


def run_list(arguments: argparse.Namespace) -> int:
    """Print every strategy."""
    root = root_to_read(arguments)
    rows, is_live = rows_of(root)
    if arguments.json:
        print_json(SCHEMA, {"source": "engine" if is_live else "books", "strategies": rows})
        return exits.OK
    print(f"strategies of {root}, {'as the engine tells' if is_live else 'as the books stand'}")
    print_table(
        "Strategies",
        (
            "strategy",
            "state",
            "share",
            "slots",
            "held",
            "day P&L",
            "total P&L",
            "won",
            "trades",
            "why silent",
        ),
        (
            (
                row["strategy"],
                f"{row['state']}{_wish(row)}",
                percent(row["allocation"]),
                row["slots"],
                row["held"],
                row["day_pnl"],
                row["total_pnl"],
                percent(row["win_rate"]),
                row["trades"],
                row["silent"],
            )
            for row in rows
        ),
    )
    return exits.OK


def rows_of(root: Path) -> tuple[list[dict[str, Any]], bool]:
    """Every strategy as the running engine tells, or else as the books do; whether an engine told.

    Raises:
        DatabaseRefused: There are no books. DataError: a kept wish cannot be read.
    """
    from storage.readers.ledger import open_ledger
    from storage.readers.strategies import strategies
    from storage.wishes import read_wishes
    from tui.commands.live import frame_of

    state = kill_switch.look(root)
    halted = kill_switch.read(root).reason if state.halted and not state.is_absent else ""
    with open_ledger(root) as ledger:
        rows = strategies(ledger, halted)
    wishes = {each.strategy: each.paused for each in read_wishes(root)}
    frame = frame_of(root) if engine.holder_of(root) is not None else None
    told = {row.key: row for row in frame.strategies.rows} if frame and frame.strategies else {}
    known = {row["strategy"] for row in rows}
    rows += [  # the books may be behind
        {"strategy": key, "allocation": row.allocation, "since": None, "open_pnl": None}
        for key, row in told.items()
        if key not in known
    ]
    for row in rows:
        row["wish"] = {True: "pause", False: "unpause", None: None}[wishes.get(row["strategy"])]
        if said := told.get(row["strategy"]):
            row.update({name: getattr(said, name) for name in _LIVE}, reason=said.why)
            row["last_signal"] = said.last_signal_at or None
    return rows, bool(told)


def _wish(row: dict[str, Any]) -> str:
    return f" ({row['wish']} from the next start)" if row["wish"] else ""


def run_change(arguments: argparse.Namespace) -> int:
    """Pause or unpause one strategy."""
    root = root_of(arguments)
    name = str(arguments.strategy)
    _check(root, name)
    by = f"user {os.getuid()} on the command line"
    if engine.holder_of(root) is None:
        _keep(root, name, by, paused=arguments.paused)
        how, said = (
            "next start",
            f"{name} is {'paused' if arguments.paused else 'unpaused'} from the next start",
        )
    else:
        command = "pause_strategy" if arguments.paused else "unpause_strategy"
        told = ask(root, {"command": command, "strategy": name, "by": by})
        how, said = "engine", told or f"{name} is {'paused' if arguments.paused else 'unpaused'}"
    if arguments.json:
        print_json(SCHEMA, {"strategy": name, "paused": arguments.paused, "holds_from": how, "text": said})
    else:
        print(said)
    return exits.OK


def _check(root: Path, name: str) -> None:
    """Refuse a name nobody knows: a pause that pauses nothing would be believed.

    Raises:
        WrongUse: Neither the books nor the settings know it.
    """
    from config.errors import nearest, printable
    from config.schema import Settings
    from storage.database import database_path
    from storage.readers.ledger import open_ledger
    from storage.readers.strategies import strategies

    known = {each.name for each in Settings().strategies}
    if database_path(root, "performance").exists():
        with open_ledger(root) as ledger:
            known |= {row["strategy"] for row in strategies(ledger)}
    if name not in known:
        raise exits.WrongUse(f"no strategy {printable(repr(name), 80)}; {nearest(name, sorted(known))}")


def _keep(root: Path, name: str, by: str, *, paused: bool) -> None:
    from storage.lock import RootLock
    from storage.wishes import Wish, leave_wish

    now = time.time_ns()  # noqa: TID251 - the wall clock of whoever wishes it
    with RootLock(root):
        leave_wish(root, Wish(strategy=name, paused=paused, by=by, at=now))
