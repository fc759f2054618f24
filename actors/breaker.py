"""Judges every proposal against the account's losses; the only maker of OrderApproved."""

import math
from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from actors.market import tasks
from actors.risk.activations import BreakerState, Event, Row
from actors.risk.breakers import BreakerChain
from actors.risk.gauges import Gauge, gauges
from actors.risk.limits import GuardState, OrderGuard
from config.strategies import StrategySettings
from config.trading import Breakers, Limits
from runtime.kernel.actor import Actor
from runtime.messages.account import ExternalChanged
from runtime.messages.broker import BrokerOrder, CancelOrder, ReplaceOrder
from runtime.messages.machine import ActorCrashed, ActorStopped, SessionStarted, SetTimer, TimerFired
from runtime.messages.market import CLOSE, Bars, FloatArray, SymbolAdded
from runtime.messages.risk import (
    BreakerCleared,
    BreakerTripped,
    EquityMarked,
    HaltLifted,
    HaltThrown,
    StrategyPaused,
    TaskDone,
    TaskDue,
)
from runtime.messages.session import SessionHeader
from runtime.messages.trading import LotChanged, OrderApproved, OrderDenied, OrderProposed, PositionMismatched

MONEY_ACTORS = ("portfolio", "breaker", "executor")
"""Actors that must not miss what the broker says."""

BROKER_EVENTS = frozenset(
    {
        "OrderAccepted",
        "OrderRejected",
        "OrderUnknown",
        "OrderFilled",
        "FillCorrected",
        "OrderCanceled",
        "OrderExpired",
        "OrderReplaced",
        "CancelRejected",
        "BrokerAccount",
    }
)

_DAY_NS = 86_400_000_000_000
_EXPIRY = "expiry"

Change = BreakerTripped | BreakerCleared | SetTimer


