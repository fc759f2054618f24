"""The command line: finds the command, loads only what it needs, turns errors into exit codes."""

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.commands import exits, narration
from tui.commands.parser import COMMON, Parser, inner, leaves

if TYPE_CHECKING:
    import argparse

COMMANDS = (
    *("demo", "replay", "tape", "status", "explain", "report", "config"),
    *(
        "halt",
        "resume",
        "stop",
        "check",
        "run",
        "strategies",
        "logs",
        "completion",
        "errors",
        "alerts",
        "tui",
    ),
)
"""Each a module of this package; only the one asked for is imported."""

_HERE = "tui.commands"
MODULES = {"run": "trade"}
"""Commands whose module is not called as they are."""


PROGRAM = "python -m runtime"


def build(only: str | None = None, *, prog: str = PROGRAM) -> Parser:
    """The parser; with `only`, that command alone is imported.

    Args:
        prog: What the program is called in its own words.
    """
    parser = Parser(
        prog=prog,
        description="An automated US-equities trading system. Without a command it starts the engine.",
        epilog="exit codes: " + "; ".join(f"{code} {text}" for code, text in exits.MEANINGS.items()),
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in (only,) if only in COMMANDS else COMMANDS:
        module = importlib.import_module(f"{_HERE}.{MODULES.get(name, name)}")
        module.add(commands)
        for command in leaves(inner(parser)[name]):
            command.epilog = command.epilog or _exit_codes(module.__doc__ or "")
    parser.set_defaults(whole=build)
    return parser


def _exit_codes(words: str) -> str | None:
    """What a command's module says of its exit codes, on one line."""
    _, mark, codes = words.partition("Exit codes: ")
    return f"exit codes: {' '.join(codes.split())}" if mark else None


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
    words = _completed(words)
    first = next((word for word in words if not word.startswith("-")), None)
    try:
        arguments = build(first).parse_args(words)
        arguments.words = words  # an engine of its own is started with the same
        _heed(arguments)
        return int(arguments.run(arguments))
    except SystemExit as end:  # argparse has printed help, or what was wrong
        return end.code if isinstance(end.code, int) else exits.OK
    except KeyboardInterrupt as stop:
        narration.say(str(stop) or "stopped")
        return exits.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        code = exits.code_of(error)
        if code is None:
            raise
        _flush()
        if narration.is_verbose():
            import traceback

            narration.detail(exits.plain(traceback.format_exc()))
        print(f"error: {exits.words_of(error)}", file=sys.stderr)
        return code


def _completed(words: list[str]) -> list[str]:
    """The words with `run` in them where no command is named."""
    common = {name for names in COMMON for name in names}
    place = next((n for n, word in enumerate(words) if word not in common), len(words))
    if place < len(words) and (not words[place].startswith("-") or words[place] in ("-h", "--help")):
        return words
    return [*words[:place], "run", *words[place:]]


def _heed(arguments: "argparse.Namespace") -> None:
    """What is asked of every command: how much it says, and whether in colour."""
    narration.ask_for(quiet=getattr(arguments, "quiet", False), verbose=getattr(arguments, "verbose", False))
    if getattr(arguments, "no_color", False):
        os.environ["NO_COLOR"] = "1"  # read where something is drawn, also by a process started from here


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
