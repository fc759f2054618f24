"""The demo's market: a few dozen made-up stocks, their sector funds and index funds, minute by minute.

    market -> sector fund = beta market + its own walk -> stock = beta sector fund + mean-reverting residual

Residuals are Ornstein-Uhlenbeck in discrete time, X[t+1] = b X[t] + sd noise. What happens on which day is in
`synthetic_script`. Prices lie on cents.

Every number comes from uniform draws of PCG64 by sums, products and square roots, which IEEE 754 fixes to the
last bit; there is no logarithm, sine or normal generator, whose last digits differ between libraries.
"""

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from runtime.messages.base import Input
from runtime.messages.machine import Source
from runtime.messages.market import Bars, DailyBars, DailyReady, FloatArray, TradingStatus, VixClose
from storage.loaders.panels import OPENING_MINUTES
from storage.loaders.quarantine import MINUTE
from storage.loaders.session_data import SessionData, Times, TimesOf, calendar_before, day_fields, yyyymmdd
from storage.loaders.synthetic_script import DAYS, INDEX_FUNDS, LETTERS, SECTORS, Day

SEED = 7
HISTORY = 300
"""Sessions of daily history before the first day."""
OPENING_SESSIONS = 20
READY_AFTER = 20 * MINUTE
REVERSION = 0.84
"""b of the residuals: half of a gap to the mean is gone after four sessions."""
RESIDUAL = 0.030
"""Standard deviation of a stock's residual, fraction of its price."""
_STEP = RESIDUAL * math.sqrt(1 - REVERSION**2)
_MARKET_DAY, _SECTOR_DAY = 0.008, 0.005
_THIN_DOLLARS = 12_500_000.0
"""USD a day in a thin stock: just above what mean_reversion asks for (strategies 3.1)."""
_IN_PLAY_OPENING, _IN_PLAY_DAY = 6.0, 2.0
"""Times the usual volume of a stock in play: in its first five minutes, and in the day."""
_DRIVE = 0.008
"""How far a stock in play goes in the first five minutes."""


class Market(msgspec.Struct, kw_only=True):
    """Who there is, and where everything stands; symbols ascend.

    Attributes:
        parent: (S,) id of a stock's sector fund; -1 for a fund.
        beta: (S,) of a stock to its sector fund, of a fund to the market.
        close: (S,) last close, USD. residual: (S,) of stocks, fraction of the price.
        volume: (S,) shares on a usual day. thin: (S,) whether many minutes have no trade.
        daily: (6, S, T) history so far. opening: (4, S, T) opening volumes of its sessions.
        vix: closes so far, as many as there are sessions.
    """

    symbols: tuple[str, ...]
    sectors: tuple[str, ...]
    parent: NDArray[np.int64]
    beta: FloatArray
    close: FloatArray
    residual: FloatArray
    volume: FloatArray
    thin: NDArray[np.bool_]
    daily: FloatArray
    opening: FloatArray
    vix: FloatArray


