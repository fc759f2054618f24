"""Turns the signals of all strategies into sized orders, once every strategy has seen the input.

One round = one input: signals are collected as they come, `settle` decides when no lower-ranked actor has
mail left. Exits first, then entries in order of quality (strategies 6, 7). Breakers are not asked here:
each proposal goes to the breaker, whose refusals are rows of their own.
"""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.allocation import proposals
from actors.allocation.adaptive import drawdown_factor
from actors.allocation.commitments import Commitments
from actors.allocation.desk import Desk, Money, Refused
from actors.allocation.ensemble_state import Carried, Today
from actors.allocation.exits import Exits
from actors.allocation.outside import Outside
from actors.allocation.roster import Roster
from actors.execution.ids import client_order_id
from actors.market import tasks
from config.schema import Settings
from runtime.kernel.actor import Actor
from runtime.messages.account import ExternalChanged, LotCorrected
from runtime.messages.broker import BrokerAccount, OrderEnded
from runtime.messages.corporate import LotSplit
from runtime.messages.machine import ActorStopped, SessionStarted
from runtime.messages.market import CLOSE, Bars, DailyReady, SymbolAdded
from runtime.messages.risk import (
    BreakerCleared,
    BreakerTripped,
    EquityMarked,
    HaltLifted,
    HaltThrown,
    Noted,
    PhaseChanged,
    PortfolioDay,
    RegimeChanged,
    StrategyChanged,
    StrategyDay,
    TaskDone,
    TaskDue,
)
from runtime.messages.session import SessionHeader
from runtime.messages.trading import LotChanged, OrderDenied, OrderProposed, SignalDropped, SignalRaised

__all__ = ["Carried", "Ensemble"]

_DEAD = {"canceled": "ENTRY_CANCELED", "expired": "ENTRY_EXPIRED", "rejected": "BROKER_REJECTED"}
_IDLE_STATES = ("INACTIVE", "DISABLED")

Out = OrderProposed | SignalDropped
Settled = Out | TaskDone | Noted


