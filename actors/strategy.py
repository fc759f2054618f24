"""Hosts one strategy: keeps what it holds, decides which of its signals may leave, and ends its day.

What all strategies share lives here: holdings, cooldowns, halts, frozen symbols, the feed watchdog, the
validity of signals, the session's end. Stop and target rest at the broker and are never raised from here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.strategies.base import Strategy
from actors.strategies.context import MINUTE, Holding, Pending, StrategyContext
from actors.strategies.rules import invalid, looks_like_split
from runtime.kernel.actor import Actor, Moment
from runtime.messages.base import Decision, Message
from runtime.messages.machine import SessionStarted
from runtime.messages.market import (
    Bars,
    BarsRevised,
    DailyBars,
    DailyReady,
    FeedChanged,
    SymbolAdded,
    TradingStatus,
)
from runtime.messages.risk import (
    Noted,
    PhaseChanged,
    RegimeChanged,
    StrategyChanged,
    StrategyPaused,
)
from runtime.messages.session import SessionHeader
from runtime.messages.trading import LotChanged, SignalDropped, SignalRaised

COOLDOWN = 6
"""Sessions a stop-out blocks re-entry: its own and the five after it (strategies 3)."""
HALT_REST = 5 * MINUTE
"""No entries for so long after a halt ended (strategies 0)."""
SILENCE, BENCHMARK_SILENCE = 90_000_000_000, 3 * MINUTE
BENCHMARK = "SPY"
MIN_COVERAGE = 0.8
OPENING_MINUTES = 30
"""First prints are compared with the previous close for so long; later ones are not overnight moves."""
PANEL_HANDLERS = {"on_daily_bars": "on_daily_ready", "on_daily_ready": "on_daily_ready"}
BAR_HANDLERS = {"on_bars": "on_bars", "on_bars_revised": "on_bars_revised"}
OPTIONAL = PANEL_HANDLERS | BAR_HANDLERS
"""Host handler to the strategy's handler without which it would have nothing to do."""


class Section(Protocol):
    """What the host reads of a strategy's settings."""

    @property
    def name(self) -> str: ...
    @property
    def allocation(self) -> float: ...
    @property
    def max_positions(self) -> int: ...
    @property
    def params(self) -> Mapping[str, Any]: ...
    @property
    def intraday(self) -> bool: ...
    @property
    def shadow(self) -> bool: ...


