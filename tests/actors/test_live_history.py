"""A root without daily files begins with the broker's, which later starts find as a file.

How they are asked for, group by group, is in `test_live_history_reading`.
"""

import anyio
import anyio.to_thread
import numpy as np
import pytest

from actors.live_history import day_fetcher
from actors.live_session import make_start
from actors.market.calendar import midnight
from config.load import load
from runtime.errors import BrokerUnavailable, DataError
from storage.loaders.first_days import NAME, write_history
from storage.loaders.own_days import OwnDay, write_day
from storage.loaders.own_minutes import Minutes
from tests.storage.loaders.made import told

SESSION = "2018-03-05"
DAYS = ("2018-02-28", "2018-03-01", "2018-03-02")
NOW = midnight(SESSION) + 9 * 3_600_000_000_000
BOOKS = "paper:PA1"


class History:
    """Daily bars of SPY, a tenth lower where dividends are taken out; silent or refusing if told so."""

    def __init__(self, *, is_silent: bool = False, is_refused: bool = False) -> None:
        self.is_silent, self.is_refused = is_silent, is_refused
        self.asked: list[tuple[tuple[str, ...], str]] = []
        self.closed = 0
        self.symbols: tuple[str, ...] = ("SPY",)
        self.days = DAYS

    async def daily_columns(self, symbols, start, end, *, adjustment):
        self.asked.append((tuple(symbols), adjustment))
        if self.is_refused:
            raise BrokerUnavailable("not now", is_unknown=False)
        if self.is_silent:
            await anyio.sleep_forever()
        scale = 0.9 if adjustment == "all" else 1.0
        return Minutes.of(
            {
                (midnight(day), symbol): (
                    270.0 * scale,
                    275.0 * scale,
                    269.0 * scale,
                    (271.0 + at) * scale,
                    1e6,
                )
                for symbol in self.symbols
                for at, day in enumerate(self.days)
                if symbol in symbols and start <= midnight(day) <= end
            }
        )

    async def aclose(self) -> None:
        self.closed += 1


async def started(root, history: History, seconds: float = 5.0, session: str = SESSION):
    fetch = day_fetcher(lambda: history, seconds)
    now = NOW + midnight(session) - midnight(SESSION)
    return await anyio.to_thread.run_sync(
        lambda: make_start(root, session, load(environ={}).settings, books=BOOKS, now=now, fetch_days=fetch)
    )


async def test_a_root_without_daily_files_begins_with_what_the_broker_has(tmp_path):
    history = History()
    start = await started(tmp_path, history)
    assert start.header.symbols == ("SPY",)
    assert start.panels["daily"][3, 0, -3:].tolist() == [271.0, 272.0, 273.0]
    assert start.panels["daily"][5, 0, -1] == pytest.approx(0.9 * 273.0)
    assert [adjustment for _, adjustment in history.asked] == ["raw", "split", "all"]
    assert {"SPY", "QQQ", "IWM", "DIA"} <= set(history.asked[0][0])
    assert history.closed == 1


async def test_it_is_asked_once_and_never_where_there_are_files(tmp_path):
    first = await started(tmp_path, History())
    unasked = History()
    second = await started(tmp_path, unasked)
    assert unasked.asked == []
    assert second.panels["daily"].tobytes() == first.panels["daily"].tobytes()


@pytest.mark.parametrize(
    ("history", "seconds"), [(History(is_silent=True), 0.05), (History(is_refused=True), 5.0)]
)
async def test_without_an_answer_the_start_says_what_is_missing_and_keeps_nothing(tmp_path, history, seconds):
    with pytest.raises(DataError, match="no daily history"):
        await started(tmp_path, history, seconds)
    assert not list(tmp_path.rglob("*.parquet"))
    assert history.closed == 1


async def test_todays_price_needs_no_minutes_of_earlier_sessions_to_be_understood(tmp_path):
    start = await started(tmp_path, History())
    assert start.panels["price_ratio"].tolist() == [1.0]


def of_day(session: str, close: float, *, symbol: str = "SPY") -> OwnDay:
    """A session's own bar of one symbol, without a word on splits or dividends."""
    row = np.array([[close], [close], [close], [close], [1e6]])
    one, unknown = np.array([1.0]), np.array([np.nan])
    return OwnDay(
        session=session,
        stamp=midnight(session),
        symbols=(symbol,),
        values=row,
        split=one,
        growth=unknown,
        scale=unknown,
    )


async def kept(root, day: OwnDay) -> None:
    folder = root / "data" / "historical" / "daily"
    await anyio.to_thread.run_sync(write_day, folder, day)


async def test_a_session_that_was_not_kept_is_read_from_the_broker_at_the_next_start(tmp_path):
    """The engine did not run on 1 March: a split of that day would be missed, and the day be a hole."""
    history = History()
    history.days = DAYS[:1]
    await started(tmp_path, history, session="2018-03-01")
    await kept(tmp_path, of_day("2018-03-02", 273.0))
    found = await started(tmp_path, History())
    assert found.panels["daily"][3, 0, -3:].tolist() == [271.0, 272.0, 273.0]


async def test_sessions_that_the_engine_kept_itself_are_not_asked_for(tmp_path):
    history = History()
    history.days = DAYS[:2]
    await started(tmp_path, history, session="2018-03-02")
    await kept(tmp_path, of_day("2018-03-02", 280.0))
    unasked = History()
    found = await started(tmp_path, unasked)
    assert unasked.asked == []
    assert found.panels["daily"][3, 0, -1] == 280.0


async def test_without_an_answer_what_was_kept_goes_on_and_is_asked_for_again(tmp_path):
    history = History()
    history.days = DAYS[:1]
    await started(tmp_path, history, session="2018-03-01")
    found = await started(tmp_path, History(is_refused=True))
    assert found.panels["daily"][3, 0, -3] == 271.0
    assert np.isnan(found.panels["daily"][3, 0, -2:]).all()
    found = await started(tmp_path, History())
    assert found.panels["daily"][3, 0, -3:].tolist() == [271.0, 272.0, 273.0]


async def test_a_symbol_that_is_named_later_is_asked_for_then(tmp_path):
    await started(tmp_path, History())

    def name() -> None:
        members = tmp_path / "data" / "reference" / "constituents.csv"
        members.parent.mkdir(parents=True)
        members.write_text("Symbol,GICS Sector\nAAPL,Information Technology\n")

    await anyio.to_thread.run_sync(name)
    history = History()
    history.symbols = ("AAPL",)
    found = await started(tmp_path, history)
    assert "AAPL" in history.asked[0][0]
    assert found.header.symbols == ("AAPL", "SPY")  # what the answer leaves out stays as it was
    assert found.panels["daily"][3, :, -1].tolist() == [273.0, 273.0]


async def test_a_persons_own_file_counts_before_the_brokers(tmp_path):
    first = await started(tmp_path, History())
    assert first.panels["daily"][3, 0, -1] == 273.0
    key, row = ("SPY", midnight(DAYS[-1])), (300.0, 300.0, 300.0, 300.0, 1e6)

    def put() -> None:
        folder = tmp_path / "data" / "historical" / "daily"
        theirs = (folder / NAME).read_bytes()
        write_history(folder, [told({key: row})], 20180302, 20180302).rename(folder / "spy.parquet")
        (folder / NAME).write_bytes(theirs)

    await anyio.to_thread.run_sync(put)
    unasked = History()
    found = await started(tmp_path, unasked)
    assert unasked.asked == []
    assert found.panels["daily"][3, 0, -1] == 300.0
