"""All keys on one screen, and the table they are made from."""

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from tui.panels.ink import Piece
from tui.panels.lines import Lines, fit


class Key(NamedTuple):
    """A key as people are told of it.

    Attributes:
        rank: In the line of keys below: the higher, the sooner it leaves; 0: it is not in that line.
        action: What a click on it there does.
        told: Whether it has a line of its own here; the list of commands has them all.
    """

    key: str
    short: str
    long: str
    rank: int = 0
    action: str = ""
    told: bool = True


KEYS = (
    Key("K", "KILL", "the kill switch; K again halts; FLATTEN and RESUME are typed", 1, "app.kill"),
    Key("⏎", "Detail", "what is behind a row (or click it twice)", 2, "app.detail"),
    Key("/", "Filter", "rows with these words; !word: without it; Esc clears", 3, "app.filter"),
    Key("s", "Sort", "sort by the next column (or click its heading)", 5, "app.table('sort')"),
    Key("r", "Reverse", "turn the order round", 9, "app.table('reverse')"),
    Key("space", "Freeze", "the screen stands still, the engine and its data do not", 6, "app.freeze"),
    Key("p", "Pause", "pause a strategy, or let it go on", 7, "app.pause"),
    Key("c", "Colours", "desk, desk-cb (blue and orange), light", 10, "app.palette"),
    Key("y", "Copy", "copy the row to the clipboard", 11, "app.copy_row"),
    Key("E", "Export", "write the table as TSV below exports/", 12, "app.export"),
    Key("?", "Help", "all keys", 4, "app.help"),
    Key("q", "Leave", "leave the screen", 2, "app.leave"),
    Key("1-9 0", "", "pages, by their number"),
    Key("R", "Resolve", "resolve the error under the cursor, with a note", 0, "app.resolve"),
    Key("o + - .", "", "a replay: play or pause, faster, slower, a minute on"),
    Key("n t", "", "a replay: on to the next order; to a time of its session"),
    Key("o", "Play", "a replay: play or pause", 0, "app.transport('toggle')", told=False),
    Key("+", "Faster", "a replay: the next faster speed", 0, "app.transport('faster')", told=False),
    Key("-", "Slower", "a replay: the next slower speed", 0, "app.transport('slower')", told=False),
    Key(".", "Step", "a replay: one minute on", 0, "app.transport('step')", told=False),
    Key("n", "Next order", "a replay: on to the next order", 0, "app.transport('seek_order')", told=False),
    Key("t", "Go to", "a replay: to a time of its session", 0, "app.transport('seek')", told=False),
    Key("Tab", "", "the next panel"),
    Key("j k ↑ ↓", "", "move; PgUp PgDn by pages; g G to the first and last row"),
    Key("ctrl+s", "Picture", "write the screen as SVG below exports/", 0, "app.picture"),
    Key("ctrl+p", "", "all commands by name"),
)


class HelpBox(Lines):
    """The keys, one a line."""

    DEFAULT_CSS = """
    HelpBox { width: 78; max-width: 100%; max-height: 100%; padding: 0 1; border: round $accent;
              border-title-color: $accent; background: $surface; }
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__()
        self._keys = keys
        self.border_title = "Keys"
        self.styles.height = len(keys) + 2

    def line(self, y: int, width: int) -> list[Piece]:
        """A key and what it does."""
        if y >= len(self._keys):
            return []
        key = self._keys[y]
        return [(fit(key.key, 9), "key"), (fit(key.long, max(0, width - 9)), "text")]


class HelpScreen(ModalScreen[None]):
    """Shows the keys until any of them is pressed."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._left = False

    def compose(self) -> ComposeResult:
        """The box alone."""
        yield HelpBox([key for key in KEYS if key.told])

    def on_key(self, event: events.Key) -> None:
        """Any key leaves."""
        event.stop()
        self._leave()

    def on_click(self) -> None:
        """So does a click."""
        self._leave()

    def _leave(self) -> None:
        if not self._left:
            self._left = True
            self.dismiss()
