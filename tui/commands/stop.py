"""`stop`: end the engine of a root in good order; protective stops stay at the broker.

Exit codes: 0 it has ended; 1 it was asked to and has not ended in time; 6 no engine is running.
"""

import argparse
import os
import signal
from typing import Any

from tui.commands import engine, exits
from tui.commands.place import add_root, root_of


def add(subparsers: Any) -> None:
    """Register `stop`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "stop",
        help="end the engine in good order",
        description="Asks the engine to end and waits. Positions stay, with their stops at the broker.",
    )
    parser.add_argument("--wait", type=float, default=15.0, metavar="SECONDS", help="how long (default 15)")
    add_root(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send SIGTERM and wait for the end."""
    root = root_of(arguments)
    holder = engine.holder_of(root)
    if holder is None:
        print(f"no engine is running in {root}")
        return exits.NO_ENGINE
    if not holder.pid:
        print(f"{holder} is at work in {root}: end it where it was started")
        return exits.FAILED
    try:
        handle = engine.send(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        print(f"{holder} has just ended")
        return exits.OK
    try:
        if engine.ended(handle, max(0.0, arguments.wait)):
            print(f"{holder} has ended")
            return exits.OK
    finally:
        os.close(handle)
    print(f"{holder} was asked to end and is still at work after {arguments.wait:g} s")
    return exits.FAILED
