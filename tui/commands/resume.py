"""`resume`: lift the kill switch, once a person has typed so.

A running engine is asked through the kill switch's own directory, which it watches; without one the file is
removed here, under the lock that keeps an engine from starting meanwhile.

Exit codes: 0 trading is allowed again; 1 not confirmed, or still halted; 7 an engine starts just now.
"""

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from runtime import kill_switch
from tui.commands import engine, exits
from tui.commands.place import add_root, root_of

SCHEMA = 1
_WORD = "resume"
_PATIENCE = 10.0
_STEP = 0.05


def add(subparsers: Any) -> None:
    """Register `resume`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "resume",
        help="lift the kill switch",
        description="Lifts the kill switch after the word `resume` has been typed (or read from a pipe).",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_root(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask, then lift."""
    root = root_of(arguments)
    if kill_switch.look(root).halted:
        order = kill_switch.read(root)
        since = f" since {order.time}" if order.time else ""
        print(f"halted{since}: {order.reason}", file=sys.stderr)
    if not arguments.yes and not _agreed():
        print("not confirmed: nothing was changed", file=sys.stderr)
        return exits.FAILED
    by = f"user {os.getuid()} on the command line"
    try:
        lifted = _ask_engine(root, by) if engine.holder_of(root) is not None else _lift(root, by)
    except kill_switch.NotLifted as error:
        print(f"error: trading stays halted: {error}", file=sys.stderr)
        return exits.FAILED
    print(json.dumps({"schema": SCHEMA, "resumed": True, "text": lifted}) if arguments.json else lifted)
    return exits.OK


def _agreed() -> bool:
    if sys.stdin is None:
        return False
    if sys.stdin.isatty():
        print(f"type {_WORD} to allow trading again: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() == _WORD


def _lift(root: Path, by: str) -> str:
    from storage.lock import RootLock

    with RootLock(root):
        kill_switch.lift(root, by, at=_now())
    return f"resumed: {root / kill_switch.DIRECTORY} is clear; no engine is running"


def _ask_engine(root: Path, by: str) -> str:
    """Ask on the socket; where nobody answers, through the directory.

    Raises:
        NotLifted: The engine says why, or does not answer.
    """
    try:
        return engine.ask(root, {"command": "resume", "by": by}, _PATIENCE)
    except OSError:
        return _ask(root, by)
    except ValueError as error:
        raise kill_switch.NotLifted(str(error)) from None


def _ask(root: Path, by: str) -> str:
    """Leave the wish and wait until the engine has granted it."""
    kill_switch.ask_to_lift(root, by, at=_now())
    pause, until = threading.Event(), time.monotonic() + _PATIENCE
    while kill_switch.asked_to_lift(root) is not None:
        if time.monotonic() >= until:
            kill_switch.take_back(root)
            raise kill_switch.NotLifted(
                f"the engine has not answered within {_PATIENCE:g} s; its log says why"
            )
        pause.wait(_STEP)
    state = kill_switch.look(root)
    if state.halted:
        raise kill_switch.NotLifted(state.reason)
    return "resumed: the engine trades again"


def _now() -> int:
    return time.time_ns()  # noqa: TID251 - the wall clock of whoever types it
