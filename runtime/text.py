"""Text from outside made fit for a log, a database and a terminal."""

import re

_LIMIT = 20_000

# C0 but newline and tab, DEL, C1, line separators, bidirectional marks and overrides, lone surrogates: what
# moves a cursor, sets a title, writes a clipboard, turns a line around or cannot be encoded.
_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
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
