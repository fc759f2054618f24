"""`stop`: end the engine of a root in good order; protective stops stay at the broker.

Exit codes: 0 it has ended; 1 it was asked to and has not ended in time; 6 no engine is running.
"""

import argparse
import json
import os
import signal
from pathlib import Path
from typing import Any

from tui.commands import engine, exits
from tui.commands.place import add_root, root_of

SCHEMA = 1


def add(subparsers: Any) -> None:
    """Register `stop`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "stop",
        help="end the engine in good order",
        description="Asks the engine to end and waits. Positions stay, with their stops at the broker.",
    )
    parser.add_argument("--wait", type=float, default=15.0, metavar="SECONDS", help="how long (default 15)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_root(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send SIGTERM and wait for the end."""
    code, pid, words = _stop(root_of(arguments), max(0.0, arguments.wait))
    if arguments.json:
        ended = code == exits.OK
        print(json.dumps({"schema": SCHEMA, "ended": ended, "pid": pid, "text": words}))
    else:
        print(words)
    return code


def _stop(root: Path, seconds: float) -> tuple[int, int | None, str]:
    """(exit code, the process, what became of it)."""
    holder = engine.holder_of(root)
    if holder is None:
        return exits.NO_ENGINE, None, f"no engine is running in {root}"
    if not holder.pid:
        return exits.FAILED, None, f"{holder} is at work in {root}: end it where it was started"
    try:
        handle = engine.send(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        return exits.OK, holder.pid, f"{holder} has just ended"
    try:
        if engine.ended(handle, seconds):
            return exits.OK, holder.pid, f"{holder} has ended"
    finally:
        os.close(handle)
    return exits.FAILED, holder.pid, f"{holder} was asked to end and is still at work after {seconds:g} s"