def synthetic_sessions(
    seed: int = SEED, *, times: TimesOf, sessions: Sequence[Day] = DAYS
) -> list[SessionData]:
    """Make the demo's sessions.

    Args:
        seed: Of the random numbers; the script stays the same.
        times: The calendar.
        sessions: The script, ascending trading days.

    Returns:
        One session a scripted day, each with the history that the ones before have made.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    market = _found(rng)
    dates = [yyyymmdd(day) for day in calendar_before(sessions[0].session, HISTORY, times)]
    _make_history(market, rng, len(dates))
    made = []
    for day in sessions:
        made.append(_session(market, rng, day, dates, times, seed))
        dates.append(yyyymmdd(day.session))
    return made


def noise(rng: np.random.Generator, *shape: int) -> FloatArray:
    """Nearly normal numbers, mean 0, variance 1, never beyond 4.25: sums of six uniforms."""
    draws = rng.random((6, *shape))
    total = draws[0]
    for row in draws[1:]:
        total = total + row
    return np.asarray((total - 3.0) * math.sqrt(2.0))


# ---- who there is -------------------------------------------------------------------------------


def _found(rng: np.random.Generator) -> Market:
    """Draw betas, prices and volumes."""
    sector_of = {f"{stem}{letter}": etf for etf, stem in SECTORS.items() for letter in LETTERS}
    symbols = tuple(sorted([*sector_of, *SECTORS, *INDEX_FUNDS]))
    place = {name: index for index, name in enumerate(symbols)}
    count = len(symbols)
    parent = np.array([place[sector_of[name]] if name in sector_of else -1 for name in symbols])
    stock = parent >= 0
    thin = np.array([name in sector_of and name.endswith("C") for name in symbols])
    beta = 0.9 + 0.3 * rng.random(count)
    for name, share in INDEX_FUNDS.items():
        beta[place[name]] = share
    close = np.rint((40.0 + 160.0 * rng.random(count)) * 100) / 100
    shares = np.where(stock, 2e6 + 6e6 * rng.random(count), 3e7)
    return Market(
        symbols=symbols,
        sectors=tuple(sector_of.get(name, "") for name in symbols),
        parent=parent,
        beta=beta,
        close=close,
        residual=np.where(stock, RESIDUAL * noise(rng, count), 0.0),
        volume=np.where(thin, np.rint(_THIN_DOLLARS / close), np.rint(shares)),
        thin=thin,
        daily=np.zeros((6, count, 0)),
        opening=np.zeros((len(OPENING_MINUTES), count, 0)),
        vix=np.zeros(0),
    )


def _make_history(market: Market, rng: np.random.Generator, length: int) -> None:
    """Walk forward to the first day; prices are scaled so that the walk ends at `market.close`."""
    count = len(market.symbols)
    stock = market.parent >= 0
    moves = np.zeros((count, length))
    general = 0.0004 + _MARKET_DAY * noise(rng, length)
    own = _SECTOR_DAY * noise(rng, count, length)
    own[[market.symbols.index(name) for name in INDEX_FUNDS]] *= 0.2
    moves[~stock] = market.beta[~stock, None] * general + own[~stock]
    steps = _STEP * noise(rng, count, length)
    for at in range(length):
        after = REVERSION * market.residual + steps[:, at]
        moves[stock, at] = (after - market.residual)[stock]
        market.residual = np.where(stock, after, 0.0)
    moves[stock] += market.beta[stock, None] * moves[market.parent[stock]]
    path = np.cumprod(1.0 + moves, axis=1)
    close = path / path[:, -1:] * market.close[:, None]
    before = close / (1.0 + moves)
    usual = np.where(stock, 0.010, 0.004)[:, None]
    opened = before * (
        1.0 + 0.3 * moves + np.where(stock, 0.003, 0.0025)[:, None] * noise(rng, count, length)
    )
    high = np.maximum(opened, close) * (1.0 + usual * np.abs(noise(rng, count, length)) * 0.6)
    low = np.minimum(opened, close) * (1.0 - usual * np.abs(noise(rng, count, length)) * 0.6)
    volume = market.volume[:, None] * (0.7 + 0.6 * rng.random((count, length)))
    market.daily = np.stack([opened, high, low, close, np.rint(volume), close])
    market.daily[[0, 1, 2, 3, 5]] = np.rint(market.daily[[0, 1, 2, 3, 5]] * 100) / 100
    share = _volume_curve(390).cumsum()[np.array(OPENING_MINUTES) - 1]
    shaken = 0.8 + 0.4 * rng.random((len(OPENING_MINUTES), count, length))
    market.opening = np.rint(share[:, None, None] * market.daily[4] * shaken)
    market.vix = np.rint((13.2 + 1.0 * noise(rng, length).clip(-1.5, 1.5)) * 100) / 100


# ---- one session --------------------------------------------------------------------------------


def _session(
    market: Market, rng: np.random.Generator, day: Day, dates: list[int], times: TimesOf, seed: int
) -> SessionData:
    """Play one scripted day and move the market on to its close."""
    clock = times(day.session)
    length = (clock.close - clock.open) // MINUTE
    panels = _panels(market, dates)
    bars, present = _minutes(market, rng, day, length)
    inputs = _inputs(market, day, clock, bars, present)
    _close_day(market, day, bars, present)
    inputs += _after_close(market, day, clock)
    inputs.sort(key=lambda item: item[0])
    return SessionData(
        **day_fields(day.session, times),
        symbols=market.symbols,
        sectors=market.sectors,
        panels=panels,
        inputs=tuple(inputs),
        origin=f"synthetic seed={seed}",
        bars=int(present.sum()),
    )


def _panels(market: Market, dates: list[int]) -> dict[str, NDArray[np.generic]]:
    sessions = np.array(dates[-HISTORY:], dtype=np.int32)
    panels: dict[str, NDArray[np.generic]] = {
        "daily": market.daily[:, :, -HISTORY:].copy(),
        "daily_sessions": sessions,
        "price_ratio": np.ones(len(market.symbols)),
        "vix": market.vix[-HISTORY:].copy(),
        "vix_sessions": sessions.copy(),
        "opening_volume": market.opening[:, :, -OPENING_SESSIONS:].copy(),
    }
    for panel in panels.values():
        panel.flags.writeable = False
    return panels


def _minutes(
    market: Market, rng: np.random.Generator, day: Day, length: int
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """(7, S, n) bars of the day, and (S, n) which of them there are."""
    count = len(market.symbols)
    price = np.rint(market.close[:, None] * (1.0 + _paths(market, rng, day, length)) * 100) / 100
    opened, close = price[:, :-1], price[:, 1:]
    reach = np.where(market.parent >= 0, 0.00035, 0.0001)[:, None]
    high = np.maximum(opened, close) * (1.0 + reach * rng.random((count, length)))
    low = np.minimum(opened, close) * (1.0 - reach * rng.random((count, length)))
    high = np.maximum(np.rint(high * 100) / 100, np.maximum(opened, close))
    low = np.minimum(np.rint(low * 100) / 100, np.minimum(opened, close))
    volume = np.maximum(np.rint(_volumes(market, rng, day, length)), 1.0)
    trades = np.floor(volume / 80.0) + 1.0
    vwap = np.rint((high + low + close) / 3.0 * 10_000) / 10_000
    missing = rng.random((count, length)) < np.where(market.thin, 0.3, 0.0005)[:, None]
    missing[:, -1] = False  # the closing auction always trades
    for name, first, after in day.halted:
        missing[market.symbols.index(name), first:after] = True
    return np.stack([opened, high, low, close, volume, trades, vwap]), ~missing


def _paths(market: Market, rng: np.random.Generator, day: Day, length: int) -> FloatArray:
    """(S, n + 1) return since the previous close at the open and after each minute."""
    count = len(market.symbols)
    stock = market.parent >= 0
    minutes = np.arange(length + 1, dtype=np.float64)
    knots = np.array(day.knots, dtype=np.float64)
    general = np.interp(minutes, knots[:, 0], knots[:, 1]) + day.noise * _detour(rng, 1, length)[0]
    own = np.where(stock, 0.0, _SECTOR_DAY)
    own[[market.symbols.index(name) for name in INDEX_FUNDS]] *= 0.1
    drift = (own * noise(rng, count) * 0.5)[:, None] * (minutes / length)
    paths = np.where(stock, 0.0, market.beta)[:, None] * general + drift
    paths += own[:, None] * 0.3 * _detour(rng, count, length)
    wander = REVERSION * market.residual + _STEP * noise(rng, count)
    for name, level in day.pushed.items():
        wander[market.symbols.index(name)] = level * RESIDUAL
    step = np.where(stock, wander - market.residual, 0.0)
    calm = np.where(stock, 0.0025, 0.0)
    in_play = [market.symbols.index(name) for name in (*day.runs, *day.fails)]
    step[in_play] = 0.0
    calm[in_play] = 0.0003
    residual = step[:, None] * (minutes / length) + calm[:, None] * _detour(rng, count, length)
    for name in day.runs:
        residual[market.symbols.index(name)] += _running(minutes)
    for name in day.fails:
        residual[market.symbols.index(name)] += _failing(minutes)
    market.residual = np.where(stock, market.residual + residual[:, -1], 0.0)
    paths[stock] = market.beta[stock, None] * paths[market.parent[stock]] + residual[stock]
    return np.asarray(paths)


def _detour(rng: np.random.Generator, count: int, length: int) -> FloatArray:
    """(count, n + 1) random walks from 0 back to 0, standard deviation 1 for the free walk's end."""
    walk = np.zeros((count, length + 1))
    walk[:, 1:] = np.cumsum(noise(rng, count, length), axis=1) / math.sqrt(length)
    return np.asarray(walk - walk[:, -1:] * (np.arange(length + 1) / length))


