"""What a live session starts from: the day's calendar, and history out of the files below a root.

Files, all optional but the daily ones: `data/historical/{daily,daily_yahoo,intraday_1min,vix}/*.parquet`, and
the sectors in `data/reference/*constituents*.csv`, where the last file by name counts. The system's own daily
bars (`own-<session>.parquet` in `daily`) continue what the daily files have. Minutes of earlier sessions that
no file has come from the tapes or from the broker.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.broker.stream_symbols import choose
from actors.gateways.daily_data import DailyFacts
from actors.live_history import FetchDays, Wanted
from actors.market.calendar import midnight, session_times
from config.schema import Settings
from config.snapshot import settings_hash, snapshot
from runtime.errors import DataError
from runtime.log import get_logger
from runtime.messages.session import SessionHeader
from runtime.text import few
from storage.environment import environment
from storage.loaders.daily import DailyHistory, load_daily
from storage.loaders.first_days import NAME
from storage.loaders.own_days import OwnDay, continue_history, is_own, write_day
from storage.loaders.own_minutes import Fetch, OwnMinutes
from storage.loaders.panels import RATIO_SESSIONS, OpeningMinutes, daily_matrix, opening_volume, price_ratio
from storage.loaders.sectors import BENCHMARKS, load_sectors
from storage.loaders.session_data import calendar_before, day_fields, yyyymmdd
from storage.loaders.sessions import VIX_SESSIONS, symbol_table
from storage.loaders.vix import VixHistory, load_vix

DAILY_FOLDERS = ("daily", "daily_yahoo")
"""Below `data/historical`; of a symbol in both the first counts."""

_CLOSE, _ADJ_CLOSE = 3, 5

Panels = dict[str, NDArray[Any]]

_log = get_logger(__name__)


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A session before its first input: its header without panel references, and the panels."""

    header: SessionHeader
    panels: Panels


def make_start(
    root: Path,
    session: str,
    settings: Settings,
    *,
    books: str,
    now: int,
    fetch: Fetch | None = None,
    fetch_days: FetchDays | None = None,
) -> Start:
    """Read the files and lay out one session; in a worker thread.

    Args:
        session: ISO date of the trading day. books: whose books, `paper:<account>`.
        now: ns UTC; history from later than that is refused.
        fetch: Asks the broker for minutes that no file and no tape has; None: nobody.
        fetch_days: Asks it for daily bars where there is no file of them; None: nobody.

    Raises:
        DataError: There is no daily history, or a file cannot be used. ValueError: the day is no session.
    """
    base = root / "data" / "historical"
    files, kept, own = _daily_files(root)
    sectors = _sectors(root / "data" / "reference")
    why = _first_days(root, session, settings, fetch_days) if fetch_days is not None else ""
    if kept.exists():
        files.append(kept)  # whatever a person put there counts before it
    if not files:
        asked = f"; the broker was asked for it: {why}" if why else ""
        raise DataError(f"no daily history: put Parquet files into {base / DAILY_FOLDERS[0]}{asked}")
    daily = load_daily(files, now=now, absurd_ratio=settings.data.absurd_price_ratio)
    daily = continue_history(daily, own)
    vix = load_vix(sorted((base / "vix").glob("*.parquet")), now=now)
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
    minutes = OwnMinutes(base / "intraday_1min", root / settings.tapes.dir, symbols, now=now)
    count = max(settings.data.opening_volume_sessions, RATIO_SESSIONS)
    times = [session_times(day) for day in calendar_before(session, count, session_times)]
    streamed = choose((), watch_lists(settings, header), settings.data.stream_symbols or None).symbols
    openings = minutes.read([(day.session, day.open, day.close) for day in times], streamed, fetch)
    return Start(header=header, panels=_panels(session, settings, symbols, daily, vix, openings))


def wanted_symbols(settings: Settings, daily: DailyHistory, sectors: dict[str, str]) -> list[str]:
    """Symbols with history that somebody may trade: members of a sector, and what strategies name."""
    return sorted({name for name in (*sectors, *_named(settings)) if name in daily.symbols})


def _named(settings: Settings) -> list[str]:
    return [
        str(name) for one in settings.strategies if one.enabled for name in one.params.get("universe", ())
    ]


