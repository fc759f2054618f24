"""Hosts one strategy: keeps what it holds, decides which of its signals may leave, and ends its day.

What all strategies share lives here: holdings, cooldowns, halts, frozen symbols, the feed watchdog, the
validity of signals, the session's end. Stop and target rest at the broker and are never raised from here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from numpy.typing import NDArray

from actors.strategies.admission import Admission
from actors.strategies.base import Strategy
from actors.strategies.context import Holding, StrategyContext
from actors.strategies.door import SignalDoor
from actors.strategies.host_rules import HostRules
from actors.strategies.host_state import Fate, StrategyCarried, Today
from actors.strategies.speech import clipped
from runtime.kernel.actor import Actor, Moment, only_notes
from runtime.messages.account import LotCorrected
from runtime.messages.base import Decision, Message
from runtime.messages.corporate import CorporateActionsRead, LotSplit
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
from runtime.messages.trading import LotChanged, SignalDropped

__all__ = ["Fate", "StrategyActor", "StrategyCarried"]

PANEL_HANDLERS = {"on_daily_bars": "on_daily_ready", "on_daily_ready": "on_daily_ready"}
BAR_HANDLERS = {"on_bars": "on_bars", "on_bars_revised": "on_bars_revised"}
READINESS = ("ACTIVE", "DEGRADED", "INACTIVE", "SHADOW")
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


class StrategyActor(Actor):
    """One strategy's place in the machine.

    Args:
        strategy: The class. settings: its section. header, panels: the session's facts.
        carried: What the last session's instance carried, None at the very first.
        allow_short: Whether the account may sell short.
        rules: What decides whether a signal may leave.
        quota: Slots the account grants it; None: as many as its settings allow.

    Raises:
        ParameterError: The settings' parameters do not fit the strategy.
        ValueError: The strategy reports a readiness that is none.
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
        rules: HostRules | None = None,
        quota: int | None = None,
    ) -> None:
        self._began = before = carried or StrategyCarried()
        self._settings = settings
        self._rules = rules = rules or HostRules()
        most = settings.max_positions
        self._quota = most if quota is None else quota
        self._context = context = StrategyContext(
            header,
            panels,
            name=settings.name,
            allow_short=allow_short,
            slots=min(most, max(1, self._quota)),
            intraday=settings.intraday,
            rules=rules,
        )
        for holding in before.holdings:
            context.put_holding(holding)
        for pending in before.pending:
            if pending.expires_at > header.starts:
                context.put_pending(pending)
        self._paused = before.paused
        left = {symbol: sessions - 1 for symbol, sessions in before.cooldowns.items() if sessions > 1}
        self._admission = Admission(context, left)
        self._daily_bars: list[DailyBars] = []
        self._degraded = ""
        self._strategy = strategy(strategy.parameters(settings.params), context)
        if before.state:
            self._strategy.restore(before.state)
        self._ready, why = self._strategy.readiness()
        if self._ready not in READINESS:
            raise ValueError(f"readiness {self._ready!r} is none of {', '.join(READINESS)}")
        self._why = clipped(why)
        self._door = SignalDoor(context, self._admission, settings.name, self._state)
        self._examine = self._door.examine
        self._heard: list[tuple[int, int, Fate]] = []
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
            cooldowns=dict(self._admission.cooldowns),
            paused=self._paused,
            state=b"" if own is None else msgspec.msgpack.encode(own),
        )

    def standing(self) -> StrategyCarried:
        context, admission = self._context, self._admission
        today = Today(
            holdings=tuple(context.holdings.values()),
            pending=tuple(context.pending.values()),
            cooldowns=admission.cooldowns,
            closing=admission.closing,
            signals=context.signals,
            spoken=sorted(self._door.spoken),
            paused=self._paused,
            heard=self._heard,
        )
        return msgspec.structs.replace(self._began, today=today)

    def _go_on(self, today: Today) -> None:
        """Stand where another part of the session ended, whatever was wished while hearing the market."""
        context = self._context
        for lot_id in list(context.holdings):
            context.forget_holding(lot_id)
        for signal_id in list(context.pending):
            context.forget_pending(signal_id)
        for holding in today.holdings:
            context.put_holding(holding)
        for pending in today.pending:
            context.put_pending(pending)
        context.signals, self._door.spoken, self._paused = today.signals, set(today.spoken), today.paused
        self._admission.cooldowns, self._admission.closing = dict(today.cooldowns), dict(today.closing)
        self._heard = list(today.heard)

    # ---- the strategy's day -----------------------------------------------------------------

    def on_session_started(self, started: SessionStarted) -> Iterator[Decision]:
        if started.part > 1:
            self._go_on(self._began.today or Today())
            yield self._report()
            return
        yield self._report()
        if self._bars is None:
            yield from self._warned(self._admission.see_table())
        handler = self._optional("on_session_started")
        if handler is not None:
            yield from self._examine(handler())

    def on_bars(self, bars: Bars) -> Iterable[Decision]:
        self._context.frame = bars
        frozen = self._admission.see(bars, self.now)
        alarms = self._warned(frozen) if frozen else ()
        said = self._bars(bars)
        return [*alarms, *self._examine(said)] if said else alarms

    def on_bars_revised(self, bars: BarsRevised) -> Iterator[Decision]:
        """Late bars mend what the strategy knows; entries from them are refused by the contract."""
        yield from self._examine(self._optional("on_bars_revised")(bars), late=True)

    def on_daily_bars(self, bars: DailyBars) -> None:
        self._daily_bars.append(bars)

    def on_daily_ready(self, ready: DailyReady) -> Iterator[Decision]:
        context = self._context
        date = int(ready.session.replace("-", ""))
        for holding in list(context.holdings.values()):
            context.put_holding(msgspec.structs.replace(holding, sessions=holding.sessions + 1))
        if ready.coverage < self._rules.universe_coverage:
            self._degraded = f"COVERAGE {ready.coverage:.3f}"
            yield self._report()
            return
        if ready.degraded or self._degraded:
            self._degraded = "DAILY_INCOMPLETE" if ready.degraded else ""
            yield self._report()
        daily = context.daily.with_session(date, self._daily_bars)
        yield from self._warned(self._admission.see_day(daily.open[:, -1]))
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

    def on_lot_changed(self, lot: LotChanged | LotCorrected | LotSplit) -> Iterable[Decision] | None:
        context, moment = self._context, self.moment
        self._heard.append((moment.seq, moment.now, lot))
        late: tuple[Decision, ...] = ()
        if lot.signal_id in context.pending:
            context.forget_pending(lot.signal_id)
        if lot.state == "closed":
            context.forget_holding(lot.lot_id)
            self._admission.closed(lot.lot_id)
            if lot.role == "stop":
                self._admission.stopped_out(lot.symbol, self._strategy.is_intraday)
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
                late = (*self._examine([self._strategy.close(holding, "session_end")]),)
        said = None if self._lot is None else self._lot(lot)
        return late if said is None else (*late, *self._examine(said))

    def on_signal_dropped(self, drop: SignalDropped) -> Iterator[Decision]:
        self._heard.append((self.seq, self.now, drop))
        self._context.forget_pending(drop.signal_id)
        self._admission.dropped(drop.signal_id)
        if self._dropped is not None:
            yield from self._examine(self._dropped(drop))

    # ---- what the world says ----------------------------------------------------------------

    def on_trading_status(self, status: TradingStatus) -> None:
        self._admission.halt(status.symbol, status.halted, self.now)

    def on_feed_changed(self, change: FeedChanged) -> None:
        if change.up:
            self._admission.down.pop(change.stream, None)
        else:
            self._admission.down[change.stream] = change.reason

    @only_notes
    def on_corporate_actions_read(self, read: CorporateActionsRead) -> None:
        """History and today's prices are in other units for a day; the executor tells of it."""
        self._admission.freeze(one.symbol for one in read.actions if one.ex_date == read.session)

    def on_symbol_added(self, added: SymbolAdded) -> None:
        self._context.add_symbol(added.symbol, added.sector)

    def on_strategy_paused(self, pause: StrategyPaused) -> Iterator[Decision]:
        if pause.strategy == self._settings.name and pause.paused != self._paused:
            self._paused = pause.paused
            yield self._report()

    @property
    def readiness(self) -> str:
        """State the strategy itself reports at the session's start."""
        return str(self._ready)

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
            slots=0 if state == "INACTIVE" else self._quota,
            allocation=self._settings.allocation,
        )

    def _warned(self, texts: Sequence[str]) -> list[Noted]:
        """Warnings, unless the strategy trades nothing anyway."""
        if self._ready == "INACTIVE":
            return []
        name = self._settings.name
        return [
            Noted(ts_event=self.now, cause=self.seq, level="WARNING", component=name, text=text)
            for text in texts
        ]
