"""Reads the session's own daily bars and the VIX's close after the market's, and keeps them for tomorrow.

From `daily_ready_after_min` after the close the broker's history is asked, again every few minutes until
enough symbols have their bar, and given up at `daily_ready_give_up_min`: then what there is goes out, as
degraded. What the stream told of the running day stands in for a symbol that REST does not have. The VIX
comes from the files below `data/historical/vix` and is looked for as long; without a close of today the
regime knows that its datum is old.
Source: strategies 0 and 5; architecture 1.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import anyio.to_thread
import msgspec
import numpy as np

from actors.broker.market_wire import DailyBar, MinuteBar
from config.machine import Data
from runtime.errors import BrokerRejected, BrokerUnavailable, DataError, KeysRefused
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.log import get_logger
from runtime.messages.market import DailyBars, DailyReady, FloatArray, VixClose
from runtime.messages.session import SessionHeader
from storage.loaders.own_days import OwnDay

_MINUTE = 60_000_000_000
_AGAIN = 10 * _MINUTE
_ADJ = 5

_log = get_logger(__name__)


class Days(Protocol):
    """Where daily bars are read."""

    async def daily_bars(
        self, symbols: Sequence[str], start: int, end: int, *, adjustment: str
    ) -> Sequence[MinuteBar]:
        """Daily bars that start from `start` to `end` (ns UTC), raw or adjusted for `split` or `all`.

        Raises:
            BrokerUnavailable: No answer; ask again. BrokerRejected, KeysRefused: There is no point in it.
        """


class DailyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway knows of the session before it reads.

    Attributes:
        previous, midnight: Midnight in New York of the session before and of this one, ns UTC.
        has_history: (S,) whether the symbol has a price in the daily panel.
        ratio: (S,) today's raw price over the panel's. adjusted: (S,) the panel's last adjusted close.
    """

    header: SessionHeader
    previous: int
    midnight: int
    has_history: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ratio: FloatArray
    adjusted: FloatArray