def wanted_days(root: Path, session: str, settings: Settings) -> Wanted | None:
    """Daily history of what may be traded, as far as it is the broker's; None: a person's files have it."""
    files, kept, own = _daily_files(root)
    if files:
        return None
    sectors = _sectors(root / "data" / "reference")
    names = dict.fromkeys((*BENCHMARKS, *_named(settings), *sorted(set(sectors.values())), *sectors))
    days = calendar_before(session, settings.data.history_sessions, session_times)
    return Wanted(kept=kept, own=tuple(own), names=tuple(names), sessions=tuple(days))


def _daily_files(root: Path) -> tuple[list[Path], Path, list[Path]]:
    """Daily files of a person, the one with what the broker told, and those the engine kept itself."""
    base = root / "data" / "historical"
    found = [path for folder in DAILY_FOLDERS for path in sorted((base / folder).glob("*.parquet"))]
    kept = base / DAILY_FOLDERS[0] / NAME
    own = [path for path in found if is_own(path)]
    return [path for path in found if path not in (kept, *own)], kept, own


def _first_days(root: Path, session: str, settings: Settings, fetch: FetchDays) -> str:
    """Ask for what is missing of the daily history; in words why some of it has not come."""
    wanted = wanted_days(root, session, settings)
    asked = wanted.owed() if wanted is not None else []
    if wanted is None or not asked:
        return ""
    answer = fetch(asked, *wanted.span)
    try:
        missing = wanted.keep(asked, answer)
    except OSError as error:
        _log.error("daily history could not be kept", error=str(error))
        return str(error)
    if missing:
        _log.warning("daily history is incomplete", missing=few(missing), reason=answer.why)
    return answer.why or "it has none"


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
    session: str,
    settings: Settings,
    symbols: tuple[str, ...],
    daily: DailyHistory,
    vix: VixHistory,
    minutes: OpeningMinutes,
) -> Panels:
    data, date = settings.data, yyyymmdd(session)
    days = [yyyymmdd(day) for day in calendar_before(session, data.history_sessions, session_times)]
    dates = np.array([*days, date], dtype=np.int32)
    matrix = daily_matrix(daily, symbols, dates)
    before, window, _ = matrix.window(date, data.history_sessions)
    vix_dates, closes = vix.before(date, VIX_SESSIONS)
    earlier = dates[max(0, len(dates) - 1 - data.opening_volume_sessions) : -1]
    panels: Panels = {
        "daily": window,
        "daily_sessions": before.copy(),
        "price_ratio": price_ratio(matrix, minutes, date, window),
        "vix": closes.copy(),
        "vix_sessions": vix_dates.copy(),
        "opening_volume": opening_volume(minutes, earlier),
    }
    for panel in panels.values():
        panel.flags.writeable = False
    return panels


def daily_facts(header: SessionHeader, panels: Panels) -> DailyFacts:
    """What must be known of a session to read its daily bars."""
    daily = panels["daily"]
    count = len(header.symbols)
    is_previous = daily.shape[2] > 0 and int(panels["daily_sessions"][-1]) == yyyymmdd(header.previous)
    return DailyFacts(
        header=header,
        previous=midnight(header.previous),
        midnight=midnight(header.session),
        has_history=np.isfinite(daily[_CLOSE]).any(axis=1),
        ratio=np.asarray(panels["price_ratio"], dtype=np.float64),
        adjusted=np.asarray(daily[_ADJ_CLOSE, :, -1]) if is_previous else np.full(count, np.nan),
    )


def vix_reader(root: Path, session: str, now: Callable[[], int]) -> Callable[[], float | None]:
    """Looks for the VIX's close of a session in the files below a root."""
    folder = root / "data" / "historical" / "vix"

    def read() -> float | None:
        return load_vix(sorted(folder.glob("*.parquet")), now=now()).on(yyyymmdd(session))

    return read


def day_keeper(root: Path) -> Callable[[OwnDay], Path]:
    """Keeps a session's daily bars where the next session finds them."""
    return lambda day: write_day(root / "data" / "historical" / DAILY_FOLDERS[0], day)
