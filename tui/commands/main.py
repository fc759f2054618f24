"""The command line: finds the command, loads only what it needs, turns errors into exit codes."""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tui.commands import exits

COMMANDS = ("demo", "replay", "tape", "status", "explain", "report", "config")
"""Modules of this package, one per command; only the one asked for is imported."""

_HERE = "tui.commands"

NO_KEYS = """\
no broker keys: ALPACA_API_KEY and ALPACA_SECRET_KEY are not set, so there is nothing to trade with.
To see the system at work without keys or a network:

    python -m runtime demo
"""

NO_ENGINE = """\
trading through the broker is not part of this version yet; what runs today:

    python -m runtime demo          a made-up market, no keys, no network
    python -m runtime replay TAPE   a recorded session
"""


class Parser(argparse.ArgumentParser):
    """argparse that says which word was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Print usage and the problem, then exit 2."""
        if "invalid choice: " in message:
            wrong = message.split("invalid choice: ")[1].split(" ", maxsplit=1)[0].strip("'\"")
            near = difflib.get_close_matches(wrong, COMMANDS, n=1)
            if near:
                message = f"no command {wrong!r}, did you mean {near[0]!r}?"
        super().error(message)


def build(only: str | None = None) -> Parser:
    """The parser; with `only`, that command alone is imported."""
    parser = Parser(
        prog="python -m runtime",
        description="An automated US-equities trading system. Without a command it starts the engine.",
        epilog="exit codes: " + "; ".join(f"{code} {text}" for code, text in exits.MEANINGS.items()),
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in (only,) if only in COMMANDS else COMMANDS:
        importlib.import_module(f"{_HERE}.{name}").add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    first = next((word for word in words if not word.startswith("-")), None)
    arguments = build(first).parse_args(words)
    if arguments.command is None:
        return _no_command()
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return exits.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except Exception as error:
        code = exits.code_of(error)
        if code is None:
            raise
        print(f"error: {error}", file=sys.stderr)
        return code


def _no_command() -> int:
    if os.environ.get("ALPACA_API_KEY") and os.environ.get("ALPACA_SECRET_KEY"):
        print(NO_ENGINE, end="", file=sys.stderr)
        return exits.FAILED
    print(NO_KEYS, end="", file=sys.stderr)
    return exits.AUTH


def default_root() -> Path:
    """TRADING_SYSTEM_ROOT, or the checkout."""
    named = os.environ.get("TRADING_SYSTEM_ROOT", "")
    return Path(named) if named else Path(__file__).resolve().parents[2]
