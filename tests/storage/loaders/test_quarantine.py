"""Every row is used, or refused for a reason; none changes on the way."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.loaders import quarantine as q
from tests.storage.loaders.made import NOW

START = 1_519_914_600_000_000_000
GOOD = (10.0, 10.5, 9.5, 10.2, 100.0, math.nan, math.nan)


def judge(rows: list[tuple[str | None, int, tuple[float, ...]]]) -> tuple[q.Rows, q.Refusals]:
    names = sorted({row[0] for row in rows if row[0] is not None}, reverse=True)
    raw = q.RawRows(
        names=names,
        codes=np.array([names.index(row[0]) if row[0] is not None else -1 for row in rows], dtype=np.int32),
        ts=np.array([row[1] for row in rows], dtype=np.int64),
        values=np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 7).T.copy(),
    )
    refusals = q.Refusals("file")
    return q.admit(raw, refusals, now=NOW, limits=q.MINUTES), refusals


def changed(**fields: float) -> tuple[float, ...]:
    row = list(GOOD)
    for name, value in fields.items():
        row[("o", "h", "l", "c", "v", "n", "vw").index(name)] = value
    return tuple(row)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (changed(c=math.nan), q.NO_PRICE),
        (changed(h=math.inf), q.NO_PRICE),
        (changed(l=0.0), q.NOT_POSITIVE),
        (changed(o=-1.0), q.NOT_POSITIVE),
        (changed(h=1e6 + 1), q.ABSURD),
        (changed(h=9.0, l=11.0), q.CROSSED),
        (changed(c=10.6), q.OUTSIDE),
        (changed(o=9.4), q.OUTSIDE),
        (changed(v=-1.0), q.BAD_VOLUME),
        (changed(v=2.0**53), q.BAD_VOLUME),
        (changed(v=math.nan), q.BAD_VOLUME),
        (changed(v=1.5), q.BAD_VOLUME),
    ],
)
def test_a_row_with_impossible_numbers_is_refused(values: tuple[float, ...], reason: str) -> None:
    rows, refusals = judge([("A", START, GOOD), ("A", START + q.MINUTE, values)])
    assert rows.ts.tolist() == [START]
    assert refusals.by_reason() == {reason: 1}


@pytest.mark.parametrize(
    ("symbol", "ts", "reason"),
    [
        ("A", 0, q.BAD_TIME),
        ("A", -5, q.BAD_TIME),
        ("A", START + 1, q.OFF_MINUTE),
        ("A", (NOW // q.MINUTE + 1) * q.MINUTE, q.FUTURE),
        ("aapl", START, q.BAD_SYMBOL),
        ("TOOLONG", START, q.BAD_SYMBOL),
        ("BRK.B\n", START, q.BAD_SYMBOL),
        ("", START, q.BAD_SYMBOL),
        (None, START, q.BAD_SYMBOL),
    ],
)
def test_a_row_of_an_impossible_time_or_symbol_is_refused(symbol: str | None, ts: int, reason: str) -> None:
    rows, refusals = judge([("BRK.B", START, GOOD), (symbol, ts, GOOD)])
    assert rows.names == ("BRK.B",)
    assert refusals.by_reason() == {reason: 1}


def test_equal_duplicates_leave_one_and_contradicting_ones_none() -> None:
    later = START + q.MINUTE
    rows, refusals = judge(
        [("A", START, GOOD), ("A", START, GOOD), ("A", later, GOOD), ("A", later, changed(c=10.3))]
    )
    assert rows.ts.tolist() == [START]
    assert refusals.by_reason() == {q.DUPLICATE: 1, q.CONTRADICTING: 2}


def test_rows_out_of_order_are_sorted_and_told() -> None:
    rows, refusals = judge([("A", START + q.MINUTE, GOOD), ("A", START, GOOD)])
    assert rows.ts.tolist() == [START, START + q.MINUTE]
    assert refusals.by_reason() == {q.UNSORTED: 1}


def flat(prices: list[float]) -> list[tuple[str | None, int, tuple[float, ...]]]:
    return [
        ("A", START + at * q.MINUTE, (p, p, p, p, 1.0, math.nan, math.nan)) for at, p in enumerate(prices)
    ]


@pytest.mark.parametrize("level", [4.9, 15.1, 1_000.0])
def test_a_jump_that_comes_back_is_refused(level: float) -> None:
    rows, refusals = judge(flat([10.0, 10.0, level, level, 10.0, 10.0]))
    assert rows.values[3].tolist() == [10.0] * 4
    assert refusals.by_reason() == {q.JUMPED: 2}


@pytest.mark.parametrize("level", [1.0, 78.0])
def test_a_jump_that_stays_is_a_split_or_a_reopening_and_is_kept(level: float) -> None:
    rows, refusals = judge(flat([10.0] * 3 + [level] * 5 + [level * 1.1]))
    assert len(rows.ts) == 9
    assert not refusals.rows


def test_a_first_bar_far_from_what_follows_is_refused() -> None:
    rows, refusals = judge(flat([1_000.0] + [10.0] * 5))
    assert rows.values[3].tolist() == [10.0] * 5
    assert refusals.by_reason() == {q.JUMPED: 1}


def test_moves_within_half_of_the_price_are_never_refused() -> None:
    prices = [10.0, 14.9, 8.0, 11.9, 6.1]
    assert judge(flat(prices))[0].values[3].tolist() == prices


anything = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300, 2.0**53, 9.5, 10.0, 10.5]),
    st.floats(allow_nan=True, allow_infinity=True),
)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.sampled_from(["A", "BB", "BRK.B", "bad", "", "Ä", "A.BCD"])),
            st.one_of(
                st.integers(-(2**63), 2**63 - 1), st.integers(0, 30).map(lambda m: START + m * q.MINUTE)
            ),
            st.one_of(st.just(GOOD), st.tuples(*[anything] * 7)),
        ),
        max_size=30,
    )
)
def test_whatever_a_file_holds_every_row_is_used_once_or_refused_once(
    rows: list[tuple[str | None, int, tuple[float, ...]]],
) -> None:
    found, refusals = judge(rows)
    refused = sum(count for reason, count in refusals.by_reason().items() if reason != q.UNSORTED)
    assert len(found.ts) + refused == len(rows)
    o, h, low, c, v = found.values[:5]
    assert np.isfinite(found.values[:5]).all()
    assert (low > 0).all() and (low <= np.minimum(o, c)).all() and (np.maximum(o, c) <= h).all()
    assert (v >= 0).all() and (v < 2**53).all() and (v == np.floor(v)).all()
    assert list(found.names) == sorted(found.names) and all(q.is_symbol(name) for name in found.names)
    keys = list(zip(found.ts.tolist(), found.codes.tolist(), strict=True))
    assert keys == sorted(set(keys))


@given(st.randoms(use_true_random=False), st.integers(2, 40))
def test_the_order_of_rows_in_a_file_never_shows(random: object, count: int) -> None:
    rows = [(name, ts, values) for name in ("A", "BB") for _, ts, values in flat([10.0] * count)]
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = judge(rows)[0], judge(shuffled)[0]
    assert one.ts.tobytes() == other.ts.tobytes()
    assert one.codes.tobytes() == other.codes.tobytes()
    assert one.values.tobytes() == other.values.tobytes()
