"""Turns the signals of all strategies into sized orders, once every strategy has seen the input.

One round = one input: signals are collected as they come, `settle` decides when no lower-ranked actor has
mail left. Exits first, then entries in order of quality (strategies 6, 7). Breakers are not asked here:
each proposal goes to the breaker, whose refusals are rows of their own.
"""

import math
from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.allocation.commitments import Commitment, Commitments
from actors.allocation.netting import net, priority
from actors.allocation.sizing import Caps, Need, Size, size
from actors.allocation.slots import Claim, effective_slots, may_open, quotas
from actors.execution.ids import client_order_id
from config.schema import Settings
from runtime.kernel.actor import Actor
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
    RegimeChanged,
    StrategyChanged,
    TaskDone,
    TaskDue,
)
from runtime.messages.session import SessionHeader
from runtime.messages.trading import (
    LotChanged,
    OrderChanged,
    OrderClass,
    OrderDenied,
    OrderProposed,
    OrderType,
    SignalDropped,
    SignalRaised,
)

_DEAD = {"canceled": "ENTRY_CANCELED", "expired": "ENTRY_EXPIRED", "rejected": "BROKER_REJECTED"}
_IDLE_STATES = ("INACTIVE", "DISABLED")

Out = OrderProposed | SignalDropped


class Carried(msgspec.Struct, kw_only=True):
    """Ensemble state that crosses a session."""

    pending: list[SignalRaised]
    lots: list[Commitment]
    reduced: bool
    halted: bool
    flattening: str = ""