class Today(msgspec.Struct, frozen=True, kw_only=True):
    """What is of one session only.

    Attributes:
        others: Orders by symbol that are not ours. last: float64 prices by symbol id, USD, as bytes.
    """

    others: dict[str, tuple[BrokerOrder, ...]]
    last: bytes


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the breaker that crosses a session; in the middle of one also what is of today.

    Attributes:
        halted: Reason of the kill switch while it is thrown. paused: strategies a person paused.
        doubtful: Symbols whose position differs from the broker's, and how.
    """

    chain: BreakerState
    guard: GuardState
    halted: str | None = None
    paused: list[str] = []
    doubtful: dict[str, str] = {}
    today: Today | None = None


class Breaker(Actor):
    """Blocks entries when the money, a person or a limit says so; exits always pass."""

    def __init__(
        self,
        breakers: Breakers,
        limits: Limits,
        strategies: tuple[StrategySettings, ...],
        *,
        header: SessionHeader,
        panels: Mapping[str, FloatArray],
        carried: Carried | None,
    ) -> None:
        allocations = {s.name: s.allocation for s in strategies if s.enabled}
        self._limits, self._allocations = breakers, allocations
        self._chain = BreakerChain(breakers, allocations, carried.chain if carried else None)
        self._guard = OrderGuard(limits, carried.guard if carried else None)
        self._halted = carried.halted if carried else None
        self._paused = dict.fromkeys(carried.paused if carried else ())
        self._doubtful: dict[str, str] = dict(carried.doubtful) if carried else {}
        self._others: dict[str, tuple[BrokerOrder, ...]] = {}
        self._opens, self._ends = header.open, header.ends
        self._next_open = header.next_open or _guess_next_open(header)
        self._ids = {symbol: place for place, symbol in enumerate(header.symbols)}
        self._last = _first_prices(len(header.symbols), panels)
        if carried and carried.today is not None:
            self._others = dict(carried.today.others)
            self._last = np.frombuffer(carried.today.last, dtype="<f8").copy()

    # ---- what the money does ----------------------------------------------------------------

    def on_equity_marked(self, mark: EquityMarked) -> list[Change]:
        chain = self._chain
        if not math.isfinite(mark.equity):
            return self._told(chain.halt(self.now, f"equity was marked {mark.equity}"))
        events = chain.mark(self.now, mark.equity, mark.strategies, mark.final, self._next_open)
        return self._told(events) if events else []

    def on_lot_changed(self, lot: LotChanged) -> list[Change]:
        closed = lot.state == "closed"
        if not closed and lot.group_id is None:
            return []
        events = self._chain.lot(
            self.moment.now, lot.strategy, lot.lot_id, group_id=lot.group_id, closed=closed, pnl=lot.realised
        )
        return self._told(events) if events else []

    def on_session_started(self, started: SessionStarted) -> list[Change]:
        chain, now = self._chain, self.now
        is_new = started.part == 1  # else the day has its base already
        return self._told(chain.session_started(now, self._opens) if is_new else chain.expire(now)) + (
            self._timer()
        )

    def on_timer_fired(self, _: TimerFired) -> list[Change]:
        return self._told(self._chain.expire(self.now)) + self._timer()

    # ---- what the machine and people do ------------------------------------------------------

    def on_actor_stopped(self, stopped: ActorStopped) -> list[Change]:
        if stopped.actor not in MONEY_ACTORS:
            return []
        return self._told(
            self._chain.halt(self.now, f"{stopped.actor} stopped: {stopped.reason}", self._ends)
        )

    def on_actor_crashed(self, crash: ActorCrashed) -> list[Change]:
        if crash.actor not in MONEY_ACTORS or crash.message_type not in BROKER_EVENTS:
            return []
        return self._told(self._chain.halt(self.now, f"{crash.actor} skipped a {crash.message_type}"))

    def on_position_mismatched(self, found: PositionMismatched) -> None:
        """No entries in a symbol whose position is in doubt (architecture 4)."""
        if found.ours == found.broker:
            self._doubtful.pop(found.symbol, None)
        else:
            self._doubtful[found.symbol] = f"we hold {found.ours}, the broker says {found.broker}"

    def on_external_changed(self, change: ExternalChanged) -> None:
        """Orders of others that work in the account."""
        if change.orders:
            self._others[change.symbol] = change.orders
        else:
            self._others.pop(change.symbol, None)

    def on_halt_thrown(self, halt: HaltThrown) -> None:
        self._halted = halt.reason or "halted"

    def on_halt_lifted(self, lifted: HaltLifted) -> list[Change]:
        self._halted = None
        return self._told(self._chain.release(f"resumed by {lifted.by}"))

    def on_strategy_paused(self, pause: StrategyPaused) -> None:
        if pause.paused:
            self._paused[pause.strategy] = None
        else:
            self._paused.pop(pause.strategy, None)

    def on_task_due(self, task: TaskDue) -> Iterator[TaskDone]:
        if task.task != "check_circuit_breakers":
            return
        active = [_line(row) for row in self._chain.rows]
        if self._halted is not None:
            active.insert(0, f"kill switch: {self._halted}")
        detail = "; ".join(active) or "none active"
        yield tasks.done(task, detail, self.now, self.seq)

    # ---- what the market and the executor do -------------------------------------------------

    def on_bars(self, bars: Bars) -> None:
        if len(bars.ids) == len(self._last):
            self._last[:] = bars.values[CLOSE]
        else:
            self._last[bars.ids] = bars.values[CLOSE]

    def on_symbol_added(self, added: SymbolAdded) -> None:
        self._ids[added.symbol] = added.id
        if added.id >= len(self._last):
            grown = np.full(max(added.id + 1, 2 * len(self._last)), np.nan)
            grown[: len(self._last)] = self._last
            self._last = grown

    def on_message_sent(self, _: CancelOrder | ReplaceOrder) -> None:
        """Count what goes to the broker besides orders; those are counted as they are approved."""
        self._guard.count(self.now)

    # ---- the verdict ------------------------------------------------------------------------

    def on_order_proposed(
        self, order: OrderProposed
    ) -> tuple[OrderApproved | OrderDenied] | list[Change | OrderApproved | OrderDenied]:
        now, seq = self.moment.now, self.moment.seq
        overdue = self._chain.expire(now) if now >= self._chain.next_expiry else ()
        verdict: OrderApproved | OrderDenied | None = None
        if order.intent == "entry":
            verdict = self._refusal(order, now)
        if verdict is None:
            self._guard.passed(order, now)
            verdict = OrderApproved(ts_event=now, cause=seq, order=order)
        return [*self._told(overdue), verdict] if overdue else (verdict,)

    def _refusal(self, order: OrderProposed, now: int) -> OrderDenied | None:
        if self._halted is not None:
            return self._denied(order, "halt", self._halted)
        row = self._chain.worst(order.strategy)
        if row is not None and row.action != "REDUCE":
            return self._denied(order, row.breaker, row.reason, row.value, row.limit)
        if order.strategy in self._paused:
            return self._denied(order, "paused", f"{order.strategy} was paused by a person")
        if order.symbol in self._doubtful:
            return self._denied(order, "reconcile", self._doubtful[order.symbol])
        if order.symbol in self._others and self._is_there(order):
            text = "the account has the same order already, not ours"
            return self._denied(order, "duplicate_order", text)
        place = self._ids.get(order.symbol)
        last = math.nan if place is None else self._last.item(place)
        refusal = self._guard.check(order, last, now)
        if refusal is None:
            return None
        return self._denied(order, refusal.rule, refusal.reason, refusal.value, refusal.limit)

    def _is_there(self, order: OrderProposed) -> bool:
        others = self._others[order.symbol]
        return any((one.side, one.quantity) == (order.side, order.quantity) for one in others)

    def _denied(
        self, order: OrderProposed, rule: str, reason: str, value: float = 0.0, limit: float = 0.0
    ) -> OrderDenied:
        return OrderDenied(
            ts_event=self.now,
            cause=self.seq,
            client_order_id=order.client_order_id,
            signal_id=order.signal_id,
            lot_id=order.lot_id,
            strategy=order.strategy,
            symbol=order.symbol,
            rule=rule,
            reason=reason,
            value=value,
            limit=limit,
        )

    # ---- telling ----------------------------------------------------------------------------

    def _told(self, events: list[Event] | tuple[()]) -> list[Change]:
        """The chain's events as messages, with a timer for the next expiry when one tripped."""
        changes: list[Change] = []
        for event in events:
            if isinstance(event, Row):
                changes.append(self._tripped(event))
            else:
                row = event.row
                changes.append(
                    BreakerCleared(
                        ts_event=self.now,
                        cause=self.seq,
                        breaker=row.breaker,
                        target=row.target,
                        reason=event.reason,
                        triggered_at=row.triggered_at,
                    )
                )
        if any(isinstance(event, Row) and event.expires_at for event in events):
            changes += self._timer()
        return changes

    def _tripped(self, row: Row) -> BreakerTripped:
        return BreakerTripped(
            ts_event=self.now,
            cause=self.seq,
            breaker=row.breaker,
            action=row.action,
            target=row.target,
            reason=row.reason,
            value=row.value,
            limit=row.limit,
            expires_at=row.expires_at,
            triggered_at=row.triggered_at,
        )

    def _timer(self) -> list[Change]:
        """Wake at the next expiry; one after the session's end is seen to when a later one starts."""
        due = self._chain.next_expiry
        if due > self._ends:
            return []
        return [SetTimer(ts_event=self.now, cause=self.seq, actor=self.name, key=_EXPIRY, due=due)]

    def gauges(self) -> list[Gauge]:
        """How far each breaker is from its limit, for people; read between two inputs."""
        return gauges(self._chain.state(), self._limits, self._allocations)

    def standing(self) -> Carried:
        today = Today(others=self._others, last=self._last.astype("<f8").tobytes())
        return msgspec.structs.replace(self.carry(), today=today)

    def carry(self) -> Carried:
        return Carried(
            chain=self._chain.state(),
            guard=self._guard.state(),
            halted=self._halted,
            paused=list(self._paused),
            doubtful=self._doubtful,
        )


def _line(row: Row) -> str:
    """One activation in words."""
    target = f" of {row.target}" if row.target else ""
    return f"{row.breaker} {row.action}{target}: {row.reason}"


def _first_prices(symbols: int, panels: Mapping[str, FloatArray]) -> FloatArray:
    """(S,) previous closes in today's raw USD; NaN where unknown, so that no entry passes unseen."""
    daily, ratio = panels.get("daily"), panels.get("price_ratio")
    prices = np.full(symbols, np.nan)
    if daily is not None and daily.shape[2]:
        prices[:] = daily[3, :, -1] * (1.0 if ratio is None else ratio)
    return prices


def _guess_next_open(header: SessionHeader) -> int:
    """The next open at the same time of day in UTC; the next session's header corrects it."""
    days = np.datetime64(header.next, "D") - np.datetime64(header.session, "D")
    return header.open + int(days.astype(np.int64)) * _DAY_NS
