import math

from hypothesis import given
from hypothesis import strategies as st

from runtime.messages.screen import EquityPoints
from tests.tui import frames
from tui.panels.equity import chart, until_now
from tui.panels.plot import bounds, braille, columns, gauge, spark
from tui.view import EMPTY, fold

VALUES = st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9), st.just(math.nan)), max_size=80)


def test_a_line_from_corner_to_corner() -> None:
    assert braille([0.0, 1.0, 2.0, 3.0], 1, 0.0, 3.0) == ["⡠⠊"]
    assert braille([3.0, None, None, 0.0], 1, 0.0, 3.0) == ["⠁⢀"]


def test_a_jump_is_joined() -> None:
    assert braille([0.0, 3.0], 1, 0.0, 3.0) == ["⡸"]


@given(VALUES, st.integers(1, 12))
def test_a_curve_fills_exactly_its_lines(values: list[float | None], height: int) -> None:
    lines = braille(values, height, *bounds(values))
    assert len(lines) == height
    assert {len(line) for line in lines} == {(len(values) + 1) // 2}
    known = [value for value in values if value is not None and math.isfinite(value)]
    assert any(line.strip() for line in lines) == bool(known)


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=50), st.integers(1, 90))
def test_a_curve_in_time_begins_with_its_first_and_ends_with_its_last(values: list[float], dots: int) -> None:
    at = [60 * n for n in range(len(values))]
    found = columns(at, values, dots)
    assert len(found) == dots
    assert found[0] == values[0] or len(at) == 1
    assert dots == 1 or found[-1] == values[-1]


def test_the_time_axis_may_end_later_than_the_curve() -> None:
    assert columns([0, 10], [1.0, 2.0], 5, ends=20) == [1.0, 1.0, 2.0, None, None]


@given(st.floats(-1, 3), st.integers(1, 40))
def test_a_gauge_has_its_width_and_is_never_empty_above_zero(share: float, width: int) -> None:
    filled, rest = gauge(share, width)
    assert len(filled) + len(rest) == width
    assert bool(filled) == (share > 0)
    assert (not rest) == (
        round(min(max(share, 0), 1) * width * 2) >= 2 * width - 1 or (width == 1 and share > 0)
    )


def test_a_spark_is_one_line() -> None:
    assert spark([1.0, 2.0, 3.0, None], 4) == "▁▅█ "
    assert spark([], 4) == ""


@given(st.integers(0, 120), st.integers(0, 30), st.integers(0, 40))
def test_a_chart_never_leaves_its_frame(width: int, height: int, count: int) -> None:
    points = EquityPoints(at=tuple(range(count)), equity=tuple(100_000.0 + n for n in range(count)))
    lines = chart(points, width, height)
    assert len(lines) <= max(1, height)
    assert all(sum(len(text) for text, _ in line) <= max(width, 13) for line in lines)


def test_todays_curve_stands_between_marks_until_the_present_minute() -> None:
    view = fold(EMPTY, frames.whole(today=frames.today(30)))
    points = until_now(view)
    assert points.at[-1] == view.at - view.at % frames.MINUTE
    assert points.equity[-1] == points.equity[-2] == view.today.equity[-1]
    closed = fold(EMPTY, frames.whole(today=frames.today(30), head=frames.head(phase="AFTER_HOURS")))
    assert until_now(closed) is closed.today
