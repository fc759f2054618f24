"""Recorded days as headers, panels and frames, straight from the Parquet files; and a machine to run them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from actors.strategies.base import Strategy
from actors.strategy import StrategyActor, StrategyCarried
from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Message
from runtime.messages.machine import SessionEnded, SessionStarted, SetTimer, TimerFired
from runtime.messages.market import Bars
from runtime.messages.risk import Phase, PhaseChanged
from runtime.messages.session import PhaseStart, SessionHeader

DATA = Path(__file__).parents[4] / "shared" / "data"
GOLDEN = DATA.parent / "golden"
MINUTE = 60_000_000_000
SYMBOLS = ("AIG", "BAC", "IBM", "SPY")
SESSIONS = ("2013-10-04", "2013-10-07", "2013-10-08", "2013-10-09", "2013-10-10", "2013-10-11")

needs_data = pytest.mark.skipif(not DATA.exists(), reason="the recorded data are not beside the repository")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy's settings, as the host reads them."""

    name: str
    allocation: float = 0.1
    max_positions: int = 10
    params: dict[str, Any] = {}
    intraday: bool = False
    shadow: bool = False


class Day(msgspec.Struct, frozen=True, kw_only=True):
    header: SessionHeader
    panels: dict[str, Any]
    frames: tuple[Bars, ...]


def at(session: str, clock: str) -> int:
    """New York time of a day, ns UTC."""
    return int(pd.Timestamp(f"{session} {clock}", tz="America/New_York").value)


def header(
    session: str, previous: str, following: str, symbols: Sequence[str], **fields: Any
) -> SessionHeader:
    table: tuple[tuple[Phase, str], ...] = (
        ("PRE_MARKET", "06:30"),
        ("MARKET_OPEN", "09:30"),
        ("TRADING", "09:35"),
        ("MARKET_CLOSE", "15:45"),
        ("AFTER_HOURS", "16:00"),
    )
    return SessionHeader(
        session=session,
        previous=previous,
        next=following,
        starts=at(previous, "18:00"),
        open=at(session, "09:30"),
        close=at(session, "16:00"),
        ends=at(session, "18:00"),
        next_open=at(following, "09:30"),
        next_close=at(following, "16:00"),
        early_close=False,
        phases=tuple(PhaseStart(phase=phase, ts=at(session, clock)) for phase, clock in table),
        settings={},
        settings_hash="",
        symbols=tuple(symbols),
        **({"sectors": ("",) * len(symbols)} | fields),
    )


def october(scale: float = 1.0) -> tuple[Day, ...]:
    """SPY AIG BAC IBM on six days of October 2013; `scale` restates the daily file as after a split."""
    minute = pd.read_parquet(DATA / "minute" / "lean_2008_2014_trades.parquet")
    minute = minute[minute.symbol.isin(SYMBOLS)]
    daily = pd.read_parquet(DATA / "daily" / "lean_raw_1998-01-02_2018-03-16.parquet")
    daily = daily[daily.symbol.isin(SYMBOLS)]
    daily["session"] = daily.timestamp.dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")
    minute["et"] = minute.timestamp.dt.tz_convert("America/New_York")
    minute["session"] = minute.et.dt.strftime("%Y-%m-%d")
    columns = ["open", "high", "low", "close", "volume"]
    tables = {
        name: daily.pivot(index="symbol", columns="session", values=name).loc[list(SYMBOLS)]
        for name in columns
    }
    days, opening = [], []
    for number, session in enumerate(SESSIONS):
        past = [s for s in tables["close"].columns if s < session][-400:]
        factor = np.full(len(SYMBOLS), 1.0 / scale)
        panel = np.stack(
            [tables[n][past].to_numpy(float) for n in columns] + [tables["close"][past].to_numpy(float)]
        )
        panel[[0, 1, 2, 3, 5]] *= scale
        panel[4] /= scale
        of_day = minute[minute.session == session]
        following = SESSIONS[number + 1] if number + 1 < len(SESSIONS) else "2013-10-14"
        volume = np.stack(opening, axis=2) if opening else np.empty((4, len(SYMBOLS), 0))
        days.append(
            Day(
                header=header(session, past[-1], following, SYMBOLS),
                panels={
                    "daily": panel,
                    "daily_sessions": np.array([int(s.replace("-", "")) for s in past], dtype=np.int32),
                    "price_ratio": factor,
                    "opening_volume": volume,
                },
                frames=tuple(frames(of_day, SYMBOLS)),
            )
        )
        opening.append(_opening(of_day, at(session, "09:30")))
    return tuple(days)


