"""The file of the broker's daily bars: what is in it, and what a start still has to ask for."""

import itertools
import math
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.market.calendar import midnight, sessions_between
from runtime.errors import DataError
from storage.loaders.daily import load_daily
from storage.loaders.first_days import NAME, QUIET_SESSIONS, Known, known_of, owed, write_history
from storage.loaders.own_days import OwnDay, write_day
from storage.loaders.session_data import yyyymmdd
from tests.storage.loaders.made import DayRow, told

DAYS = ("2018-02-28", "2018-03-01", "2018-03-02")
NOW = midnight("2018-03-20")
SESSIONS = [yyyymmdd(day) for day in sessions_between("2018-02-28", "2018-03-20")]
SINCE = SESSIONS[0]


def row(close: float) -> DayRow:
    return close, close, close, close, 1e6


def bars(symbol: str, *days: str, close: float = 100.0) -> dict[tuple[str, int], DayRow]:
    return {(symbol, midnight(day)): row(close) for day in days}


def own(folder: Path, session: str, *symbols: str) -> Path:
    count = len(symbols)
    nothing = np.full(count, np.nan)
    day = OwnDay(
        session=session,
        stamp=midnight(session),
        symbols=symbols,
        values=np.full((5, count), 100.0),
        split=np.ones(count),
        growth=nothing,
        scale=nothing,
    )
    return write_day(folder, day)


def test_the_file_has_raw_prices_and_what_adjusts_them(tmp_path):
    first, split_day, last = (("SPY", midnight(day)) for day in DAYS)
    raw = dict.fromkeys((first, split_day, last), (270.0, 276.0, 269.0, 274.0, 1000000.0))
    split = {first: (135.0, 138.0, 134.5, 137.0, 2e6), split_day: (135.0, 138.0, 134.5, 137.003, 2e6)}
    whole = {first: (0.0, 0.0, 0.0, 123.3, 0.0)}
    path = write_history(tmp_path, [told(raw, split, whole)], SINCE, 20180302)
    assert path.name == NAME
    assert path.stat().st_mode & 0o077 == 0
    found = load_daily([path], now=NOW).symbols["SPY"]
    assert found.dates.tolist() == [20180228, 20180301, 20180302]
    assert found.values[3].tolist() == [274.0] * 3
    assert found.factor.tolist() == [0.5, 0.5, 1.0]
    assert found.values[5].tolist() == pytest.approx([123.3, 137.0, 274.0])


prices = st.floats(0.01, 10_000, allow_nan=False)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["AAA", "BBB", "CCC"]), st.sampled_from(DAYS)),
        st.tuples(prices, st.none() | prices, st.none() | prices),
        min_size=1,
    )
)
def test_raw_times_its_factors_is_the_adjusted_close_whatever_bars_are_missing(tmp_path_factory, days):
    """The answers to the three questions need not have the same bars, nor the same symbols."""
    keys = {(name, midnight(day)): closes for (name, day), closes in days.items()}
    raw = {key: row(closes[0]) for key, closes in keys.items()}
    split = {key: row(closes[1]) for key, closes in keys.items() if closes[1] is not None}
    whole = {key: row(closes[2]) for key, closes in keys.items() if closes[2] is not None}
    path = write_history(tmp_path_factory.mktemp("days"), [told(raw, split, whole)], SINCE, 20180302)
    table = pq.read_table(path).to_pylist()
    assert len(table) == len(keys)
    for one in table:
        closes = keys[one["symbol"], round(one["timestamp"].timestamp()) * 1_000_000_000]
        assert one["close"] == closes[0]
        in_splits = closes[1] if closes[1] is not None else closes[0]
        assert one["split_factor"] == pytest.approx(in_splits / closes[0], rel=0.0051)
        expected = closes[2] / closes[1] if None not in closes[1:] else 1.0
        assert one["price_factor"] == pytest.approx(expected)
    assert [(one["symbol"], one["timestamp"]) for one in table] == sorted(
        (one["symbol"], one["timestamp"]) for one in table
    )


def test_without_a_file_everything_is_owed_in_the_order_it_is_wanted(tmp_path):
    assert owed(tmp_path / NAME, [], ["SPY", "AAA", "BBB"], SESSIONS[:3]) == ["SPY", "AAA", "BBB"]


