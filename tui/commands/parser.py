"""argparse as this program wants it: no abbreviations, common options, a guess at what was meant.

Only the standard library: every command starts with it.
"""

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

COMMON = {
    ("-v", "--verbose"): "say more on stderr; an error is told with its traceback",
    ("-q", "--quiet"): "say nothing on stderr but errors",
    ("--no-color",): "plain text on a terminal too, as with NO_COLOR",
}
"""Options of every command, which may also stand before it."""


class Parser(argparse.ArgumentParser):
    """A parser of the program or of one of its commands."""

    def __init__(self, *arguments: Any, **words: Any) -> None:
        words["allow_abbrev"] = False  # an abbreviation would change its meaning with the next option
        super().__init__(*arguments, **words)
        common = self.add_argument_group("for every command")
        for names, meaning in COMMON.items():
            common.add_argument(*names, action="store_true", default=argparse.SUPPRESS, help=meaning)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; what is unknown is refused here, where the command's own options are known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print usage and the problem, then exit 2."""
        found = re.search(r"^(?:argument (\S+): )?invalid choice: (.+?) \(choose from (.*)\)$", message)
        if found:
            wrong = found[2].strip("'\"")
            near = _nearest(wrong, re.findall(r"[\w.-]+", found[3]))
            if near and (found[1] or "").startswith("-"):
                message = f"{found[1]} cannot be {wrong!r}, did you mean {near!r}?"
            elif near:
                message = f"no command {wrong!r}, did you mean {near!r}?"
        super().error("".join(letter if letter.isprintable() else "?" for letter in message))

    def _meant(self, unknown: Sequence[str]) -> str:
        """The option that was probably meant, in words; empty where none is like it."""
        for word in unknown:
            if word.startswith("-"):
                near = _nearest(word.partition("=")[0], [*self._option_string_actions])
                return f", did you mean {near}?" if near else ""
        return ""


def as_text(word: str) -> str:
    """A word of the command line as text; bytes that are no UTF-8 are marked as such."""
    return os.fsencode(word).decode("utf-8", "replace")


def inner(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser by name; none where it is a command itself."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every parser that is a command, not a group of them."""
    commands = inner(parser)
    if not commands:
        yield parser
    for each in commands.values():
        yield from leaves(each)


def _nearest(word: str, known: Sequence[str]) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(word, known, n=1)), "")
