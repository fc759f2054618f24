"""Real recorded sessions for tests of the whole system; the data lies beside the project, never in it."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from actors import playback
from actors.gateways.bookkeeper import Bookkeeper
from actors.gateways.replay_feed import MadeSession
from actors.market.calendar import session_times, sessions_between
from config.load import load
from config.schema import Settings
from runtime.kernel.cell import ActorSpec
from storage.loaders.daily import load_daily
from storage.loaders.minute import load_minute
from storage.loaders.sectors import load_sectors
from storage.loaders.sessions import Rules, SessionData, SessionFiles, import_sessions
from storage.loaders.vix import load_vix

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
GOLDEN = DATA.parent / "golden" / "golden_intraday.json"
GOLDEN_PROFILE = Path(__file__).resolve().parents[1] / "golden.toml"
_AFTER_ALL = 2_000_000_000_000_000_000  # ns UTC, in 2033: nothing recorded is from the future

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded market data at {DATA}")


@cache
def october_2013() -> tuple[SessionData, ...]:
    """SPY AIG BAC IBM, six sessions, raw daily history."""
    return _sessions(
        "minute/lean_2008_2014_trades.parquet",
        ["daily/lean_raw_1998-01-02_2018-03-16.parquet"],
        "2013-10-04",
        "2013-10-11",
    )


@cache
def february_2018(last: str = "2018-03-16") -> tuple[SessionData, ...]:
    """200 stocks, 20 sessions; daily history adjusted for later splits."""
    return _sessions(
        "minute/stocks_2018-02-16_2018-03-16.parquet",
        ["daily/sp500_2015-01-12_2018-03-16.parquet", "daily/sector_etf_2005-01-03_2018-03-16.parquet"],
        "2018-02-16",
        last,
    )


@cache
def december_2019() -> tuple[SessionData, ...]:
    """243 ETFs, 11 sessions with a half day; no daily history."""
    return _sessions(
        "minute/etf_2019-12-16_2019-12-31.parquet",
        ["daily/etf_adjclose_2010-01-04_2018-03-16.parquet"],
        "2019-12-16",
        "2019-12-31",
        "daily/vix_window_2019-10-01_2019-12-31.parquet",
    )


def _sessions(
    minute: str,
    daily: Sequence[str],
    first: str,
    last: str,
    vix: str = "daily/vix_1990-01-02_2018-03-16.parquet",
) -> tuple[SessionData, ...]:
    files = SessionFiles(
        minutes=load_minute(DATA / minute, now=_AFTER_ALL),
        daily=load_daily([DATA / name for name in daily], now=_AFTER_ALL),
        vix=load_vix([DATA / vix], now=_AFTER_ALL),
        sectors=load_sectors(DATA / "reference/sp500_constituents_2018-04-02.csv"),
    )
    cut = import_sessions(files, sessions_between(first, last), session_times, Rules())
    return tuple(session for session in cut if isinstance(session, SessionData))


def settings(profile: Path | None = None, *overrides: str) -> Settings:
    """Settings of a test run: defaults, a profile, overrides; nothing from the environment."""
    return load(profile, environ={}, overrides=overrides).settings


class Run:
    """A finished run: its summary and its books in memory."""

    def __init__(self, summary: playback.Summary, keeper: Bookkeeper) -> None:
        self.summary = summary
        self.trades = keeper.books.connection("trades")
        self.performance = keeper.books.connection("performance")


def play(
    sessions: Sequence[SessionData],
    chosen: Settings | None = None,
    *,
    observers: Sequence[Callable[..., None]] = (),
) -> Run:
    """Run sessions through the whole system into books in memory."""
    keeper = Bookkeeper(None, "replay:test")
    player = playback.Playback(
        chosen or settings(), projection=keeper, observers=observers, books="replay:test"
    )
    return Run(player.run([MadeSession(session) for session in sessions]), keeper)


def crashing(monkeypatch: pytest.MonkeyPatch, actor: str, wanted: Callable[[object], bool]) -> list[str]:
    """Make one actor raise on the first message that `wanted` picks; returns the list of what crashed it."""
    build, met = playback.system.build, []

    def patched(*args: object, **more: object) -> list[ActorSpec]:
        specs = build(*args, **more)  # type: ignore[arg-type]
        return [_sabotaged(spec, wanted, met) if spec.name == actor else spec for spec in specs]

    monkeypatch.setattr(playback.system, "build", patched)
    return met


def _sabotaged(spec: ActorSpec, wanted: Callable[[object], bool], met: list[str]) -> ActorSpec:
    import msgspec

    def build(carried: bytes | None) -> object:
        actor = spec.build(carried)
        handlers = actor.bound_handlers

        def wrapped() -> dict[type, Callable[[object], object]]:
            def guard(handler: Callable[[object], object]) -> Callable[[object], object]:
                def run(message: object) -> object:
                    if not met and wanted(message):
                        met.append(type(message).__name__)
                        raise RuntimeError("sabotage")
                    return handler(message)

                return run

            return {kind: guard(handler) for kind, handler in handlers().items()}

        actor.bound_handlers = wrapped  # type: ignore[method-assign,assignment]
        return actor

    return msgspec.structs.replace(spec, build=build)
