"""What a live session starts from: the day's calendar, and history out of the files below a root.

Files, all optional but the daily ones: `data/historical/{daily,daily_yahoo,vix}/*.parquet`, and the sectors
in `data/reference/*constituents*.csv`, where the last file by name counts. There is no minute history here
yet, so the opening volumes are unknown, and a symbol whose daily prices were adjusted after the fact has no
known ratio to today's price: it is frozen.
"""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.market.calendar import session_times
from config.schema import Settings
from config.snapshot import settings_hash, snapshot
from runtime.errors import DataError
from runtime.messages.session import SessionHeader
from storage.environment import environment
from storage.loaders.daily import DailyHistory, load_daily
from storage.loaders.panels import OpeningMinutes, daily_matrix, opening_volume, price_ratio
from storage.loaders.sectors import load_sectors
from storage.loaders.session_data import calendar_before, day_fields, yyyymmdd
from storage.loaders.sessions import VIX_SESSIONS, symbol_table
from storage.loaders.vix import VixHistory, load_vix

DAILY_FOLDERS = ("daily", "daily_yahoo")
"""Below `data/historical`; of a symbol in both the first counts."""

Panels = dict[str, NDArray[Any]]


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A session before its first input: its header without panel references, and the panels."""

    header: SessionHeader
    panels: Panels


def make_start(root: Path, session: str, settings: Settings, *, books: str, now: int) -> Start:
    """Read the files and lay out one session.

    Args:
        session: ISO date of the trading day. books: whose books, `paper:<account>`.
        now: ns UTC; history from later than that is refused.

    Raises:
        DataError: There is no daily history, or a file cannot be used. ValueError: the day is no session.
    """
    base = root / "data" / "historical"
    files = [path for folder in DAILY_FOLDERS for path in sorted((base / folder).glob("*.parquet"))]
    if not files:
        raise DataError(f"no daily history: put Parquet files into {base / DAILY_FOLDERS[0]}")
    daily = load_daily(files, now=now, absurd_ratio=settings.data.absurd_price_ratio)
    vix = load_vix(sorted((base / "vix").glob("*.parquet")), now=now)
    sectors = _sectors(root / "data" / "reference")
    symbols = symbol_table(wanted_symbols(settings, daily, sectors), daily)
    header = SessionHeader(
        **day_fields(session, session_times),
        settings=snapshot(settings),
        settings_hash=settings_hash(settings),
        symbols=symbols,
        sectors=tuple(sectors.get(name, "") for name in symbols),
        books=books,
        origin="live",
        **msgspec.structs.asdict(environment()),
    )
    return Start(header=header, panels=_panels(session, settings, symbols, daily, vix))


def wanted_symbols(settings: Settings, daily: DailyHistory, sectors: dict[str, str]) -> list[str]:
    """Symbols with history that somebody may trade: members of a sector, and what strategies name."""
    named = [
        str(name) for one in settings.strategies if one.enabled for name in one.params.get("universe", ())
    ]
    return sorted({name for name in (*sectors, *named) if name in daily.symbols})


def watch_lists(settings: Settings, header: SessionHeader) -> dict[str, list[str]]:
    """Who wants to hear which symbols, the most important first: the benchmark, then by allocation."""
    known = dict.fromkeys(header.symbols)
    lists = {"benchmark": [name for name in ("SPY",) if name in known]}
    trading = [one for one in settings.strategies if one.enabled and one.allocation > 0]
    for one in sorted(trading, key=lambda each: -each.allocation):
        lists[one.name] = [name for name in one.params.get("universe", header.symbols) if name in known]
    return lists


def _sectors(folder: Path) -> dict[str, str]:
    etf: dict[str, str] = {}
    for path in sorted(folder.glob("*constituents*.csv")):
        etf.update(load_sectors(path).etf)
    return etf


def _panels(
    session: str, settings: Settings, symbols: tuple[str, ...], daily: DailyHistory, vix: VixHistory
) -> Panels:
    data, date = settings.data, yyyymmdd(session)
    days = [yyyymmdd(day) for day in calendar_before(session, data.history_sessions, session_times)]
    dates = np.array([*days, date], dtype=np.int32)
    matrix = daily_matrix(daily, symbols, dates)
    before, window, _ = matrix.window(date, data.history_sessions)
    count = len(symbols)
    none = OpeningMinutes(
        dates=np.empty(0, dtype=np.int32),
        last_close=np.empty((count, 0)),
        volume=np.empty((4, count, 0)),
    )
    vix_dates, closes = vix.before(date, VIX_SESSIONS)
    earlier = dates[max(0, len(dates) - 1 - data.opening_volume_sessions) : -1]
    panels: Panels = {
        "daily": window,
        "daily_sessions": before.copy(),
        "price_ratio": price_ratio(matrix, none, date, window),
        "vix": closes.copy(),
        "vix_sessions": vix_dates.copy(),
        "opening_volume": opening_volume(none, earlier),
    }
    for panel in panels.values():
        panel.flags.writeable = False
    return panels
