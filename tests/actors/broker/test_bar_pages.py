"""A page of bars says the same by columns and one by one; a flaw in it costs that row and nothing else."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker import bar_pages
from actors.broker.bar_pages import bars_of, columns_of
from actors.broker.market_wire import MinuteBar
from runtime.errors import BrokerUnavailable
from tests.actors.broker.market_samples import MINUTE, OPEN, moment

Found = dict[tuple[str, int], tuple[float, ...]]


def words(minute: int) -> str:
    return moment(OPEN + minute * MINUTE).isoformat().replace("+00:00", "Z")


def row(minute: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "t": words(minute),
        "o": 10,
        "h": 11.0,
        "l": 9.0,
        "c": 10.5,
        "v": 100,
        "n": 3,
        "vw": 10.1,
    } | fields


def page(bars: Any, **fields: Any) -> bytes:
    return json.dumps({"bars": bars, "next_page_token": None} | fields).encode()


def by_columns(body: bytes) -> Found:
    minutes, _ = columns_of(body)
    assert minutes.values.shape == (5, len(minutes.ts))
    assert (minutes.codes.dtype, minutes.ts.dtype, minutes.values.dtype) == (np.int32, np.int64, np.float64)
    return {
        (minutes.names[code], int(ts)): tuple(values)
        for code, ts, values in zip(
            minutes.codes.tolist(), minutes.ts.tolist(), minutes.values.T.tolist(), strict=True
        )
    }


def one_by_one(body: bytes) -> Found:
    bars, _ = bars_of(body)
    assert all(type(bar) is MinuteBar for bar in bars)
    return {(bar.S, bar.ts): (bar.o, bar.h, bar.l, bar.c, bar.v) for bar in bars}


BAD: list[Any] = [
    None, 7, "bar", [], {}, {"t": words(0)}, row(t="yesterday"), row(t=7), row(t="2025-11-20T14:30:00"),
    row(o="10"), row(v=None), row(c=[1]), row(n="three"), row(v=10**400), row(t="0001-01-01T00:00:00Z"),
    row(t="9999-12-31T00:00:00Z"),
]  # fmt: skip
"""Rows that are no bars: of a wrong kind, without a field, with a time that is none, has no zone or is of an
age that cannot be counted in nanoseconds."""


def test_a_page_is_read_with_its_prices_its_times_and_what_asks_for_the_next() -> None:
    body = page({"SPY": [row(0), row(1, v=7)], "AAPL": [row(0, n=None, vw=None)]}, next_page_token="more")
    plain = (10.0, 11.0, 9.0, 10.5)
    expected = {
        ("SPY", OPEN): (*plain, 100.0),
        ("SPY", OPEN + MINUTE): (*plain, 7.0),
        ("AAPL", OPEN): (*plain, 100.0),
    }  # fmt: skip
    assert by_columns(body) == one_by_one(body) == expected
    assert (columns_of(body)[1], bars_of(body)[1]) == ("more", "more")
    told = {(bar.S, bar.ts): (bar.n, bar.vw) for bar in bars_of(body)[0]}
    assert told == {
        ("SPY", OPEN): (3.0, 10.1),
        ("SPY", OPEN + MINUTE): (3.0, 10.1),
        ("AAPL", OPEN): (None, None),
    }


@pytest.mark.parametrize("bars", [{}, None, [], {"SPY": []}])
def test_a_page_without_bars_is_one_of_nothing(bars: Any) -> None:
    assert by_columns(page(bars)) == one_by_one(page(bars)) == {}
    assert columns_of(page(bars))[1] == bars_of(page(bars))[1] == ""


@pytest.mark.parametrize("name", ["A\ud800", "\x1b[31m", "A\n"])
def test_bars_of_a_symbol_that_is_none_are_told_and_cost_the_others_nothing(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file and no screen takes half a letter."""
    body = page({"SPY": [row()], name: [row(), row(1)]})
    assert by_columns(body) == one_by_one(body) == {("SPY", OPEN): (10.0, 11.0, 9.0, 10.5, 100.0)}
    told = capsys.readouterr().out
    assert told.count("cannot be used") == told.count("count=2") == 2