def frames(table: pd.DataFrame, symbols: Sequence[str]) -> Iterator[Bars]:
    ids = {symbol: number for number, symbol in enumerate(symbols)}
    table = table.assign(
        id=table.symbol.map(ids), ns=table.timestamp.astype("datetime64[ns, UTC]").astype("int64")
    )
    for ts, rows in table.sort_values(["ns", "id"]).groupby("ns"):
        values = rows[["open", "high", "low", "close", "volume"]].to_numpy(float).T
        yield Bars.of(rows.id.to_numpy(np.int32), values, ts_event=int(ts))


def _opening(table: pd.DataFrame, opened: int) -> np.ndarray:
    minutes = (table.timestamp.astype("datetime64[ns, UTC]").astype("int64") - opened) // MINUTE
    result = np.full((4, len(SYMBOLS)), np.nan)
    for row, last in enumerate((5, 15, 30, 60)):
        part = table[(minutes >= 0) & (minutes < last)].groupby("symbol").volume.sum()
        for number, symbol in enumerate(SYMBOLS):
            result[row, number] = part.get(symbol, np.nan)
    return result


class Phases(Actor):
    """Changes phases when the header says so."""

    def __init__(self, header: SessionHeader) -> None:
        self._header = header
        self._phase: Phase = "OVERNIGHT"

    def on_session_started(self, _: SessionStarted) -> Iterator[SetTimer]:
        for row in self._header.phases:
            yield SetTimer(ts_event=self.now, cause=self.seq, actor=self.name, key=row.phase, due=row.ts)

    def on_timer_fired(self, timer: TimerFired) -> Iterator[PhaseChanged]:
        before, self._phase = self._phase, timer.key  # type: ignore[assignment]
        yield PhaseChanged(ts_event=self.now, cause=self.seq, phase=self._phase, previous=before)


class Tapped:
    """Collects what strategies say, with the time it was said."""

    def __init__(self) -> None:
        self.said: list[tuple[int, Message]] = []

    def __call__(self, _seq: int, now: int, _input: Message, caused: Sequence[Message]) -> None:
        self.said.extend((now, message) for message in caused)

    def of(self, kind: type) -> list[Any]:
        return [message for _, message in self.said if isinstance(message, kind)]


def run(
    day: Day,
    strategies: dict[type[Strategy], Section],
    carried: dict[str, bytes] | None = None,
    *,
    allow_short: bool = True,
    until: int | None = None,
    extra: Sequence[ActorSpec] = (),
) -> tuple[Sequencer, Tapped]:
    """Run one day's frames through the hosts of some strategies."""

    def spec(rank: int, kind: type[Strategy], section: Section) -> ActorSpec:
        def build(state: bytes | None) -> StrategyActor:
            before = None if state is None else msgspec.msgpack.decode(state, type=StrategyCarried)
            return StrategyActor(kind, section, day.header, day.panels, before, allow_short=allow_short)

        return ActorSpec(name=section.name, rank=rank, build=build, private=True)

    tap = Tapped()
    clock = ActorSpec(name="phases", rank=10, build=lambda _: Phases(day.header))
    hosts = [spec(100 + n, kind, section) for n, (kind, section) in enumerate(strategies.items())]
    machine = Sequencer([clock, *hosts, *extra], carried=carried or {}, observers=[tap])
    start = SessionStarted(ts_event=day.header.starts, session=day.header.session)
    machine.post("machine", start, day.header.starts)
    for frame in day.frames[:until]:
        machine.post("market", frame, frame.ts_event + MINUTE)
    if until is None:
        end = SessionEnded(ts_event=day.header.ends, session=day.header.session)
        machine.post("machine", end, day.header.ends)
    return machine, tap
