"""One line of parts side by side; what does not fit leaves by priority, never half. Parts can be clicked."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual import events

from tui.panels.ink import Piece
from tui.panels.lines import Lines, fit
from tui.safe import clean

GAP = "  "
_MOST = 200


class Part(NamedTuple):
    """Pieces that stay together.

    Attributes:
        rank: The lower, the sooner it gets a place where room is short; 0 always has one.
        action: What a click on it does, as an action of the app.
    """

    pieces: tuple[Piece, ...]
    rank: int = 0
    action: str = ""

    @property
    def width(self) -> int:
        """In cells."""
        return sum(cell_len(text) for text, _ in self.pieces)


def part(*pieces: Piece, rank: int = 0, action: str = "") -> Part:
    """A part of these pieces, cleaned."""
    return Part(tuple((clean(text, _MOST), role) for text, role in pieces), rank, action)


def kept(parts: Sequence[Part], width: int, gap: int) -> list[Part]:
    """The parts that fit side by side: the lowest rank gets its place first, of equals the first."""
    taken, places = -gap, set[int]()
    for place, wanted in sorted(enumerate(parts), key=lambda item: item[1].rank):
        if wanted.rank == 0 or taken + gap + wanted.width <= width:
            places.add(place)
            taken += gap + wanted.width
    return [parts[place] for place in sorted(places)]


def cropped(pieces: Sequence[Piece], width: int) -> list[Piece]:
    """Pieces that end with an ellipsis where there is no room for them all."""
    left, found = width, list[Piece]()
    for text, role in pieces:
        if (length := cell_len(text)) > left:
            return [*found, (fit(text, left), role)]
        found.append((text, role))
        left -= length
    return found


class Bar(Lines):
    """A line of parts."""

    DEFAULT_CSS = """
    Bar { height: 1; width: 1fr; padding: 0 1; }
    """

    gap = GAP

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parts: tuple[Part, ...] = ()

    def put(self, parts: Sequence[Part]) -> None:
        """Paint other parts, if they are others."""
        if tuple(parts) != self._parts:
            self._parts = tuple(parts)
            self.refresh()

    def line(self, y: int, width: int) -> Sequence[Piece]:
        """The parts that fit."""
        pieces: list[Piece] = []
        for shown in kept(self._parts, width, len(self.gap)):
            if pieces:
                pieces.append((self.gap, "text"))
            pieces += shown.pieces
        return cropped(pieces, width)

    async def on_click(self, event: events.Click) -> None:
        """Do what the part under the mouse is for."""
        place = event.get_content_offset(self)
        if place is None:
            return
        start = 0
        for shown in kept(self._parts, self.content_size.width, len(self.gap)):
            if start <= place.x < start + shown.width and shown.action:
                await self.run_action(shown.action)
                return
            start += shown.width + len(self.gap)
