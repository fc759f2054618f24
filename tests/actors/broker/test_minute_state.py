"""A minute that came as columns and one that came bar by bar answer every question alike."""

from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.minute_batch import Batch
from actors.broker.minute_state import Levels, Minute, Row, columns
from runtime.messages.market import COLUMNS, Bars, BarsRevised

TS = 1_763_649_000_000_000_000


def bar(price: float) -> Row:
    return (price, price + 1, price - 1, price, 100.0, 3.0, price)


def batch(rows: dict[int, Row]) -> Batch:
    return Batch(TS, list(rows), set(rows), np.array(list(rows.values()), dtype=np.float64).T)


def shown(bars: Any) -> dict[int, Row]:
    return dict(zip(bars.ids.tolist(), zip(*bars.values.tolist(), strict=True), strict=True))


parts = st.lists(st.tuples(st.integers(0, 40), st.floats(2.0, 1e5), st.sampled_from("abcr")), max_size=30)
"""Symbol id, price, and what brings the bar: one of three batches, or it comes alone."""


@given(parts, st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)), st.booleans(), st.booleans())
def test_batches_and_single_bars_together_are_one_minute(
    told: list[tuple[int, float, str]],
    wanted: set[int],
    spoilt: set[int],
    has_turned_back: bool,
    is_looked_at: bool,
) -> None:
    minute, rows = Minute(), {}
    by_way: dict[str, dict[int, Row]] = {"a": {}, "b": {}, "c": {}, "r": {}}
    for symbol, price, way in told:
        if symbol not in rows:
            rows[symbol] = by_way[way][symbol] = bar(price)
    if not has_turned_back:
        minute.rows.update(by_way["r"])
    for way in "abc":
        if by_way[way]:
            minute.add(batch(by_way[way]))
    if has_turned_back:
        minute.rows.update(by_way["r"])
    if is_looked_at:
        assert minute.rows == rows
        assert minute.rows == rows  # batches are taken in once
    minute.spoilt |= spoilt
    assert minute.has_none_of(wanted) == (not wanted & rows.keys())
    assert minute.has_reported(wanted) == (wanted <= rows.keys() | spoilt)
    assert minute.symbols() == sum(1 << symbol for symbol in rows)
    made = minute.bars(TS)
    if made is None:
        assert not rows
        return
    assert (type(made), made.ts_event, made.ids.tolist()) == (Bars, TS, sorted(rows))
    assert shown(made) == rows
    assert minute.rows == rows


def test_a_change_of_its_rows_is_a_change_of_the_minute() -> None:
    minute = Minute()
    minute.add(batch({3: bar(10.0), 1: bar(20.0)}))
    minute.rows[3] = bar(11.0)
    del minute.rows[1]
    assert minute.has_none_of({1})
    assert not minute.has_reported({1, 3})
    made = minute.bars(TS)
    assert made is not None
    assert shown(made) == {3: bar(11.0)}


def test_as_many_reports_as_symbols_are_not_enough_if_they_are_of_others() -> None:
    minute = Minute()
    minute.add(batch({3: bar(10.0), 4: bar(20.0)}))
    assert not minute.has_reported({1, 2})
    assert minute.has_reported({3})
    minute.spoilt.add(1)
    assert not minute.has_reported({1, 2, 3})
    assert minute.has_reported({1, 3})


def test_a_minute_of_batches_alone_is_told_without_looking_at_a_single_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rows(minute: Minute) -> dict[int, Row]:
        raise AssertionError(minute)

    monkeypatch.setattr(Minute, "rows", property(rows))
    minute = Minute()
    minute.add(batch({4: bar(10.0), 2: bar(20.0)}))
    minute.add(batch({3: bar(30.0)}))
    made = minute.bars(TS)
    assert made is not None
    assert shown(made) == {2: bar(20.0), 3: bar(30.0), 4: bar(10.0)}


def test_a_new_minute_was_not_told_and_knows_nobody() -> None:
    assert not Minute().is_told
    assert Minute(is_told=True).is_told
    assert Minute().symbols() == 0
    assert Minute().has_none_of({1})
    assert Minute().has_reported(set())
    assert not Minute().has_reported({0})
    assert Minute().bars(TS) is None
    assert Minute().after == {}


@given(st.integers(0, 5), st.lists(st.integers(0, 12), max_size=5))
def test_room_for_more_symbols_keeps_what_is_known_of_the_others(count: int, sizes: list[int]) -> None:
    levels = Levels(count)
    assert np.isnan(levels.close).all()
    levels.close[:] = np.arange(count)
    levels.pending[:] = 7
    for size in sizes:
        levels.grow(size)
    most = max([count, *sizes])
    assert len(levels.close) == len(levels.pending) == most
    assert levels.close[:count].tolist() == list(range(count))
    assert levels.pending[:count].tolist() == [7] * count
    assert all(isnan(price) for price in levels.close[count:])
    assert not levels.pending[count:].any()
    assert (levels.close.dtype, levels.pending.dtype) == (np.float64, np.int64)


@pytest.mark.parametrize(("kind", "fields"), [(Bars, {}), (BarsRevised, {"reason": "backfill"})])
def test_columns_are_in_the_order_of_ids_and_lie_in_one_piece(kind: Any, fields: dict[str, Any]) -> None:
    made = columns(kind, TS, {9: bar(3.0), 2: bar(5.0), 4: bar(7.0)}, **fields)
    assert (type(made), made.ts_event, made.ids.tolist()) == (kind, TS, [2, 4, 9])
    assert made.values.shape == (len(COLUMNS), 3)
    assert made.values.flags.c_contiguous
    assert shown(made) == {9: bar(3.0), 2: bar(5.0), 4: bar(7.0)}
    assert all(getattr(made, name) == value for name, value in fields.items())
