"""Rows of performance.db: equity, breakers, regimes, days, tasks, strategies, errors."""

from collections.abc import Callable
from typing import Any

from runtime.messages.base import Message
from runtime.messages.broker import OrderRejected, OrderUnknown
from runtime.messages.machine import (
    ActorCrashed,
    ActorRestarted,
    ActorStopped,
    ErrorResolved,
    SessionEnded,
    SessionStarted,
)
from runtime.messages.market import BarsQuarantined, SymbolAdded
from runtime.messages.risk import (
    BreakerCleared,
    BreakerTripped,
    EquityMarked,
    HaltConfirmed,
    HaltLifted,
    HaltThrown,
    Noted,
    PhaseChanged,
    PortfolioDay,
    RegimeChanged,
    StrategyChanged,
    StrategyDay,
    TaskDone,
)
from storage.pen import Pen, json_text

_MINUTE = 60_000_000_000


def _equity_marked(p: Pen, m: EquityMarked) -> None:
    minute = m.ts_event - m.ts_event % _MINUTE
    p.out.append(("equity", (minute, p.session, m.equity, m.cash, m.gross, m.positions)))


def _breaker_tripped(p: Pen, m: BreakerTripped) -> None:
    p.out.append(
        (
            "breaker_tripped",
            (
                m.breaker,
                m.triggered_at or m.ts_event,
                m.expires_at or None,
                m.reason,
                m.action,
                m.target,
                1,
                m.value,
                m.limit,
            ),
        )
    )
    level = "CRITICAL" if m.action == "HALT" else "WARNING"
    scope = m.target or "all strategies"
    text = f"{m.breaker} {m.action} {scope}: {m.reason} ({m.value:.6g}, limit {m.limit:.6g})"
    p.error(level, "breaker", text, m.ts_event)


def _breaker_cleared(p: Pen, m: BreakerCleared) -> None:
    p.out.append(("breaker_cleared", (m.ts_event, m.reason, m.breaker, m.target)))


def _regime_changed(p: Pen, m: RegimeChanged) -> None:
    p.out.append(
        (
            "regime",
            (
                m.ts_event,
                m.vix,
                m.fast,
                m.previous,
                m.action or f"position sizes x {m.scalar:g}",
                m.slow,
                m.scalar,
                m.source,
                m.age,
                *p.place(),
            ),
        )
    )


def _portfolio_day(p: Pen, m: PortfolioDay) -> None:
    p.out.append(
        (
            "portfolio_day",
            (
                m.date,
                m.equity,
                m.cash,
                m.positions_value,
                m.num_positions,
                m.exposure_pct,
                m.daily_pnl,
                m.daily_pnl_pct,
                m.cumulative_pnl,
                m.cumulative_pnl_pct,
                m.drawdown,
                m.drawdown_pct,
                m.high_water_mark,
                m.sharpe_ratio,
                m.sortino_ratio,
            ),
        )
    )


def _strategy_day(p: Pen, m: StrategyDay) -> None:
    p.out.append(
        (
            "strategy_day",
            (
                m.date,
                m.strategy,
                m.trades_opened,
                m.trades_closed,
                m.wins,
                m.losses,
                m.gross_pnl,
                m.net_pnl,
                m.commission,
                m.sharpe_20d,
                m.sharpe_60d,
                m.win_rate_30d,
                m.avg_win,
                m.avg_loss,
                m.profit_factor,
                m.max_drawdown,
                int(m.is_enabled),
            ),
        )
    )
    decided = m.winning_trades + m.losing_trades
    p.out.append(
        (
            "strategy_stats",
            (
                m.strategy,
                m.total_trades,
                m.winning_trades,
                m.losing_trades,
                m.total_pnl,
                m.total_pnl / m.total_trades if m.total_trades else None,
                m.winning_trades / decided if decided else None,
                m.total_profit_factor,
                m.total_sharpe,
                m.total_sortino,
                m.total_max_drawdown,
                int(m.is_enabled),
                m.date,
            ),
        )
    )


def _task_done(p: Pen, m: TaskDone) -> None:
    p.out.append(("task", (*p.place(), m.ts_event, m.task, m.phase, m.status, m.detail)))
    if m.status == "failed":
        p.error("ERROR", "phase_clock", f"task {m.task} failed: {m.detail}", m.ts_event)


def _strategy_changed(p: Pen, m: StrategyChanged) -> None:
    row = (*p.place(), m.ts_event, m.strategy, m.state, m.reason, m.slots, m.allocation)
    p.out.append(("strategy_state", row))


def _phase_changed(p: Pen, m: PhaseChanged) -> None:
    p.out.append(("session_phase", (p.session, p.date, m.phase, m.ts_event)))