def test_what_has_come_is_not_owed_though_the_rest_has_not(tmp_path):
    first = write_history(tmp_path, [told(bars("AAA", *DAYS))], SINCE, 20180302)
    assert owed(first, [], ["AAA", "BBB"], SESSIONS[:3]) == ["BBB"]
    write_history(tmp_path, [told(bars("BBB", *DAYS))], SINCE, 20180302)
    assert owed(first, [], ["AAA", "BBB"], SESSIONS[:3]) == []
    assert sorted(load_daily([first], now=NOW).symbols) == ["AAA", "BBB"]


def test_new_bars_of_a_symbol_take_the_place_of_all_its_earlier_ones(tmp_path):
    write_history(tmp_path, [told(bars("AAA", *DAYS[:2]) | bars("BBB", DAYS[0]))], SINCE, 20180301)
    path = write_history(tmp_path, [told(bars("AAA", *DAYS[1:], close=50.0))], SINCE, 20180302)
    found = load_daily([path], now=NOW).symbols
    assert found["AAA"].dates.tolist() == [20180301, 20180302]
    assert found["AAA"].values[3].tolist() == [50.0, 50.0]
    assert found["BBB"].dates.tolist() == [20180228]


def test_a_symbol_without_an_answer_today_keeps_what_is_known_of_it(tmp_path):
    write_history(tmp_path, [told(bars("AAA", *DAYS))], SINCE, 20180302)
    path = write_history(tmp_path, [told(bars("SPY", "2018-03-05"), asked=["AAA"])], SINCE, 20180305)
    assert load_daily([path], now=NOW).symbols["AAA"].dates.tolist() == [20180228, 20180301, 20180302]
    assert known_of(path)["AAA"] == Known(SINCE, 20180305, 20180302)


def test_a_session_that_neither_the_broker_told_nor_the_engine_kept_is_owed(tmp_path):
    path = write_history(tmp_path, [told(bars("AAA", *DAYS) | bars("BBB", *DAYS))], SINCE, 20180302)
    kept = [own(tmp_path, "2018-03-05", "AAA", "BBB"), own(tmp_path, "2018-03-06", "AAA")]
    assert owed(path, kept, ["AAA", "BBB"], SESSIONS[:4]) == []
    assert owed(path, kept, ["AAA", "BBB"], SESSIONS[:5]) == ["BBB"]
    assert owed(path, kept, ["AAA", "BBB"], SESSIONS[:6]) == ["AAA", "BBB"]


def test_a_longer_history_than_was_asked_for_is_owed(tmp_path):
    path = write_history(tmp_path, [told(bars("AAA", *DAYS[1:]))], 20180301, 20180302)
    assert owed(path, [], ["AAA"], SESSIONS[1:3]) == []
    assert owed(path, [], ["AAA"], SESSIONS[:3]) == ["AAA"]


def test_a_day_that_the_broker_does_not_have_yet_is_asked_for_again(tmp_path):
    path = write_history(tmp_path, [told(bars("SPY", *DAYS[:2]), asked=["AAA"])], SINCE, 20180302)
    assert owed(path, [], ["SPY"], SESSIONS[:3]) == ["SPY"]


@pytest.mark.parametrize("last", ["2018-02-28", ""])
def test_a_symbol_that_is_gone_is_asked_for_once_a_week_and_not_at_every_start(tmp_path, last):
    """Delisted long ago, or never heard of."""
    asked, starts = [], range(7, len(SESSIONS))
    for at in starts:
        sessions = SESSIONS[: at + 1]
        path = tmp_path / NAME
        if owed(path, [], ["GONE"], sessions):
            asked.append(at)
            days = bars("SPY", _iso(sessions[-1])) | (bars("GONE", last) if last else {})
            write_history(tmp_path, [told(days, asked=["GONE"])], SINCE, sessions[-1])
    assert asked == list(starts)[::QUIET_SESSIONS]


def _iso(day: int) -> str:
    return f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}"


