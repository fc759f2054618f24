"""The state of one session as a screen shows it: a fold over its inputs and what they caused.

Nothing is decided from it. Money comes from the books' own marks, never from sums made here.
Source: terminal 1 and 2.2.
"""

from collections.abc import Callable
from typing import Any

from actors.screen.holdings import Holdings
from actors.screen.journal import Journal
from actors.screen.orders import OrderList, SignalList
from actors.screen.strategies import StrategyList
from actors.screen.tables import Curve, cut
from config.schema import Settings
from runtime.messages.base import Input, Message, parts_of
from runtime.messages.broker import (
    BrokerSnapshot,
    BrokerStreamChanged,
    OrderChanged,
    OrderEnded,
    OrderFilled,
    SubmitOrder,
)
from runtime.messages.corporate import LotSplit
from runtime.messages.machine import ActorStopped, ErrorResolved, SessionEnded, SessionStarted
from runtime.messages.market import Bars, FeedChanged, SymbolAdded, TradingStatus
from runtime.messages.risk import (
    BreakerCleared,
    BreakerTripped,
    EquityMarked,
    HaltConfirmed,
    HaltLifted,
    HaltThrown,
    PhaseChanged,
    PortfolioDay,
    Regime,
    RegimeChanged,
    StrategyChanged,
    StrategyDay,
    StrategyPaused,
    TaskDone,
)
from runtime.messages.session import SessionHeader
from runtime.messages.trading import LotChanged, OrderDenied, OrderProposed, SignalDropped, SignalRaised

MINUTE = 60_000_000_000
DAY = 1_440 * MINUTE


