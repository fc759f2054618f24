"""Leaving the screen of an engine that was started with it: stop the engine, or leave it running."""

from typing import Literal

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from tui.panels.ink import Piece
from tui.panels.lines import Lines, fit

Choice = Literal["stop", "leave", "stay"]


class LeaveBox(Lines):
    """What can be done."""

    DEFAULT_CSS = """
    LeaveBox { width: 74; max-width: 100%; height: 8; padding: 0 1; border: round $accent;
               border-title-color: $accent; background: $surface; }
    """

    def __init__(self, warning: str) -> None:
        super().__init__()
        self._warning = warning
        self.border_title = "Leave"

    def line(self, y: int, width: int) -> list[Piece]:
        """One of its lines."""
        first: Piece = ("Stops and targets stay at the broker either way.", "quiet")
        said: list[list[Piece]] = [
            [(self._warning, "warn") if self._warning else first],
            [],
            [("s ⏎      ", "key"), ("stop the engine in order, then leave", "strong")],
            [("l        ", "key"), ("leave it running: `tui` attaches again, `stop` ends it", "text")],
            [("Esc      ", "key"), ("stay", "text")],
        ]
        if y >= len(said):
            return []
        return [(fit(text, min(width, len(text))), role) for text, role in said[y]]


class LeaveScreen(ModalScreen[Choice]):
    """Asks; stopping is what Enter does."""

    DEFAULT_CSS = """
    LeaveScreen { align: center middle; }
    """

    def __init__(self, warning: str = "") -> None:
        """Ask.

        Args:
            warning: What a stopped engine will not see to; empty: nothing.
        """
        super().__init__()
        self._warning = warning

    def compose(self) -> ComposeResult:
        """The box alone."""
        yield LeaveBox(self._warning)

    def on_key(self, event: events.Key) -> None:
        """Take the answer."""
        event.stop()
        if event.key == "enter" or event.character in ("s", "S"):
            self.dismiss("stop")
        elif event.character in ("l", "L"):
            self.dismiss("leave")
        elif event.key in ("escape", "q", "ctrl+q"):
            self.dismiss("stay")
