from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.market.rings import OpeningRange, Ring, SessionVwap
from runtime.messages.market import Bars

SYMBOLS = 4
frames = st.lists(
    st.dictionaries(st.integers(0, SYMBOLS - 1), st.floats(1.0, 1000.0), max_size=SYMBOLS), max_size=40
)


def push(ring: Ring, frame: dict[int, float]) -> None:
    ids = np.array(sorted(frame), dtype=np.int32)
    ring.push(ids, np.array([frame[int(i)] for i in ids]))


@given(frames, st.integers(1, 7))
def test_a_ring_keeps_what_a_list_would(said: list[dict[int, float]], window: int) -> None:
    ring = Ring(SYMBOLS, window)
    lists: list[list[float]] = [[] for _ in range(SYMBOLS)]
    for frame in said:
        push(ring, frame)
        for number, value in frame.items():
            lists[number].append(value)
        for number, values in enumerate(lists):
            last = values[-window:]
            assert ring.values(number).tolist() == last
            assert ring.full[number] == (len(last) == window)
            assert not values or ring.last()[number] == values[-1]
            if len(last) == window:
                assert ring.mean()[number] == pytest.approx(np.mean(last), rel=1e-12)
                assert ring.std()[number] == pytest.approx(np.std(last), rel=1e-6, abs=1e-5)
            else:
                assert np.isnan(ring.mean()[number])
                assert np.isnan(ring.std()[number])


@given(st.lists(st.lists(st.floats(1.0, 1000.0), min_size=3, max_size=3), min_size=1, max_size=30))
def test_whole_frames_and_single_bars_end_in_the_same_numbers(rows: list[list[float]]) -> None:
    whole, single = Ring(3, 5), Ring(3, 5)
    for row in rows:
        whole.push(np.arange(3, dtype=np.int32), np.array(row))
        for number, value in enumerate(row):
            single.push(np.array([number], dtype=np.int32), np.array([value]))
    assert whole.mean().tobytes() == single.mean().tobytes()
    assert whole.std().tobytes() == single.std().tobytes()


def test_a_price_that_does_not_move_has_no_deviation_at_all() -> None:
    ring = Ring(1, 20)
    for _ in range(1000):
        ring.push(np.array([0], dtype=np.int32), np.array([123.456]))
    assert ring.std()[0] == 0.0
    assert ring.mean()[0] == 123.456


def test_a_new_symbol_makes_the_ring_grow() -> None:
    ring = Ring(2, 2)
    ring.push(np.array([0, 1], dtype=np.int32), np.array([1.0, 2.0]))
    ring.push(np.array([0, 3], dtype=np.int32), np.array([3.0, 4.0]))
    assert len(ring) == 4
    assert ring.mean()[0] == 2.0
    assert [ring.values(n).tolist() for n in range(4)] == [[1.0, 3.0], [2.0], [], [4.0]]


def test_a_ring_without_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Ring(3, 0)


def bars(ids: list[int], *rows: list[float]) -> Bars:
    data: Any = [list(column) for column in zip(*rows, strict=True)]
    return Bars.of(ids, data, ts_event=0)


def test_the_opening_range_is_the_first_minutes_as_one_bar() -> None:
    opening = OpeningRange(2)
    for minute, frame in enumerate(
        [bars([0], [10, 11, 9, 10.5, 100]), bars([0, 1], [10.5, 12, 10, 11, 50], [5, 6, 4, 5, 7])]
    ):
        opening.push(frame.ids, frame, minute + 1)
    assert opening.open.tolist() == [10, 5]
    assert opening.high.tolist() == [12, 6]
    assert opening.low.tolist() == [9, 4]
    assert opening.close.tolist() == [11, 5]
    assert opening.volume.tolist() == [150, 7]
    assert opening.prompt.tolist() == [True, False]


def test_the_session_vwap_weighs_typical_prices_by_volume() -> None:
    vwap = SessionVwap(2)
    for frame in (bars([0], [10, 12, 9, 12, 100]), bars([0], [12, 15, 12, 12, 300])):
        vwap.push(frame.ids, frame)
    assert vwap.price[0] == (11 * 100 + 13 * 300) / 400
    assert np.isnan(vwap.price[1])
