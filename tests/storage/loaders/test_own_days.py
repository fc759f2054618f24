"""The system's own daily bars behind those of the daily files: units, splits, what is left out."""

from pathlib import Path

import numpy as np
import pytest

from actors.market.calendar import midnight
from storage.loaders.daily import load_daily
from storage.loaders.own_days import OwnDay, continue_history, is_own, write_day
from tests.storage.loaders.made import NOW, daily_rows, write

BEFORE = ["2026-09-15", "2026-09-16"]


def day(session: str, close: float, *, split: float = 1.0, growth: float = np.nan, scale: float = 1.0):
    values = np.array([[close], [close + 1], [close - 1], [close], [1_000.0]])
    one = [np.array([number]) for number in (split, growth, scale)]
    return OwnDay(
        session=session,
        stamp=midnight(session),
        symbols=("AAA",),
        values=values,
        split=one[0],
        growth=one[1],
        scale=one[2],
    )


def raw_file(folder: Path) -> Path:
    ones = [1.0, 1.0]
    return write(
        folder / "a.parquet", daily_rows("AAA", BEFORE, [100.0, 102.0]), price_factor=ones, split_factor=ones
    )


def yahoo_file(folder: Path) -> Path:
    return write(folder / "a.parquet", daily_rows("AAA", BEFORE, [50.0, 51.0]), adj_close=[49.0, 50.0])


def continued(file: Path, *days: OwnDay):
    paths = [write_day(file.parent, each) for each in days]
    assert all(is_own(path) for path in paths) and not is_own(file)
    return continue_history(load_daily([file], now=NOW), paths).symbols["AAA"]


def test_raw_prices_go_on_raw_and_a_split_is_in_the_factor(tmp_path):
    found = continued(raw_file(tmp_path), day("2026-09-17", 103.0), day("2026-09-18", 26.0, split=4.0))
    assert found.dates.tolist() == [20260915, 20260916, 20260917, 20260918]
    assert found.values[3].tolist() == [100.0, 102.0, 103.0, 26.0]
    assert found.factor.tolist() == [1.0, 1.0, 1.0, 4.0]
    # Without the broker's word the adjusted close moves as the price does, the split undone.
    assert found.values[5].tolist() == pytest.approx([100.0, 102.0, 103.0, 104.0])


def test_adjusted_prices_go_on_in_the_units_of_their_file_and_a_dividend_is_in_the_growth(tmp_path):
    found = continued(yahoo_file(tmp_path), day("2026-09-17", 103.0, growth=1.02, scale=2.0))
    assert found.values[:5, 2].tolist() == [51.5, 52.0, 51.0, 51.5, 2_000.0]
    assert found.values[5, 2] == pytest.approx(50.0 * 1.02)


def test_a_session_the_file_has_itself_is_not_continued(tmp_path):
    found = continued(raw_file(tmp_path), day("2026-09-16", 7.0), day("2026-09-17", 103.0))
    assert found.values[3].tolist() == [100.0, 102.0, 103.0]


def test_adjusted_prices_whose_units_are_unknown_are_not_continued(tmp_path):
    found = continued(yahoo_file(tmp_path), day("2026-09-17", 103.0, scale=np.nan))
    assert found.dates.tolist() == [20260915, 20260916]


def test_a_symbol_without_history_is_not_begun_and_no_draft_is_left(tmp_path):
    file = write(
        tmp_path / "b.parquet",
        daily_rows("BBB", BEFORE, [1.0, 1.0]),
        price_factor=[1.0] * 2,
        split_factor=[1.0] * 2,
    )
    path = write_day(tmp_path, day("2026-09-17", 103.0))
    assert sorted(continue_history(load_daily([file], now=NOW), [path]).symbols) == ["BBB"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b.parquet", "own-2026-09-17.parquet"]
    assert path.stat().st_mode & 0o077 == 0
