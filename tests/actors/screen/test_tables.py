from hypothesis import given
from hypothesis import strategies as st

from actors.screen.tables import Curve, Rows
from runtime.messages.screen import LogRow, Table

MOST = 4


def row(key: int, text: str = "") -> LogRow:
    return LogRow(key=str(key), at=0, level="INFO", component="", text=text)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 7), st.sampled_from(["a", "b"])),
        st.tuples(st.just("drop"), st.integers(0, 7), st.just("")),
        st.tuples(st.just("tell"), st.just(0), st.just("")),
    ),
    max_size=60,
)


def apply(seen: dict[str, LogRow], table: Table[LogRow] | None) -> None:
    if table is not None:
        for key in table.gone:
            seen.pop(key, None)
        seen.update({each.key: each for each in table.rows})


@given(STEPS)
def test_a_reader_of_changes_has_what_the_table_has(steps: list[tuple[str, int, str]]) -> None:
    rows: Rows[LogRow] = Rows(MOST)
    seen: dict[str, LogRow] = {}
    for what, key, text in [*steps, ("tell", 0, "")]:
        if what == "put":
            rows.put(row(key, text))
        elif what == "drop":
            rows.drop(str(key))
        else:
            apply(seen, rows.changes())
            assert seen == {each.key: each for each in rows.whole().rows}
            assert rows.changes() is None
        assert len(rows) <= MOST


def test_what_comes_and_goes_while_nobody_is_told_leaves_nothing_behind() -> None:
    rows: Rows[LogRow] = Rows(MOST)
    rows.put(row(-1))
    rows.changes()
    for key in range(1_000):
        rows.put(row(key))
    told = rows.changes()
    assert told is not None
    assert len(told.rows) == MOST
    assert told.gone == ("-1",)


def test_the_oldest_goes_first_but_what_is_kept() -> None:
    rows: Rows[LogRow] = Rows(3, keeps=lambda each: each.text == "working")
    for key, text in ((1, "working"), (2, ""), (3, ""), (4, ""), (5, "")):
        rows.put(row(key, text))
    assert [each.key for each in rows] == ["1", "4", "5"]


def test_the_same_row_again_is_no_change() -> None:
    rows: Rows[LogRow] = Rows(3)
    rows.put(row(1))
    rows.changes()
    rows.put(row(1))
    assert rows.changes() is None


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
def test_a_curve_told_in_pieces_is_the_whole_curve(steps: list[tuple[int, bool]]) -> None:
    curve, seen = Curve(period=2, most=10), []
    for at, tells in [*sorted(steps), (40, True)]:
        curve.put(at, float(at))
        if tells and (told := curve.changes()) is not None:
            seen = [*([] if told.whole else seen), *told.at]
    curve.changes()
    whole = curve.whole().at
    assert tuple(seen[-len(whole) :]) == whole
    assert list(whole) == sorted({at - at % 2 for at in whole})
