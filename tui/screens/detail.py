"""What is behind a row: its chain of causes, or everything that is known of it."""

from collections.abc import Callable, Sequence
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from runtime.messages.screen import ErrorRow, LogRow, OrderRow, PositionRow, SignalRow, TradeRow
from tui.panels import chain, facts
from tui.panels.bar import Bar, part
from tui.panels.scroll import Line, Scroll
from tui.panels.table import LineTable
from tui.safe import clean

_KEYS = (("j k", "move"), ("y", "copy all"), ("Esc", "back"))


def chain_of(row: Any) -> str:
    """What `explain` is to be asked for a row; empty where it has no chain of causes."""
    if isinstance(row, OrderRow):
        return "" if row.external else row.lot or row.key
    if isinstance(row, PositionRow):
        return "" if row.external else row.key
    if isinstance(row, TradeRow):
        return row.key
    return row.key if isinstance(row, SignalRow) else ""


def known_of(table: LineTable[Any], row: Any) -> Callable[[int], Sequence[Line]]:
    """Everything the frames told of a row, for any width."""
    if isinstance(row, ErrorRow):
        return lambda width: facts.of_error(row, width)
    if isinstance(row, LogRow):
        return lambda width: facts.of_log(row, width)
    return lambda width: facts.of_row(table.columns, row, width)


class Detail(ModalScreen[None]):
    """A box above the page; Esc or Enter leaves it."""

    DEFAULT_CSS = """
    Detail { align: center middle; }
    Detail #box { width: 90%; max-width: 130; height: 90%; padding: 0 1; border: round $accent;
                  border-title-color: $accent; border-subtitle-color: $quiet; background: $surface; }
    Detail Bar { padding: 0; background: $surface; }
    """

    def __init__(self, title: str, make: Callable[[int], Sequence[Line]]) -> None:
        """Show lines.

        Args:
            title: Of the box. make: Width in cells to lines.
        """
        super().__init__()
        self.scroll_box = Scroll(make)
        self._title = clean(title, 80)

    def compose(self) -> ComposeResult:
        """The lines, and the keys below them."""
        keys = Bar()
        keys.put([part((f"{key} ", "key"), (word, "quiet")) for key, word in _KEYS])
        box = Vertical(self.scroll_box, keys, id="box")
        box.border_title = Content(self._title)
        yield box

    def on_mount(self) -> None:
        """Keys go to the lines."""
        self.scroll_box.focus()

    def put(self, make: Callable[[int], Sequence[Line]]) -> None:
        """Show something else in it."""
        self.scroll_box.put(make)

    def put_chain(self, found: dict[str, Any]) -> None:
        """Show a chain of causes."""
        self.put(lambda width: chain.laid_out(found, width))

    def on_key(self, event: events.Key) -> None:
        """Esc, Enter and q leave; y copies."""
        if event.key in ("escape", "enter", "q"):
            event.stop()
            self.dismiss()
        elif event.character == "y":
            event.stop()
            self.app.copy_to_clipboard(self.scroll_box.words())
            self.app.notify("all of it is on the clipboard", title="copied")
