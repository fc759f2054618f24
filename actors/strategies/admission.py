"""May this signal leave now? What freezes, halts, cools down or silences a symbol, for one strategy."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from actors.strategies.context import MINUTE, Pending, StrategyContext, place_of
from actors.strategies.rules import invalid, looks_like_split
from runtime.messages.market import Bars, FloatArray, IdArray
from runtime.messages.trading import SignalRaised

BENCHMARK = "SPY"
OPENING_MINUTES = 30
"""First prints are compared with the previous close for so long; later ones are not overnight moves."""
ADV_SESSIONS = 20
NAMED = 5
"""Most symbols that a note calls by name."""
_MAY_LEAVE = "", ""
UNPRICED = "no known ratio of the daily history to today's price"
SPLIT = "an overnight move that looks like a split nobody told of"


class Admission:
    """Refuses the signals of one strategy that may not trade.

    Args:
        cooldowns: Symbol to sessions still blocked, the present one included.

    Attributes:
        cooldowns: As given, kept up to date. closing: lots that are being closed, and by which signal.
        unpriced: Symbols whose daily history has no known ratio to today's price.
        down: Streams that are down, and why.
    """

    def __init__(self, context: StrategyContext, cooldowns: dict[str, int]) -> None:
        self._context = context
        self._rules = context.rules
        self.cooldowns = cooldowns
        self.down: dict[str, str] = {}
        unknown = np.isnan(context.daily.ratio) & context.daily.has_history
        self.unpriced = {context.symbols[at]: None for at in np.flatnonzero(unknown)}
        self._untold: NDArray[np.bool_] = unknown
        self.closing: dict[str, str] = {}
        self._halted: dict[str, int] = {}
        self._split: dict[str, None] = {}
        self._changing: dict[str, None] = {}
        self._liquid: dict[str, bool] = {}
        self._frames: list[Bars] = []
        self._last_frame = 0
        self._heard_at = -1
        """When, ns UTC, the feed was found to be trusted: asked once a frame and moment."""
        self._moving = -1, 0
        """As of when, ns UTC, and of how many symbols, the first ones, none stands still: found once a frame
        and moment."""
        self._whole = self._whole_since = self._known_until = 0
        """Of how many symbols, all there were, every minute had a bar, since when and until when, ns UTC;
        since 0: not even the newest frame."""
        self._benchmark = context.index.get(BENCHMARK, -1)
        self._benchmark_seen = self._looked_through = 0
        self._unopened = np.ones(context.count, dtype=np.bool_)
        self._opening_ends = context.open + OPENING_MINUTES * MINUTE if context.daily.close.shape[1] else 0

    # ---- what the world says ----------------------------------------------------------------

    def see(self, bars: Bars, now: int) -> list[str]:
        """Note a frame; what is to be told of the symbols that it shows to be frozen."""
        self._last_frame = now
        self._heard_at, self._moving = -1, (-1, 0)
        self._frames.append(bars)
        ids, known = bars.ids, bars.ts_event + MINUTE
        if not len(ids) or len(ids) != len(self._context.symbols) or ids.item(-1) != len(ids) - 1:
            self._whole_since = 0
        elif not self._whole_since or bars.ts_event != self._known_until or len(ids) != self._whole:
            self._whole, self._whole_since = len(ids), known
        self._known_until = known
        if self._context.open <= bars.ts_event < self._opening_ends:
            return self._compare_with_yesterday(bars)
        return []

    def _compare_with_yesterday(self, bars: Bars) -> list[str]:
        daily = self._context.daily
        ids = bars.ids
        if len(ids) and ids.item(-1) >= self._context.count:
            ids = ids[: int(ids.searchsorted(np.int32(self._context.count)))]
        first = self._unopened[ids]
        if not first.any():
            return []
        ids = ids[first]
        self._unopened[ids] = False
        before = daily.close[ids, -1] * daily.ratio[ids]
        return [*self._tell_unpriced(ids), *self._freeze(ids, bars.open[: len(first)][first], before)]

    def see_day(self, opened: FloatArray) -> list[str]:
        """Note the session's own daily opens; what is to be told of the symbols that they freeze."""
        history = self._context.daily.close
        if not history.shape[1]:
            return []
        return self._freeze(np.arange(len(opened), dtype=np.int32), opened, history[:, -1])

    def see_table(self) -> list[str]:
        """Without frames nobody sees who trades: what is to be told of the symbols with a sector."""
        symbols = [at for at, sector in enumerate(self._context.sectors[: self._context.count]) if sector]
        return self._tell_unpriced(np.array(symbols, dtype=np.int32))

    def _tell_unpriced(self, ids: IdArray) -> list[str]:
        names = [self._context.symbols[at] for at in ids[self._untold[ids]]]
        self._untold[ids] = False
        return [_frozen(names, UNPRICED)] if names else []

    def _freeze(self, ids: IdArray, opened: FloatArray, before: FloatArray) -> list[str]:
        odd = looks_like_split(opened, before, self._rules.odd_move_tolerance)
        moved = [self._context.symbols[at] for at in ids[odd]]
        fresh = [symbol for symbol in moved if symbol not in self._split]
        self._split.update(dict.fromkeys(fresh))
        return [_frozen(fresh, SPLIT)] if fresh else []

    def freeze(self, symbols: Iterable[str]) -> None:
        """Refuse entries in symbols for the session, without a word: a corporate action takes effect."""
        self._changing.update(dict.fromkeys(symbols))

    def halt(self, symbol: str, halted: bool, now: int) -> None:
        """Note a halt or its end."""
        self._halted[symbol] = self._context.ends if halted else now + self._rules.halt_rest

    def stopped_out(self, symbol: str, intraday: bool) -> None:
        """Cool a symbol down: for the rest of the day, or for some sessions more."""
        self.cooldowns[symbol] = 1 if intraday else 1 + self._rules.cooldown_sessions

    def closed(self, lot_id: str) -> None:
        """Forget that a lot was being closed."""
        self.closing.pop(lot_id, None)

    def dropped(self, signal_id: str) -> None:
        """Let a close that went nowhere be raised again."""
        for lot, signal in list(self.closing.items()):
            if signal == signal_id:
                del self.closing[lot]

    # ---- the verdict ------------------------------------------------------------------------

    def judge(self, signal: SignalRaised, state: tuple[str, str]) -> tuple[str, str]:
        """Reason and detail of a refusal; two empty texts: the signal leaves, and is remembered.

        Args:
            state: The strategy's, and why; other than ACTIVE only closes leave.
        """
        broken = invalid(signal, self._rules)
        if broken:
            return "INVALID", broken
        if signal.signal_type == "CLOSE":
            return self._judge_close(signal)
        if signal.symbol not in self._context.index:
            return "INVALID", f"{signal.symbol} is not in the symbol table"
        if state[0] != "ACTIVE":
            return state
        reason, detail = self._entry_refusal(signal, self._context.moment.now)
        if not reason:
            pending = Pending(
                signal_id=signal.id,
                symbol=signal.symbol,
                direction=signal.direction,
                expires_at=signal.expires_at,
            )
            self._context.put_pending(pending)
        return reason, detail

    def _judge_close(self, signal: SignalRaised) -> tuple[str, str]:
        """The same for a wish to close: what is being closed already is not closed again."""
        held, lot_id = self._context.held(signal.symbol), signal.lot_id
        if not held and signal.symbol not in self._context.index:
            return "INVALID", f"{signal.symbol} is not in the symbol table"
        closing, meant, is_news = self.closing, [], False
        for holding in held:
            if not lot_id or holding.lot_id == lot_id:
                meant.append(holding.lot_id)
                is_news = is_news or holding.lot_id not in closing
        if not meant:
            return "NO_HOLDING", "nothing of its own to close"
        if not is_news:
            return "DUPLICATE", "is being closed"
        for lot in meant:
            closing[lot] = signal.id
        return _MAY_LEAVE

    def _entry_refusal(self, signal: SignalRaised, now: int) -> tuple[str, str]:
        context, symbol = self._context, signal.symbol
        if signal.intraday and not context.open <= now < context.market_close:
            return "LATE", "intraday entries end when MARKET_CLOSE begins"
        if signal.direction == "short" and not context.allow_short:
            return "NO_SHORT", "short selling is off"
        tonight = signal.not_before >= context.ends
        if not tonight and (self.down or self._heard_at != now):
            if silent := self._silence(now):
                return "STALE_FEED", silent
            self._heard_at = now
        if symbol in self.unpriced or symbol in self._split:
            return "FROZEN", "price history does not fit today's price"
        if symbol in self._changing:
            return "FROZEN", "a corporate action takes effect today"
        if self._halted.get(symbol, 0) > now:
            return "HALTED", "halted, or resumed too short a while ago"
        if not tonight:
            at, moving = self._moving
            if at != now:
                moving = self._all_moving(now)
                self._moving = now, moving
            if context.index[symbol] >= moving and self._stands_still(symbol, now):
                return "HALTED", "no bar for minutes, or trading again for too short a while"
        left = self.cooldowns.get(symbol, 0) - (1 if tonight else 0)
        if left > 0:
            return "COOLDOWN", f"stopped out; blocked for {left} more session{'s' if left > 1 else ''}"
        return self._duplicate(signal, now) if context.is_busy(symbol) else _MAY_LEAVE

    def _duplicate(self, signal: SignalRaised, now: int) -> tuple[str, str]:
        """Whether the same is held, or wished for and still to come."""
        for holding in self._context.held(signal.symbol):
            if holding.direction == signal.direction:
                return "DUPLICATE", "already held"
        for pending in self._context.on_its_way(signal.symbol, now):
            if pending.direction == signal.direction:
                return "DUPLICATE", f"{pending.signal_id} is still on its way"
        return _MAY_LEAVE

    def _silence(self, now: int) -> str:
        """Why the feed is not to be trusted now; empty when it is."""
        if self.down:
            return f"feed {next(iter(self.down))} is down"
        if self._benchmark >= 0:
            self._look_for_benchmark()
        if self._benchmark_seen and self._context.open <= now < self._context.close:
            quiet, limit, who = now - self._benchmark_seen, self._rules.benchmark_silence, BENCHMARK
        else:
            quiet, limit, who = now - self._last_frame, self._rules.feed_silence, "any symbol"
        if self._last_frame and quiet >= limit:
            return f"no bar of {who} for {quiet // 1_000_000_000} s"
        return ""

    def _look_for_benchmark(self) -> None:
        """Find the benchmark's newest bar; each frame is searched once, when somebody asks."""
        for index in range(len(self._frames) - 1, self._looked_through - 1, -1):
            if place_of(self._frames[index], self._benchmark) >= 0:
                self._benchmark_seen = self._frames[index].ts_event + MINUTE
                break
        self._looked_through = len(self._frames)

    def _stands_still(self, symbol: str, now: int) -> bool:
        """Whether a liquid symbol had no bar for minutes, now or so lately that it must rest (strategies 0).

        Asked only of entries; looks at the last frames, newest first.
        """
        context, silence = self._context, self._rules.halt_silence
        if not context.open <= now < context.close or not self._is_liquid(symbol):
            return False
        at, later, is_first = context.index[symbol], now, True
        for frame in reversed(self._frames):
            known = frame.ts_event + MINUTE
            if known <= context.open:
                break
            if later - known > silence:
                return True
            if place_of(frame, at) >= 0:
                if is_first and later - known >= silence:
                    return True
                if known <= now - self._rules.halt_rest:
                    return False
                later, is_first = known, False
        quiet = later - context.open
        return quiet > silence or (is_first and quiet >= silence)

    def _all_moving(self, now: int) -> int:
        """Of how many symbols, all there were, no bar was missing for as long as matters: what
        `_stands_still` would find of each of them."""
        rules = self._rules
        has_spoken = 0 < self._whole_since <= now - rules.halt_rest
        return self._whole if has_spoken and now - self._known_until < MINUTE <= rules.halt_silence else 0

    def _is_liquid(self, symbol: str) -> bool:
        known = self._liquid.get(symbol)
        if known is None:
            at, daily = self._context.index[symbol], self._context.daily
            dollars: list[float] = []
            if at < self._context.count:
                traded = daily.close[at, -ADV_SESSIONS:] * daily.volume[at, -ADV_SESSIONS:]
                dollars = [value for value in traded.tolist() if math.isfinite(value)]
            known = bool(dollars) and math.fsum(dollars) / len(dollars) >= self._rules.liquid_dollars
            self._liquid[symbol] = known
        return known


def _frozen(symbols: Sequence[str], why: str) -> str:
    """One sentence for any number of symbols."""
    if len(symbols) == 1:
        return f"{symbols[0]} is frozen: {why}"
    named = ", ".join(symbols[:NAMED])
    rest = f", and {len(symbols) - NAMED} more" if len(symbols) > NAMED else ""
    return f"{len(symbols)} symbols are frozen: {why}: {named}{rest}"
