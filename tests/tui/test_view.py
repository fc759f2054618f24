from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from runtime.messages.screen import SCHEMA, EquityPoints, Frame, LogRow, Table
from runtime.messages.screen_wire import Wire, pack, unpack
from tests.tui import frames
from tui.view import EMPTY, MOST_LINES, View, extended, fold

KEYS = st.sampled_from("abcdef")


def row(key: str, text: str) -> LogRow:
    return LogRow(key=key, at=1, level="INFO", component="c", text=text)


changes = st.lists(
    st.tuples(st.lists(st.tuples(KEYS, st.sampled_from("xyz")), max_size=4), st.lists(KEYS, max_size=2)),
    max_size=8,
)


@given(changes)
def test_increments_folded_one_by_one_are_the_whole_frame(steps: list[Any]) -> None:
    view, model = fold(EMPTY, Frame(number=1, whole=True)), dict[str, LogRow]()
    for number, (rows, gone) in enumerate(steps, start=2):
        model = {key: value for key, value in model.items() if key not in gone}
        new = tuple(row(key, text) for key, text in rows)
        model.update((r.key, r) for r in new)
        view = fold(view, Frame(number=number, log=Table(rows=new, gone=tuple(gone))))
    number = len(steps) + 1
    at_once = fold(view, Frame(number=number, whole=True, log=Table(rows=tuple(model.values()), whole=True)))
    assert view == at_once
    assert list(view.log) == list(model)


def test_a_section_that_is_not_told_stands_as_it_stood_and_is_the_same_object() -> None:
    view = fold(EMPTY, frames.whole())
    after = fold(view, Frame(number=2, at=view.at + 1))
    assert after.positions is view.positions
    assert after.head is view.head
    assert after == msgspec.structs.replace(view, number=2, at=view.at + 1)


def test_a_whole_frame_forgets_what_it_does_not_tell() -> None:
    view = fold(fold(EMPTY, frames.whole()), Frame(number=9, whole=True))
    assert view == View(number=9)


def test_the_log_keeps_its_newest_lines() -> None:
    rows = tuple(row(str(n), "x") for n in range(MOST_LINES + 5))
    view = fold(EMPTY, Frame(number=1, whole=True, log=Table(rows=rows, whole=True)))
    assert len(view.log) == MOST_LINES
    assert next(iter(view.log)) == "5"


def test_points_come_after_those_that_are_there_and_the_present_minute_is_replaced() -> None:
    before = EquityPoints(at=(1, 2, 3), equity=(10.0, 11.0, 12.0))
    after = extended(before, EquityPoints(at=(3, 4), equity=(12.5, 13.0)))
    assert after == EquityPoints(at=(1, 2, 3, 4), equity=(10.0, 11.0, 12.5, 13.0))
    assert extended(after, EquityPoints(at=(9,), equity=(1.0,), whole=True)).at == (9,)


def test_the_made_up_frames_pass_the_wire() -> None:
    for frame in (frames.whole(), frames.later(2), frames.later(4)):
        sent = msgspec.structs.replace(frame, schema=SCHEMA)
        assert unpack(pack(Wire(frame=frame))[4:]).frame == sent
