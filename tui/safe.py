"""Text from outside made inert and of known width: what reaches a terminal is a picture of it.

The terminal obeys control characters, turns lines round for bidirectional marks and loses count of cells for
what has no width. Each such character becomes one U+FFFD, so a column stays a column (terminal 2.9).
"""

import unicodedata

MOST = 400
"""Characters of one cell, line or message that are ever shown; the rest is counted."""

SHOWN_AS = "\ufffd"

# Letters without a width of their own, or whose width hangs on their neighbours: Hangul jamo and fillers,
# regional indicators, skin tones. Combining marks are told by their category.
_WIDTHLESS = (
    (0x115F, 0x11FF),
    (0x3164, 0x3164),
    (0xA960, 0xA97F),
    (0xD7B0, 0xD7FF),
    (0xFFA0, 0xFFA0),
    (0x1F1E6, 0x1F1FF),
    (0x1F3FB, 0x1F3FF),
)


def clean(text: str, limit: int = MOST) -> str:
    """One line that can be shown: no control, direction, zero-width or combining character is left in it.

    Args:
        limit: Most characters of the text that are kept; a cut is told with the number left out.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    cut = f" ... ({len(text) - limit:,} more)" if len(text) > limit else ""
    return "".join(map(_shown, unicodedata.normalize("NFC", text[:limit]))) + cut


def _shown(letter: str) -> str:
    if letter.isascii() and letter.isprintable():
        return letter
    if letter in "\n\r\t\v\f" or unicodedata.category(letter) == "Zs":
        return " "
    hostile = not letter.isprintable() or unicodedata.category(letter)[0] == "M"
    return SHOWN_AS if hostile or _is_widthless(ord(letter)) else letter


def _is_widthless(code: int) -> bool:
    return any(first <= code <= last for first, last in _WIDTHLESS)
