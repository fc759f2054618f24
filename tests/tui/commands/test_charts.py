"""The curves of the report: nothing is lost by thinning, every place lies on the page."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from tui.commands.charts import (
    LEFT,
    RIGHT,
    WIDTH,
    Bar,
    Mark,
    TimeAxis,
    drawdowns,
    picture,
    sparkline,
    thinned,
    ticks,
)

HOUR = 3_600_000_000_000
FRIDAY, MONDAY = 1_520_548_200_000_000_000, 1_520_634_600_000_000_000  # 18:00 before 2018-03-09 and -12
AXIS = TimeAxis([("2018-03-09", FRIDAY - 84_600_000_000_000 + 18 * HOUR), ("2018-03-12", MONDAY)])
money = st.floats(1.0, 1e9)


@given(st.integers(0, 2**62))
def test_every_moment_has_a_place_on_the_page(ts: int) -> None:
    assert LEFT <= AXIS.x(ts) <= WIDTH - RIGHT + 1e-6


@given(st.lists(st.integers(FRIDAY - 10**14, MONDAY + 10**14), min_size=2))
def test_time_runs_to_the_right(moments: list[int]) -> None:
    places = [AXIS.x(ts) for ts in sorted(moments)]
    assert places == sorted(places)


def test_the_open_is_told_by_new_yorks_clock_on_both_sides_of_the_change_to_summer_time() -> None:
    friday_open, monday_open = 1_520_605_800_000_000_000, 1_520_861_400_000_000_000  # 14:30 and 13:30 UTC
    assert AXIS.x(friday_open) == LEFT
    assert abs(AXIS.x(monday_open) - (LEFT + AXIS.slot)) < 1e-9
    assert abs(AXIS.x(friday_open + 13 * HOUR // 4) - (LEFT + AXIS.slot / 2)) < 1e-9


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(-100, 100)), min_size=1))
def test_thinning_keeps_every_columns_lowest_highest_first_and_last(
    points: list[tuple[float, float]],
) -> None:
    points.sort(key=lambda point: point[0])
    kept = thinned(points)
    assert set(kept) <= set(points)
    for column in {int(x) for x, _ in points}:
        mine = [p for p in points if int(p[0]) == column]
        left = [p for p in kept if int(p[0]) == column]
        assert len(left) <= 4
        assert (left[0], left[-1]) == (mine[0], mine[-1]) or len(set(mine)) < len(mine)
        assert {min(p[1] for p in left), max(p[1] for p in left)} == {
            min(p[1] for p in mine),
            max(p[1] for p in mine),
        }


@given(st.lists(money, min_size=1), money)
def test_a_drawdown_is_never_above_nought_and_nought_at_every_new_high(
    values: list[float], peak: float
) -> None:
    found = drawdowns([Mark(n, value) for n, value in enumerate(values)], peak)
    highest = peak
    for value, mark in zip(values, found, strict=True):
        assert -1.0 < mark.equity <= 0.0
        assert (mark.equity == 0.0) == (value >= highest)
        highest = max(highest, value)


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9))
def test_ticks_are_few_and_within_the_range(low: float, reach: float) -> None:
    high = low + reach
    found = ticks(low, high)
    assert len(found) <= 7
    assert all(low - reach * 1e-6 <= value <= high + reach * 1e-6 for value in found)


def test_a_picture_is_well_formed_whatever_the_words_say() -> None:
    hostile = "</svg><script>alert(1)</script>&\"'"
    bars = [Bar(hostile, "halt", FRIDAY, MONDAY, hostile)]
    marks = [Mark(1_520_605_800_000_000_000, 100.0), Mark(1_520_861_400_000_000_000, 90.0)]
    drawn = picture(marks, AXIS, bars, start=95.0, peak=95.0, days=[("2018-03-09", hostile)])
    tree = ElementTree.fromstring(drawn)
    assert "script" not in {element.tag for element in tree.iter()}
    assert hostile in {element.text for element in tree.iter()}


def test_nothing_marked_is_said_and_nothing_traded_is_not_drawn() -> None:
    assert "nothing was marked" in picture([], AXIS, [], start=1.0, peak=1.0, days=[])
    assert sparkline([]) == sparkline([0.0, 0.0]) == ""
    assert 'class="down"' in sparkline([0.0, 1.0, -2.0])
