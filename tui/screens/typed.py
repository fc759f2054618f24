"""One line to be typed: a note, a time; Enter takes it, Esc leaves."""

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.panels.ink import Piece
from tui.panels.lines import Lines, wrapped
from tui.safe import clean


class Words(Lines):
    """What is asked."""

    DEFAULT_CSS = """
    Words { height: 2; background: $surface; }
    """

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def line(self, y: int, width: int) -> list[Piece]:
        """A line of it."""
        lines = wrapped(self._words, width, 2)
        return [(lines[y], "text")] if y < len(lines) else []


class Typed(ModalScreen[str]):
    """Asks for a line; gives it, or an empty one."""

    DEFAULT_CSS = """
    Typed { align: center middle; }
    Typed #box { width: 70; max-width: 100%; height: 5; padding: 0 1; border: round $accent;
                 border-title-color: $accent; background: $surface; }
    Typed Input { height: 1; border: none; padding: 0; background: $background; }
    Typed Input:focus { border: none; }
    """

    def __init__(self, title: str, words: str, *, placeholder: str = "", longest: int = 200) -> None:
        super().__init__()
        self._title, self._words = clean(title, 60), words
        self._input = Input(placeholder=placeholder, max_length=longest, compact=True)

    def compose(self) -> ComposeResult:
        """The question and the line."""
        box = Vertical(Words(self._words), self._input, id="box")
        box.border_title = Content(self._title)
        yield box

    def on_mount(self) -> None:
        """Type at once."""
        self._input.focus()

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(self._input.value.strip())

    def key_escape(self, event: events.Key) -> None:
        """Leave it."""
        event.stop()
        self.dismiss("")
