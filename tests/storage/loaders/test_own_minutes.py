"""Where the minutes of earlier sessions come from, and that they are looked for once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actors.market.calendar import session_times
from storage.loaders.own_minutes import CLOSING_MINUTES, Minutes, OwnMinutes, Span, parts_of
from storage.loaders.quarantine import MINUTE
from tests.storage.loaders.made import NOW, bars, write

DAYS = ("2026-09-16", "2026-09-17")


def span(session: str) -> Span:
    times = session_times(session)
    return session, times.open, times.close


class Broker:
    """Has one bar of 100 shares at the beginning and one at the end of every session."""

    def __init__(self) -> None:
        self.asked: list[Sequence[tuple[int, int]]] = []

    def __call__(self, symbols: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[Minutes]:
        self.asked.append(spans)
        row = (10.0, 11.0, 9.0, 10.5, 100.0)
        return [Minutes.of({(first, name): row for name in symbols}) for first, _ in spans]


def read(root: Path, fetch=None):
    minutes = OwnMinutes(root / "minutes", root / "tapes", ("AAA", "BBB"), now=NOW)
    return minutes.read([span(day) for day in DAYS], ("AAA",), fetch)


def test_files_count_first_and_only_what_they_lack_is_asked_for(tmp_path):
    (tmp_path / "minutes").mkdir()
    write(tmp_path / "minutes" / "days.parquet", bars(DAYS[0], "AAA", [20.0] * 6))
    broker = Broker()
    found = read(tmp_path, broker)
    assert broker.asked == [parts_of(span(DAYS[1]))]
    assert found.volume[:, 0].tolist() == [
        [5_010.0, 100.0],
        [6_015.0, 100.0],
        [6_015.0, 100.0],
        [6_015.0, 100.0],
    ]
    assert found.last_close[0].tolist() == [20.0, 10.5]
    assert np.isnan(found.volume[:, 1]).all()


def test_what_the_broker_told_is_kept_and_not_asked_for_again(tmp_path):
    first = read(tmp_path, Broker())
    again = Broker()
    second = read(tmp_path, again)
    assert again.asked == []
    assert np.array_equal(first.volume, second.volume, equal_nan=True)
    assert [path.name for path in sorted((tmp_path / "minutes").iterdir())] == [
        "own-2026-09-16.parquet",
        "own-2026-09-17.parquet",
    ]


def test_the_newest_session_is_asked_for_first_and_what_found_no_time_stays_unknown(tmp_path):
    def hurried(symbols: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[Minutes]:
        return Broker()(symbols, spans[:3])

    found = read(tmp_path, hurried)
    assert np.isnan(found.volume[0, 0]).tolist() == [True, False]


def test_the_opening_hour_and_the_last_minutes_are_asked_for():
    _, opened, closed = span(DAYS[0])
    assert parts_of(span(DAYS[0])) == [
        (opened, opened + 59 * MINUTE),
        (closed - CLOSING_MINUTES * MINUTE, closed - MINUTE),
    ]
