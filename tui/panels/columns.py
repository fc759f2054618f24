"""Columns of a table: what each shows, which leave where there is no room, and rows in the order asked for.

Pure. Widths are fixed, so figures do not dance; only columns that may grow share what is left over.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from tui.panels.ink import Piece
from tui.safe import clean

LUXURY = 8
"""From this rank on a column gets a place only where those before it have grown."""
_RESERVED = 12


class HasKey(Protocol):
    """A row that can be found again."""

    @property
    def key(self) -> str:
        """Names the row for as long as it exists."""


Row = TypeVar("Row", bound=HasKey)


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column.

    Attributes:
        width: Cells it takes at least. most: cells it may grow to; 0: it does not grow.
        rank: The lower, the sooner it gets a place where room is short; 0 always has one.
        right: Aligned to the right, as numbers are.
        order: What to sort by; None: the text of the cell.
    """

    title: str
    width: int
    cell: Callable[[Row], Piece]
    rank: int = 0
    right: bool = False
    most: int = 0
    order: Callable[[Row], Any] | None = None

    def sort_key(self, row: Row) -> Any:
        """What rows are compared by; a missing value comes last."""
        value = self.order(row) if self.order is not None else clean(self.cell(row)[0]).casefold()
        return (value is None, value if value is not None else 0)


def laid_out(columns: Sequence[Column[Row]], width: int, gap: int) -> list[tuple[int, Column[Row], int]]:
    """The columns that fit, each with its number and the width it gets, in their order."""
    stay: list[tuple[int, Column[Row]]] = []
    taken = -gap
    growth = 0
    for number, column in sorted(enumerate(columns), key=lambda item: item[1].rank):
        reserved = growth if column.rank >= LUXURY else 0
        if column.rank == 0 or taken + gap + column.width + reserved <= width:
            stay.append((number, column))
            taken += gap + column.width
            growth += min(max(column.most - column.width, 0), _RESERVED)
    stay.sort(key=lambda item: item[0])
    spare = width - taken
    widths = {number: column.width for number, column in stay}
    growing = [(number, column) for number, column in stay if column.most > column.width]
    while spare > 0 and growing:
        for number, column in list(growing):
            if spare <= 0:
                break
            widths[number] += 1
            spare -= 1
            if widths[number] >= column.most:
                growing.remove((number, column))
    return [(number, column, widths[number]) for number, column in stay]


def words_of(columns: Sequence[Column[Row]], row: Row) -> str:
    """All a row shows, for the filter."""
    return " ".join(clean(column.cell(row)[0]) for column in columns).casefold()


def wanted(columns: Sequence[Column[Row]], rows: Iterable[Row], filtering: str) -> list[Row]:
    """The rows a filter lets pass: every word is in them, and none that begins with `!`."""
    words = clean(filtering).casefold().split()
    if not words:
        return list(rows)
    having = [word for word in words if not word.startswith("!")]
    lacking = [word[1:] for word in words if word.startswith("!") and len(word) > 1]
    found = []
    for row in rows:
        text = words_of(columns, row)
        if all(word in text for word in having) and not any(word in text for word in lacking):
            found.append(row)
    return found


def tsv(columns: Sequence[Column[Row]], rows: Iterable[Row]) -> str:
    """Rows with a heading, separated by tabs; text that a spreadsheet would run gets an apostrophe."""
    lines = ["\t".join(column.title for column in columns)]
    lines += [tsv_line(columns, row) for row in rows]
    return "\n".join(lines) + "\n"


def tsv_line(columns: Sequence[Column[Row]], row: Row) -> str:
    """One row, separated by tabs."""
    return "\t".join(_inert(clean(column.cell(row)[0]).strip(), column.right) for column in columns)


def _inert(text: str, is_number: bool) -> str:
    bare = text.lstrip("▲▼·") if is_number else text
    return f"'{bare}" if not is_number and bare.startswith(("=", "+", "-", "@")) and len(bare) > 1 else bare
