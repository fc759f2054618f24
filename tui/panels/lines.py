"""The base of every live panel: lines painted one by one, and only those that changed (terminal 2.1)."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.panels.ink import Ink, Piece, ink_of
from tui.safe import MOST, clean

ELLIPSIS = "…"


def fit(text: str, width: int, align: str = "left") -> str:
    """Text cut or padded to exactly so many cells, cleaned; a cut ends with an ellipsis.

    Args:
        align: left or right.
    """
    shown = clean(text, min(MOST, 3 * width + 8))  # up to three characters make one cell
    length = len(shown) if shown.isascii() else cell_len(shown)
    if length > width:
        return set_cell_size(shown, width - 1) + ELLIPSIS if width > 1 else ELLIPSIS[:width]
    space = " " * (width - length)
    return space + shown if align == "right" else shown + space


def wrapped(text: str, width: int, most: int, limit: int = MOST) -> list[str]:
    """Cleaned text broken at spaces into at most so many lines of that width in cells.

    Args:
        limit: Most characters of the text that are shown.
    """
    lines: list[str] = []
    rest = clean(text, limit)
    while rest and len(lines) < most:
        if cell_len(rest) <= width or len(lines) == most - 1:
            lines.append(fit(rest, width).rstrip())
            break
        cut = _fitting(rest, width)
        space = rest.rfind(" ", 0, cut + 1)
        cut = space if space > cut // 2 else cut
        lines.append(rest[:cut])
        rest = rest[cut:].lstrip()
    return lines


def _fitting(text: str, width: int) -> int:
    """How many characters fit into so many cells; at least one."""
    if text.isascii():
        return max(1, width)
    used = 0
    for place, letter in enumerate(text):
        used += cell_len(letter)
        if used > width:
            return max(1, place)
    return len(text)


def strip_of(ink: Ink, pieces: Iterable[Piece], width: int) -> Strip:
    """Pieces side by side, padded or cropped to a width."""
    segments = [ink.segment(text, role) for text, role in pieces]
    return Strip(segments).adjust_cell_length(width)


class Lines(Widget):
    """A widget whose lines are made by `line`."""

    DEFAULT_CSS = """
    Lines { height: 1fr; width: 1fr; background: $background; }
    """

    def line(self, y: int, width: int) -> Sequence[Piece]:
        """What stands on a line, in pieces."""
        raise NotImplementedError

    def strip(self, y: int, width: int) -> Strip:
        """The same as a strip of exactly that width; its ground is put under it later."""
        return strip_of(ink_of(self), self.line(y, width), width)

    def render_line(self, y: int) -> Strip:
        """One line of the widget, exactly as wide as it is."""
        width = self.content_size.width
        return self.strip(y, width).apply_style(self.rich_style) if width > 0 else Strip.blank(0)

    def repaint(self, lines: Iterable[int]) -> None:
        """Paint some lines anew."""
        width, height = self.content_size
        regions = [Region(0, y, width, 1) for y in lines if 0 <= y < height]
        if regions:
            self.refresh(*regions)

    def render(self) -> str:
        """Never shown: lines are."""
        return ""


def over(strip: Strip, ink: Ink) -> Strip:
    """A line under the cursor."""
    return Strip(
        [Segment(text, (style or ink.styles["text"]) + ink.cursor) for text, style, _ in strip],
        strip.cell_length,
    )