class Ensemble(Actor):
    """Collects, nets, sizes and proposes; one lot per signal."""

    def __init__(
        self,
        settings: Settings,
        header: SessionHeader,
        adv: NDArray[np.float64],
        idle: Mapping[str, str],
        carried: Carried | None,
    ) -> None:
        account = settings.account
        self._account = account
        self._settings = settings.ensemble
        self._breakers = settings.breakers
        self._exempt = frozenset(settings.regime.vix_scalar_exempt)
        self._header = header
        self._ids = {symbol: place for place, symbol in enumerate(header.symbols)}
        self._adv = adv
        self._close = np.full(len(header.symbols), np.nan)
        self._caps = Caps(
            risk_per_trade=account.risk_per_trade,
            max_position_pct=account.max_position_pct,
            max_position_size=account.max_position_size,
            cash_buffer_pct=account.cash_buffer_pct,
            max_adv_frac=account.max_adv_frac,
            min_order_value=account.min_order_value,
        )
        self._strategies = {s.name: s for s in settings.strategies if s.enabled}
        self._idle: dict[str, str] = dict(idle)
        self._pending: list[SignalRaised] = list(carried.pending) if carried else []
        self._commitments = Commitments(carried.lots if carried else None)
        self._reduced = carried.reduced if carried else False
        self._halted = carried.halted if carried else False
        self._fresh: list[SignalRaised] = []
        self._waiting_exits: list[SignalRaised] = []
        self._closing: TaskDue | None = None
        self._equity = account.trading_capital
        self._cash = account.trading_capital
        self._scalar = 1.0
        self._flattening = carried.flattening if carried else ""
        """Why everything held is to be closed, or empty."""
        self._asked_at = 0
        self._asked: dict[str, None] = {}
        """Lots whose exit was proposed in input `_asked_at` because everything is to be closed."""
        self._recount()

    # ---- listening --------------------------------------------------------------------------

    def on_session_started(self, started: SessionStarted) -> Iterator[StrategyChanged]:
        """Name the strategies that take no part, and why."""
        for name, reason in self._idle.items():
            yield StrategyChanged(
                ts_event=self.now,
                cause=self.seq,
                strategy=name,
                state="INACTIVE",
                reason=reason,
                allocation=self._strategies[name].allocation,
            )

    def on_bars(self, bars: Bars) -> None:
        if len(bars.ids) == len(self._close):
            self._close[:] = bars.values[CLOSE]
        else:
            self._close[bars.ids] = bars.values[CLOSE]

    def on_daily_ready(self, ready: DailyReady) -> None:
        """A round of its own: signals of the daily run are collected in it."""

    def on_signal_raised(self, signal: SignalRaised) -> None:
        self._fresh.append(signal)

    def on_equity_marked(self, mark: EquityMarked) -> None:
        self._equity = mark.equity
        self._cash = mark.cash

    def on_regime_changed(self, change: RegimeChanged) -> None:
        self._scalar = change.scalar

    def on_lot_changed(self, change: LotChanged) -> None:
        self._commitments.lot_changed(change)

    def on_symbol_added(self, added: SymbolAdded) -> None:
        self._ids[added.symbol] = added.id
        self._close = np.append(self._close, np.nan)
        self._adv = np.append(self._adv, np.nan)

    def on_breaker_tripped(self, tripped: BreakerTripped) -> None:
        if tripped.action == "REDUCE":
            self._reduced = True
        elif tripped.breaker == "daily_loss" and self._breakers.flatten_on_halt:
            self._flattening = "daily_loss"

    def on_breaker_cleared(self, cleared: BreakerCleared) -> None:
        if cleared.breaker == "drawdown":
            self._reduced = False

    def on_halt_thrown(self, halt: HaltThrown) -> None:
        self._halted = True
        if halt.flatten:
            self._flattening = "halt"

    def on_halt_lifted(self, lifted: HaltLifted) -> None:
        self._halted = False
        self._flattening = ""

    def on_strategy_changed(self, change: StrategyChanged) -> None:
        if change.strategy not in self._strategies:
            return
        was_idle = change.strategy in self._idle
        if change.state in _IDLE_STATES:
            self._idle[change.strategy] = change.reason
        else:
            self._idle.pop(change.strategy, None)
        if was_idle != (change.strategy in self._idle):
            self._recount()

    def on_actor_stopped(self, stopped: ActorStopped) -> None:
        if stopped.actor in self._strategies:
            self._idle[stopped.actor] = "CRASHED"
            self._recount()

    def on_phase_changed(self, change: PhaseChanged) -> None:
        """A round of its own: intraday holdings are closed in it."""

    def on_order_denied(self, denied: OrderDenied) -> Iterator[SignalDropped]:
        self._commitments.entry_over(denied.lot_id)
        yield self._dropped_id(denied.signal_id, denied.strategy, denied.symbol, denied.rule, denied.reason)

    def on_order_changed(self, change: OrderChanged) -> Iterator[SignalDropped]:
        if change.role == "exit":
            lot = self._commitments.lots.get(change.lot_id)
            if lot is not None and change.status in _DEAD:
                lot.exiting = False
            return
        if change.role != "entry" or change.status not in _DEAD:
            return
        self._commitments.entry_over(change.lot_id)
        if change.filled == 0:
            yield self._dropped_id(
                change.lot_id, change.strategy, change.symbol, _DEAD[change.status], change.reason
            )

    # ---- tasks ------------------------------------------------------------------------------

    def on_task_due(self, task: TaskDue) -> Iterator[TaskDone]:
        if task.task == "close_intraday_positions":
            self._closing = task
        elif task.task == "run_premarket_analysis":
            yield self._done(task, self._slots_report())
        elif task.task == "check_opening_conditions":
            idle = ", ".join(f"{name} ({why})" for name, why in self._idle.items()) or "none"
            yield self._done(task, f"halted {self._halted}, entries halved {self._reduced}, idle {idle}")
        elif task.task == "execute_opening_orders":
            yield self._done(task, f"{len(self._pending)} signals wait for their window")
        elif task.task == "process_intraday_signals":
            yield self._done(task, "every bar is a round from now on")

    def _slots_report(self) -> str:
        slots = ", ".join(f"{name} {count}" for name, count in self._quotas.items() if count)
        starved = [name for name, count in self._quotas.items() if count == 0]
        return f"slots: {slots or 'none'}" + (f"; starved: {', '.join(starved)}" if starved else "")

    def _done(self, task: TaskDue, detail: str) -> TaskDone:
        return TaskDone(
            ts_event=self.now, cause=self.seq, task=task.task, phase=task.phase, status="done", detail=detail
        )

    # ---- deciding ---------------------------------------------------------------------------

    def settle(self) -> list[OrderProposed | SignalDropped | TaskDone | Noted] | None:
        """End of a round: exits, then entries."""
        if not (self._fresh or self._pending or self._closing or self._flattening):
            return None
        signals = [*self._pending, *self._fresh]
        self._fresh = []
        out: list[OrderProposed | SignalDropped | TaskDone | Noted] = []
        entries: list[SignalRaised] = []
        for signal in signals:
            if signal.signal_type != "CLOSE":
                entries.append(signal)
            elif self.now >= signal.not_before:
                out.extend(self._exits(signal))
            else:
                self._waiting_exits.append(signal)
        if self._closing is not None:
            out.extend(self._close_intraday(self._closing))
            self._closing = None
        if self._flattening:
            out.extend(self._flatten())
        self._pending, self._waiting_exits = self._waiting_exits, []
        if entries:
            out.extend(self._entries(entries))
        return out

    def _exits(self, signal: SignalRaised) -> Iterator[Out]:
        lots = [
            lot
            for lot in self._commitments.of(signal.strategy, signal.symbol)
            if not signal.lot_id or lot.lot_id == signal.lot_id
        ]
        if not lots:
            yield self._dropped(signal, "NOTHING_TO_CLOSE")
        for lot in lots:
            if lot.exiting:
                yield self._dropped(signal, "ALREADY_CLOSING")
            else:
                yield self._exit(lot, signal.reason, signal.id)

    def _close_intraday(self, task: TaskDue) -> Iterator[Out | TaskDone | Noted]:
        late = [lot for lot in self._open_lots() if lot.intraday and not lot.exiting]
        for lot in late:
            yield self._exit(lot, "session_end")
        if task.late and late:
            yield Noted(
                ts_event=self.now,
                cause=self.seq,
                level="CRITICAL",
                component="ensemble",
                text=f"close_intraday_positions ran late; closing {len(late)} lots now",
            )
        closing = sum(lot.intraday for lot in self._open_lots())
        yield self._done(task, f"{closing} intraday lots are being closed")

    def _flatten(self) -> Iterator[OrderProposed]:
        """Close what is open, asking once an input: an exit refused at once must not be wished for ever."""
        if self._asked_at != self.seq:
            self._asked_at, self._asked = self.seq, {}
        for lot in self._open_lots():
            if not lot.exiting and lot.lot_id not in self._asked:
                self._asked[lot.lot_id] = None
                yield self._exit(lot, self._flattening)

    def _open_lots(self) -> list[Commitment]:
        return list(self._commitments.lots.values())

    def _exit(self, lot: Commitment, reason: str, signal_id: str = "") -> OrderProposed:
        lot.exiting = True
        lot.exits += 1
        price = self._price(lot.symbol)
        return OrderProposed(
            ts_event=self.now,
            cause=self.seq,
            client_order_id=client_order_id(lot.lot_id, "exit", lot.exits),
            signal_id=signal_id or lot.lot_id,
            lot_id=lot.lot_id,
            strategy=lot.strategy,
            symbol=lot.symbol,
            side="sell" if lot.direction == "long" else "buy",
            intent="exit",
            quantity=abs(lot.held) or lot.ordered or 1,
            type="market",
            order_class="simple",
            time_in_force="day",
            reference_price=price,
            intraday=lot.intraday,
            notional=abs(lot.held) * price,
            binding="EXIT",
            reason=reason,
        )

    def _entries(self, signals: list[SignalRaised]) -> Iterator[Out]:
        """Gate, net, rank and size; what must wait stays pending."""
        now = self.now
        ready: dict[str, list[SignalRaised]] = {}
        for signal in signals:
            reason = self._refusal(signal)
            if reason is not None:
                yield self._dropped(signal, reason, "expired" if reason == "EXPIRED" else "rejected")
            elif now < signal.not_before or not self._price(signal.symbol) > 0:
                self._pending.append(signal)
            else:
                ready.setdefault(signal.symbol, []).append(signal)
        if not ready:
            return
        allocations = self._allocations()
        chosen: list[tuple[SignalRaised, float]] = []
        for group in ready.values():
            if len(group) == 1:
                chosen.append((group[0], 1.0))
                continue
            verdict = net(group, allocations, self._settings.conflict_rho)
            for signal, reason in verdict.lost:
                yield self._dropped(signal, reason)
            chosen.extend((signal, verdict.scale) for signal in verdict.kept)
        if len(chosen) > 1:
            chosen.sort(key=lambda pair: priority(pair[0], allocations[pair[0].strategy]))
        contributions = self._contributions(ready, allocations)
        for signal, scale in chosen:
            yield self._propose(signal, scale, contributions.get(signal.symbol, {}))

    def _refusal(self, signal: SignalRaised) -> str | None:
        """Why a signal cannot go on, or None."""
        if self.now > signal.expires_at:
            return "EXPIRED"
        if signal.strategy in self._idle or signal.strategy not in self._strategies:
            return "STRATEGY_INACTIVE"
        if signal.strength * signal.confidence < self._settings.quality_gate:
            return "LOW_QUALITY"
        if signal.direction == "short" and not self._account.allow_short:
            return "NO_SHORT"
        if self._commitments.has(signal.strategy, signal.symbol, signal.direction):
            return "DUPLICATE"
        if self._commitments.opposes(signal.symbol, signal.direction):
            return "OPPOSES_HOLDING"
        return None

    def _contributions(
        self, ready: dict[str, list[SignalRaised]], allocations: dict[str, float]
    ) -> dict[str, dict[str, float]]:
        """Signed contribution of each signal, for symbols where several spoke."""
        return {
            symbol: {
                s.strategy: (1 if s.direction == "long" else -1)
                * allocations[s.strategy] * s.strength * s.confidence
                for s in group
            }
            for symbol, group in ready.items()
            if len(group) > 1
        }  # fmt: skip

    def _propose(self, signal: SignalRaised, scale: float, contributions: dict[str, float]) -> Out:
        claim = self._claims_by_name[signal.strategy]
        commitments = self._commitments
        if self._commitments.has(signal.strategy, signal.symbol, signal.direction):
            return self._dropped(signal, "DUPLICATE")
        if signal.symbol not in commitments.by_symbol:
            if len(commitments.by_symbol) >= self._account.max_positions:
                return self._dropped(signal, "NO_SLOT", detail="account limit of positions")
            if not may_open(claim, self._quotas, commitments.counts, self._claims):
                return self._dropped(signal, "NO_SLOT", detail="strategy quota")
        elif commitments.counts.get(signal.strategy, 0) >= claim.max_positions:
            return self._dropped(signal, "NO_SLOT", detail="strategy maximum")
        price = self._entry_price(signal)
        signal = _at_price(signal, price)
        place = self._ids[signal.symbol]
        adv = float(self._adv[place])
        equity = self._equity
        sleeve = claim.allocation * (1 - self._account.cash_buffer_pct) * equity
        scalar = self._scalar
        if scalar < 1 and signal.symbol in self._exempt:
            scalar = 1.0
        halved = self._breakers.drawdown_multiplier
        need = Need(
            price=price,
            stop=signal.stop_loss,
            equity=equity,
            cash=self._cash - commitments.on_order(),
            sleeve=sleeve,
            sleeve_used=commitments.used(signal.strategy),
            slots=effective_slots(claim, self._quotas[signal.strategy]),
            held_symbol=commitments.symbol_value(signal.symbol, price),
            adv=math.inf if math.isnan(adv) else adv,
            scalar=scalar,
            multiplier=scale * signal.size_factor * (halved if self._reduced else 1.0),
            weight=signal.weight,
            quantity=signal.quantity,
        )
        result = size(need, self._caps)
        if result.shares == 0:
            return self._dropped(
                signal, "BELOW_MIN", detail=f"cap {min(result.caps, key=result.caps.__getitem__)}"
            )
        result.caps["scalar"], result.caps["multiplier"] = scalar, need.multiplier
        order = self._order(signal, price, result, contributions)
        commitments.propose(order, signal.direction)
        return order

    def _order(
        self, signal: SignalRaised, price: float, sized: Size, contributions: dict[str, float]
    ) -> OrderProposed:
        style = signal.entry
        kind: OrderType = "limit" if style.type == "marketable" else style.type
        exits = (signal.stop_loss is not None) + (signal.take_profit is not None)
        order_class: OrderClass = ("simple", "oto", "bracket")[exits]
        return OrderProposed(
            ts_event=self.now,
            cause=self.seq,
            client_order_id=client_order_id(signal.id, "entry", 1),
            signal_id=signal.id,
            lot_id=signal.id,
            strategy=signal.strategy,
            symbol=signal.symbol,
            side="buy" if signal.direction == "long" else "sell",
            intent="entry",
            quantity=sized.shares,
            type=kind,
            order_class=order_class,
            time_in_force="day" if signal.intraday else "gtc",
            reference_price=price,
            limit_price=self._limit(signal) if style.type == "marketable" else style.limit,
            stop_price=style.stop,
            stop_loss=signal.stop_loss,
            take_profit=signal.take_profit,
            target_follows_fill=signal.target_follows_fill,
            stop_follows_fill=signal.stop_follows_fill,
            expires_at=signal.expires_at,
            intraday=signal.intraday,
            notional=sized.notional,
            binding=sized.binding,
            sizing=sized.caps,
            contributions=contributions,
            reason=signal.reason,
            group_id=signal.group_id,
        )

    def _limit(self, signal: SignalRaised) -> float:
        offset = signal.entry.offset_frac
        return self._price(signal.symbol) * (1 + offset if signal.direction == "long" else 1 - offset)

    def _entry_price(self, signal: SignalRaised) -> float:
        """What sizing counts with: the resting trigger or limit, else the last close."""
        style = signal.entry
        if style.type in ("stop", "stop_limit") and style.stop is not None:
            return style.stop
        if style.type == "limit" and style.limit is not None:
            return style.limit
        return self._price(signal.symbol)

    def _price(self, symbol: str) -> float:
        """Last close of today, USD; NaN before the first bar."""
        place = self._ids.get(symbol)
        return float("nan") if place is None else float(self._close[place])

    # ---- slots and allocations --------------------------------------------------------------

    def _recount(self) -> None:
        """Slot quotas over the strategies that can trade."""
        self._claims = tuple(
            Claim(s.name, s.allocation, s.max_positions, s.intraday, s.min_slots)
            for s in self._strategies.values()
            if s.enabled and s.allocation > 0 and s.name not in self._idle
        )
        self._claims_by_name = {claim.name: claim for claim in self._claims}
        self._quotas = quotas(self._account.max_positions, self._claims)

    def _allocations(self) -> dict[str, float]:
        """Effective allocation by strategy: times performance and fit, bounded, at most 1 in sum."""
        factor = min(self._settings.perf_mult * self._settings.fit_mult, self._settings.max_allocation_mult)
        raw = {claim.name: claim.allocation * factor for claim in self._claims}
        total = sum(raw.values())
        return {name: value / total for name, value in raw.items()} if total > 1 else raw

    # ---- dropping ---------------------------------------------------------------------------

    def _dropped(
        self, signal: SignalRaised, reason: str, status: str = "rejected", detail: str = ""
    ) -> SignalDropped:
        return SignalDropped(
            ts_event=self.now,
            cause=self.seq,
            signal_id=signal.id,
            strategy=signal.strategy,
            symbol=signal.symbol,
            status="expired" if status == "expired" else "rejected",
            reason=reason,
            detail=detail,
        )

    def _dropped_id(
        self, signal_id: str, strategy: str, symbol: str, reason: str, detail: str
    ) -> SignalDropped:
        return SignalDropped(
            ts_event=self.now,
            cause=self.seq,
            signal_id=signal_id,
            strategy=strategy,
            symbol=symbol,
            status="expired" if reason == "ENTRY_EXPIRED" else "rejected",
            reason=reason,
            detail=detail,
        )

    def carry(self) -> Carried:
        return Carried(
            pending=[*self._pending, *self._fresh],
            lots=list(self._commitments.lots.values()),
            reduced=self._reduced,
            halted=self._halted,
            flattening=self._flattening if self._halted else "",
        )


def _at_price(signal: SignalRaised, price: float) -> SignalRaised:
    """Stop and target that follow the fill, moved to the price it is sized at (an overnight gap)."""
    move = price - signal.price
    if not move or not (signal.stop_follows_fill or signal.target_follows_fill):
        return signal
    stop, target = signal.stop_loss, signal.take_profit
    if signal.stop_follows_fill and stop is not None:
        stop += move
    if signal.target_follows_fill and target is not None:
        target += move
    return msgspec.structs.replace(signal, stop_loss=stop, take_profit=target)
