"""The screen everything is shown on: status, pages, filter and the line of keys."""

from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Input

from tui.panels.bar import Bar, part
from tui.panels.ink import Piece, Role
from tui.panels.status import Banners, Connection, Figures, Status
from tui.panels.table import LineTable
from tui.panels.transport import TransportBar
from tui.screens.help import KEYS
from tui.screens.page import Page
from tui.screens.pages import PAGES
from tui.view import EMPTY, View


class Tabs(Bar):
    """The pages by number; where there is no room for all their names, the last ones have only numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._current = ""

    def show(self, current: str) -> None:
        """Mark the page that is shown."""
        self._current = current
        width = self.content_size.width or self.app.size.width - 2
        short = sum(len(str(number)) + len(self.gap) for number in range(1, len(PAGES) + 1)) - len(self.gap)
        spare = width - short - len(next(s.title for s in PAGES if s.name == current)) - 1
        parts = []
        for number, spec in enumerate(PAGES, start=1):
            here = spec.name == current
            number_role: Role = "accent" if here else "faint"
            pieces: list[Piece] = [(str(number % 10), number_role)]
            spare -= 0 if here else len(spec.title) + 1
            if here or spare >= 0:
                pieces.append((f" {spec.title}", "strong" if here else "quiet"))
            parts.append(part(*pieces, action=f"app.page('{spec.name}')"))
        self.put(parts)

    def on_resize(self) -> None:
        """There may be room for other names."""
        if self._current:
            self.show(self._current)


class KeyLine(Bar):
    """The keys that matter most, as many as fit."""

    DEFAULT_CSS = """
    KeyLine { background: $surface; }
    """

    def on_mount(self) -> None:
        """They are always the same."""
        parts = [
            part((key.key, "key"), (f" {key.short}", "quiet"), rank=key.rank, action=key.action)
            for key in KEYS
            if key.rank
        ]
        self.put(parts)


class Filter(Horizontal):
    """Filters the table that had the focus while it is typed, in the place of the line of keys."""

    DEFAULT_CSS = """
    Filter { height: 1; background: $surface; padding: 0 1; }
    Filter Bar { width: 2; padding: 0; background: $surface; }
    Filter Input, Filter Input:focus { height: 1; border: none; padding: 0; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.display = False
        self.table: LineTable[Any] | None = None
        self.entry = Input(
            placeholder="words a row has; !word: has not; Enter keeps, Esc clears", compact=True
        )

    def compose(self) -> ComposeResult:
        """A sign and the line that is typed."""
        sign = Bar()
        sign.put([part(("/", "key"))])
        yield sign
        yield self.entry

    def open(self, table: LineTable[Any]) -> None:
        """Filter this table."""
        self.table = None
        self.entry.value = table.filtering
        self.table = table
        self._turn(True)
        self.screen.set_focus(self.entry)

    def leave(self, *, clear: bool) -> None:
        """Give the focus back to the table."""
        table, self.table = self.table, None
        if table is not None:
            if clear:
                table.filter("")
            self.screen.set_focus(table)  # at once: the next key may be there already
        self._turn(False)

    def _turn(self, on: bool) -> None:
        self.display = on
        for keys in self.screen.query(KeyLine):
            keys.display = not on

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.table is not None:
            self.table.filter(self.entry.value)

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self.leave(clear=False)

    def key_escape(self, event: events.Key) -> None:
        """Clear it."""
        event.stop()
        self.leave(clear=True)


WIDTHS = ((140, "-wide"), (100, "-mid"), (0, "-narrow"))
HEIGHTS = ((52, "-high"), (38, "-tall"), (28, "-low"), (0, "-flat"))


def shape_of(width: int, height: int) -> set[str]:
    """The classes that pages are laid out by at this size."""
    return {
        next(name for least, name in steps if size >= least)
        for size, steps in ((width, WIDTHS), (height, HEIGHTS))
    }


class Main(Screen[None]):
    """Where pages are turned."""

    SCOPED_CSS = False

    DEFAULT_CSS = """
    Main { background: $background; }
    Main #pages { height: 1fr; }
    .-narrow LineTable, .-narrow LineTable:focus, .-flat LineTable, .-flat LineTable:focus { border: none; }
    .-narrow EquityChart, .-flat EquityChart { border: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.status, self.tabs, self.figures = Status(), Tabs(), Figures()
        self.banners, self.filter_line, self.keys = Banners(), Filter(), KeyLine()
        self.transport = TransportBar()
        self._room = Container(id="pages")
        self._pages: dict[str, Page] = {}
        self.current = PAGES[0].name
        self._view = EMPTY

    def compose(self) -> ComposeResult:
        """From the top down."""
        self._shape(self.app.size)
        yield self.status
        yield self.tabs
        yield self.figures
        yield self.banners
        yield self._room
        yield self.filter_line
        yield self.transport
        yield self.keys

    def _shape(self, size: Size) -> bool:
        shape = shape_of(*size)
        changed = not shape <= self.classes
        self.update_classes({name: name in shape for _, name in (*WIDTHS, *HEIGHTS)}, animate=False)
        return changed

    def on_resize(self, event: events.Resize) -> None:
        """Take the shape first: Textual's own breakpoints paint once in the old one."""
        if self._shape(event.size):
            self.app.stylesheet.update(self)

    async def on_mount(self) -> None:
        """Begin with the first page."""
        await self.turn_to(self.current)

    @property
    def page(self) -> Page | None:
        """The page that is shown."""
        return self._pages.get(self.current)

    async def turn_to(self, name: str) -> None:
        """Show a page, building it on its first visit."""
        spec = next(spec for spec in PAGES if spec.name == name)
        page = self._pages.get(name)
        if page is None:
            page = self._pages[name] = spec.make()
            await self._room.mount(page)
        if self.page is not None:
            self.page.remove_class("-shown")
        self.current = name
        page.add_class("-shown")
        page.show(self._view)
        self.tabs.show(name)
        self.filter_line.leave(clear=False)
        page.focus_first()

    def show(self, view: View, connection: Connection) -> None:
        """Paint what changed."""
        self._view = view
        self.status.show(view, connection)
        self.figures.show(view)
        self.banners.show(view, connection)
        self.transport.show(view)
        if self.page is not None:
            self.page.show(view)

    def table(self) -> "LineTable[Any] | None":
        """The table with the focus, or the page's first one."""
        if isinstance(self.focused, LineTable):
            return self.focused
        if self.filter_line.table is not None:
            return self.filter_line.table
        tables = self.page.tables() if self.page is not None else []
        return tables[0] if tables else None