@given(st.data())
def test_what_was_just_told_is_not_owed_at_the_same_moment(tmp_path_factory, data):
    """Whatever the broker has of whatever is asked for: no start asks twice for one session."""
    folder = tmp_path_factory.mktemp("days")
    names = ["SPY", "AAA", "BBB"]
    for at in sorted(data.draw(st.sets(st.integers(0, len(SESSIONS) - 1), min_size=1, max_size=3))):
        sessions = SESSIONS[: at + 1]
        due = owed(folder / NAME, [], names, sessions)
        if not due:
            continue
        days = bars("SPY", _iso(sessions[-1]))
        for name in due:
            days |= bars(name, *map(_iso, data.draw(st.sets(st.sampled_from(sessions)))))
        write_history(folder, [told(days, asked=["SPY", *due])], SINCE, sessions[-1])
        assert owed(folder / NAME, [], names, sessions) == []


@given(
    known=st.builds(Known, since=st.just(SINCE), until=st.sampled_from(SESSIONS), last=st.just(0)),
    at=st.integers(0, len(SESSIONS) - 1),
)
def test_a_symbol_is_quiet_if_it_has_no_bar_in_the_last_sessions_asked_for(known, at):
    known = Known(known.since, known.until, SESSIONS[at])
    without = sum(SESSIONS[at] < day <= known.until for day in SESSIONS)
    assert known.is_quiet(SESSIONS) == (without >= QUIET_SESSIONS)
    assert Known(known.since, known.until, 0).is_quiet(SESSIONS)


def test_a_file_that_is_damaged_is_refused_by_its_name(tmp_path):
    path = tmp_path / NAME
    path.write_text("no Parquet")
    with pytest.raises(DataError, match=f"{NAME}.*; delete it"):
        known_of(path)


def _torn(path: Path) -> None:
    """Its end, which says what is where, is whole; what it has is not."""
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 100 + whole[104:])
    assert known_of(path)


def _without(column: str, path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns([column]), path)


@pytest.mark.parametrize(
    "spoil",
    [_torn, partial(_without, "symbol"), partial(_without, "price_factor")],
    ids=["torn", "no symbols", "a column less"],
)
def test_one_whose_rows_cannot_be_read_is_refused_by_its_name_and_stays(tmp_path, spoil):
    path = write_history(tmp_path, [told(bars("AAA", *DAYS))], SINCE, 20180302)
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=f"{NAME}.*; delete it"):
        write_history(tmp_path, [told(bars("BBB", *DAYS))], SINCE, 20180302)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [before]


def test_a_bar_of_a_day_that_was_not_asked_for_is_not_taken_for_the_last_one_asked_for(tmp_path):
    path = write_history(tmp_path, [told(bars("AAA", *DAYS, "2018-03-05"))], SINCE, 20180302)
    assert known_of(path)["AAA"].until == 20180302
    assert owed(path, [], ["AAA"], SESSIONS[:5]) == ["AAA"]


@pytest.mark.parametrize("said", [b"not JSON", b'{"AAA": [1]}', b"[]"])
def test_one_that_says_nothing_sensible_of_what_was_asked_is_refused_by_its_name(tmp_path, said):
    path = write_history(tmp_path, [told(bars("AAA", *DAYS))], SINCE, 20180302)
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"known": said}), path)
    with pytest.raises(DataError, match=f"{NAME}.*; delete it"):
        known_of(path)


def test_an_earlier_versions_file_is_used_and_all_of_it_asked_for_anew(tmp_path):
    path = write_history(tmp_path, [told(bars("AAA", *DAYS))], SINCE, 20180302)
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"asked": b"AAA,BBB"}), path)
    assert owed(path, [], ["AAA", "BBB"], SESSIONS[:3]) == ["AAA", "BBB"]
    write_history(tmp_path, [told(bars("BBB", *DAYS))], SINCE, 20180302)
    assert sorted(load_daily([path], now=NOW).symbols) == ["AAA", "BBB"]


def test_a_split_is_found_among_hundreds_of_bars_that_have_none(tmp_path):
    days = sessions_between("2017-01-03", "2018-03-02")
    raw = {("AAA", midnight(day)): row(400.0 if day < "2017-08-01" else 100.0) for day in days}
    split = {key: row(100.0 + 0.001 * at % 0.2) for at, key in enumerate(raw)}
    path = write_history(tmp_path, [told(raw, split, split)], SINCE, 20180302)
    factors = pq.read_table(path)["split_factor"].to_pylist()
    assert [value for value, _ in itertools.groupby(factors)] == [0.25, 1.0]
    assert math.fsum(factors) == sum(0.25 if day < "2017-08-01" else 1.0 for day in days)
