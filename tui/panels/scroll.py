"""Lines made once, longer than the screen: moved through with the keys of a table."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from tui.panels.ink import Piece
from tui.panels.lines import Lines

Line = tuple[Piece, ...]
_WHEEL = 3


class Scroll(Lines, can_focus=True):
    """Shows what `make` lays out for its width.

    Args:
        make: Width in cells to lines.
    """

    DEFAULT_CSS = """
    Scroll { background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d,space", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("g,home", "move(-1000000)", "First", show=False),
        Binding("G,end", "move(1000000)", "Last", show=False),
    ]

    def __init__(self, make: Callable[[int], Sequence[Line]]) -> None:
        super().__init__()
        self._make = make
        self._made_for = -1
        self._lines: Sequence[Line] = ()
        self._top = 0

    def put(self, make: Callable[[int], Sequence[Line]]) -> None:
        """Show something else, from its beginning."""
        self._make, self._made_for, self._top = make, -1, 0
        self.refresh()

    @property
    def place(self) -> str:
        """Which lines are seen, in words; empty where all are."""
        room = self.content_size.height
        if len(self._lines) <= room:
            return ""
        return f"{self._top + 1}-{min(len(self._lines), self._top + room)} of {len(self._lines)}"

    def line(self, y: int, width: int) -> Sequence[Piece]:
        """A line, or nothing below the last."""
        if width != self._made_for:
            self._lines, self._made_for = self._make(width), width
            self._top = max(0, min(self._top, len(self._lines) - self.content_size.height))
        number = self._top + y
        return self._lines[number] if number < len(self._lines) else ()

    def words(self) -> str:
        """All of it as plain text."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self._lines)

    def action_move(self, by: int) -> None:
        """Move by lines."""
        most = max(0, len(self._lines) - self.content_size.height)
        top = max(0, min(most, self._top + by))
        if top != self._top:
            self._top = top
            self.refresh()

    def action_page(self, by: int) -> None:
        """Move by a page."""
        self.action_move(by * max(1, self.content_size.height - 1))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines on."""
        event.stop()
        self.action_move(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines back."""
        event.stop()
        self.action_move(-_WHEEL)