def _running(minutes: FloatArray) -> FloatArray:
    """A drive, a rest, a break-out that goes on, and most of it kept."""
    at = (0, 5, 8, 11, 14, 110, 150, 390)
    level = (0.0, _DRIVE, 0.85 * _DRIVE, 0.9 * _DRIVE, 1.4 * _DRIVE, 7.5 * _DRIVE, 7.0 * _DRIVE, 6.5 * _DRIVE)
    return np.interp(minutes, at, level)


def _failing(minutes: FloatArray) -> FloatArray:
    """A drive, a rest, a break-out that is sold, and all of it lost."""
    at = (0, 5, 8, 12, 14, 30, 90, 390)
    level = (0.0, _DRIVE, 0.85 * _DRIVE, 0.9 * _DRIVE, 1.25 * _DRIVE, 0.2 * _DRIVE, -0.3 * _DRIVE, 0.0)
    return np.interp(minutes, at, level)


def _volume_curve(length: int) -> FloatArray:
    """(n,) share of the day's volume in each minute: much at the open and the close, little at noon."""
    place = (np.arange(length) + 0.5) / length * 2.0 - 1.0
    weight = 0.6 + 1.4 * place * place
    weight[:5] *= 2.5
    return np.asarray(weight / weight.sum())


def _volumes(market: Market, rng: np.random.Generator, day: Day, length: int) -> FloatArray:
    """(S, n) shares."""
    count = len(market.symbols)
    busy = 1.0 + 40.0 * max(abs(level) for _, level in day.knots)
    whole = market.volume * busy * (0.85 + 0.3 * rng.random(count))
    shares = whole[:, None] * _volume_curve(length) * (0.6 + 0.8 * rng.random((count, length)))
    for rank, name in enumerate((*day.runs, *day.fails)):
        at = market.symbols.index(name)
        shares[at] *= _IN_PLAY_DAY
        shares[at, :5] *= (_IN_PLAY_OPENING - 0.4 * rank) / _IN_PLAY_DAY
    return shares


