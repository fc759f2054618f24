"""What a strategy may look at: symbols, history, times, regime, and what it holds."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.market.indicators import atr, filled
from actors.strategies.host_rules import HostRules
from runtime.kernel.actor import Moment
from runtime.messages.market import CLOSE, HIGH, LOW, OPEN, VOLUME, Bars, DailyBars, FloatArray
from runtime.messages.risk import Phase, Regime
from runtime.messages.session import SessionHeader
from runtime.messages.trading import Direction, SignalRaised

MINUTE = 60_000_000_000
"""One minute, ns."""
ADJUSTED = 5
"""Row of the adjusted close in a daily panel."""
LONG = 260
"""Sessions that recursive indicators look back: what is older weighs less than 1e-8 in them."""
RECENT = 30
"""A symbol has history if it traded in one of the last so many sessions."""


class Holding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A lot of the strategy that is open.

    Attributes:
        quantity: Signed shares. sessions: daily runs it has seen, the entry day's included.
    """

    lot_id: str
    symbol: str
    direction: Direction
    quantity: int
    entry_price: float
    entry_ts: int
    stop_loss: float | None = None
    take_profit: float | None = None
    intraday: bool = False
    sessions: int = 0


class Pending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry signal that has neither filled nor lapsed."""

    signal_id: str
    symbol: str
    direction: Direction
    expires_at: int


def place_of(bars: Bars, symbol: int) -> int:
    """Where a symbol stands in a frame; -1 when it has no bar."""
    ids = bars.ids
    count = len(ids)
    if 0 <= symbol < count and ids.item(symbol) == symbol:
        return symbol  # a frame of every symbol has it at its own place; only others are searched
    at = int(ids.searchsorted(np.int32(symbol)))
    return at if at < count and ids.item(at) == symbol else -1


class Daily:
    """Daily history as (symbols, sessions) panels in the daily file's units, oldest first, NaN where missing.

    Times `ratio` a price is in today's raw units. `coverage`: share of a lookback a symbol must have.
    """

    __slots__ = ("adjusted", "close", "coverage", "high", "low", "open", "ratio", "sessions", "volume")

    def __init__(
        self, panel: FloatArray, sessions: NDArray[np.int32], ratio: FloatArray, coverage: float = 0.95
    ) -> None:
        self.open: FloatArray = panel[OPEN]
        self.high: FloatArray = panel[HIGH]
        self.low: FloatArray = panel[LOW]
        self.close: FloatArray = panel[CLOSE]
        self.volume: FloatArray = panel[VOLUME]
        self.adjusted: FloatArray = panel[ADJUSTED]
        self.sessions = sessions
        self.ratio = ratio
        self.coverage = coverage

    @property
    def current(self) -> NDArray[np.bool_]:
        """(symbols,) whether the last session has a bar."""
        if not self.close.shape[1]:
            return np.zeros(self.close.shape[0], dtype=np.bool_)
        return np.asarray(np.isfinite(self.close[:, -1]))

    def covers(self, window: int) -> NDArray[np.bool_]:
        """(symbols,) whether the last session and enough of the last `window` have bars (strategies 0)."""
        if self.close.shape[1] < window:
            return np.zeros(self.close.shape[0], dtype=np.bool_)
        present = np.isfinite(self.close[:, -window:]).sum(axis=1)
        return np.asarray(self.current & (present >= math.ceil(self.coverage * window)))

    @property
    def atr14(self) -> FloatArray:
        """(symbols,) Wilder's 14-session average true range in the file's units; NaN where unknown."""
        if not self.close.shape[1]:
            return np.full(self.close.shape[0], np.nan)
        return atr(self.high[:, -LONG:], self.low[:, -LONG:], self.close[:, -LONG:])[:, -1]

    @property
    def has_history(self) -> NDArray[np.bool_]:
        """(symbols,) whether any of the last `RECENT` sessions has a bar."""
        return np.asarray(np.isfinite(self.close[:, -RECENT:]).any(axis=1))

    def with_session(self, session: int, bars: list[DailyBars]) -> "Daily":
        """The same history with one more session.

        Where the source does not tell the adjusted close, it takes the factor of the session before.
        """
        symbols = self.close.shape[0]
        column = np.full((6, symbols), np.nan)
        told = np.zeros(symbols)
        for frame in bars:
            inside = frame.ids < symbols
            column[:5, frame.ids[inside]] = frame.values[:5, inside]
            if frame.adj_close:
                told[frame.ids[inside]] = np.array(frame.adj_close)[inside]
        factor = np.ones(symbols)
        if self.close.shape[1]:
            last = filled((self.adjusted / self.close)[:, -RECENT:])[:, -1]
            factor = np.where(np.isfinite(last), last, 1.0)
        column[ADJUSTED] = np.where(told > 0, told, column[CLOSE] * factor)
        old = np.stack([self.open, self.high, self.low, self.close, self.volume, self.adjusted])
        panel = np.concatenate([old, column[:, :, None]], axis=2)
        return Daily(panel, np.append(self.sessions, np.int32(session)), self.ratio, self.coverage)


class StrategyContext:
    """One session's facts for one strategy; the host keeps the changing ones up to date.

    Attributes:
        symbols, sectors: The symbol table and each symbol's sector ETF ("" unknown); they only grow.
        index: Symbol to id. count: symbols at the session's start (rows of the panels).
        sector_ids: (count,) id of each symbol's sector ETF, -1 where it has none in the table.
        daily: History that ends with the previous session.
        vix: (V,) closes, oldest first. vix_sessions: (V,) yyyymmdd.
        opening_volume: (4, count, K) shares in minutes 0-4, 0-14, 0-29, 0-59 of earlier sessions.
        date: yyyymmdd. open, close, market_close, ends, next_open, next_close: ns UTC, 0 unknown.
        slots: Lots that its sleeve is cut into: what one lot is worth of it (strategies 7).
        rules: What decides whether its signals may leave.
        regime: The fast regime, which scales positions; slow: the one that rotates.
        frame: The last minute of bars, None before the first.
    """

    # More than 30 attributes, and an instance would look each of them up in a dictionary of its own.
    __slots__ = (
        "_lots_of", "_pending_of", "allow_short", "close", "count", "daily", "date", "ends", "frame",
        "holdings", "index", "intraday", "made", "market_close", "moment", "name", "next", "next_close",
        "next_open", "open", "opening_volume", "pending", "phase", "prefix", "previous", "regime",
        "rules", "scalar", "sector_ids", "sectors", "session", "signals", "slots", "slow", "symbols",
        "vix", "vix_sessions",
    )  # fmt: skip

    def __init__(
        self,
        header: SessionHeader,
        panels: Mapping[str, NDArray[Any]],
        *,
        name: str,
        allow_short: bool = False,
        slots: int = 10,
        intraday: bool = False,
        rules: HostRules | None = None,
    ) -> None:
        self.name = name
        self.rules = rules or HostRules()
        self.intraday = intraday
        self.symbols = list(header.symbols)
        self.sectors = list(header.sectors)
        self.count = count = len(self.symbols)
        self.index = {symbol: at for at, symbol in enumerate(self.symbols)}
        self.sector_ids = np.array([self.index.get(sector, -1) for sector in self.sectors], dtype=np.int32)
        ratio = panels.get("price_ratio", np.ones(count))
        self.daily = Daily(
            panels.get("daily", np.empty((6, count, 0))),
            panels.get("daily_sessions", np.empty(0, dtype=np.int32)),
            ratio,
            self.rules.lookback_coverage,
        )
        self.vix: FloatArray = panels.get("vix", np.empty(0))
        self.vix_sessions: NDArray[np.int32] = panels.get("vix_sessions", np.empty(0, dtype=np.int32))
        self.opening_volume: FloatArray = panels.get("opening_volume", np.empty((4, count, 0)))
        self.session, self.previous, self.next = header.session, header.previous, header.next
        self.date = int(header.session.replace("-", ""))
        self.open, self.close, self.ends = header.open, header.close, header.ends
        self.next_open, self.next_close = header.next_open, header.next_close
        closing = [row.ts for row in header.phases if row.phase == "MARKET_CLOSE"]
        self.market_close = closing[0] if closing else header.close - 15 * MINUTE
        self.allow_short = allow_short
        self.slots = slots
        self.phase: Phase = "OVERNIGHT"
        self.regime: Regime = "normal"
        self.slow: Regime = "normal"
        self.scalar = 1.0
        self.frame: Bars | None = None
        self.holdings: dict[str, Holding] = {}
        self.pending: dict[str, Pending] = {}
        self._lots_of: dict[str, list[str]] = {}
        self._pending_of: dict[str, list[str]] = {}
        self.moment = Moment()
        self.signals = 0
        self.made: dict[str, SignalRaised] = {}
        """Signals made and checked by the base of strategies that have not been said yet, by id."""
        self.prefix = f"{name}-{self.date}-"
        """What the ids of its signals begin with."""

    def next_id(self) -> str:
        """Give out the id of a new signal."""
        self.signals += 1
        return f"{self.prefix}{self.signals}"

    def add_symbol(self, symbol: str, sector: str) -> None:
        """Take up a symbol that was not in the table; it has no row in any panel."""
        self.index[symbol] = len(self.symbols)
        self.symbols.append(symbol)
        self.sectors.append(sector)

    def price_of(self, symbol: int) -> float:
        """Last close of the latest frame, else the previous session's raw close; NaN unknown, USD."""
        if self.frame is not None:
            at = place_of(self.frame, symbol)
            if at >= 0:
                return self.frame.values.item(CLOSE, at)
        return self.previous_close(symbol)

    def previous_close(self, symbol: int) -> float:
        """Previous session's close in today's raw units, USD; NaN unknown."""
        if symbol >= self.count or not self.daily.close.shape[1]:
            return math.nan
        return float(self.daily.close[symbol, -1] * self.daily.ratio[symbol])

    def minute_of(self, ts: int) -> int:
        """Minutes from the open to `ts`; negative before it."""
        return (ts - self.open) // MINUTE

    def held(self, symbol: str) -> list[Holding]:
        """The strategy's open lots in a symbol, oldest first."""
        lots = self._lots_of.get(symbol)
        return list(map(self.holdings.__getitem__, lots)) if lots else []

    def is_busy(self, symbol: str) -> bool:
        """Whether there is anything of it in `held`, or anything that may be in `on_its_way`."""
        return bool(self._lots_of.get(symbol) or self._pending_of.get(symbol))

    def on_its_way(self, symbol: str, now: int) -> list[Pending]:
        """Entries in a symbol that have neither filled nor lapsed by `now`, oldest first."""
        signals = self._pending_of.get(symbol)
        if not signals:
            return []
        return [pending for name in signals if (pending := self.pending[name]).expires_at > now]

    def put_holding(self, holding: Holding) -> None:
        """Take up a lot, or what became of it."""
        if holding.lot_id not in self.holdings:
            self._lots_of.setdefault(holding.symbol, []).append(holding.lot_id)
        self.holdings[holding.lot_id] = holding

    def forget_holding(self, lot_id: str) -> None:
        """Forget a closed lot; an unknown one is no error."""
        holding = self.holdings.pop(lot_id, None)
        if holding is not None:
            self._lots_of[holding.symbol].remove(lot_id)

    def put_pending(self, pending: Pending) -> None:
        """Remember an entry signal that left."""
        self.pending[pending.signal_id] = pending
        self._pending_of.setdefault(pending.symbol, []).append(pending.signal_id)

    def forget_pending(self, signal_id: str) -> None:
        """Forget an entry that filled or was dropped; an unknown one is no error."""
        pending = self.pending.pop(signal_id, None)
        if pending is not None:
            self._pending_of[pending.symbol].remove(signal_id)
