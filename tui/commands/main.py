"""The command line: finds the command, loads only what it needs, turns errors into exit codes."""

import argparse
import difflib
import importlib
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from tui.commands import exits

COMMANDS = (
    *("demo", "replay", "tape", "status", "explain", "report", "config"),
    *("halt", "resume", "stop", "check", "run"),
)
"""Each a module of this package; only the one asked for is imported."""

_HERE = "tui.commands"
MODULES = {"run": "trade"}
"""Commands whose module is not called as they are."""


class Parser(argparse.ArgumentParser):
    """argparse that says which word was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Print usage and the problem, then exit 2."""
        if found := re.search(r"invalid choice: (\S+) \(choose from (.*)\)", message):
            wrong = found[1].strip("'\"")
            near = difflib.get_close_matches(wrong, re.findall(r"[\w-]+", found[2]), n=1)
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
        importlib.import_module(f"{_HERE}.{MODULES.get(name, name)}").add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. A reader that has gone away is no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name the terminal cannot show is no crash
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        _flush()
    except BrokenPipeError:
        _silence()
        code = exits.OK
    except OSError as error:
        _silence()
        print(f"error: the output cannot be written: {exits.words_of(error)}", file=sys.stderr)
        code = exits.FAILED
    return code


def _run(words: list[str]) -> int:
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["run", *words]
    first = next((word for word in words if not word.startswith("-")), None)
    try:
        arguments = build(first).parse_args(words)
        return int(arguments.run(arguments))
    except SystemExit as end:  # argparse has printed help, or what was wrong
        return end.code if isinstance(end.code, int) else exits.OK
    except KeyboardInterrupt as stop:
        print(str(stop) or "stopped", file=sys.stderr)
        return exits.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        code = exits.code_of(error)
        if code is None:
            raise
        _flush()
        print(f"error: {exits.words_of(error)}", file=sys.stderr)
        return code


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _silence() -> None:
    """Let what is still buffered go nowhere, or the interpreter complains of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
