"""All commands by name: type some of their words, Enter does the one under the cursor.

Textual has a palette of its own; it fails when it is closed while it still gathers, and costs 90 ms a letter.
"""

from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.panels.columns import Column
from tui.panels.table import LineTable
from tui.screens.help import KEYS
from tui.screens.pages import PAGES


class Command(NamedTuple):
    """One thing that can be done.

    Attributes:
        key: Its name. does: in words. letter: the key that does it at once. action: of the app.
    """

    key: str
    does: str
    letter: str
    action: str


COLUMNS: tuple[Column[Command], ...] = (
    Column("command", 12, lambda c: (c.key, "strong"), most=16),
    Column("key", 7, lambda c: (c.letter, "key")),
    Column("does", 16, lambda c: (c.does, "quiet"), rank=1, most=60),
)


def commands() -> dict[str, Command]:
    """Every page and every key that does something."""
    found = [
        Command(spec.title, f"turn to the page {spec.title}", str(number % 10), f"app.page('{spec.name}')")
        for number, spec in enumerate(PAGES, start=1)
    ]
    found += [Command(key.short, key.long, key.key, key.action) for key in KEYS if key.action]
    return {command.key: command for command in found}


class CommandScreen(ModalScreen[str]):
    """Asks for a command; gives its action."""

    DEFAULT_CSS = """
    CommandScreen { align: center top; }
    CommandScreen #box { width: 78; max-width: 100%; height: 22; max-height: 90%; margin-top: 2; padding: 0 1;
                         border: round $accent; border-title-color: $accent; background: $surface; }
    CommandScreen Input, CommandScreen Input:focus { height: 1; border: none; padding: 0;
                                                     background: $surface; }
    CommandScreen LineTable, CommandScreen LineTable:focus { border: none; padding: 0; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+p", "answer('')", "Leave", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("up", "move(-1)", "Up", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.table = LineTable[Command](
            "commands", "Commands", COLUMNS, empty="no such command", heading=False, always_marked=True
        )
        self._answered = False

    def compose(self) -> ComposeResult:
        """A line to type in above the list."""
        box = Vertical(Input(placeholder="words of a command", compact=True), self.table, id="box")
        box.border_title = "Commands"
        yield box

    def on_mount(self) -> None:
        """All of them at first."""
        self.table.put(commands())
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.table.filter(event.value)
        self.table.action_move(-len(self.table.rows))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self.table.chosen is not None:
            self.action_answer(self.table.chosen.action)

    @on(LineTable.Chosen)
    def _chosen(self, event: LineTable.Chosen) -> None:
        event.stop()
        self.action_answer(event.row.action)

    def action_move(self, by: int) -> None:
        """Move the cursor while the line is typed."""
        self.table.action_move(by)

    def action_answer(self, action: str) -> None:
        """Leave with the first answer."""
        if not self._answered:
            self._answered = True
            self.dismiss(action)
