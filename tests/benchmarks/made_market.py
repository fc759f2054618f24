"""Seeded minutes of made-up stocks on real tape files, and settings under which no limit is in the way."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from actors.market.calendar import session_times, sessions_between
from config.schema import Account, Breakers, Ensemble, Execution, Limits, Settings, StrategySettings
from config.snapshot import settings_hash, snapshot
from runtime.messages.market import Bars, FloatArray
from runtime.messages.session import SessionHeader
from storage.environment import environment
from storage.loaders.sessions import day_fields
from storage.panels import PanelStore
from storage.tape import TapeWriter
from tests.benchmarks.zscore import ZScore

FIRST, LAST = "2018-02-16", "2018-03-16"
MINUTE = 60_000_000_000
HISTORY = 20
SEED = 2018
PULL = 0.12
"""Share of the distance to its base price that a stock's price loses a minute, on average."""


def days(count: int) -> list[str]:
    """ISO dates of the first sessions."""
    return sessions_between(FIRST, LAST)[:count]


def settings(entry_z: float) -> Settings:
    """The rule with everything that could refuse, shrink or split an order lifted out of its way."""
    return Settings(
        account=Account(
            trading_capital=1e9,
            max_position_size=1e8,
            max_position_pct=1.0,
            max_positions=20_000,
            risk_per_trade=1.0,
            max_adv_frac=1.0,
            cash_buffer_pct=0.0,
        ),
        breakers=Breakers(
            daily_loss=1.0,
            drawdown=1.0,
            rapid_loss=1.0,
            strategy_loss=1.0,
            consecutive_losses=1_000_000,
        ),
        limits=Limits(max_messages_per_minute=1_000_000, require_exits=False),
        ensemble=Ensemble(quality_gate=0.0),
        execution=Execution(apply_costs=False, partial_fills=False),
        strategies=(
            StrategySettings(
                name=ZScore.name,
                class_path=f"{ZScore.__module__}:{ZScore.__name__}",
                allocation=1.0,
                max_positions=20_000,
                params={"entry_z": entry_z},
            ),
        ),
    )


def prices(symbols: int, sessions: int, minutes: int, seed: int = SEED) -> list[FloatArray]:
    """(7, minutes, symbols) of each session: cents that swing around a base, whole volumes."""
    chance = np.random.Generator(np.random.PCG64(seed))
    base = np.rint(5_000 + 15_000 * chance.random(symbols)) / 100
    away = np.zeros(symbols)
    made = []
    for _ in range(sessions):
        columns = np.empty((7, minutes, symbols))
        last = np.rint(base * (1 + away) * 100) / 100
        for minute in range(minutes):
            away = (1 - PULL) * away + 0.001 * chance.standard_normal(symbols)
            close = np.rint(base * (1 + away) * 100) / 100
            high, low = np.maximum(last, close) + 0.01, np.minimum(last, close) - 0.01
            volume = np.floor(1_000 + 9_000 * chance.random(symbols))
            columns[:, minute] = last, high, low, close, volume, np.floor(volume / 90), (last + close) / 2
            last = close
        made.append(columns)
    return made


def tapes(folder: Path, sessions: Sequence[FloatArray]) -> list[Path]:
    """Write one tape a session, with its panels beside it, as `tape import` does."""
    count = sessions[0].shape[2]
    symbols = tuple(f"S{place:05d}" for place in range(count))
    store = PanelStore(folder / "blobs")
    chosen = settings(-2.0)
    ids = np.arange(count, dtype=np.int32)
    paths = []
    for day, columns in zip(days(len(sessions)), sessions, strict=True):
        header = SessionHeader(
            **day_fields(day, session_times),
            symbols=symbols,
            sectors=("",) * count,
            settings=snapshot(chosen),
            settings_hash=settings_hash(chosen),
            panels={name: store.put(panel) for name, panel in _panels(columns, day).items()},
            origin=f"synthetic seed={SEED}",
            **msgspec.structs.asdict(environment()),
        )
        path = folder / f"{day}.tape"
        with TapeWriter(path, header, durable=False) as tape:
            for minute in range(columns.shape[1]):
                began = header.open + minute * MINUTE
                frame = Bars.of(ids, columns[:, minute], ts_event=began)
                tape.input(minute + 1, began + MINUTE, "market", frame)
        paths.append(path)
    return paths


def _panels(columns: FloatArray, day: str) -> dict[str, np.ndarray]:
    """History that ends at the first open: flat prices, ten million shares a day, a calm VIX."""
    opened = columns[0, 0]
    daily = np.empty((6, len(opened), HISTORY))
    daily[:] = opened[None, :, None]
    daily[4] = 1e7
    before = np.datetime64(day) - np.arange(HISTORY, 0, -1)
    dates = np.array([int(str(date).replace("-", "")) for date in before], dtype=np.int32)
    return {
        "daily": daily,
        "daily_sessions": dates,
        "price_ratio": np.ones(len(opened)),
        "vix": np.full(HISTORY, 18.0),
        "vix_sessions": dates,
    }
