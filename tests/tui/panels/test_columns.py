from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.panels.bar import cropped, kept, part
from tui.panels.columns import Column, laid_out, tsv, wanted
from tui.panels.lines import fit, wrapped


class Row(NamedTuple):
    key: str
    name: str
    size: int | None


COLUMNS: tuple[Column[Row], ...] = (
    Column("name", 6, lambda r: (r.name, "text"), most=10),
    Column("size", 5, lambda r: (str(r.size), "text"), rank=2, right=True, order=lambda r: r.size),
    Column("key", 4, lambda r: (r.key, "faint"), rank=1),
)
ROWS = [Row("a", "alpha", 3), Row("b", "beta", None), Row("c", "gamma ray", 1)]


def titles(width: int) -> list[tuple[str, int]]:
    return [(column.title, wide) for _, column, wide in laid_out(COLUMNS, width, 1)]


def test_columns_leave_by_rank_and_the_rest_of_the_room_is_grown_into() -> None:
    assert titles(40) == [("name", 10), ("size", 5), ("key", 4)]
    assert titles(17) == [("name", 6), ("size", 5), ("key", 4)]
    assert titles(16) == [("name", 10), ("key", 4)]
    assert titles(7) == [("name", 7)]
    assert titles(3) == [("name", 6)]  # rank 0 stays and is cropped


@given(st.integers(0, 60), st.integers(1, 2))
def test_columns_are_never_wider_than_the_table(width: int, gap: int) -> None:
    placed = laid_out(COLUMNS, width, gap)
    total = sum(wide for _, _, wide in placed) + gap * (len(placed) - 1)
    assert total <= max(width, 6)
    assert [number for number, _, _ in placed] == sorted(number for number, _, _ in placed)


def test_missing_values_are_sorted_last() -> None:
    assert [row.key for row in sorted(ROWS, key=COLUMNS[1].sort_key)] == ["c", "a", "b"]


def test_a_filter_wants_every_word_and_none_that_is_forbidden() -> None:
    assert [row.key for row in wanted(COLUMNS, ROWS, "A")] == ["a", "b", "c"]
    assert [row.key for row in wanted(COLUMNS, ROWS, "a !ray")] == ["a", "b"]
    assert [row.key for row in wanted(COLUMNS, ROWS, "gamma ray")] == ["c"]
    assert wanted(COLUMNS, ROWS, " ! ") == ROWS


def test_a_spreadsheet_runs_no_cell() -> None:
    rows = [Row("=1+1", "@sum", 1), Row("x\ty", "-5", -5)]
    assert tsv(COLUMNS, rows) == "name\tsize\tkey\n'@sum\t1\t'=1+1\n'-5\t-5\tx y\n"


@given(st.text(max_size=40), st.integers(0, 30), st.sampled_from(["left", "right"]))
def test_text_is_fitted_to_the_cell(text: str, width: int, align: str) -> None:
    assert cell_len(fit(text, width, align)) == width


@given(st.text(max_size=200), st.integers(2, 30))
def test_wrapped_text_stays_within_its_lines(text: str, width: int) -> None:
    lines = wrapped(text, width, 3)
    assert len(lines) <= 3
    assert all(cell_len(line) <= width for line in lines)


def test_parts_of_a_bar_leave_by_rank_and_one_too_long_ends_with_an_ellipsis() -> None:
    parts = [part(("first", "text")), part(("second", "text"), rank=2), part(("third", "text"), rank=1)]
    assert [p.pieces[0][0] for p in kept(parts, 20, 2)] == ["first", "second", "third"]
    assert [p.pieces[0][0] for p in kept(parts, 19, 2)] == ["first", "third"]
    assert cropped([("abc", "text"), ("defgh", "quiet")], 6) == [("abc", "text"), ("de…", "quiet")]