def _session_started(p: Pen, m: SessionStarted) -> None:
    p.out.append(("session_started", (p.session, p.date, m.ts_event)))


def _session_ended(p: Pen, m: SessionEnded) -> None:
    p.out.append(("session_ended", (p.session, p.date, m.ts_event)))


def _symbol_added(p: Pen, m: SymbolAdded) -> None:
    p.ids[m.symbol] = m.id


def _actor_crashed(p: Pen, m: ActorCrashed) -> None:
    exception = m.error.partition(":")[0]
    text = f"crashed on {m.message_type} (message {m.ordinal} of the session): {m.error}"
    p.error(
        "ERROR",
        m.actor,
        text,
        m.ts_event,
        file=m.source_file,
        line=m.line_number,
        exception=exception,
        traceback=m.traceback,
        context=json_text(
            {
                "message_type": m.message_type,
                "ordinal": m.ordinal,
                "digest": m.message_digest,
                "crashes": m.crashes,
            }
        ),
    )


def _actor_restarted(p: Pen, m: ActorRestarted) -> None:
    text = f"restarted, {m.refed} messages fed again; restart {m.restarts} of the session"
    p.error("WARNING", m.actor, text, m.ts_event)


def _actor_stopped(p: Pen, m: ActorStopped) -> None:
    p.error("CRITICAL", m.actor, f"stopped for the session: {m.reason}", m.ts_event)


def _noted(p: Pen, m: Noted) -> None:
    p.error(m.level, m.component, m.text, m.ts_event)


def _error_resolved(p: Pen, m: ErrorResolved) -> None:
    p.out.append(("error_resolved", (m.ts_event, m.by, m.note, m.error_id)))


def _bars_quarantined(p: Pen, m: BarsQuarantined) -> None:
    example = f", for example {m.example}" if m.example else ""
    p.error("WARNING", "data", f"{m.count} bars of {m.source} refused: {m.reason}{example}", m.ts_event)


def _is_noted(p: Pen, client_order_id: str) -> bool:
    """Whether a decision actor has said its word on what befell an order: one fault is one row."""
    return any(type(said) is Noted and f" {client_order_id} " in said.text for said in p.caused)


def _order_rejected(p: Pen, m: OrderRejected) -> None:
    if _is_noted(p, m.client_order_id):
        return
    text = f"the broker rejected {m.client_order_id} ({m.symbol}): {m.code} {m.reason}"
    p.error("WARNING", "execution", text, m.ts_event)


def _order_unknown(p: Pen, m: OrderUnknown) -> None:
    if _is_noted(p, m.client_order_id):
        return
    text = f"fate of {m.client_order_id} ({m.symbol}) is unknown: {m.reason}"
    p.error("ERROR", "execution", text, m.ts_event)


def _halt_thrown(p: Pen, m: HaltThrown) -> None:
    p.error("CRITICAL", "kill_switch", f"trading halted: {m.reason}", m.ts_event)


def _halt_confirmed(p: Pen, m: HaltConfirmed) -> None:
    rest = "nothing is held" if m.flat else f"{m.working} stops, targets and exits rest at the broker"
    p.error("WARNING", "kill_switch", f"halt carried out: no entry works, {rest}", m.ts_event)


def _halt_lifted(p: Pen, m: HaltLifted) -> None:
    # Who types `resume` has seen to the halt: nobody is asked for the same once more.
    p.out.append(("halts_resolved", (m.ts_event, m.by, "resumed", m.ts_event)))
    p.error("WARNING", "kill_switch", f"trading resumed by {m.by}", m.ts_event)


PERFORMANCE_ROWS: dict[type[Message], Callable[[Pen, Any], None]] = {
    EquityMarked: _equity_marked,
    BreakerTripped: _breaker_tripped,
    BreakerCleared: _breaker_cleared,
    RegimeChanged: _regime_changed,
    PortfolioDay: _portfolio_day,
    StrategyDay: _strategy_day,
    TaskDone: _task_done,
    StrategyChanged: _strategy_changed,
    PhaseChanged: _phase_changed,
    SessionStarted: _session_started,
    SessionEnded: _session_ended,
    SymbolAdded: _symbol_added,
    ActorCrashed: _actor_crashed,
    ActorRestarted: _actor_restarted,
    ActorStopped: _actor_stopped,
    Noted: _noted,
    ErrorResolved: _error_resolved,
    BarsQuarantined: _bars_quarantined,
    OrderRejected: _order_rejected,
    OrderUnknown: _order_unknown,
    HaltThrown: _halt_thrown,
    HaltConfirmed: _halt_confirmed,
    HaltLifted: _halt_lifted,
}
"""Message type to what writes it."""