class ScreenState:
    """Tables and figures of one session.

    Args:
        header: What the session starts from. settings: under which it runs.
        journal: Goes on with that of the session before.

    Attributes:
        seq, at: The last input folded, and when it was known, ns UTC.
        opening: Equity at the last close, USD. high_water: highest equity at a close.
        feeds: What is wrong with each stream that is down, by name. orders_ready: whether every event of
            our orders reaches us, and why not; None: nothing was said of it.
        acting: Breakers that act, by name and target. stopped: actors given up for the session, and why.
        bars: Bars seen.
    """

    def __init__(self, header: SessionHeader, settings: Settings, journal: Journal | None = None) -> None:
        self.header = header
        self.max_positions = settings.account.max_positions
        self.holdings = Holdings(header.symbols, header.sectors)
        self.orders = OrderList()
        self.signals = SignalList()
        self.strategies = StrategyList(settings.strategies)
        self.journal = journal or Journal()
        self.today = Curve(MINUTE, 3_000)
        self.history = Curve(1, 3_000)
        self.seq = self.at = 0
        self.opening = self.high_water = settings.account.trading_capital
        self.equity = self.cash = settings.account.trading_capital
        self.gross, self.positions = 0.0, 0
        self.phase: Any = None
        self.regime: RegimeChanged | None = None
        self.halted = self.flattens = self.is_confirmed = self.is_flat = False
        self.halt_reason = ""
        self.feeds: dict[str, str] = {}
        self.is_fed = False
        self.orders_ready: BrokerStreamChanged | None = None
        self.acting: dict[tuple[str, str], BreakerTripped] = {}
        self.bar_at = 0
        self.bars = 0
        self.is_over = False
        self.stopped: dict[str, str] = {}
        self._folds: dict[type[Message], Callable[[Any], None]] = {
            Bars: self._bars,
            SymbolAdded: self.holdings.added,
            TradingStatus: self._status,
            FeedChanged: self._feed,
            BrokerStreamChanged: self._stream,
            BrokerSnapshot: self._snapshot,
            OrderFilled: self._fill,
            SignalRaised: self._raised,
            SignalDropped: self._dropped,
            OrderProposed: self.signals.proposed,
            OrderDenied: self._denied,
            SubmitOrder: self._submitted,
            OrderChanged: self._order,
            OrderEnded: self._order,
            LotChanged: self._lot,
            LotSplit: self._lot,
            EquityMarked: self._marked,
            BreakerTripped: self._tripped,
            BreakerCleared: self._cleared,
            RegimeChanged: self._regime,
            PhaseChanged: self._phase,
            TaskDone: self.journal.task,
            StrategyChanged: self.strategies.changed,
            StrategyPaused: self._paused,
            StrategyDay: self.strategies.day,
            PortfolioDay: self._day,
            ActorStopped: self._stopped,
            ErrorResolved: self._resolved,
            HaltThrown: self._thrown,
            HaltLifted: self._lifted,
            HaltConfirmed: self._confirmed,
            SessionStarted: self._started,
            SessionEnded: self._ended,
        }

    def begin(self, seq: int, at: int, message: Input) -> None:
        """Take in an input; what it caused is taken in one by one after it."""
        self.seq, self.at = seq, at
        for part in parts_of(message):
            self.take(part)

    def take(self, message: Message) -> None:
        """Take in one message."""
        fold = self._folds.get(type(message))
        if fold is not None:
            fold(message)

    def _say(self, component: str, text: str, level: str = "INFO") -> None:
        self.journal.line(self.at, level, component, text)

    # ---- session and market -----------------------------------------------------------------

    def _started(self, started: SessionStarted) -> None:
        self._say("session", f"session {started.session} starts")

    def _ended(self, ended: SessionEnded) -> None:
        self.is_over = True
        self._say("session", f"session {ended.session} is over")

    def _bars(self, bars: Bars) -> None:
        self.is_fed = True
        self.bar_at = self.at
        if self.equity and self.at - MINUTE >= self.header.open:  # nothing is marked while nothing is held
            self.today.put(self.at - MINUTE, self.equity)
        self.bars += len(bars.ids)
        self.holdings.bars(bars)

    def _status(self, status: TradingStatus) -> None:
        words = f"halted ({status.reason or status.code or 'no reason told'})" if status.halted else "resumed"
        self._say("market", f"{status.symbol} {words}")

    def _feed(self, change: FeedChanged) -> None:
        self.is_fed = True
        if change.up:
            self.feeds.pop(change.stream, None)
        else:
            self.feeds[change.stream] = cut(change.reason) or "down"
        self._say(change.stream, "up" if change.up else f"down: {change.reason}")

    def _phase(self, change: PhaseChanged) -> None:
        self.phase = change.phase
        self._say("phase_clock", change.phase + (" (late)" if change.late else ""))

    def _regime(self, change: RegimeChanged) -> None:
        self.regime = change
        self._say("regime", f"{change.fast}, VIX {change.vix:.2f}, positions x {change.scalar:g}")

    # ---- from signal to trade ---------------------------------------------------------------

    def _raised(self, signal: SignalRaised) -> None:
        self.signals.raised(signal)
        self.strategies.raised(signal)
        self._say(
            signal.strategy,
            f"{signal.signal_type} {signal.symbol} {signal.direction} at {signal.price:.2f}: {signal.reason}",
        )

    def _dropped(self, drop: SignalDropped) -> None:
        self.signals.dropped(drop)
        self.strategies.dropped(drop)
        self._say(drop.strategy, f"signal {drop.signal_id} {drop.symbol} {drop.status}: {drop.reason}")

    def _denied(self, denied: OrderDenied) -> None:
        self.signals.denied(denied)
        self._say("breaker", f"denied {denied.client_order_id} {denied.symbol}: {denied.reason}", "WARNING")

    def _submitted(self, order: SubmitOrder) -> None:
        self.orders.submitted(order)
        self.signals.submitted(order)
        price = order.limit_price if order.limit_price is not None else order.stop_price
        at = "" if price is None else f" {price:.2f}"
        self._say(
            "executor", f"{order.role} {order.side} {order.quantity} {order.symbol} {order.type}{at} sent"
        )

    def _order(self, order: OrderChanged) -> None:
        self.orders.changed(order)
        if order.role in ("stop", "target"):
            self.holdings.exit_order(order)

    def _fill(self, fill: OrderFilled) -> None:
        self._say("broker", f"{fill.side} {fill.quantity} {fill.symbol} filled at {fill.price:.4f}")

    def _lot(self, lot: LotChanged) -> None:
        self.holdings.changed(lot)
        self.signals.lot(lot)
        self.strategies.lot(lot)
        if lot.state == "closed":
            self._say(lot.strategy, f"{lot.symbol} closed ({lot.exit_reason}) {lot.realised:+,.2f} USD")

    def _stream(self, change: BrokerStreamChanged) -> None:
        self.orders_ready = change
        self._say("broker_stream", "ready" if change.ready else f"not ready: {change.reason}")

    def _snapshot(self, snapshot: BrokerSnapshot) -> None:
        self.holdings.snapshot(snapshot)
        self.orders.snapshot(snapshot)

    # ---- money and danger -------------------------------------------------------------------

    def _marked(self, mark: EquityMarked) -> None:
        self.equity, self.cash, self.gross = mark.equity, mark.cash, mark.gross
        self.positions = mark.positions
        self.strategies.profits(mark.strategies)
        self.today.put(max(self.at, self.header.open - MINUTE), mark.equity)  # its curve begins at the open

    def _day(self, day: PortfolioDay) -> None:
        self.high_water = max(self.high_water, day.high_water_mark)
        self.history.put(self.header.close, day.equity)
        self._say("portfolio", f"{day.date}: P&L {day.daily_pnl:+,.2f} USD, equity {day.equity:,.2f} USD")

    def _tripped(self, tripped: BreakerTripped) -> None:
        self.acting[tripped.breaker, tripped.target] = tripped
        self.strategies.tripped(tripped)

    def _cleared(self, cleared: BreakerCleared) -> None:
        self.acting.pop((cleared.breaker, cleared.target), None)
        self.strategies.cleared(cleared)
        self._say("breaker", f"{cleared.breaker} {cleared.target} cleared: {cleared.reason}")

    def _paused(self, pause: StrategyPaused) -> None:
        self._say(pause.strategy, f"{'paused' if pause.paused else 'unpaused'} by {pause.by or 'a person'}")

    def _resolved(self, resolved: ErrorResolved) -> None:
        self.journal.resolved(resolved.error_id, f"{resolved.note} ({resolved.by})".strip())

    def _thrown(self, halt: HaltThrown) -> None:
        self.halted, self.is_confirmed, self.is_flat = True, False, False
        self.flattens = self.flattens or halt.flatten
        self.halt_reason = cut(halt.reason) or "halted"

    def _confirmed(self, confirmed: HaltConfirmed) -> None:
        self.is_confirmed, self.is_flat = True, confirmed.flat

    def _stopped(self, stopped: ActorStopped) -> None:
        self.stopped[stopped.actor] = stopped.reason
        self.strategies.stopped(stopped)

    def _lifted(self, lifted: HaltLifted) -> None:
        self.halted = self.flattens = self.is_confirmed = self.is_flat = False
        self.halt_reason = ""
        self.journal.resumed(lifted.by)
        self._say("kill_switch", f"trading resumed by {lifted.by}")

    # ---- telling ----------------------------------------------------------------------------

    def blocked(self) -> str:
        """Why no entry may leave now, in words; empty: they may."""
        if self.halted:
            return f"halted: {self.halt_reason}"
        for row in self.acting.values():
            if not row.target and row.action == "HALT":
                return f"{row.breaker}: {row.reason}"
        if self.orders_ready is not None and not self.orders_ready.ready:
            return f"the order stream is not ready: {self.orders_ready.reason}"
        for stream, reason in self.feeds.items():
            return f"{stream} is down: {reason}"
        return ""

    def regimes(self) -> tuple[Regime | None, Regime | None]:
        """Fast and slow regime, where known."""
        return (None, None) if self.regime is None else (self.regime.fast, self.regime.slow)
