"""A table that paints only the lines that changed: cursor, scrolling, sorting, filter, mouse.

Rows keep their place unless a person sorts; the cursor stays with its row, not with its line.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.strip import Strip

from tui.panels.columns import Column, Row, laid_out, tsv, tsv_line, wanted
from tui.panels.ink import Ink, ink_of
from tui.panels.lines import Lines, fit, over
from tui.safe import clean

_WIDE = 70
_WHEEL = 3


class LineTable(Lines, Generic[Row], can_focus=True):
    """Rows under a heading."""

    DEFAULT_CSS = """
    LineTable { border: round $line; padding: 0 1; border-title-color: $quiet; border-title-style: none; }
    LineTable:focus { border: round $accent; border-title-color: $accent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("g,home", "move(-1000000)", "First", show=False),
        Binding("G,end", "move(1000000)", "Last", show=False),
        Binding("enter", "choose", "Detail", show=False),
        Binding("s", "sort", "Sort", show=False),
        Binding("r", "reverse", "Reverse", show=False),
    ]

    class Chosen(Message):
        """A row was chosen with Enter or a second click."""

        def __init__(self, table: "LineTable[Any]", row: Any) -> None:
            super().__init__()
            self.table = table
            self.row = row

    def __init__(
        self,
        name: str,
        title: str,
        columns: Sequence[Column[Row]],
        *,
        empty: str = "nothing yet",
        only: Callable[[Row], bool] | None = None,
        newest_first: bool = False,
        follow: bool = False,
        heading: bool = True,
        always_marked: bool = False,
    ) -> None:
        """Show no rows yet.

        Args:
            name: Of its rows in files and messages: `positions`.
            empty: Said in the place of rows. only: Which rows are for this table; None: all.
            newest_first: The last row given is shown first.
            follow: Stay at the last row until the cursor is moved up, and count no rows in the title.
            always_marked: Show the cursor without the focus too.
        """
        super().__init__(name=name)
        self.title = title
        self.columns = tuple(columns)
        self.filtering = ""
        self.sorted_by: int | None = None
        self.descending = False
        self.rows: list[Row] = []
        self._all: Mapping[str, Row] = {}
        self._only = only
        self._newest_first = newest_first
        self._empty = empty
        self._follow = follow
        self._following = follow
        self._head = int(heading)
        self._always_marked = always_marked
        self._top = 0
        self._cursor = 0
        self._titled = ""

    # What is shown

    def put(self, rows: Mapping[str, Row]) -> None:
        """Show these rows; lines that stay as they were are not painted."""
        if rows is self._all:
            return
        self._all = rows
        self._arrange()

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self._cursor] if self.rows else None

    def filter(self, text: str) -> None:
        """Show only rows with these words; an empty text shows all."""
        self.filtering = text
        self._arrange()

    def sort(self, column: int | None, *, descending: bool = False) -> None:
        """Sort by a column, or (None) leave the rows in their own order."""
        self.sorted_by, self.descending = column, descending
        self._arrange()
        self.repaint([0])

    def as_tsv(self) -> str:
        """All columns of the rows that the filter lets pass."""
        return tsv(self.columns, self.rows)

    def row_as_tsv(self) -> str:
        """The row under the cursor, all columns; empty where there is none."""
        return tsv_line(self.columns, self.chosen) if self.chosen is not None else ""

    def _arrange(self) -> None:
        before, was_top, was_cursor = self.rows, self._top, self._cursor
        key = before[was_cursor].key if was_cursor < len(before) else None
        own = [row for row in self._all.values() if self._only is None or self._only(row)]
        rows = wanted(self.columns, reversed(own) if self._newest_first else own, self.filtering)
        if self.sorted_by is not None:
            rows.sort(key=self.columns[self.sorted_by].sort_key, reverse=self.descending)
        self.rows = rows
        if self._following and self.sorted_by is None:
            self._cursor = max(0, len(rows) - 1)
        elif self._newest_first and was_cursor == 0 and not self.has_focus:
            self._cursor = 0
        else:
            places = (i for i, row in enumerate(rows) if row.key == key)
            self._cursor = next(places, min(was_cursor, max(0, len(rows) - 1)))
        self._scroll_to_cursor()
        self._name_border(len(own))
        if (self._top, bool(before)) != (was_top, bool(rows)):
            self.refresh()
            return
        last = self._top + self._room
        changed = [
            i for i in range(self._top, last)
            if (before[i] if i < len(before) else None) != (rows[i] if i < len(rows) else None)
        ]  # fmt: skip
        if self._cursor != was_cursor:
            changed += [was_cursor, self._cursor]
        thumb = [] if len(before) == len(rows) else range(self._top, last)
        self.repaint(self._line_of(i) for i in {*changed, *thumb})

    @property
    def _room(self) -> int:
        """Rows that have a line."""
        return max(0, self.content_size.height - self._head)

    def _line_of(self, row: int) -> int:
        return row - self._top + self._head

    def _scroll_to_cursor(self) -> None:
        room = max(1, self._room)
        self._top = min(self._top, self._cursor)
        self._top = max(self._top, self._cursor - room + 1)
        self._top = max(0, min(self._top, len(self.rows) - room))

    def _name_border(self, total: int) -> None:
        words = self.title if self._follow else f"{self.title} {total}"
        if self.filtering:
            words = f"{self.title} {len(self.rows)} of {total} /{clean(self.filtering, 30)}"
        if words != self._titled:
            self._titled = words
            self.border_title = Content(words)

    # Painting

    def strip(self, y: int, width: int) -> Strip:
        """The heading, or a row."""
        ink = ink_of(self)
        if width <= 0:
            return Strip.blank(0)
        if self._head and y == 0:
            return self._heading(ink, width)
        number = self._top + y - self._head
        if number >= len(self.rows):
            words = f"no row has {clean(self.filtering, 40)}" if self.filtering else self._empty
            text = words if not self.rows and y == self._head else ""
            return Strip([ink.segment(fit(text, width), "faint")], width)
        return self._row(ink, width, number, y)

    def _heading(self, ink: Ink, width: int) -> Strip:
        segments: list[Segment] = []
        for number, column, wide in self._layout(width):
            title = column.title
            if number == self.sorted_by:
                mark = "↓" if self.descending else "↑"
                title = fit(title, min(len(title), wide - 1)) + mark
            align = "right" if column.right else "left"
            segments += [self._space(ink), ink.segment(fit(title, wide, align), "head")]
        return Strip(segments[1:]).adjust_cell_length(width)

    def _row(self, ink: Ink, width: int, number: int, y: int) -> Strip:
        row, segments = self.rows[number], []
        for _, column, wide in self._layout(width):
            text, role = column.cell(row)
            align = "right" if column.right else "left"
            segments += [self._space(ink), ink.segment(fit(text, wide, align), role)]
        strip = Strip(segments[1:]).adjust_cell_length(width)
        if number == self._cursor and (self.has_focus or self._always_marked):
            strip = over(strip, ink)
        if len(self.rows) > self._room and self._is_thumb(y - self._head):
            strip = Strip([*strip.crop(0, width - 1), ink.segment("▐", "faint")], width)
        return strip

    def _layout(self, width: int) -> list[tuple[int, Column[Row], int]]:
        return laid_out(self.columns, width - 1, self._gap)

    @property
    def _gap(self) -> int:
        return 2 if self.content_size.width >= _WIDE else 1

    def _space(self, ink: Ink) -> Segment:
        return ink.segment(" " * self._gap, "text")

    def _is_thumb(self, y: int) -> bool:
        room, total = self._room, len(self.rows)
        size = max(1, room * room // total)
        start = (room - size) * self._top // max(1, total - room)
        return start <= y < start + size

    # Keys and mouse

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        if not self.rows:
            return
        was, top = self._cursor, self._top
        self._cursor = max(0, min(len(self.rows) - 1, self._cursor + by))
        self._following = self._follow and self._cursor == len(self.rows) - 1
        self._scroll_to_cursor()
        if self._top != top:
            self.refresh()
        else:
            self.repaint([self._line_of(was), self._line_of(self._cursor)])

    def action_page(self, by: int) -> None:
        """Move by a page."""
        self.action_move(by * max(1, self._room - 1))

    def action_choose(self) -> None:
        """Say that the row under the cursor was chosen."""
        if self.chosen is not None:
            self.post_message(self.Chosen(self, self.chosen))

    def action_sort(self) -> None:
        """Sort by the next column that can be seen; after the last one by none."""
        seen = [number for number, _, _ in self._layout(self.content_size.width)]
        later = [number for number in seen if self.sorted_by is None or number > self.sorted_by]
        self.sort(later[0] if later else None)

    def action_reverse(self) -> None:
        """Turn the order round."""
        if self.sorted_by is not None:
            self.sort(self.sorted_by, descending=not self.descending)

    def on_click(self, event: events.Click) -> None:
        """Sort by a heading, put the cursor on a row, choose it on the second click."""
        place = event.get_content_offset(self)
        if place is None:
            return
        if self._head and place.y == 0:
            self._click_heading(place.x)
            return
        number = self._top + place.y - self._head
        if number < len(self.rows):
            self.action_move(number - self._cursor)
            if event.chain == 2:
                self.action_choose()

    def _click_heading(self, x: int) -> None:
        start = 0
        for number, _, wide in self._layout(self.content_size.width):
            if start <= x < start + wide:
                again = self.sorted_by == number
                self.sort(number, descending=again and not self.descending)
                return
            start += wide + self._gap

    def on_mouse_scroll_down(self) -> None:
        """Three rows on."""
        self.action_move(_WHEEL)

    def on_mouse_scroll_up(self) -> None:
        """Three rows back."""
        self.action_move(-_WHEEL)

    def on_focus(self) -> None:
        """Show the cursor."""
        self.repaint([self._line_of(self._cursor)])

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.repaint([self._line_of(self._cursor)])

    def on_resize(self) -> None:
        """Keep the cursor in sight, and the last line where it follows."""
        self._scroll_to_cursor()
        self.refresh()