def _inputs(
    market: Market, day: Day, clock: Times, bars: FloatArray, present: NDArray[np.bool_]
) -> list[tuple[int, Source, Input]]:
    """Bars as they become known, and halts."""
    inputs: list[tuple[int, Source, Input]] = list(_halts(day, clock))
    for minute in range(present.shape[1]):
        ids = np.flatnonzero(present[:, minute]).astype(np.int32)
        ts = clock.open + minute * MINUTE
        if len(ids):
            inputs.append((ts + MINUTE, "market", Bars.of(ids, bars[:, ids, minute], ts_event=ts)))
    return inputs


def _halts(day: Day, clock: Times) -> Iterator[tuple[int, Source, Input]]:
    for name, first, after in day.halted:
        begins, ends = clock.open + first * MINUTE, clock.open + after * MINUTE
        code, why = "T1", "news pending"
        yield (
            begins,
            "market",
            TradingStatus(ts_event=begins, symbol=name, halted=True, code=code, reason=why),
        )
        yield ends, "market", TradingStatus(ts_event=ends, symbol=name, halted=False, code="T3")


def _close_day(market: Market, day: Day, bars: FloatArray, present: NDArray[np.bool_]) -> None:
    """Add the day to the history, from its own minutes."""
    count = len(market.symbols)
    first = np.argmax(present, axis=1)
    rows = np.arange(count)
    volume = np.where(present, bars[4], 0.0)
    close = bars[3, :, -1]
    today = np.stack(
        [
            bars[0, rows, first],
            np.where(present, bars[1], 0.0).max(axis=1),
            np.where(present, bars[2], np.inf).min(axis=1),
            close,
            volume.sum(axis=1),
            close,
        ]
    )
    market.close = close.copy()
    market.daily = np.concatenate([market.daily, today[:, :, None]], axis=2)
    opening = np.stack([volume[:, :minutes].sum(axis=1) for minutes in OPENING_MINUTES])
    opening = np.where([present[:, :minutes].any(axis=1) for minutes in OPENING_MINUTES], opening, np.nan)
    market.opening = np.concatenate([market.opening, opening[:, :, None]], axis=2)
    market.vix = np.append(market.vix, day.vix)


def _after_close(market: Market, day: Day, clock: Times) -> list[tuple[int, Source, Input]]:
    at = clock.close + READY_AFTER
    today = market.daily[:, :, -1]
    bars = DailyBars.of(
        list(range(len(market.symbols))),
        today[:5],
        ts_event=clock.open,
        session=day.session,
        adj_close=tuple(today[5].tolist()),
    )
    level = VixClose(ts_event=clock.close, session=day.session, level=day.vix)
    ready = DailyReady(ts_event=at, session=day.session, coverage=1.0)
    return [(at, "market", bars), (at, "market", level), (at, "market", ready)]
