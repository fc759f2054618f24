"""Trade the opening range of the stocks that are in play today (strategies 3.2).

Opening range: minutes 0 to or_min - 1. RV = its volume over the mean of the same minutes of the last
`rv_days` sessions. Of the `top_n` by RV, side = sign(close - open) of the range; entry where the price
leaves the range on that side, stop 0.1 ATR14 behind, target 10 R. After Zarattini, Barbon and Aziz 2024.
"""

import math
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.market.rings import OpeningRange, SessionVwap
from actors.strategies.base import Bars, EntryStyle, ParameterSpec, SignalRaised, Strategy, scaled
from actors.strategies.context import MINUTE, place_of
from actors.strategies.rules import TICK
from runtime.messages.market import FloatArray

MIN_PRICE, MIN_ATR, MIN_SHARES, VOLUME_DAYS = 5.0, 0.50, 1_000_000.0, 14
MIN_BARS = 3
LIMIT_ATR = 0.05
MIN_TICKS, MIN_FRACTION = 3, 0.0005
SATURATION = 3.0
STRONG_BODY = 0.6
EXTREME_POSITIONS = 2
ROUNDING = 1e-9
"""Differences of prices, USD, that are only float noise: 100.1 - 100.0 is a body of 0.1."""
PANEL_ROW = {5: 0, 15: 1, 30: 2, 60: 3}
"""Row of the opening-volume panel for each length of the opening range."""
LEVERAGED = (
    "BOIL", "DUST", "ERX", "ERY", "FAS", "FAZ", "JDST", "JNUG", "KOLD", "LABD", "LABU", "NUGT", "PSQ",
    "QID", "QLD", "RWM", "SCO", "SDOW", "SDS", "SH", "SOXL", "SOXS", "SPXL", "SPXS", "SPXU", "SQQQ",
    "SSO", "SVXY", "TBT", "TNA", "TQQQ", "TZA", "UCO", "UDOW", "UPRO", "UVXY", "UWM", "VXX", "YANG", "YINN",
)  # fmt: skip
"""Leveraged, inverse and volatility products: their ranges are not a stock's."""


