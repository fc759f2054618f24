"""Buy what fell too far against its sector, sell when it has come back (strategies 3.1).

r = alpha + beta r_ETF + e over `win` sessions; X = running sum of e; X[k+1] = a + b X[k] + z;
kappa = -252 ln b; s = -(a / (1 - b)) / sqrt(var(z) / (1 - b^2)). Long at s <= -s_in with
kappa >= kappa_min, short mirrored; out at s >= -s_out. After Avellaneda and Lee 2010.
Earnings dates are not known to the system: news is a large move on three times the usual volume.
"""

import math
from collections.abc import Iterator

import msgspec
import numpy as np

from actors.market.indicators import filled, mean, returns, reversion, rsi, sma
from actors.strategies.base import (
    OPENING_DELAY,
    Daily,
    EntryStyle,
    Holding,
    ParameterSpec,
    SignalRaised,
    Strategy,
    scaled,
)
from actors.strategies.context import LONG
from runtime.messages.market import FloatArray
from runtime.messages.trading import LotChanged

MIN_PRICE, MIN_DOLLAR_VOLUME = 10.0, 10_000_000.0
MAX_STOP = 0.12
SECTOR_SHARE = 0.25
SATURATION = 3.0
BROKEN_SCORE = 4.0
NEWS_VOLUME = 3.0
REGIME_ENTRY = {"high": 1.5, "extreme": 2.0}
"""Least |s| of an entry in a nervous market (strategies 4)."""


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What one holding's exit needs beside its score.

    Attributes:
        max_sessions: Time stop. invalid_runs: daily runs in a row without a valid b.
        share: Of the sleeve that its lot was given, a fraction; 0 unknown.
    """

    max_sessions: int
    invalid_runs: int = 0
    share: float = 0.0


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """Watches by lot or signal id (they are the same)."""

    watches: dict[str, Watch] = {}


class Scores(msgspec.Struct, frozen=True):
    """One daily run's numbers, (symbols,) each; NaN where a symbol takes no part."""

    beta: FloatArray
    b: FloatArray
    kappa: FloatArray
    sigma: FloatArray
    score: FloatArray
    price: FloatArray
    atr: FloatArray
    rsi2: FloatArray
    sma200: FloatArray
    dollars: FloatArray
    move: FloatArray
    rush: FloatArray


