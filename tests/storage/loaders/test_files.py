"""Files of every kind: read, told apart, refused by name."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.market.calendar import sessions_between
from runtime.errors import DataError
from storage.loaders.daily import load_daily, session_dates, snap
from storage.loaders.frames import load_frames
from storage.loaders.minute import load_minute
from storage.loaders.quarantine import BAD_TIME, MALFORMED, NO_PRICE
from storage.loaders.sectors import load_sectors
from storage.loaders.vix import load_vix
from tests.storage.loaders.made import DATA, NOW, bars, daily_rows, recorded, write

DAY = "2018-03-01"
FRAME = {
    "T": "b", "S": "AAL", "o": 54.14, "h": 54.23, "l": 54.01, "c": 54.175, "v": 33392,
    "t": "2018-03-01T14:30:00Z",
}  # fmt: skip


@pytest.mark.parametrize("missing", ["symbol", "timestamp", "open", "high", "low", "close", "volume"])
def test_a_minute_file_without_a_column_is_refused_by_name(tmp_path: Path, missing: str) -> None:
    path = write(tmp_path / "m.parquet", bars(DAY, "A", [10.0]))
    pq.write_table(pq.read_table(path).drop_columns([missing]), path)
    with pytest.raises(DataError, match=rf"m\.parquet: column '{missing}' missing .* a minute file has"):
        load_minute(path, now=NOW)


def test_a_file_that_is_absent_or_no_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_minute(tmp_path / "none.parquet", now=NOW)
    (tmp_path / "text.parquet").write_text("symbol,timestamp\n")
    with pytest.raises(DataError, match="not a Parquet file"):
        load_minute(tmp_path / "text.parquet", now=NOW)


def test_a_column_of_the_wrong_type_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "m.parquet", bars(DAY, "A", [10.0]))
    table = pq.read_table(path)
    pq.write_table(table.set_column(5, "close", pa.array(["ten"])), path)
    with pytest.raises(DataError, match="column 'close' was string; it must be a number"):
        load_minute(path, now=NOW)
    pq.write_table(table.set_column(1, "timestamp", pa.array(["now"])), path)
    with pytest.raises(DataError, match="column 'timestamp' was string"):
        load_minute(path, now=NOW)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=40)
@given(cut=st.integers(0, 2_000))
def test_a_parquet_file_cut_anywhere_is_refused_and_never_crashes(tmp_path: Path, cut: int) -> None:
    data = write(tmp_path / "m.parquet", bars(DAY, "A", [10.0] * 50)).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[: min(cut, len(data) - 1)])
    with pytest.raises(DataError):
        load_minute(tmp_path / "cut.parquet", now=NOW)


def test_nulls_in_a_minute_file_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "m.parquet", bars(DAY, "A", [10.0, 10.0, 10.0]))
    table = pq.read_table(path)
    closes = pa.array([10.0, None, 10.0])
    stamps = pa.array([None, *table["timestamp"].to_pylist()[1:]], table.schema.field("timestamp").type)
    table = table.set_column(5, "close", closes).set_column(1, "timestamp", stamps)
    pq.write_table(table, path)
    found = load_minute(path, now=NOW)
    assert found.refusals.by_reason() == {BAD_TIME: 1, NO_PRICE: 1}
    assert len(found.rows.ts) == 1


def frames(path: Path, lines: list[object]) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz"])
def test_frames_are_read_plain_and_packed_alone_and_in_lists(tmp_path: Path, name: str) -> None:
    later = {**FRAME, "t": "2018-03-01T14:31:00Z", "n": 12, "vw": 54.1}
    found = load_frames(frames(tmp_path / name, [FRAME, [later, {"T": "t", "S": "AAL"}]]), now=NOW)
    assert found.rows.ts.tolist() == [1_519_914_600_000_000_000, 1_519_914_660_000_000_000]
    assert found.rows.values[:5, 0].tolist() == [54.14, 54.23, 54.01, 54.175, 33392.0]
    assert np.isnan(found.rows.values[5:, 0]).all()
    assert found.rows.values[5:, 1].tolist() == [12.0, 54.1]
    assert found.ignored == {"trades": 1}


def test_broken_frames_are_counted_and_reading_goes_on(tmp_path: Path) -> None:
    lines = ["{", "7", {"T": "b"}, {**FRAME, "t": "noon"}, {**FRAME, "t": "2018-03-01T14:30:00"},
             {**FRAME, "c": "x"}, {**FRAME, "v": 10**400}, {"T": ["b"]}, FRAME]  # fmt: skip
    found = load_frames(frames(tmp_path / "f.jsonl", lines), now=NOW)
    assert len(found.rows.ts) == 1
    counts = found.refusals.by_reason()
    assert counts[MALFORMED] >= 3 and counts[BAD_TIME] == 2 and counts[NO_PRICE] == 1
    assert sum(counts.values()) + len(found.rows.ts) + sum(found.ignored.values()) == len(lines)


def test_a_torn_gzip_is_refused(tmp_path: Path) -> None:
    path = frames(tmp_path / "f.jsonl.gz", [FRAME] * 500)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read to its end"):
        load_frames(path, now=NOW)


SESSIONS = sessions_between("2018-02-20", "2018-03-01")


def test_daily_files_are_told_apart_by_their_columns(tmp_path: Path) -> None:
    closes = [10.0 + at for at in range(len(SESSIONS))]
    count = len(closes)
    rows = daily_rows("AA", SESSIONS, closes)
    lean = write(tmp_path / "l.parquet", rows, price_factor=[0.9] * count, split_factor=[0.5] * count)
    factor = write(tmp_path / "f.parquet", rows, adj_factor=[0.8] * count)
    yahoo = write(tmp_path / "y.parquet", rows, adj_close=[7.0] * count)
    only = tmp_path / "c.parquet"
    pq.write_table(pq.read_table(yahoo).select(["symbol", "timestamp", "adj_close"]), only)
    found = {path: load_daily([path], now=NOW).symbols["AA"] for path in (lean, factor, yahoo, only)}
    assert [history.kind for history in found.values()] == ["lean", "factor", "yahoo", "closes"]
    assert [history.values[5, 0] for history in found.values()] == pytest.approx([4.5, 8.0, 7.0, 7.0])
    assert np.isnan(found[only].values[:5]).all()
    assert found[lean].dates.tolist() == [int(day.replace("-", "")) for day in SESSIONS]


@pytest.mark.parametrize(
    ("keep", "named"),
    [
        (["symbol", "timestamp", "open", "high", "low", "close", "volume"], "'adj_close'"),
        (["symbol", "timestamp", "open", "high", "low", "close", "adj_close"], "'volume'"),
        (["timestamp", "open", "high", "low", "close", "volume", "adj_close"], "'symbol'"),
    ],
)
def test_a_daily_file_without_a_column_is_refused_by_name(
    tmp_path: Path, keep: list[str], named: str
) -> None:
    path = write(tmp_path / "y.parquet", daily_rows("AA", ["2018-03-01"], [10.0]), adj_close=[9.0])
    pq.write_table(pq.read_table(path).select(keep), path)
    with pytest.raises(DataError, match=rf"y\.parquet: column {named} missing .* a daily file has"):
        load_daily([path], now=NOW)


@pytest.mark.parametrize(("absurd", "refused"), [(5.0, 0), (3.0, 1)])
def test_how_far_a_day_may_jump_and_come_back_is_the_callers_choice(
    tmp_path: Path, absurd: float, refused: int
) -> None:
    closes = [10.0, 10.0, 40.0, 10.0, 10.0, 10.0]
    rows = daily_rows("AA", SESSIONS[:6], closes)
    path = write(tmp_path / "y.parquet", rows, adj_close=closes)
    found = load_daily([path], now=NOW, absurd_ratio=absurd)
    assert sum(found.refusals[0].by_reason().values()) == refused
    assert len(found.symbols["AA"].dates) == 6 - refused


def test_a_later_daily_file_adds_only_the_symbols_that_the_earlier_lack(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", daily_rows("AA", ["2018-03-01"], [10.0]), adj_close=[10.0])
    rows = daily_rows("AA", ["2018-03-01"], [99.0]) + daily_rows("BB", ["2018-03-01"], [20.0])
    two = write(tmp_path / "2.parquet", rows, adj_close=[99.0, 20.0])
    found = load_daily([one, two], now=NOW).symbols
    assert found["AA"].values[3].tolist() == [10.0]
    assert found["BB"].values[3].tolist() == [20.0]


@pytest.mark.parametrize(
    ("ratio", "snapped"),
    [
        (1.004, 1.0),
        (2.0002, 2.0),
        (0.4999, 0.5),
        (1.501, 1.5),
        (1 / 7, 1 / 7),
        (1.0400, 1.04),
        (1.0434, 1.0434),
    ],
)
def test_a_ratio_near_a_split_is_that_split_and_a_spin_off_stays_measured(
    ratio: float, snapped: float
) -> None:
    assert snap(ratio) == pytest.approx(snapped, abs=1e-12)


@given(st.dates(min_value=__import__("datetime").date(1990, 1, 1)).filter(lambda d: d.year < 2200))
def test_midnight_in_new_york_and_in_utc_are_the_same_session(day: object) -> None:
    midnight = int(np.datetime64(str(day), "ns").astype(np.int64))
    stamps = np.array([midnight, midnight + 4 * 3_600_000_000_000, midnight + 5 * 3_600_000_000_000])
    assert set(session_dates(stamps).tolist()) == {int(str(day).replace("-", ""))}


def test_sectors_become_funds_and_unknown_ones_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(
        'Symbol,Name,Sector\nMMM,"3M, Co",Industrials\nT,ATT,Telecommunication Services\nX,X,Odd\n'
    )
    found = load_sectors(path)
    assert found.etf == {"MMM": "XLI", "T": "XLK"}
    assert found.refusals.by_reason() == {"not a GICS sector": 1}
    path.write_text("Symbol,Name\nMMM,3M\n")
    with pytest.raises(DataError, match=r"s\.csv: column 'Sector' missing"):
        load_sectors(path)


def test_the_vix_is_known_up_to_the_session_before(tmp_path: Path) -> None:
    path = write(
        tmp_path / "v.parquet", daily_rows("VIX", SESSIONS, [20.0 + at for at in range(len(SESSIONS))])
    )
    vix = load_vix([path], now=NOW)
    dates, closes = vix.before(20180226, 2)
    assert dates.tolist() == [20180222, 20180223] and closes.tolist() == [22.0, 23.0]
    assert vix.on(20180226) == 24.0 and vix.on(20180225) is None


@recorded
def test_recorded_vix_closes_are_those_of_the_readme() -> None:
    vix = load_vix([DATA / "daily/vix_1990-01-02_2018-03-16.parquet"], now=NOW)
    assert (vix.on(20180301), vix.on(20180309), vix.on(20180205)) == (22.47, 14.64, 37.32)
    assert len(vix.dates) == 7105 and not vix.refusals[0].rows


@recorded
def test_recorded_frames_hold_what_the_readme_says() -> None:
    found = load_frames(DATA / "sessions/bars_2013-10-10_lean_n_vw.jsonl.gz", now=NOW)
    assert (len(found.rows.ts), len(found.rows.names)) == (2395, 4)
    assert not found.refusals.rows and np.isfinite(found.rows.values[5:]).all()


@recorded
def test_the_recorded_bar_that_straddles_a_split_is_refused() -> None:
    """AAPL's first minute on 2014-06-09 opens at 645.57 before the 7:1 split and closes at 92.42 after it."""
    found = load_minute(DATA / "minute/lean_2008_2014_trades.parquet", now=NOW)
    assert found.refusals.by_reason() == {"jump that came back": 1}
    assert "645.57" in found.refusals.rows[0].example
