"""Leaving the screen of an engine that was started with it: stop the engine, or leave it running."""

from typing import Literal

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from tui.panels.ink import Piece
from tui.panels.lines import Lines, fit
from tui.view import View

Choice = Literal["stop", "leave", "stay"]


class LeaveBox(Lines):
    """What can be done."""

    DEFAULT_CSS = """
    LeaveBox { width: 74; max-width: 100%; height: 8; padding: 0 1; border: round $accent;
               border-title-color: $accent; background: $surface; }
    """

    def __init__(self, words: str, *, warns: bool) -> None:
        super().__init__()
        self._words, self._warns = words, warns
        self.border_title = "Leave"

    def line(self, y: int, width: int) -> list[Piece]:
        """One of its lines."""
        said: list[list[Piece]] = [
            [(self._words, "warn" if self._warns else "quiet")],
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

    def __init__(self, words: str, *, warns: bool = False) -> None:
        """Ask.

        Args:
            words: What becomes of positions and books. warns: it is something a stopped engine cannot see to.
        """
        super().__init__()
        self._box = LeaveBox(words, warns=warns)

    def compose(self) -> ComposeResult:
        """The box alone."""
        yield self._box

    def on_key(self, event: events.Key) -> None:
        """Take the answer."""
        event.stop()
        if event.key == "enter" or event.character in ("s", "S"):
            self.dismiss("stop")
        elif event.character in ("l", "L"):
            self.dismiss("leave")
        elif event.key in ("escape", "q", "ctrl+q"):
            self.dismiss("stay")


def leaving(view: View) -> LeaveScreen:
    """The question, with what it means for what is held."""
    head = view.head
    if head is None or head.mode not in ("LIVE", "PAPER"):
        return LeaveScreen("Its books stay as they are either way.")
    today = sum(row.intraday and not row.external for row in view.positions.values())
    if today:
        return LeaveScreen(f"{today} intraday positions are closed by a running engine only.", warns=True)
    return LeaveScreen("Stops and targets stay at the broker either way.")