class MeanReversionStrategy(Strategy):
    """Trades the residual against the sector ETF, decided on daily bars, sent the next morning."""

    name = "mean_reversion"

    class Params(msgspec.Struct, frozen=True, kw_only=True):
        """See `SPECS`."""

        win: int = 60
        s_in: float = 1.25
        s_out: float = 0.5
        kappa_min: float = 8.4
        stop_atr: float = 2.5
        max_hold_days: int = 15
        news_ret: float = 0.06

    SPECS = (
        ParameterSpec(name="win", kind="int", low=40, high=120, step=10, default=60, unit="sessions",
                      help="regression window"),
        ParameterSpec(name="s_in", kind="float", low=1.0, high=2.5, step=0.25, default=1.25, unit="sigma",
                      help="enter beyond this score"),
        ParameterSpec(name="s_out", kind="float", low=0.0, high=1.0, step=0.25, default=0.5, unit="sigma",
                      help="leave within this score"),
        ParameterSpec(name="kappa_min", kind="float", low=4.2, high=25.2, step=4.2, default=8.4,
                      unit="1/year", help="least speed of return"),
        ParameterSpec(name="stop_atr", kind="float", low=1.5, high=4.0, step=0.25, default=2.5, unit="ATR14",
                      help="stop distance"),
        ParameterSpec(name="max_hold_days", kind="int", low=3, high=20, step=1, default=15, unit="sessions",
                      help="longest holding"),
        ParameterSpec(name="news_ret", kind="float", low=0.04, high=0.1, step=0.01, default=0.06,
                      unit="fraction", help="a larger move on 3x volume is news, not noise"),
    )  # fmt: skip

    params: Params

    def start(self) -> None:
        """Watches of the holdings come with `restore`."""
        self.watches: dict[str, Watch] = {}

    def carry(self) -> Carried:
        """Watches of what is held or on its way."""
        alive = self.context.holdings.keys() | self.context.pending.keys()
        return Carried(watches={lot: watch for lot, watch in self.watches.items() if lot in alive})

    def restore(self, state: bytes) -> None:
        """Take the watches back."""
        self.watches = dict(msgspec.msgpack.decode(state, type=Carried).watches)

    def readiness(self) -> tuple[str, str]:
        """INACTIVE without a sector ETF in the table, or without the next session's hours."""
        if not (self.context.sector_ids >= 0).any():
            return "INACTIVE", "NO_SECTORS"
        if not self.context.next_open:
            return "INACTIVE", "NO_NEXT_SESSION"
        return "ACTIVE", ""

    def on_lot(self, lot: LotChanged) -> None:
        """Forget the watch of a closed lot."""
        if lot.state == "closed":
            self.watches.pop(lot.lot_id, None)

    def on_daily_ready(self, daily: Daily) -> Iterator[SignalRaised]:
        """Close what came back or ran out of time, then enter the most extreme."""
        scores = self._scores(daily)
        for holding in list(self.context.holdings.values()):
            reason = self._exit_reason(holding, scores)
            if reason:
                at = self.context.index.get(holding.symbol)
                features = {} if at is None else {"s": float(scores.score[at])}
                yield self.close(holding, reason, features=features)
        yield from self._entries(scores)

    # ---- numbers ----------------------------------------------------------------------------

    def _scores(self, daily: Daily) -> Scores:
        win = self.params.win
        count, sectors = self.context.count, self.context.sector_ids
        covered = daily.covers(win + 1)
        part = covered & (sectors >= 0)
        part[part] = covered[sectors[part]]
        prices = filled(daily.adjusted[:, -(win + 21) :])[:, -(win + 1) :]
        part &= np.isfinite(prices).all(axis=1)
        part[part] = np.isfinite(prices[sectors[part]]).all(axis=1)
        moves = returns(prices[part])
        fit = reversion(moves, returns(prices[sectors[part]]))
        ratio = daily.ratio[part]
        close, volume = daily.close[part], daily.volume[part]

        def spread(values: FloatArray) -> FloatArray:
            whole = np.full(count, np.nan)
            whole[part] = values
            return whole

        before = np.where(np.isfinite(volume), volume, 0.0)
        return Scores(
            beta=spread(fit.beta),
            b=spread(fit.b),
            kappa=spread(fit.kappa),
            sigma=spread(fit.sigma),
            score=spread(fit.score),
            price=spread(close[:, -1] * ratio),
            atr=spread(daily.atr14[part] * ratio),
            rsi2=spread(rsi(daily.adjusted[part][:, -LONG:], 2)[:, -1]),
            sma200=spread(daily.adjusted[part][:, -1] - sma(filled(daily.adjusted[part]), 200)),
            dollars=spread(mean(np.nan_to_num(close[:, -20:] * volume[:, -20:]))),
            move=spread(moves[:, -1]),
            rush=spread(_times_usual(before)),
        )

    # ---- rules ------------------------------------------------------------------------------

    @property
    def _entry_score(self) -> float:
        return max(self.params.s_in, REGIME_ENTRY.get(self.context.regime, 0.0))

    def _exit_reason(self, holding: Holding, scores: Scores) -> str:
        at = self.context.index.get(holding.symbol, -1)
        watch = self.watches.get(holding.lot_id, Watch(max_sessions=self.params.max_hold_days))
        if holding.sessions >= watch.max_sessions:
            return "time"
        if not 0 <= at < self.context.count or np.isnan(scores.beta[at]):
            return ""
        valid = bool(0 < scores.b[at] < 1)
        watch = msgspec.structs.replace(watch, invalid_runs=0 if valid else watch.invalid_runs + 1)
        self.watches[holding.lot_id] = watch
        if watch.invalid_runs >= 2:
            return "no_reversion"
        score = float(scores.score[at]) * (1 if holding.direction == "long" else -1)
        if score >= -self.params.s_out:
            return "reverted"
        return "structural_break" if score < -BROKEN_SCORE else ""

    def _entries(self, scores: Scores) -> Iterator[SignalRaised]:
        context = self.context
        slots = max(1, context.slots // 2) if context.regime == "extreme" else context.slots
        share = max(1.0, context.scalar) / context.slots
        taken: dict[str, float] = {}
        for holding in context.holdings.values():
            at_holding = context.index.get(holding.symbol)
            sector = "" if at_holding is None else context.sectors[at_holding]
            watch = self.watches.get(holding.lot_id)
            given = watch.share if watch is not None and watch.share else share
            taken[sector] = taken.get(sector, 0.0) + given
        room = slots - len(context.holdings)
        for at in self._candidates(scores):
            if room <= 0:
                return
            symbol, sector = context.symbols[at], context.sectors[at]
            if self.busy(symbol) or (sector in taken and taken[sector] + share > SECTOR_SHARE + 1e-9):
                continue  # one lot in a sector is always allowed, however large
            taken[sector] = taken.get(sector, 0.0) + share
            room -= 1
            yield self._entry(at, scores, share)

    def _candidates(self, scores: Scores) -> list[int]:
        """Ids of symbols beyond the threshold, most extreme first, ties by symbol."""
        least = self._entry_score
        news = (np.abs(scores.move) > self.params.news_ret) & (scores.rush > NEWS_VOLUME)
        fit = (
            (scores.kappa >= self.params.kappa_min)
            & (scores.price >= MIN_PRICE)
            & (scores.dollars >= MIN_DOLLAR_VOLUME)
            & (scores.atr > 0)
            & (np.abs(scores.score) <= BROKEN_SCORE)  # beyond it the exit rule would close at once
            & ~news
        )
        far = scores.score <= -least
        if self.context.allow_short:
            far |= scores.score >= least
        found = [int(at) for at in np.flatnonzero(fit & far)]
        return sorted(found, key=lambda at: (-abs(float(scores.score[at])), self.context.symbols[at]))

    def _entry(self, at: int, scores: Scores, share: float) -> SignalRaised:
        score, price = float(scores.score[at]), float(scores.price[at])
        sigma, kappa, atr14 = float(scores.sigma[at]), float(scores.kappa[at]), float(scores.atr[at])
        side = 1.0 if score < 0 else -1.0
        away = min(self.params.stop_atr * atr14, MAX_STOP * price)
        gain = max((abs(score) - 0.5) * sigma, 0.75 * atr14 / price)
        oversold = scores.rsi2[at] < 10 if side > 0 else scores.rsi2[at] > 90
        trend = scores.sma200[at] * side > 0
        half_life = math.log(2) / kappa * 252
        signal = (self.buy if side > 0 else self.sell_short)(
            at,
            price=price,
            stop=price - side * away,
            target=price * (1 + side * gain),
            strength=scaled(abs(score), self._entry_score, SATURATION),
            confidence=min(1.0, 0.4 + 0.3 * min(1.0, kappa / 30) + 0.2 * bool(oversold) + 0.1 * bool(trend)),
            reason=f"s {score:.2f} against {self.context.sectors[at]}",
            features={
                "s": score,
                "beta": float(scores.beta[at]),
                "b": float(scores.b[at]),
                "kappa": kappa,
                "sigma_eq": sigma,
                "atr14": atr14,
                "rsi2": float(scores.rsi2[at]),
                "half_life": half_life,
            },
            not_before=self.context.next_open + OPENING_DELAY,
            expires_at=self.context.next_open + self.context.rules.opening_life,
            entry=EntryStyle(type="marketable", offset_frac=0.003),
            target_follows_fill=True,
            stop_follows_fill=True,
        )
        longest = min(self.params.max_hold_days, max(3, math.ceil(2 * half_life)))
        self.watches[signal.id] = Watch(max_sessions=longest, share=share)
        return signal


def _times_usual(volume: FloatArray) -> FloatArray:
    """The last session's volume over the mean of the 20 before it; NaN where those have none."""
    usual = sma(volume[:, :-1], 20)
    result = np.full(len(usual), np.nan)
    np.divide(volume[:, -1], usual, out=result, where=usual > 0)
    return result