class Ensemble(Actor):
    """Collects, nets, sizes and proposes; one lot per signal.

    Args:
        adv: (S,) average daily volume, USD. sigma: (S,) annual volatility; NaN where unknown.
        idle: Why an enabled strategy takes no part from the start, by name.
    """

    def __init__(
        self,
        settings: Settings,
        header: SessionHeader,
        adv: NDArray[np.float64],
        sigma: NDArray[np.float64],
        idle: Mapping[str, str],
        carried: Carried | None,
    ) -> None:
        account, ensemble = settings.account, settings.ensemble
        self._account = account
        self._quality_gate = ensemble.quality_gate
        self._adaptive = ensemble.adaptive_sizing
        self._breakers = settings.breakers
        factor = min(ensemble.perf_mult * ensemble.fit_mult, ensemble.max_allocation_mult)
        self._roster = Roster(settings.strategies, idle, account.max_positions, factor)
        self._pending: list[SignalRaised] = list(carried.pending) if carried else []
        self._commitments = Commitments(carried.lots if carried else None)
        self._outside = Outside()
        self._desk = Desk(
            settings, header.symbols, adv, sigma, self._roster, self._commitments, self._outside
        )
        self._desk.days = dict(carried.days) if carried else {}
        multiplier = settings.breakers.drawdown_multiplier
        self._exits = Exits(self._commitments, self._desk, multiplier, _exit_name)
        self._reduced = carried.reduced if carried else False
        self._halted = carried.halted if carried else False
        self._drawdown = carried.drawdown if carried else 0.0
        self._fresh: list[SignalRaised] = []
        self._closing: TaskDue | None = None
        self._money = Money(equity=account.trading_capital, cash=account.trading_capital)
        self._cash = account.trading_capital
        self._flattening = carried.flattening if carried else ""
        """Why everything held is to be closed, or empty."""
        self._selling_down = False
        """Whether a drawdown has just asked for a share of what is held to be sold."""
        if carried and carried.today is not None:
            self._go_on(carried.today)

    def _go_on(self, today: Today) -> None:
        """Stand where another part of the session ended."""
        self._outside.restore(today.outside)
        self._cash, self._money.equity = today.cash, today.equity
        self._money.cash = today.cash - self._outside.lack
        self._desk.closes = np.frombuffer(today.closes, dtype="<f8").copy()
        self._closing, self._selling_down = today.closing, today.selling_down
        self._flattening = today.flattening

    # ---- listening --------------------------------------------------------------------------

    def on_session_started(self, started: SessionStarted) -> Iterator[StrategyChanged]:
        """Name the strategies that take no part, and why."""
        for name, reason in self._roster.idle.items():
            yield StrategyChanged(
                ts_event=self.now,
                cause=self.seq,
                strategy=name,
                state="INACTIVE",
                reason=reason,
                allocation=self._roster.strategies[name].allocation,
            )

    def on_bars(self, bars: Bars) -> None:
        closes = self._desk.closes
        if len(bars.ids) == len(closes):
            closes[:] = bars.values[CLOSE]
        else:
            closes[bars.ids] = bars.values[CLOSE]

    def on_daily_ready(self, ready: DailyReady) -> None:
        """A round of its own: signals of the daily run are collected in it."""

    def on_phase_changed(self, change: PhaseChanged) -> None:
        """A round of its own: intraday holdings are closed in it."""

    def on_signal_raised(self, signal: SignalRaised) -> None:
        self.unsettled = True
        self._fresh.append(signal)

    def on_equity_marked(self, mark: EquityMarked) -> None:
        self._money.equity = mark.equity
        self._cash = mark.cash
        self._money.cash = mark.cash - self._outside.lack

    def on_broker_account(self, account: BrokerAccount) -> None:
        self._outside.account(account, self._cash - self._commitments.on_order())
        self._money.cash = self._cash - self._outside.lack

    def on_external_changed(self, change: ExternalChanged) -> None:
        self._outside.changed(change)
        self._money.cash = self._cash - self._outside.lack

    def on_regime_changed(self, change: RegimeChanged) -> None:
        self._money.scalar = change.scalar

    def on_portfolio_day(self, day: PortfolioDay) -> None:
        self._drawdown = -day.drawdown_pct

    def on_strategy_day(self, day: StrategyDay) -> None:
        self._desk.days[day.strategy] = day

    def on_lot_changed(self, change: LotChanged | LotCorrected | LotSplit) -> None:
        self._commitments.lot_changed(change)

    def on_symbol_added(self, added: SymbolAdded) -> None:
        self._desk.add_symbol(added.symbol, added.id)

    def on_breaker_tripped(self, tripped: BreakerTripped) -> None:
        if tripped.action == "REDUCE":
            self._reduced = True
            self._selling_down = self._breakers.drawdown_action == "all"
            self.unsettled = True
        elif tripped.breaker == "daily_loss" and self._breakers.flatten_on_halt:
            self._flattening = "daily_loss"
            self.unsettled = True

    def on_breaker_cleared(self, cleared: BreakerCleared) -> None:
        if cleared.breaker == "drawdown":
            self._reduced = False

    def on_halt_thrown(self, halt: HaltThrown) -> None:
        self._halted = True
        if halt.flatten:
            self._flattening = "halt"
            self.unsettled = True

    def on_halt_lifted(self, lifted: HaltLifted) -> None:
        self._halted = False
        self._flattening = ""

    def on_strategy_changed(self, change: StrategyChanged) -> None:
        if change.state in _IDLE_STATES:
            self._roster.set_idle(change.strategy, change.reason)
        else:
            self._roster.set_active(change.strategy)

    def on_actor_stopped(self, stopped: ActorStopped) -> None:
        self._roster.set_idle(stopped.actor, "CRASHED")

    def on_order_denied(self, denied: OrderDenied) -> Iterator[SignalDropped]:
        self._commitments.entry_over(denied.lot_id)
        yield self._dropped(denied.signal_id, denied.strategy, denied.symbol, denied.rule, denied.reason)

    def on_order_ended(self, change: OrderEnded) -> Iterator[SignalDropped]:
        if change.role == "exit":
            lot = self._commitments.lots.get(change.lot_id)
            if lot is not None:
                lot.exiting = False
        elif change.role == "entry":
            self._commitments.entry_over(change.lot_id)
            if change.filled == 0:
                reason = _DEAD[change.status]
                yield self._dropped(change.lot_id, change.strategy, change.symbol, reason, change.reason)

    # ---- tasks ------------------------------------------------------------------------------

    def on_task_due(self, task: TaskDue) -> Iterator[TaskDone]:
        if task.task == "close_intraday_positions":
            self._closing = task
            self.unsettled = True
        elif task.task == "run_premarket_analysis":
            yield self._done(task, self._roster.report())
        elif task.task == "check_opening_conditions":
            idle = self._roster.idle_report()
            yield self._done(task, f"halted {self._halted}, entries halved {self._reduced}, idle {idle}")
        elif task.task == "execute_opening_orders":
            yield self._done(task, f"{len(self._pending)} signals wait for their window")
        elif task.task == "process_intraday_signals":
            yield self._done(task, "every bar is a round from now on")

    def _done(self, task: TaskDue, detail: str) -> TaskDone:
        return tasks.done(task, detail, self.now, self.seq)

    # ---- deciding ---------------------------------------------------------------------------

    def settle(self) -> list[Settled] | None:
        """End of a round: exits, then entries."""
        if not (self._fresh or self._pending or self._closing or self._flattening or self._selling_down):
            self.unsettled = False
            return None
        signals = [*self._pending, *self._fresh]
        self._fresh, self._pending = [], []
        out: list[Settled] = []
        entries: list[SignalRaised] = []
        now, seq, exits = self.moment.now, self.moment.seq, self._exits
        for signal in signals:
            if signal.signal_type != "CLOSE":
                entries.append(signal)
            elif now >= signal.not_before:
                out.extend(exits.wished(signal, now, seq))
            else:
                self._pending.append(signal)
        if self._closing is not None:
            out.extend(exits.intraday(self._closing.late, now, seq))
            out.append(self._done(self._closing, f"{exits.intraday_lots()} intraday lots are being closed"))
            self._closing = None
        if self._selling_down:
            out.extend(exits.sell_down(now, seq))
            self._selling_down = False
        if self._flattening:
            out.extend(exits.everything(self._flattening, now, seq))
        if entries:
            out.extend(self._entries(entries))
        self.unsettled = bool(self._pending or self._flattening)
        return out

    # ---- entries ----------------------------------------------------------------------------

    def _entries(self, signals: list[SignalRaised]) -> Iterator[Out]:
        """Gate, net, rank and size; what must wait stays pending."""
        now, seq, desk = self.moment.now, self.moment.seq, self._desk
        ready: dict[str, list[SignalRaised]] = {}
        for signal in signals:
            reason = self._refusal(signal)
            if reason is not None:
                yield self._refused(signal, reason)
            elif now < signal.not_before or not desk.price(signal.symbol) > 0:
                self._pending.append(signal)
            else:
                ready.setdefault(signal.symbol, []).append(signal)
        if not ready:
            return
        self._money.factor = self._factor()
        for planned in desk.plan(ready, self._money):
            signal = planned.signal
            if isinstance(planned, Refused):
                yield self._refused(signal, planned.reason, planned.detail)
                continue
            name = client_order_id(signal.id, "entry", 1)
            close = desk.price(signal.symbol) if signal.entry.type == "marketable" else planned.price
            order = proposals.entry(planned, close, name, now, seq)
            self._commitments.propose(order, signal.direction)
            yield order

    def _factor(self) -> float:
        """What losses make of every entry: the breaker's multiplier and the adaptive ramp, never both."""
        factor = self._breakers.drawdown_multiplier if self._reduced else 1.0
        return min(factor, drawdown_factor(self._drawdown)) if self._adaptive else factor

    def _refusal(self, signal: SignalRaised) -> str | None:
        """Why a signal cannot go on, or None."""
        if self.moment.now > signal.expires_at:
            return "EXPIRED"
        if signal.strategy not in self._roster.claims:
            return "STRATEGY_INACTIVE"
        if signal.strength * signal.confidence < self._quality_gate:
            return "LOW_QUALITY"
        if signal.direction == "short" and not self._account.allow_short:
            return "NO_SHORT"
        if signal.symbol in self._commitments.by_symbol:
            if self._commitments.has(signal.strategy, signal.symbol, signal.direction):
                return "DUPLICATE"
            if self._commitments.opposes(signal.symbol, signal.direction):
                return "OPPOSES_HOLDING"
        if self._outside.sign(signal.symbol) == (-1 if signal.direction == "long" else 1):
            return "OPPOSES_EXTERNAL"
        return None

    def _refused(self, signal: SignalRaised, reason: str, detail: str = "") -> SignalDropped:
        return proposals.refused(signal, reason, detail, self.now, self.seq)

    def _dropped(self, signal_id: str, strategy: str, symbol: str, reason: str, detail: str) -> SignalDropped:
        return proposals.dropped(signal_id, strategy, symbol, reason, detail, self.now, self.seq)

    def standing(self) -> Carried:
        today = Today(
            equity=self._money.equity,
            cash=self._cash,
            closes=self._desk.closes.astype("<f8").tobytes(),
            outside=self._outside.state(),
            closing=self._closing,
            selling_down=self._selling_down,
            flattening=self._flattening,
        )
        return msgspec.structs.replace(self.carry(), today=today)

    def carry(self) -> Carried:
        return Carried(
            pending=[*self._pending, *self._fresh],
            lots=list(self._commitments.lots.values()),
            reduced=self._reduced,
            halted=self._halted,
            days=self._desk.days,
            drawdown=self._drawdown,
            flattening=self._flattening if self._halted else "",
        )


def _exit_name(lot_id: str, number: int) -> str:
    return client_order_id(lot_id, "exit", number)
