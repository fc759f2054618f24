"""A question with two answers; every key but `y` is a no."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.panels.bar import Bar, part
from tui.panels.ink import Piece
from tui.panels.lines import Lines, wrapped


class Question(Lines):
    """The words of the question."""

    DEFAULT_CSS = """
    Question { height: 3; }
    """

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def line(self, y: int, width: int) -> list[Piece]:
        """A line of it."""
        lines = wrapped(self._words, width, 3)
        return [(lines[y], "strong")] if y < len(lines) else []


class Confirm(ModalScreen[bool]):
    """Asks; gives True for yes."""

    DEFAULT_CSS = """
    Confirm { align: center middle; }
    Confirm #box { width: 64; max-width: 100%; height: 6; padding: 0 1; border: round $warning;
                   background: $surface; }
    Confirm Lines { background: $surface; }
    Confirm Bar { padding: 0; }
    """

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question
        self._answered = False

    def compose(self) -> ComposeResult:
        """The question and its answers."""
        answers = Bar()
        answers.put(
            [
                part(("y", "key"), (" yes", "text"), action="screen.answer(True)"),
                part(("N", "key"), (" no", "text"), action="screen.answer(False)"),
            ]
        )
        yield Vertical(Question(self._question), answers, id="box")

    def on_key(self, event: events.Key) -> None:
        """Take the answer."""
        event.stop()
        self.action_answer(event.character in ("y", "Y"))

    def action_answer(self, yes: bool) -> None:
        """Take the first answer; keys that follow before the screen has gone are none."""
        if not self._answered:
            self._answered = True
            self.dismiss(yes)
