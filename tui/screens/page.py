"""What a page is: panels side by side, each shown what changed while the page is on top."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget

from tui.panels.table import LineTable
from tui.view import EMPTY, View


class Panel(Protocol):
    """A widget that can be shown a view."""

    def show(self, view: View) -> None:
        """Paint what changed."""


class Page(Container):
    """A page of panels one below the other; the first table has the focus first."""

    DEFAULT_CSS = """
    Page { height: 1fr; width: 1fr; display: none; }
    Page.-shown { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._view = EMPTY
        self.panels: tuple[Panel, ...] = tuple(self.make())

    def make(self) -> tuple[Panel, ...]:
        """The panels, in the order in which they are shown."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """All panels one below the other; a page with another arrangement says so itself."""
        for panel in self.panels:
            yield cast(Widget, panel)

    def show(self, view: View) -> None:
        """Let each panel paint what changed."""
        for panel in self.panels:
            panel.show(view)

    def tables(self) -> list[LineTable]:  # type: ignore[type-arg]  # of any rows
        """The tables that can be seen, from the first."""
        return [panel for panel in self.panels if isinstance(panel, LineTable) and panel.is_on_screen]

    def focus_first(self) -> None:
        """Give the first table the focus."""
        tables = [panel for panel in self.panels if isinstance(panel, LineTable)]
        if tables:
            tables[0].focus()


class PageSpec(NamedTuple):
    """A page as the table of pages names it.

    Attributes:
        name: In actions and tests: `positions`. title: On the screen. make: Builds it, once.
    """

    name: str
    title: str
    make: Callable[[], Page]
