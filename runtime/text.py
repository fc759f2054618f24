"""Text from outside made fit for a log, a database and a terminal."""

import re
from collections.abc import Sequence

_LIMIT = 20_000

# C0 but newline and tab, DEL, C1, line separators, lone surrogates, and every format character (bidirectional
# marks and overrides, what has no width, tags): what moves a cursor, sets a title, writes a clipboard, turns
# a line around, hides in a name or cannot be encoded.
_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)


def printable(text: str, limit: int = _LIMIT) -> str:
    """Replace control and direction characters by visible escapes and cut what is too long.

    Args:
        limit: Most characters returned; a cut is told.
    """
    if len(text) > limit:
        text = f"{text[:limit]}... ({len(text) - limit} characters cut)"
    return _HOSTILE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def one_line(text: str, limit: int = 500) -> str:
    """The same on one line, for tables and messages."""
    if text.isprintable() and len(text) <= limit:
        return text  # nothing hostile is printable, nor are line breaks and tabs
    return printable(text, limit).replace("\n", "\\n").replace("\t", " ")


def few(names: Sequence[str], most: int = 5) -> str:
    """How many there are, and the first of them, on one line."""
    more = ", ..." if len(names) > most else ""
    return f"{len(names)}: {', '.join(one_line(name, 40) for name in names[:most])}{more}"