class StrategyCarried(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy takes into the next session.

    Attributes:
        cooldowns: Symbol to sessions still blocked, this one included.
        state: The strategy's own, as msgpack; empty: none.
    """

    holdings: tuple[Holding, ...] = ()
    pending: tuple[Pending, ...] = ()
    cooldowns: dict[str, int] = {}
    paused: bool = False
    state: bytes = b""


class StrategyActor(Actor):
    """One strategy's place in the machine.

    Args:
        strategy: The class. settings: its section. header, panels: the session's facts.
        carried: What the last session's instance carried, None at the very first.
        allow_short: Whether the account may sell short.

    Raises:
        ParameterError: The settings' parameters do not fit the strategy.
    """

    def __init__(
        self,
        strategy: type[Strategy],
        settings: Section,
        header: SessionHeader,
        panels: Mapping[str, NDArray[Any]],
        carried: StrategyCarried | None = None,
        *,
        allow_short: bool = False,
    ) -> None:
        before = carried or StrategyCarried()
        self._settings = settings
        self._context = context = StrategyContext(
            header,
            panels,
            name=settings.name,
            allow_short=allow_short,
            slots=settings.max_positions,
            intraday=settings.intraday,
        )
        for holding in before.holdings:
            context.put_holding(holding)
        for pending in before.pending:
            if pending.expires_at > header.starts:
                context.put_pending(pending)
        self._paused = before.paused
        self._cooldowns = {symbol: left - 1 for symbol, left in before.cooldowns.items() if left > 1}
        self._closing: dict[str, str] = {}
        self._halted: dict[str, int] = {}
        self._split: dict[str, None] = {}
        self._feeds_down: dict[str, str] = {}
        self._last_frame = 0
        self._benchmark = context.index.get(BENCHMARK, -1)
        self._benchmark_seen = 0
        self._unopened = np.ones(context.count, dtype=np.bool_)
        self._daily_bars: list[DailyBars] = []
        self._degraded = ""
        unknown = np.isnan(context.daily.ratio) & context.daily.has_history
        self._unpriced = {context.symbols[at]: None for at in np.flatnonzero(unknown)}
        self._strategy = strategy(strategy.parameters(settings.params), context)
        if before.state:
            self._strategy.restore(before.state)
        self._ready, self._why = self._strategy.readiness()
        self._bars = self._optional("on_bars")
        self._lot = self._optional("on_lot")
        self._dropped = self._optional("on_signal_dropped")
        self._phased = self._optional("on_phase_changed")
        self._regimed = self._optional("on_regime_changed")

    def _optional(self, name: str) -> Any:
        return getattr(self._strategy, name, None)

    def attach(self, name: str, moment: Moment) -> None:
        """Give the strategy the machine's moment too."""
        super().attach(name, moment)
        self._context.moment = moment

    def bound_handlers(self) -> dict[type[Message], Any]:
        """Only what this strategy has a use for: a frame costs nothing where there is no `on_bars`."""
        names = type(self).handler_names()
        return {
            kind: getattr(self, name)
            for kind, name in names.items()
            if name not in OPTIONAL or self._optional(OPTIONAL[name]) is not None
        }

    def carry(self) -> StrategyCarried:
        """Holdings, entries on their way, cooldowns, and the strategy's own state."""
        own = self._strategy.carry()
        return StrategyCarried(
            holdings=tuple(self._context.holdings.values()),
            pending=tuple(self._context.pending.values()),
            cooldowns=dict(self._cooldowns),
            paused=self._paused,
            state=b"" if own is None else msgspec.msgpack.encode(own),
        )

    # ---- the strategy's day -----------------------------------------------------------------

    def on_session_started(self, _: SessionStarted) -> Iterator[Decision]:
        yield self._report()
        for symbol in self._unpriced:
            yield self._note(f"{symbol} is frozen: its daily history has no known ratio to today's price")
        handler = self._optional("on_session_started")
        if handler is not None:
            yield from self._examine(handler())

    def on_bars(self, bars: Bars) -> Iterable[Decision]:
        context = self._context
        context.frame = bars
        self._last_frame = self.now
        at = self._benchmark
        if at >= 0:
            ids = bars.ids
            place = at if len(ids) == context.count else int(ids.searchsorted(at))
            if place < len(ids) and ids[place] == at:
                self._benchmark_seen = self.now
        alarms: Sequence[Decision] = ()
        if 0 <= bars.ts_event - context.open < OPENING_MINUTES * MINUTE:
            alarms = self._compare_with_yesterday(bars)
        said = self._bars(bars)
        return [*alarms, *self._examine(said)] if said else alarms

    def on_bars_revised(self, bars: BarsRevised) -> Iterator[Decision]:
        """Late bars mend what the strategy knows; entries from them are refused by the contract."""
        for said in self._optional("on_bars_revised")(bars) or ():
            if not isinstance(said, SignalRaised) or said.signal_type == "CLOSE":
                yield from self._examine([said])
            else:
                yield self._drop(said, "LATE", "a late bar never triggers an entry")

    def on_daily_bars(self, bars: DailyBars) -> None:
        self._daily_bars.append(bars)

    def on_daily_ready(self, ready: DailyReady) -> Iterator[Decision]:
        context = self._context
        date = int(ready.session.replace("-", ""))
        for holding in list(context.holdings.values()):
            context.put_holding(msgspec.structs.replace(holding, sessions=holding.sessions + 1))
        if ready.coverage < MIN_COVERAGE:
            self._degraded = f"COVERAGE {ready.coverage:.3f}"
            yield self._report()
            return
        if ready.degraded or self._degraded:
            self._degraded = "DAILY_INCOMPLETE" if ready.degraded else ""
            yield self._report()
        history = context.daily
        daily = history.with_session(date, self._daily_bars)
        if history.close.shape[1]:
            moved = looks_like_split(daily.open[:, -1], history.close[:, -1])
            for at in np.flatnonzero(moved):
                yield from self._freeze(context.symbols[at])
        yield from self._examine(self._optional("on_daily_ready")(daily))

    def on_phase_changed(self, change: PhaseChanged) -> Iterator[Decision]:
        context = self._context
        context.phase = change.phase
        if change.phase == "MARKET_OPEN":
            # A lot that should have been flat the session before missed its close: out at this open.
            overdue = [h for h in context.holdings.values() if h.intraday and h.entry_ts < context.open]
            yield from self._examine([self._strategy.close(holding, "missed_close") for holding in overdue])
        if change.phase == "MARKET_CLOSE":
            yield from self._examine(
                [self._strategy.close(h, "session_end") for h in context.holdings.values() if h.intraday]
            )
        if self._phased is not None:
            yield from self._examine(self._phased(change))

    def on_regime_changed(self, change: RegimeChanged) -> Iterator[Decision]:
        context = self._context
        context.regime, context.slow, context.scalar = change.fast, change.slow, change.scalar
        if self._regimed is not None:
            yield from self._examine(self._regimed(change))

    # ---- what became of its signals ---------------------------------------------------------

    def on_lot_changed(self, lot: LotChanged) -> Iterator[Decision]:
        context = self._context
        context.forget_pending(lot.signal_id)
        if lot.state == "closed":
            context.forget_holding(lot.lot_id)
            self._closing.pop(lot.lot_id, None)
            if lot.role == "stop":
                self._cooldowns[lot.symbol] = 1 if self._strategy.is_intraday else COOLDOWN
        else:
            known = context.holdings.get(lot.lot_id)
            holding = Holding(
                lot_id=lot.lot_id,
                symbol=lot.symbol,
                direction=lot.direction,
                quantity=lot.quantity,
                entry_price=lot.entry_price,
                entry_ts=lot.entry_ts,
                stop_loss=lot.stop_loss,
                take_profit=lot.take_profit,
                intraday=lot.intraday,
                sessions=known.sessions if known else 0,
            )
            context.put_holding(holding)
            if lot.intraday and context.market_close <= self.now < context.close:
                yield from self._examine([self._strategy.close(holding, "session_end")])
        if self._lot is not None:
            yield from self._examine(self._lot(lot))

    def on_signal_dropped(self, drop: SignalDropped) -> Iterator[Decision]:
        self._context.forget_pending(drop.signal_id)
        for lot, signal in list(self._closing.items()):
            if signal == drop.signal_id:
                del self._closing[lot]
        if self._dropped is not None:
            yield from self._examine(self._dropped(drop))

    # ---- what the world says ----------------------------------------------------------------

    def on_trading_status(self, status: TradingStatus) -> None:
        self._halted[status.symbol] = self._context.ends if status.halted else self.now + HALT_REST

    def on_feed_changed(self, change: FeedChanged) -> None:
        if change.up:
            self._feeds_down.pop(change.stream, None)
        else:
            self._feeds_down[change.stream] = change.reason

    def on_symbol_added(self, added: SymbolAdded) -> None:
        self._context.add_symbol(added.symbol, added.sector)

    def on_strategy_paused(self, pause: StrategyPaused) -> Iterator[Decision]:
        if pause.strategy == self._settings.name and pause.paused != self._paused:
            self._paused = pause.paused
            yield self._report()

    # ---- which signals may leave ------------------------------------------------------------

    def _examine(self, said: Iterable[Decision] | None) -> Iterator[Decision]:
        for message in said or ():
            if not isinstance(message, SignalRaised):
                yield message
                continue
            reason, detail = self._refusal(message)
            if reason:
                yield self._drop(message, reason, detail)
                continue
            if message.signal_type == "CLOSE":
                for holding in self._meant(message):
                    self._closing[holding.lot_id] = message.id
            else:
                self._context.put_pending(
                    Pending(
                        signal_id=message.id,
                        symbol=message.symbol,
                        direction=message.direction,
                        expires_at=message.expires_at,
                    )
                )
            yield message

    def _refusal(self, signal: SignalRaised) -> tuple[str, str]:
        broken = invalid(signal)
        if broken:
            return "INVALID", broken
        if signal.signal_type == "CLOSE":
            meant = self._meant(signal)
            if not meant:
                return "NO_HOLDING", "nothing of its own to close"
            closing = all(holding.lot_id in self._closing for holding in meant)
            return ("DUPLICATE", "is being closed") if closing else ("", "")
        state, why = self._state()
        if state != "ACTIVE":
            return state, why
        return self._entry_refusal(signal)

    def _entry_refusal(self, signal: SignalRaised) -> tuple[str, str]:
        context, symbol, now = self._context, signal.symbol, self.now
        if symbol not in context.index:
            return "INVALID", f"{symbol} is not in the symbol table"
        if signal.intraday and not context.open <= now < context.market_close:
            return "LATE", "intraday entries end when MARKET_CLOSE begins"
        if signal.direction == "short" and not context.allow_short:
            return "NO_SHORT", "short selling is off"
        tonight = signal.not_before >= context.ends
        if not tonight and (silent := self._silence()):
            return "STALE_FEED", silent
        if symbol in self._unpriced or symbol in self._split:
            return "FROZEN", "price history does not fit today's price"
        if self._halted.get(symbol, 0) > now:
            return "HALTED", "halted, or resumed less than five minutes ago"
        left = self._cooldowns.get(symbol, 0) - (1 if tonight else 0)
        if left > 0:
            return "COOLDOWN", f"stopped out; blocked for {left} more session{'s' if left > 1 else ''}"
        if any(h.direction == signal.direction for h in context.held(symbol)):
            return "DUPLICATE", "already held"
        for pending in context.on_its_way(symbol, now):
            if pending.direction == signal.direction:
                return "DUPLICATE", f"{pending.signal_id} is still on its way"
        return "", ""

    def _meant(self, signal: SignalRaised) -> list[Holding]:
        held = self._context.held(signal.symbol)
        return [holding for holding in held if signal.lot_id in ("", holding.lot_id)]

    def _silence(self) -> str:
        """Why the feed is not to be trusted now; empty when it is."""
        now = self.now
        if self._feeds_down:
            return f"feed {next(iter(self._feeds_down))} is down"
        if self._benchmark_seen and self._context.open <= now < self._context.close:
            quiet, limit, who = now - self._benchmark_seen, BENCHMARK_SILENCE, BENCHMARK
        else:
            quiet, limit, who = now - self._last_frame, SILENCE, "any symbol"
        if self._last_frame and quiet >= limit:
            return f"no bar of {who} for {quiet // 1_000_000_000} s"
        return ""

    def _drop(self, signal: SignalRaised, reason: str, detail: str) -> SignalDropped:
        numbers = (
            f"{signal.signal_type} {signal.price:.6g} stop {signal.stop_loss} target {signal.take_profit}"
        )
        return SignalDropped(
            ts_event=self.now,
            cause=self.seq,
            signal_id=signal.id,
            strategy=signal.strategy,
            symbol=signal.symbol,
            status="rejected",
            reason=reason,
            detail=f"{detail}; {numbers}" if detail else numbers,
        )

    # ---- state ------------------------------------------------------------------------------

    def _state(self) -> tuple[str, str]:
        if self._paused:
            return "PAUSED", "paused by a person"
        if self._ready != "ACTIVE":
            return self._ready, self._why
        if self._settings.shadow:
            return "SHADOW", "shadow by its settings"
        if self._degraded.startswith("COVERAGE"):
            return "DEGRADED", self._degraded
        return "ACTIVE", ""

    def _report(self) -> StrategyChanged:
        state, why = self._state()
        if state == "ACTIVE" and self._degraded:
            state, why = "DEGRADED", self._degraded
        return StrategyChanged(
            ts_event=self.now,
            cause=self.seq,
            strategy=self._settings.name,
            state=state,
            reason=why,
            allocation=self._settings.allocation,
        )

    def _note(self, text: str) -> Noted:
        return Noted(
            ts_event=self.now, cause=self.seq, level="WARNING", component=self._settings.name, text=text
        )

    def _compare_with_yesterday(self, bars: Bars) -> list[Decision]:
        """Freeze symbols whose first print looks like a split nobody told of (strategies 0)."""
        context = self._context
        ids = bars.ids[: int(bars.ids.searchsorted(context.count))]
        first = self._unopened[ids]
        if not context.daily.close.shape[1] or not first.any():
            return []
        ids = ids[first]
        self._unopened[ids] = False
        before = context.daily.close[ids, -1] * context.daily.ratio[ids]
        moved = looks_like_split(bars.open[: len(first)][first], before)
        return [note for at in ids[moved] for note in self._freeze(context.symbols[at])]

    def _freeze(self, symbol: str) -> list[Decision]:
        if symbol in self._split:
            return []
        self._split[symbol] = None
        return [self._note(f"{symbol} is frozen: its overnight move looks like a split nobody told of")]
