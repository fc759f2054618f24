"""Small made-up markets: a handful of symbols that walk, gap, miss minutes and halt, all from one seed."""

import random

import msgspec
import numpy as np

from actors.market.calendar import session_times, sessions_between
from runtime.messages.base import Input
from runtime.messages.machine import Source
from runtime.messages.market import (
    Bars,
    BarsRevised,
    DailyBars,
    DailyReady,
    FeedChanged,
    SymbolAdded,
    TradingStatus,
    VixClose,
)
from runtime.messages.risk import HaltLifted, HaltThrown, StrategyPaused
from storage.loaders.sessions import SessionData, day_fields

MINUTE = 60_000_000_000
HISTORY = 25
NEWCOMER = "ZNEW"
NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
_MORNING, _EVENING = 40, 22
"""Minutes of the session that have bars: the first and the last of the day."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of market it is.

    Attributes:
        step: Standard deviation of a minute's return. gap: of an overnight return and of sudden moves.
        missing: Share of the minutes without a bar. volume: shares a minute, about.
        halts: Trading halts a session. switch: whether a person throws the kill switch on the way.
        events: Whether a symbol is added, bars are revised, a feed fails and a person pauses a strategy.
    """

    seed: int
    symbols: int = 4
    sessions: int = 2
    step: float = 0.002
    gap: float = 0.02
    missing: float = 0.1
    volume: int = 2_000
    halts: int = 1
    switch: bool = False
    events: bool = False


def market(shape: Shape) -> tuple[SessionData, ...]:
    """The sessions of one market, ready to be played."""
    chance = random.Random(shape.seed)
    names: tuple[str, ...] = NAMES[: shape.symbols]
    dates = sessions_between("2026-03-05", "2026-03-12")[: shape.sessions]
    past = sessions_between("2026-01-02", "2026-03-04")[-HISTORY:]
    close = [round(chance.uniform(20, 200), 2) for _ in names]
    daily = np.repeat(np.array(close)[None, :, None], 6, axis=0) * np.ones((1, 1, len(past)))
    daily[4] = 5_000_000.0
    made = []
    for date in dates:
        session, column = _session(shape, chance, date, past, (names, close, daily))
        made.append(session)
        if len(close) > len(names):  # the newcomer is an ordinary symbol from the next session on
            names = (*names, NEWCOMER)
            daily = np.concatenate([daily, np.full((6, 1, len(past)), np.nan)], axis=1)
        past = [*past, date]
        daily = np.concatenate([daily, column[:, :, None]], axis=2)
    return tuple(made)


