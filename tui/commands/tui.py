"""`tui`: the screen of an engine that runs, from as many terminals as wanted.

Exit codes: 0 left; 1 there is no terminal; 6 no engine runs there and there is no root to watch. A signal
ends it with 128 and the signal's number. The engine goes on whatever becomes of its screens.
"""

import argparse
import sys
from typing import Any

from tui.commands import exits
from tui.commands.place import add_root, root_of
from tui.commands.shown import add_palette, is_terminal, show


def add(subparsers: Any) -> None:
    """Register `tui`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "tui",
        help="show a running engine on this terminal",
        description="Attaches to the engine of a root. Where none runs it waits for one and says so; K then "
        "writes the HALT file itself.",
    )
    add_root(parser)
    add_palette(parser)
    parser.add_argument(
        "--read-only", action="store_true", help="a screen that can ask nothing of the engine"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Attach until the person leaves."""
    root = root_of(arguments)
    if not is_terminal():
        print("error: no terminal to draw on; `status` and `logs` print plain text", file=sys.stderr)
        return exits.FAILED
    if not root.is_dir():
        print(f"error: {root} does not exist: no engine has run there", file=sys.stderr)
        return exits.NO_ENGINE
    _, code = show(root, read_only=arguments.read_only, palette=arguments.palette)
    return code
