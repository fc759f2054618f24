"""From files to sessions: panels end with the session before, inputs come in order, nothing is lost."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.market.calendar import session_times, sessions_between
from runtime.messages.market import Bars, BarsQuarantined, DailyBars, DailyReady, VixClose
from storage.loaders.daily import load_daily
from storage.loaders.minute import load_minute
from storage.loaders.quarantine import CLOSED, FUTURE, MINUTE
from storage.loaders.sectors import load_sectors
from storage.loaders.sessions import Rules, SessionData, SessionFiles, calendar_before, import_sessions
from storage.loaders.vix import load_vix
from tests.storage.loaders.made import DATA, NOW, Row, bars, daily_rows, recorded, write

DAYS = sessions_between("2018-02-26", "2018-03-02")
RULES = Rules(history_sessions=30, opening_sessions=4)


def files(
    tmp_path: Path,
    minutes: list[Row],
    daily: list[Row],
    adj: list[float] | None = None,
    split: list[float] | None = None,
) -> SessionFiles:
    extra = {"adj_close": adj or [row[5] for row in daily]}
    if split is not None:
        extra = {"price_factor": [1.0] * len(daily), "split_factor": split}
    (tmp_path / "s.csv").write_text("Symbol,Sector\nAA,Energy\nBB,Financials\n")
    vix = daily_rows("VIX", DAYS, [20.0 + at for at in range(len(DAYS))])
    return SessionFiles(
        minutes=load_minute(write(tmp_path / "m.parquet", minutes), now=NOW),
        daily=load_daily([write(tmp_path / "d.parquet", daily, **extra)], now=NOW),
        vix=load_vix([write(tmp_path / "v.parquet", vix)], now=NOW),
        sectors=load_sectors(tmp_path / "s.csv"),
    )


def cut(found: SessionFiles, days: list[str], rules: Rules = RULES) -> list[SessionData]:
    made = list(import_sessions(found, days, session_times, rules))
    assert all(isinstance(each, SessionData) for each in made)
    return [each for each in made if isinstance(each, SessionData)]


def of(session: SessionData, kind: type) -> list[object]:
    return [message for _, _, message in session.inputs if type(message) is kind]


def two_days() -> list[Row]:
    return [row for day in DAYS[:2] for row in bars(day, "AA", [10.0] * 390) + bars(day, "BB", [20.0] * 90)]


def test_a_minute_is_known_when_it_is_over_and_the_day_ends_with_its_own_data(tmp_path: Path) -> None:
    daily = (
        daily_rows("AA", DAYS, [10.0] * 5)
        + daily_rows("BB", DAYS, [20.0] * 5)
        + daily_rows("XLE", DAYS, [70.0] * 5)
    )
    session = cut(files(tmp_path, two_days(), daily), DAYS[1:2])[0]
    times = session_times(DAYS[1])
    assert session.symbols == ("AA", "BB", "XLE") and session.sectors == ("XLE", "XLF", "")
    frames = of(session, Bars)
    assert [frame.ts_event for frame in frames] == [times.open + at * MINUTE for at in range(390)]
    assert [at for at, _, message in session.inputs if type(message) is Bars] == [
        f.ts_event + MINUTE for f in frames
    ]
    assert frames[0].ids.tolist() == [0, 1] and frames[100].ids.tolist() == [0]
    assert [type(message) for _, _, message in session.inputs[-3:]] == [DailyBars, VixClose, DailyReady]
    assert session.inputs[-1][0] == times.close + 20 * MINUTE
    assert of(session, VixClose)[0].level == 21.0
    assert of(session, DailyReady)[0].coverage == 1.0
    assert (session.next_open, session.next_close) == (
        session_times(DAYS[2]).open,
        session_times(DAYS[2]).close,
    )


def test_panels_end_with_the_session_before(tmp_path: Path) -> None:
    daily = daily_rows("AA", DAYS, [10.0, 11.0, 12.0, 13.0, 14.0])
    session = cut(files(tmp_path, two_days(), daily), DAYS[1:2])[0]
    panels = session.panels
    assert panels["daily"].shape == (6, 2, 30)
    assert panels["daily_sessions"][-1] == 20180226
    assert panels["daily"][3, 0, -1] == 10.0 and np.isnan(panels["daily"][:, 1]).all()
    assert panels["vix"].tolist() == [20.0] and panels["vix_sessions"].tolist() == [20180226]
    assert not any(panel.flags.writeable for panel in panels.values())
    assert [row[-1] for row in panels["opening_volume"][:, 0]] == [
        sum(1_000.0 + at for at in range(minutes)) for minutes in (5, 15, 30, 60)
    ]
    assert np.isnan(panels["opening_volume"][:, :, :-1]).all()


def test_too_few_daily_bars_are_given_up_ninety_minutes_after_the_close(tmp_path: Path) -> None:
    daily = daily_rows("AA", DAYS, [10.0] * 5) + daily_rows("BB", DAYS[:1], [20.0])
    session = cut(files(tmp_path, two_days(), daily), DAYS[1:2])[0]
    at, _, ready = session.inputs[-1]
    assert isinstance(ready, DailyReady)
    assert (ready.coverage, ready.degraded) == (0.5, True)
    assert at == session.close + 90 * MINUTE


@pytest.mark.parametrize(("daily_close", "ratio"), [(10.02, 1.0), (5.0, 2.0), (9.6, 10 / 9.6)])
def test_the_price_ratio_is_measured_on_earlier_sessions_and_unknown_on_the_first(
    tmp_path: Path, daily_close: float, ratio: float
) -> None:
    daily = daily_rows("AA", DAYS, [daily_close] * 5)
    earlier = daily_rows("AA", calendar_before(DAYS[0], 3, session_times), [daily_close] * 3)
    first, second = cut(files(tmp_path, two_days(), earlier + daily), DAYS[:2])
    assert np.isnan(first.panels["price_ratio"][0])
    assert second.panels["price_ratio"][0] == pytest.approx(ratio, abs=1e-12)
    assert second.panels["price_ratio"][1] == 1.0, "without a daily price there is nothing to convert"


def test_units_that_changed_yesterday_make_the_ratio_unknown(tmp_path: Path) -> None:
    minutes = [row for day, price in zip(DAYS[:4], (20.0, 20.0, 10.0, 10.0), strict=True)
               for row in bars(day, "AA", [price] * 60)]  # fmt: skip
    daily = daily_rows("AA", DAYS, [10.0] * 5)
    sessions = cut(files(tmp_path, minutes, daily), DAYS[:4])
    assert [s.panels["price_ratio"][0] for s in sessions[1:3]] == [2.0, 2.0]
    assert np.isnan(sessions[3].panels["price_ratio"][0])


def test_a_split_in_a_raw_file_is_no_jump_in_the_history_and_is_known_on_its_day(tmp_path: Path) -> None:
    minutes = bars(DAYS[2], "AA", [100.0] * 60) + bars(DAYS[3], "AA", [100.0] * 60)
    daily = daily_rows("AA", DAYS, [700.0, 714.0, 100.0, 101.0, 102.0])
    split_day, after = cut(files(tmp_path, minutes, daily, split=[1 / 7, 1 / 7, 1.0, 1.0, 1.0]), DAYS[2:4])
    assert split_day.panels["daily"][3, 0, -2:].tolist() == [700.0, 714.0]
    assert split_day.panels["price_ratio"][0] == pytest.approx(1 / 7)
    today = of(split_day, DailyBars)[0]
    assert today.close[0] == pytest.approx(700.0) and today.volume[0] == pytest.approx(1e6 / 7)
    assert after.panels["daily"][3, 0, -3:].tolist() == pytest.approx([100.0, 102.0, 100.0])
    assert after.panels["daily"][4, 0, -3:].tolist() == pytest.approx([7e6, 7e6, 1e6])
    assert after.panels["price_ratio"][0] == 1.0


def test_minutes_outside_regular_hours_are_kept_only_when_asked_for(tmp_path: Path) -> None:
    minutes = bars(DAYS[0], "AA", [10.0] * 5, first=-3) + bars(DAYS[0], "AA", [10.0] * 5, first=388)
    found = files(tmp_path, minutes, daily_rows("AA", DAYS, [10.0] * 5))
    assert cut(found, DAYS[:1])[0].bars == 4
    assert cut(found, DAYS[:1], Rules(extended=True))[0].bars == 10


def test_a_day_without_bars_gives_its_date_alone(tmp_path: Path) -> None:
    found = files(tmp_path, bars(DAYS[0], "AA", [10.0]), daily_rows("AA", DAYS, [10.0] * 5))
    made = list(import_sessions(found, DAYS[:2], session_times, RULES))
    assert isinstance(made[0], SessionData) and made[1] == DAYS[1]


def test_days_left_out_of_an_import_still_are_in_the_history(tmp_path: Path) -> None:
    minutes = bars(DAYS[0], "AA", [10.0]) + bars(DAYS[3], "AA", [10.0])
    found = files(tmp_path, minutes, daily_rows("AA", DAYS, [10.0, 11.0, 12.0, 13.0, 14.0]))
    _, last = cut(found, [DAYS[0], DAYS[3]])
    assert last.panels["daily"][3, 0, -3:].tolist() == [10.0, 11.0, 12.0]


def test_refused_bars_are_told_on_the_tape_of_their_session_with_an_example(tmp_path: Path) -> None:
    rows = two_days()
    bad = [(*row[:5], -1.0, row[6]) for row in bars(DAYS[1], "AA", [10.0] * 3, first=300)]
    night = [("AA", session_times(DAYS[1]).open - 7 * 60 * MINUTE, 10.0, 10.1, 9.9, 10.0, 5.0)]
    future = [("AA", NOW // MINUTE * MINUTE + 60 * MINUTE, 10.0, 10.1, 9.9, 10.0, 5.0)]
    keep = [row for row in rows if row[1] not in {each[1] for each in bad} or row[0] != "AA"]
    daily = daily_rows("AA", DAYS, [10.0] * 5)
    first, second = cut(files(tmp_path, keep + bad + night + future, daily), DAYS[:2])
    assert first.quarantined == {FUTURE: 1}
    told = of(second, BarsQuarantined)
    assert {message.reason: message.count for message in told}[CLOSED] == 1
    assert second.quarantined["price zero or negative"] == 3
    assert all(message.source == "m.parquet" and "'AA'" in message.example for message in told)
    assert second.bars == 390 + 90 - 3
    ats = [at for at, _, _ in second.inputs]
    assert ats == sorted(ats) and second.starts <= ats[0] and ats[-1] < second.ends


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=15,
    deadline=None,
)
@given(cut_at=st.integers(1, 4), price=st.floats(5.0, 500.0))
def test_later_days_never_change_an_earlier_session(tmp_path: Path, cut_at: int, price: float) -> None:
    minutes = {day: bars(day, "AA", [round(price, 2)] * 30) for day in DAYS}
    daily = daily_rows("AA", DAYS, [price * (1 + 0.01 * at) for at in range(5)])

    def made(days: int) -> SessionData:
        rows = [row for day in DAYS[:days] for row in minutes[day]]
        return cut(files(tmp_path, rows, daily[:days]), DAYS[:1])[0]

    short, whole = made(cut_at), made(5)
    assert short.inputs == whole.inputs
    for name, panel in short.panels.items():
        assert panel.tobytes() == whole.panels[name].tobytes(), name


# ---- recorded data ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spring() -> list[SessionData]:
    """Feb-Mar 2018: 20 sessions of 200 stocks."""
    found = SessionFiles(
        minutes=load_minute(DATA / "minute/stocks_2018-02-16_2018-03-16.parquet", now=NOW),
        daily=load_daily(
            [
                DATA / "daily/sp500_2015-01-12_2018-03-16.parquet",
                DATA / "daily/sector_etf_2005-01-03_2018-03-16.parquet",
            ],
            now=NOW,
        ),
        vix=load_vix([DATA / "daily/vix_1990-01-02_2018-03-16.parquet"], now=NOW),
        sectors=load_sectors(DATA / "reference/sp500_constituents_2018-04-02.csv"),
    )
    return cut(found, sessions_between("2018-02-16", "2018-03-16"), Rules())


@recorded
def test_spring_2018_has_124_stocks_with_history_and_every_bar_is_used(spring: list[SessionData]) -> None:
    assert len(spring) == 20 and sum(session.bars for session in spring) == 1_542_479
    assert not any(session.quarantined for session in spring)
    last = spring[-1]
    assert len(last.symbols) == 210, "200 stocks and the ten sector funds of the daily file"
    known = np.isfinite(last.panels["daily"][3]).any(axis=1)
    stocks = [s for s, has in zip(last.symbols, known, strict=True) if has and not s.startswith("XL")]
    stocks += [s for s in ("XL", "XLNX") if s in last.symbols and known[last.symbols.index(s)]]
    assert len(stocks) == 124
    lost = {s for s in stocks if not last.sectors[last.symbols.index(s)]}
    assert lost == {"CHK", "PDCO"}, "they left the index in March 2018, the list is of April"


@recorded
def test_spring_2018_ratios_are_split_and_spin_offs_and_nothing_else(spring: list[SessionData]) -> None:
    stocks = [i for i, s in enumerate(spring[0].symbols) if not s.startswith("XL") or s == "XLNX"]
    first = spring[0].panels["price_ratio"]
    priced = np.isfinite(spring[0].panels["daily"][3]).any(axis=1)
    assert np.isnan(first[priced]).all() and (first[~priced] == 1.0).all()
    for session in spring[3:]:
        ratio = session.panels["price_ratio"]
        odd = {
            session.symbols[i]: float(ratio[i]) for i in stocks if ratio[i] != 1.0 and ratio[i] == ratio[i]
        }
        assert odd.keys() == {"GE", "HON", "TJX"}
        assert odd["TJX"] == 2.0
        assert odd["GE"] == pytest.approx(1.04, abs=1e-3) and odd["HON"] == pytest.approx(1.0434, abs=1e-3)


@recorded
def test_spring_2018_days_are_complete_and_tell_the_vix(spring: list[SessionData]) -> None:
    ready = [of(session, DailyReady)[0] for session in spring]
    assert all(each.coverage >= 0.98 and not each.degraded for each in ready)
    levels = {session.session: of(session, VixClose)[0].level for session in spring}
    assert (levels["2018-03-01"], levels["2018-03-09"]) == (22.47, 14.64)
    volumes = np.isfinite(spring[10].panels["opening_volume"][0]).any(axis=0)
    assert volumes.tolist() == [False] * 10 + [True] * 10


@recorded
def test_october_2013_is_raw_and_its_opening_volume_is_the_golden_one() -> None:
    """Golden: SPY 2013-10-07, RV 1.493764 = 3,677,862 / 2,462,144 shares of 2013-10-04."""
    found = SessionFiles(
        minutes=load_minute(DATA / "minute/lean_2008_2014_trades.parquet", now=NOW),
        daily=load_daily([DATA / "daily/lean_raw_1998-01-02_2018-03-16.parquet"], now=NOW),
        vix=load_vix([DATA / "daily/vix_1990-01-02_2018-03-16.parquet"], now=NOW),
        sectors=load_sectors(DATA / "reference/sp500_constituents_2018-04-02.csv"),
    )
    sessions = cut(found, sessions_between("2013-10-04", "2013-10-11"))
    assert [session.symbols for session in sessions] == [("AIG", "BAC", "IBM", "SPY")] * 6
    assert all((session.panels["price_ratio"] == 1.0).all() for session in sessions)
    assert sessions[1].panels["opening_volume"][0, 3, -1] == 2_462_144
    assert sessions[2].panels["opening_volume"][0, 3, -1] == 3_677_862
    assert sessions[5].panels["daily"][3, 3, -1] == 169.24


@recorded
def test_the_half_day_of_2019_ends_at_one_and_without_history_nothing_is_frozen() -> None:
    found = SessionFiles(
        minutes=load_minute(DATA / "minute/etf_2019-12-16_2019-12-31.parquet", now=NOW),
        daily=load_daily([DATA / "daily/etf_adjclose_2010-01-04_2018-03-16.parquet"], now=NOW),
        vix=load_vix([DATA / "daily/vix_window_2019-10-01_2019-12-31.parquet"], now=NOW),
        sectors=load_sectors(DATA / "reference/sp500_constituents_2018-04-02.csv"),
    )
    session = cut(found, ["2019-12-24"])[0]
    frames = of(session, Bars)
    assert session.early_close and len(session.symbols) == 243
    assert frames[-1].ts_event == session.close - MINUTE
    assert (session.panels["price_ratio"] == 1.0).all()
    at, _, ready = session.inputs[-1]
    assert (ready.coverage, ready.degraded, at) == (0.0, True, session.close + 90 * MINUTE)