@pytest.mark.parametrize("read", [columns_of, bars_of])
@pytest.mark.parametrize("bars", [[row()], [7]])
def test_a_page_that_cannot_be_turned_is_no_page(read: Any, bars: list[Any]) -> None:
    """What asks for the next one must fit into an address."""
    with pytest.raises(BrokerUnavailable, match="no page"):
        read(page({"SPY": bars}, next_page_token="\ud800"))


@pytest.mark.parametrize("bad", BAD)
def test_a_row_that_is_no_bar_is_told_and_costs_the_others_nothing(
    bad: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    body = page({"SPY": [row(0), bad, row(2)], "AAPL": [row(1)]}, next_page_token="more")
    expected = {("SPY", OPEN), ("SPY", OPEN + 2 * MINUTE), ("AAPL", OPEN + MINUTE)}
    assert set(one_by_one(body)) == expected
    assert set(by_columns(body)) in (expected, expected | {("SPY", OPEN)})
    said = capsys.readouterr().out
    assert "cannot be used" in said
    assert len(said) < 2_000


def test_a_page_without_a_flaw_is_never_looked_at_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(body: bytes) -> Any:
        raise AssertionError(body)

    monkeypatch.setattr(bar_pages, "_each_of", slowly)
    body = page({"SPY": [row(0), row(1)], "AAPL": []})
    assert by_columns(body) == one_by_one(body)


def test_rows_are_counted_and_the_first_is_shown_without_what_a_terminal_would_obey(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bars_of(page({"SPY": [{"t": "\x1b[2J" + 500 * "x"}, row(0), None]}))
    (line,) = capsys.readouterr().out.splitlines()
    assert "count=2" in line or '"count": 2' in line or '"count":2' in line
    assert "\x1b[2J" not in line
    assert "[2Jxxx" in line
    assert line.count("x") < 200


def test_of_a_page_with_a_flaw_the_token_still_asks_for_the_next() -> None:
    flawed = page({"SPY": [None, row(0)]}, next_page_token="more")
    assert (columns_of(flawed)[1], bars_of(flawed)[1]) == ("more", "more")
    odd = page({"SPY": [row(0)]}, next_page_token=7)
    assert (columns_of(odd)[1], bars_of(odd)[1]) == ("", "")
    assert list(one_by_one(odd)) == [("SPY", OPEN)]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"7", b"[]", page([7]), page(7), page({"SPY": None}),
        page({"SPY": {"t": 1}}),
    ],
)  # fmt: skip
def test_what_is_no_page_at_all_may_be_asked_for_again(body: bytes) -> None:
    for read in (columns_of, bars_of):
        with pytest.raises(BrokerUnavailable) as caught:
            read(body)
        assert not caught.value.is_unknown


@given(
    st.dictionaries(
        st.sampled_from(["AAPL", "SPY", "QQQ"]),
        st.lists(
            st.tuples(
                st.integers(0, 5), st.floats(0.01, 1e6), st.integers(0, 2**52), st.sampled_from([*BAD, True])
            ),
            max_size=6,
        ),
    ),
    st.none() | st.text(max_size=9),
)
def test_columns_and_single_bars_are_the_same_bars_whatever_the_page(
    table: dict[str, list[tuple[int, float, int, Any]]], token: str | None
) -> None:
    bars = {
        symbol: [
            row(minute, c=close, v=volume) if odd is True else odd for minute, close, volume, odd in rows
        ]
        for symbol, rows in table.items()
    }
    body = page(bars, next_page_token=token)
    has_count_that_is_none = any(one == row(n="three") for rows in bars.values() for one in rows)
    if not has_count_that_is_none:  # columns have no count of trades and do not look at it
        assert by_columns(body) == one_by_one(body)
    expected = {
        (symbol, OPEN + minute * MINUTE): (10.0, 11.0, 9.0, close, float(volume))
        for symbol, rows in table.items()
        for minute, close, volume, odd in rows
        if odd is True
    }
    assert one_by_one(body) == expected
    assert columns_of(body)[1] == bars_of(body)[1] == (token or "")