class DailyData(Gateway):
    """Does its work once a session, then ends.

    Args:
        days: The broker's history. running: the day so far by symbol, as the stream tells it.
        vix: The VIX's close of the day, if a file has it; called in a worker thread.
        keep: Keeps the bars; called in a worker thread.
        clock: Market time.
    """

    def __init__(
        self,
        inbox: Inbox,
        port: Port,
        *,
        facts: DailyFacts,
        settings: Data,
        days: Days,
        running: Mapping[str, DailyBar],
        vix: Callable[[], float | None],
        keep: Callable[[OwnDay], object],
        clock: Clock,
        name: str = "daily_data",
    ) -> None:
        super().__init__(name, inbox, port)
        self._facts, self._settings = facts, settings
        self._days, self._running = days, running
        self._vix, self._keep = vix, keep
        self._clock = clock

    async def run(self) -> None:
        """Wait, read until there is enough, tell, end."""
        header, settings = self._facts.header, self._settings
        ready = header.close + round(settings.daily_ready_after_min * _MINUTE)
        given_up = header.close + round(settings.daily_ready_give_up_min * _MINUTE)
        due, has_vix, is_told = ready, False, False
        while not await happens_by(self._clock, self.stopping, due):
            last = self._clock.now() >= given_up
            has_vix = has_vix or await self._tell_vix(last)
            if not is_told:
                day = await self._read()
                coverage = self._coverage(day)
                is_told = last or coverage >= settings.ready_coverage
                if is_told:
                    await self._tell(day, coverage)
            if last or (is_told and has_vix):
                return
            due = min(self._clock.now() + _AGAIN, given_up)

    async def _read(self) -> OwnDay:
        """What the broker has by now."""
        facts, symbols = self._facts, self._facts.header.symbols
        raw = await self._ask("raw")
        split = await self._ask("split") if raw else {}
        grown = await self._ask("all") if raw else {}
        names, rows = [], []
        for name in symbols:
            bar = raw.get((name, facts.header.session)) or self._running_bar(name)
            if bar is not None:
                before = (name, facts.header.previous)
                growth = _over(grown.get((name, facts.header.session)), grown.get(before))
                names.append(name)
                rows.append((*bar, _over(raw.get(before), split.get(before)), growth))
        table: FloatArray = np.array(rows).reshape(-1, 7).T
        place = {name: at for at, name in enumerate(symbols)}
        ids = np.array([place[name] for name in names], dtype=np.int64)
        shares: FloatArray = np.where(table[5] > 0, table[5], 1.0)
        return OwnDay(
            session=facts.header.session,
            stamp=facts.midnight,
            symbols=tuple(names),
            values=table[:5],
            split=shares,
            growth=table[6],
            scale=facts.ratio[ids] / shares,
        )

    async def _ask(self, adjustment: str) -> dict[tuple[str, str], tuple[float, ...]]:
        """Bars of the day and the session before, by symbol and session."""
        facts = self._facts
        try:
            bars = await self._days.daily_bars(
                facts.header.symbols, facts.previous, facts.midnight, adjustment=adjustment
            )
        except (BrokerUnavailable, BrokerRejected, KeysRefused) as error:
            _log.warning("daily bars could not be read", adjustment=adjustment, error=str(error))
            return {}
        sessions = {facts.previous: facts.header.previous, facts.midnight: facts.header.session}
        return {(bar.S, sessions[bar.ts]): row for bar in bars if bar.ts in sessions and (row := _row(bar))}

    def _running_bar(self, name: str) -> tuple[float, ...] | None:
        bar = self._running.get(name)
        return _row(bar) if bar is not None and bar.ts == self._facts.midnight else None

    def _coverage(self, day: OwnDay) -> float:
        """Share of the symbols with history and sector that have the session's bar (strategies 0)."""
        header, told = self._facts.header, frozenset(day.symbols)
        counted = [
            name
            for name, sector, known in zip(
                header.symbols, header.sectors, self._facts.has_history.tolist(), strict=True
            )
            if sector and known
        ]
        return sum(name in told for name in counted) / len(counted) if counted else float(bool(told))

    async def _tell_vix(self, last: bool) -> bool:
        """Tell the VIX's close if a file has it; whether it was told."""
        header = self._facts.header
        level = None
        try:
            level = await anyio.to_thread.run_sync(self._vix)
        except DataError as error:
            _log.error("the VIX's close could not be read", error=str(error))
        if level is not None:
            self.port("market", VixClose(ts_event=header.close, session=header.session, level=level))
        elif last:
            _log.warning(
                "no VIX close of today: the regime goes on with an older one", session=header.session
            )
        return level is not None

    async def _tell(self, day: OwnDay, coverage: float) -> None:
        header, now = self._facts.header, self._clock.now()
        if day.symbols:
            try:
                await anyio.to_thread.run_sync(self._keep, day)
            except OSError as error:
                _log.error("today's daily bars could not be kept", error=str(error))
            self.port("market", self._bars(day))
        degraded = coverage < self._settings.ready_coverage
        if degraded:
            _log.warning("daily bars are incomplete", coverage=round(coverage, 4))
        self.port(
            "market",
            DailyReady(ts_event=now, session=header.session, coverage=coverage, degraded=degraded),
        )

    def _bars(self, day: OwnDay) -> DailyBars:
        """Today's bars in the units of the panels."""
        facts = self._facts
        place = {name: at for at, name in enumerate(facts.header.symbols)}
        ids = np.array([place[name] for name in day.symbols], dtype=np.int32)
        # What is undone is every conversion since the panel's last session, a split this morning included.
        scale = np.where(np.isfinite(day.scale) & (day.scale > 0), day.scale, 1.0)
        values = day.values.copy()
        values[:4] /= scale
        values[4] *= scale
        adjusted = np.nan_to_num(facts.adjusted[ids] * day.growth, nan=0.0, posinf=0.0)
        return DailyBars.of(
            ids,
            values,
            ts_event=facts.header.open,
            session=facts.header.session,
            adj_close=tuple(adjusted.tolist()),
        )


def _row(bar: MinuteBar | DailyBar) -> tuple[float, ...] | None:
    """Open to volume, if they can be a bar at all."""
    row = (bar.o, bar.h, bar.l, bar.c, bar.v)
    if not all(np.isfinite(row)) or min(row[:4]) <= 0 or bar.v < 0 or bar.h < bar.l:
        return None
    return row


def _over(one: tuple[float, ...] | None, other: tuple[float, ...] | None) -> float:
    """One close over another; NaN where either is unknown."""
    return one[3] / other[3] if one is not None and other is not None else float("nan")