def _session(shape, chance, date, past, state):
    names, close, daily = state
    fields = day_fields(date, session_times)
    opens, closes = fields["open"], fields["close"]
    stamps = [opens + minute * MINUTE for minute in range(_MORNING)]
    stamps += [closes - minute * MINUTE for minute in range(_EVENING, 0, -1)]
    halted = _halts(shape, chance, names, stamps)
    inputs: list[tuple[int, Source, Input]] = []
    for symbol, begin, end in halted:
        for at, is_halted in ((begin, True), (end, False)):
            status = TradingStatus(ts_event=at, symbol=names[symbol], halted=is_halted, code="T1")
            inputs.append((at, "market", status))
    if shape.events:
        inputs += _events(chance, stamps, len(names))
        if len(close) == len(NAMES[: shape.symbols]):
            close.append(30.0)
            came = stamps[5]
            inputs.append((came, "market", SymbolAdded(ts_event=came, symbol=NEWCOMER, id=len(names))))
    column = np.full((6, len(close)), np.nan)
    for place in range(len(close)):
        close[place] *= 1 + chance.gauss(0, shape.gap)
    for ts in stamps:
        rows = []
        for place in range(len(close)):
            if place >= len(names) and ts < stamps[5]:
                continue
            if chance.random() < shape.missing or any(s == place and b <= ts < e for s, b, e in halted):
                continue
            rows.append((place, *_bar(shape, chance, close, place)))
        if rows:
            table = np.array(rows, dtype=float).T
            ids = table[0].astype(np.int32)
            inputs.append((ts + MINUTE, "market", Bars.of(ids, table[1:6], ts_event=ts)))
            column[:5, ids] = table[1:6]
    if shape.switch:
        thrown = chance.choice(stamps) + MINUTE + 1
        flatten = chance.random() < 0.5
        inputs.append((thrown, "operator", HaltThrown(ts_event=thrown, reason="test", flatten=flatten)))
        lifted = thrown + chance.randrange(1, 20) * MINUTE
        inputs.append((lifted, "operator", HaltLifted(ts_event=lifted, by="test")))
    column[5] = column[3] = np.where(np.isnan(column[3]), close, column[3])
    column[:3] = np.where(np.isnan(column[:3]), column[3], column[:3])
    column[4] = 5_000_000.0
    after = closes + 20 * MINUTE
    bars = DailyBars.of(list(range(len(close))), column[:5], ts_event=opens, session=date)
    inputs.append((after, "market", bars))
    inputs.append((after, "market", VixClose(ts_event=closes, session=date, level=chance.uniform(10, 45))))
    inputs.append((after, "market", DailyReady(ts_event=after, session=date, coverage=1.0)))
    inputs.sort(key=lambda item: item[0])
    sessions = np.array([int(day.replace("-", "")) for day in past], dtype=np.int32)
    panels = {
        "daily": daily.copy(),
        "daily_sessions": sessions,
        "price_ratio": np.ones(len(names)),
        "vix": np.full(len(past), 18.0),
        "vix_sessions": sessions.copy(),
        "opening_volume": np.full((4, len(names), 1), 1_000.0),
    }
    for panel in panels.values():
        panel.flags.writeable = False
    data = SessionData(
        **fields,
        symbols=names,
        sectors=("",) * len(names),
        panels=panels,
        inputs=tuple(inputs),
        origin=f"small market {shape.seed}",
    )
    return data, column


def _events(chance, stamps, symbols):
    """A feed that fails for a while, a strategy that a person pauses, bars that come late."""
    found: list[tuple[int, Source, Input]] = []
    fails = chance.choice(stamps) + 1
    found.append((fails, "market", FeedChanged(ts_event=fails, stream="bars", up=False, reason="test")))
    found.append((fails + 3 * MINUTE, "market", FeedChanged(ts_event=fails, stream="bars", up=True)))
    paused = chance.choice(stamps) + 2
    for at, is_paused in ((paused, True), (paused + 10 * MINUTE, False)):
        found.append((at, "operator", StrategyPaused(ts_event=at, strategy="chance_a", paused=is_paused)))
    for _ in range(5):
        ts, place = chance.choice(stamps), chance.randrange(symbols)
        late = BarsRevised.of([place], [[50.0], [51.0], [49.0], [50.5], [100.0]], ts_event=ts)
        found.append((ts + MINUTE + 30_000_000_000, "market", late))
    return found


def _halts(shape, chance, names, stamps):
    found = []
    for _ in range(shape.halts):
        begin = chance.choice(stamps)
        found.append((chance.randrange(len(names)), begin, begin + chance.randrange(1, 15) * MINUTE))
    return found


def _bar(shape, chance, close, place):
    """Open, high, low, close and volume of the next minute; prices on cents."""
    jump = shape.gap if chance.random() < 0.02 else shape.step
    opened = close[place] * (1 + chance.gauss(0, shape.step / 4))
    closing = opened * (1 + chance.gauss(0, jump))
    reach = abs(chance.gauss(0, shape.step))
    high, low = max(opened, closing) * (1 + reach), min(opened, closing) * (1 - reach)
    close[place] = closing
    volume = max(1, int(shape.volume * chance.random() ** 2))
    o, h, low, c = (max(0.05, round(price, 2)) for price in (opened, high, low, closing))
    return o, max(h, o, c), min(low, o, c), c, volume