class RelativeVolumeBreakout(Strategy):
    """Decides once a day, when the opening range is complete; the broker does the rest."""

    name = "relative_volume_breakout"
    intraday = True

    class Params(msgspec.Struct, frozen=True, kw_only=True):
        """See `SPECS`; `excluded` names symbols never traded."""

        or_min: int = 5
        rv_min: float = 1.0
        top_n: int = 5
        stop_atr: float = 0.1
        target_r: float = 10.0
        entry_cutoff_min: int = 120
        rv_days: int = 14
        rv_min_days: int = 10
        body_min: float = 0.1
        excluded: tuple[str, ...] = LEVERAGED

    SPECS = (
        ParameterSpec(name="or_min", kind="choice", choices=(5, 15, 30, 60), default=5, unit="min",
                      help="length of the opening range"),
        ParameterSpec(name="rv_min", kind="float", low=1.0, high=4.0, step=0.25, default=1.0, also=(0.0,),
                      help="least relative volume; 0 takes symbols without a baseline too"),
        ParameterSpec(name="top_n", kind="int", low=1, high=20, step=1, default=5, help="symbols in play"),
        ParameterSpec(name="stop_atr", kind="float", low=0.05, high=0.5, step=0.05, default=0.1, unit="ATR14",
                      help="stop distance from the trigger"),
        ParameterSpec(name="target_r", kind="float", low=2.0, high=20.0, step=1.0, default=10.0, unit="R",
                      help="target in stop distances"),
        ParameterSpec(name="entry_cutoff_min", kind="int", low=30, high=330, step=30, default=120, unit="min",
                      help="end of the entry window, from the open"),
        ParameterSpec(name="rv_days", kind="int", low=10, high=20, step=1, default=14, unit="sessions",
                      help="baseline of the relative volume", also=tuple(range(1, 10))),
        ParameterSpec(name="rv_min_days", kind="int", low=10, high=20, step=1, default=10, unit="sessions",
                      help="baseline sessions that must be there", also=tuple(range(10))),
        ParameterSpec(name="body_min", kind="float", low=0.0, high=0.5, step=0.05, default=0.1,
                      help="least |close - open| as a share of the range"),
    )  # fmt: skip

    params: Params

    def start(self) -> None:
        """Know which symbols may trade before the first bar; the day's range starts empty."""
        context, params = self.context, self.params
        count, daily = context.count, context.daily
        self._done = False
        self._range = OpeningRange(count)
        self._vwap = SessionVwap(count)
        self._atr: FloatArray = daily.atr14 * daily.ratio
        self._baseline = _baseline(
            context.opening_volume[PANEL_ROW[params.or_min]], params.rv_days, params.rv_min_days
        )
        shares = np.full(count, np.nan)
        if daily.close.shape[1] >= VOLUME_DAYS:
            shares = _mean_volume(daily.volume[:, -VOLUME_DAYS:]) / daily.ratio
        self._tradable: NDArray[np.bool_] = (
            daily.covers(VOLUME_DAYS) & (shares >= MIN_SHARES) & (self._atr > MIN_ATR)
        )
        for symbol in params.excluded:
            if symbol in context.index:
                self._tradable[context.index[symbol]] = False

    def readiness(self) -> tuple[str, str]:
        """DEGRADED when too few of the symbols with history have the previous session."""
        daily = self.context.daily
        counted = daily.has_history & (self.context.sector_ids >= 0)
        covered = int((counted & daily.current).sum())
        if counted.any() and covered < self.context.rules.universe_coverage * int(counted.sum()):
            return "DEGRADED", f"COVERAGE {covered} of {int(counted.sum())} symbols"
        return ("ACTIVE", "") if self._tradable.any() else ("INACTIVE", "NO_HISTORY")

    def on_bars(self, bars: Bars) -> Iterable[SignalRaised]:
        """Build the opening range; when it is complete, say what to trade."""
        if self._done:
            return ()
        minute = self.context.minute_of(bars.ts_event)
        if minute < 0:
            return ()
        if minute < self.params.or_min:
            ids = bars.ids
            if len(ids) and ids[-1] >= self.context.count:
                bars = _known(bars, self.context.count)
                ids = bars.ids
            self._range.push(ids, bars, minute)
            self._vwap.push(ids, bars)
        if minute < self.params.or_min - 1:
            return ()
        self._done = True
        if minute >= self.params.entry_cutoff_min:
            return ()
        return self._entries(bars if minute >= self.params.or_min else None)

    def _entries(self, late: Bars | None) -> Iterator[SignalRaised]:
        allowed = self.params.top_n
        if self.context.regime == "extreme":
            allowed = min(allowed, EXTREME_POSITIONS - len(self.context.holdings))
        entered = 0
        for at in self._in_play():
            if entered >= allowed:
                return
            side = self._side(at)
            if not side or (side < 0 and not self.context.allow_short):
                continue
            if late is not None and self._has_left(late, at, side):
                continue
            if self._atr[at] > 0 and not self.busy(at):
                entered += 1
                yield self._entry(at, side)

    def _in_play(self) -> list[int]:
        """Ids of the `top_n` symbols by relative volume, ties by symbol."""
        opening, params = self._range, self.params
        complete = (opening.bars >= MIN_BARS) & opening.prompt & (opening.open > MIN_PRICE) & self._tradable
        volume = self.relative_volume
        if params.rv_min > 0:
            complete &= volume >= params.rv_min
        rank = np.where(np.isfinite(volume), volume, 0.0)
        found = [int(at) for at in np.flatnonzero(complete)]
        found.sort(key=lambda at: (-float(rank[at]), self.context.symbols[at]))
        return found[: params.top_n]

    @property
    def relative_volume(self) -> FloatArray:
        """(symbols,) the opening range's volume over its baseline; NaN where that is unknown."""
        result = np.full(self.context.count, np.nan)
        np.divide(self._range.volume, self._baseline, out=result, where=self._baseline > 0)
        return result

    def _side(self, at: int) -> int:
        """1 long, -1 short, 0 when the body is too small to tell."""
        opening = self._range
        body = float(opening.close[at] - opening.open[at])
        span = float(opening.high[at] - opening.low[at])
        if body == 0 or abs(body) < self.params.body_min * span - ROUNDING:
            return 0
        return 1 if body > 0 else -1

    def _has_left(self, bars: Bars, at: int, side: int) -> bool:
        """Whether a bar after the range has been beyond the trigger before anybody could order."""
        place = place_of(bars, at)
        if place < 0:
            return False
        if side > 0:
            return bool(bars.high[place] >= self._range.high[at])
        return bool(bars.low[place] <= self._range.low[at])

    def _entry(self, at: int, side: int) -> SignalRaised:
        opening, params, context = self._range, self.params, self.context
        trigger = float(opening.high[at] if side > 0 else opening.low[at])
        atr14 = float(self._atr[at])
        risk = max(params.stop_atr * atr14, MIN_TICKS * TICK, MIN_FRACTION * trigger)
        first, last = float(opening.open[at]), float(opening.close[at])
        body, span = abs(last - first), float(opening.high[at] - opening.low[at])
        before, vwap = context.previous_close(at), float(self._vwap.price[at])
        gap = first / before - 1 if before > 0 else 0.0
        volume = float(self.relative_volume[at])
        confidence = (
            0.5
            + 0.2 * (body >= STRONG_BODY * span - ROUNDING)
            + 0.15 * (gap * side > 0)
            + 0.15 * ((last - vwap) * side > 0)
        )
        return (self.buy if side > 0 else self.sell_short)(
            at,
            price=trigger,
            stop=trigger - side * risk,
            target=trigger + side * params.target_r * risk,
            strength=scaled(math.log2(volume) if volume > 0 else 0.0, 0.0, SATURATION),
            confidence=min(1.0, confidence),
            reason=f"opening range broken {'up' if side > 0 else 'down'} at {trigger:.2f}",
            features={
                "rv": volume,
                "or_hi": float(opening.high[at]),
                "or_lo": float(opening.low[at]),
                "or_open": first,
                "or_close": last,
                "or_volume": float(opening.volume[at]),
                "atr14": atr14,
                "vwap": vwap,
                "gap": gap,
            },
            expires_at=context.open + params.entry_cutoff_min * MINUTE,
            entry=EntryStyle(type="stop_limit", stop=trigger, limit=trigger + side * LIMIT_ATR * atr14),
            target_follows_fill=True,
        )


def _known(bars: Bars, count: int) -> Bars:
    """The bars of symbols that were in the table at the session's start."""
    keep = int(bars.ids.searchsorted(count))
    return Bars(ts_event=bars.ts_event, ids=bars.ids[:keep], values=bars.values[:, :keep])


def _baseline(panel: FloatArray, days: int, least: int) -> FloatArray:
    """(symbols,) mean shares of the last `days` sessions with bars; NaN below `least` of them."""
    recent = panel[:, -days:] if panel.shape[1] else panel
    present = np.isfinite(recent)
    number = present.sum(axis=1)
    shares = np.where(present, recent, 0.0).sum(axis=1)  # whole numbers: exact in any order
    result = np.full(len(number), np.nan)
    np.divide(shares, number, out=result, where=number >= max(least, 1))
    return result


def _mean_volume(panel: FloatArray) -> FloatArray:
    present = np.isfinite(panel)
    number = np.maximum(present.sum(axis=1), 1)
    return np.asarray(np.where(present, panel, 0.0).sum(axis=1) / number)
