"""Fade a small opening gap of an index fund until most of it has closed (strategies 3.3).

gap = open / previous close - 1. At the close of minute 4, if gap_min <= |gap| <= gap_max and the target
is not reached: against the gap, target = open + fill_frac (previous close - open), stop distance =
clip(stop_atr ATR14, 0.3 %, 2 %), out after hold_min. The edge is thin, so every trade is also made on
paper, and real ones need the paper's last hundred to have paid for their costs.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from actors.strategies.base import Bars, ParameterSpec, SignalRaised, Strategy, scaled
from actors.strategies.context import MINUTE, place_of
from actors.strategies.shadow import PaperTrade, Record, learn
from runtime.messages.risk import PhaseChanged
from runtime.messages.trading import SignalDropped

DECISION_MINUTE = 4
ENTRY_UNTIL = 10
"""The paper entry is the first bar from minute 5 on; without one until here there is no trade."""
MIN_STOP, MAX_STOP = 0.003, 0.02
SHADOW_TRADES, ENOUGH_TRADES = 100, 30
HALF = 0.5


class GapFillStrategy(Strategy):
    """Decides once a day for a handful of symbols, then only counts minutes."""

    name = "gap_fill"
    intraday = True

    class Params(msgspec.Struct, frozen=True, kw_only=True):
        """See `SPECS`. `gate` "open" trades whatever the paper record says; `cost_bps`: round trip."""

        universe: tuple[str, ...] = ("SPY", "QQQ", "IWM", "DIA")
        gap_min: float = 0.0015
        gap_max: float = 0.006
        fill_frac: float = 0.75
        stop_atr: float = 0.75
        hold_min: int = 120
        min_edge_bps: float = 0.0
        cost_bps: float = 2.0
        gate: Literal["auto", "open"] = "auto"

        def __post_init__(self) -> None:
            if self.gap_min > self.gap_max:
                raise ValueError(f"gap_min {self.gap_min:g} is above gap_max {self.gap_max:g}")

    SPECS = (
        ParameterSpec(name="gap_min", kind="float", low=0.0005, high=0.003, step=0.0005, default=0.0015,
                      unit="fraction", help="smaller gaps are noise"),
        ParameterSpec(name="gap_max", kind="float", low=0.003, high=0.015, step=0.001, default=0.006,
                      unit="fraction", help="larger gaps have a reason"),
        ParameterSpec(name="fill_frac", kind="float", low=0.5, high=1.0, step=0.05, default=0.75,
                      unit="fraction", help="share of the gap that is taken"),
        ParameterSpec(name="stop_atr", kind="float", low=0.25, high=2.0, step=0.25, default=0.75,
                      unit="ATR14", help="stop distance"),
        ParameterSpec(name="hold_min", kind="int", low=30, high=240, step=15, default=120, unit="min",
                      help="longest holding"),
        ParameterSpec(name="min_edge_bps", kind="float", low=-5.0, high=5.0, step=0.5, default=0.0, unit="bp",
                      help="least mean paper result after costs"),
    )  # fmt: skip

    params: Params

    def start(self) -> None:
        """Look the universe up; the paper record comes with `restore`, or from the daily history."""
        context = self.context
        self._members = [context.index[s] for s in self.params.universe if s in context.index]
        daily = context.daily
        self._atr = daily.atr14 * daily.ratio
        self._opens: dict[int, float] = {}
        self._paper: dict[int, PaperTrade] = {}
        self._decided = False
        self._pending_close: dict[str, None] = {}
        self.record = learn(Record(bucket=self._bucket), context, self._members, self.params)

    @property
    def _bucket(self) -> str:
        """What a record of fills depends on: with other numbers it would be another record."""
        params = self.params
        return f"{params.gap_min:g} {params.gap_max:g} {params.fill_frac:g}"

    def carry(self) -> Record:
        """The paper record."""
        return self.record

    def restore(self, state: bytes) -> None:
        """Take the record back and add the sessions it has not seen."""
        record = msgspec.msgpack.decode(state, type=Record)
        if record.bucket != self._bucket:
            record = msgspec.structs.replace(record, bucket=self._bucket, fills={}, through=0)
        self.record = learn(record, self.context, self._members, self.params)

    def readiness(self) -> tuple[str, str]:
        """SHADOW while the paper trades do not pay for their costs."""
        known = [at for at in self._members if self.context.previous_close(at) > 0 and self._atr[at] > 0]
        if not known:
            return "INACTIVE", "NO_HISTORY" if self._members else "NO_SYMBOLS"
        edge = self.edge_bps
        if self.params.gate == "auto" and edge is not None and edge < self.params.min_edge_bps:
            return "SHADOW", f"paper edge {edge:.2f} bp after costs, least {self.params.min_edge_bps:g}"
        return "ACTIVE", ""

    @property
    def edge_bps(self) -> float | None:
        """Mean result of the paper trades after costs, bp; None while there are too few to tell."""
        trades = self.record.trades
        if len(trades) < ENOUGH_TRADES:
            return None
        return math.fsum(trades) / len(trades) - self.params.cost_bps

    # ---- the day ----------------------------------------------------------------------------

    def on_bars(self, bars: Bars) -> Iterable[SignalRaised]:
        """Remember the open, decide after minute 4, then watch the clock and the paper trades."""
        if self._decided and not self._paper and not self.context.holdings:
            return ()
        minute = self.context.minute_of(bars.ts_event)
        if minute < 0:
            return ()
        if self._decided:
            self._follow(bars, minute)
            return self._time_stops() if self.context.holdings else ()
        if minute == 0:
            for at in self._members:
                place = place_of(bars, at)
                if place >= 0:
                    self._opens[at] = float(bars.open[place])
        if minute < DECISION_MINUTE:
            return ()
        self._decided = True
        return list(self._entries(bars)) if minute == DECISION_MINUTE else ()

    def on_signal_dropped(self, _: SignalDropped) -> None:
        """A close that did not go through may be asked for again."""
        self._pending_close.clear()

    def on_phase_changed(self, change: PhaseChanged) -> None:
        """Paper trades end with the session too, at the last price known."""
        if change.phase == "MARKET_CLOSE":
            for trade in list(self._paper.values()):
                self._book(trade, trade.last)

    def _entries(self, bars: Bars) -> Iterator[SignalRaised]:
        params, context = self.params, self.context
        for at in self._members:
            before, opened, atr14 = context.previous_close(at), self._opens.get(at, 0.0), float(self._atr[at])
            place = place_of(bars, at)
            if place < 0 or opened <= 0 or not before > 0 or not atr14 > 0:
                continue
            gap = opened / before - 1
            if not params.gap_min <= abs(gap) <= params.gap_max or context.regime == "extreme":
                continue
            side = -1 if gap > 0 else 1
            if side < 0 and not context.allow_short:
                continue
            price = float(bars.close[place])
            target = opened + params.fill_frac * (before - opened)
            if (target - price) * side <= 0:
                continue
            self._paper[at] = PaperTrade(at, side, target, params.stop_atr * atr14)
            yield self._entry(at, side, price, target)

    def _entry(self, at: int, side: int, price: float, target: float) -> SignalRaised:
        context, params = self.context, self.params
        opened, before, atr14 = self._opens[at], context.previous_close(at), float(self._atr[at])
        gap = opened / before - 1
        away = min(max(params.stop_atr * atr14, MIN_STOP * price), MAX_STOP * price)
        fills = self.record.fills_of(context.symbols[at], side)
        half = params.gate == "auto" and self.edge_bps is None
        return (self.buy if side > 0 else self.sell_short)(
            at,
            price=price,
            stop=price - side * away,
            target=target,
            strength=scaled(abs(gap), params.gap_min, params.gap_max),
            confidence=(sum(fills) + 1) / (len(fills) + 2),
            reason=f"gap {gap:+.4%} against {before:.2f}",
            features={
                "gap": gap,
                "open": opened,
                "previous_close": before,
                "atr14": atr14,
                "fills": float(sum(fills)),
                "gaps": float(len(fills)),
                "paper_trades": float(len(self.record.trades)),
            },
            stop_follows_fill=True,
            size_factor=HALF if half else 1.0,
        )

    def _time_stops(self) -> Iterator[SignalRaised]:
        for holding in list(self.context.holdings.values()):
            late = self.now - holding.entry_ts >= self.params.hold_min * MINUTE
            if late and holding.lot_id not in self._pending_close:
                self._pending_close[holding.lot_id] = None
                yield self.close(holding, "time")

    # ---- paper ------------------------------------------------------------------------------

    def _follow(self, bars: Bars, minute: int) -> None:
        for trade in list(self._paper.values()):
            if not trade.entry and minute > ENTRY_UNTIL:
                del self._paper[trade.symbol]
            elif (place := place_of(bars, trade.symbol)) >= 0:
                self._step(trade, bars, place, minute)

    def _step(self, trade: PaperTrade, bars: Bars, place: int, minute: int) -> None:
        first = float(bars.open[place])
        if not trade.entry:
            trade.enter(first, minute, MIN_STOP, MAX_STOP)
        elif minute - trade.minute >= self.params.hold_min or bars.ts_event >= self.context.market_close:
            self._book(trade, first)
            return
        left = trade.left_at(first, float(bars.high[place]), float(bars.low[place]))
        trade.last = float(bars.close[place])
        if left is not None:
            self._book(trade, left)

    def _book(self, trade: PaperTrade, price: float) -> None:
        del self._paper[trade.symbol]
        if trade.entry:
            result = trade.side * (price / trade.entry - 1) * 10_000
            kept = (*self.record.trades, result)[-SHADOW_TRADES:]
            self.record = msgspec.structs.replace(self.record, trades=kept)
