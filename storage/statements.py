"""Every statement that writes the books, with the one table it touches.

A statement reads and writes its own table only, so the content of a table depends on the order of its own
rows and on nothing else: rows may be cut into batches anywhere and grouped by table inside one.
"""

from typing import Any, NamedTuple

Params = tuple[Any, ...]
Row = tuple[str, Params]
"""Key of a statement and its parameters, in the order of its question marks."""


class Mark(NamedTuple):
    """How far the books are written: everything up to this input is in them.

    Attributes:
        session: The trading day as yyyymmdd. seq: number of the input in its session.
    """

    session: int
    seq: int


NOTHING = Mark(0, 0)


class Statement(NamedTuple):
    """One way of writing one table."""

    database: str
    table: str
    sql: str


def _insert(database: str, table: str, columns: str, conflict: str = "") -> Statement:
    marks = ", ".join("?" * len(columns.split(",")))
    return Statement(database, table, f"INSERT INTO {table} ({columns}) VALUES ({marks}) {conflict}".strip())


def _upsert(database: str, table: str, columns: str, key: str, kept: str = "") -> Statement:
    """Insert, or overwrite every column but the key's and the kept ones."""
    fixed = {name.strip() for name in f"{key},{kept}".split(",")}
    names = [name.strip() for name in columns.split(",")]
    sets = ", ".join(f"{name} = excluded.{name}" for name in names if name not in fixed)
    return _insert(database, table, columns, f"ON CONFLICT ({key}) DO UPDATE SET {sets}")


_T, _P = "trades", "performance"
_ONCE = "ON CONFLICT DO NOTHING"

STATEMENTS: dict[str, Statement] = {
    # ---- trades.db --------------------------------------------------------------------------
    "standing": _upsert(_T, "standing", "id, session, seq, at, actors", "id"),
    "signal": _insert(
        _T,
        "signals",
        "id, timestamp, symbol, strategy, signal_type, strength, price, confidence, direction, stop_loss, "
        "take_profit, quantity, status, expires_at, rationale, lot_id, group_id, params_hash, features, "
        "session, seq",
        _ONCE,
    ),
    "signal_dropped": Statement(
        _T,
        "signals",
        "UPDATE signals SET status = ?, reason = ?, detail = ? WHERE id = ? AND status = 'pending'",
    ),
    "signal_sized": Statement(  # of the exits that one CLOSE caused, the first stands for it
        _T,
        "signals",
        "UPDATE signals SET lot_id = CASE WHEN order_key IS NULL THEN ? ELSE lot_id END, "
        "order_key = COALESCE(order_key, ?), quantity = COALESCE(quantity, ?) WHERE id = ?",
    ),
    "signal_executed": Statement(  # a fill is the truth, whatever was said of the signal before
        _T,
        "signals",
        "UPDATE signals SET status = 'executed', executed = 1, execution_id = ?, executed_at = ?, "
        "reason = '', detail = '' WHERE id = ? AND executed = 0",
    ),
    "signal_executed_by_order": Statement(
        _T,
        "signals",
        "UPDATE signals SET status = 'executed', executed = 1, execution_id = ?, executed_at = ? "
        "WHERE lot_id = ? AND order_key = ? AND status = 'pending'",
    ),
    "signals_of_closed_lot": Statement(
        _T,
        "signals",
        "UPDATE signals SET status = 'expired', reason = 'LOT_CLOSED', detail = ? "
        "WHERE lot_id = ? AND status = 'pending'",
    ),
    "cause": _insert(_T, "causes", "session, seq, n, id, kind, answers, lot_id, ts, numbers", _ONCE),
    "cause_once": Statement(
        _T,
        "causes",
        "INSERT INTO causes (session, seq, n, id, kind, answers, lot_id, ts, numbers) "
        "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? "
        "WHERE NOT EXISTS (SELECT 1 FROM causes WHERE id = ? AND kind = ?) ON CONFLICT DO NOTHING",
    ),
    "order_submitted": _upsert(
        _T,
        "orders",
        "id, trade_id, symbol, side, order_type, quantity, limit_price, stop_price, status, strategy, role, "
        "order_class, time_in_force, submitted_at, updated_at, session, seq",
        "id",
        "status",
    ),
    "order_changed": _insert(
        _T,
        "orders",
        "id, trade_id, alpaca_order_id, symbol, side, order_type, quantity, limit_price, stop_price, status, "
        "filled_qty, filled_avg_price, strategy, role, parent_id, reason, submitted_at, updated_at, session, "
        "seq",
        "ON CONFLICT (id) DO UPDATE SET "
        "alpaca_order_id = COALESCE(excluded.alpaca_order_id, alpaca_order_id), "
        "quantity = excluded.quantity, limit_price = excluded.limit_price, stop_price = excluded.stop_price, "
        "status = excluded.status, filled_qty = excluded.filled_qty, "
        "filled_avg_price = excluded.filled_avg_price, parent_id = excluded.parent_id, "
        "reason = COALESCE(NULLIF(excluded.reason, ''), reason), updated_at = excluded.updated_at, "
        "session = excluded.session, seq = excluded.seq",
    ),
    "order_filled": _insert(  # by a fill of which only the books heard
        _T,
        "orders",
        "id, trade_id, alpaca_order_id, symbol, side, order_type, quantity, status, filled_qty, "
        "filled_avg_price, strategy, role, parent_id, reason, submitted_at, updated_at, session, seq",
        "ON CONFLICT (id) DO UPDATE SET "
        "alpaca_order_id = COALESCE(excluded.alpaca_order_id, alpaca_order_id), "
        "filled_avg_price = (COALESCE(filled_avg_price, 0) * filled_qty + excluded.filled_avg_price "
        "* (excluded.filled_qty - filled_qty)) / excluded.filled_qty, "
        "quantity = MAX(quantity, excluded.quantity), "
        "status = excluded.status, filled_qty = excluded.filled_qty, updated_at = excluded.updated_at, "
        "session = excluded.session, seq = excluded.seq WHERE excluded.filled_qty > filled_qty",
    ),
    "execution": _insert(  # the broker may tell of a fill twice; the execution id is told once
        _T,
        "executions",
        "id, signal_id, order_id, symbol, direction, quantity, fill_price, commission, slippage, "
        "executed_at, cash_micros, session, seq",
        _ONCE,
    ),
    "lot": _upsert(
        _T,
        "lots",
        "id, signal_id, strategy, symbol, direction, state, quantity, entry_quantity, entry_price, "
        "entry_timestamp, stop_loss, target_price, intraday, realised_micros, commission_micros, "
        "slippage_micros, group_id, updated_at, session, seq",
        "id",
    ),
    "trade": _upsert(
        _T,
        "trades",
        "id, signal_id, timestamp, symbol, strategy, side, quantity, entry_price, stop_loss, target_price, "
        "exit_price, exit_timestamp, peak_price, trough_price, pnl, pnl_percent, status, exit_reason, "
        "commission, slippage, session, seq",
        "id",
    ),
    "trade_cancelled": _insert(
        _T,
        "trades",
        "id, signal_id, timestamp, symbol, strategy, side, quantity, status, exit_reason, session, seq",
        _ONCE,
    ),
    "split": _insert(
        _T,
        "splits",
        "id, lot_id, strategy, symbol, numerator, denominator, source, quantity_before, quantity_after, "
        "entry_before, entry_after, stop_loss, target_price, cash_micros, applied_at, session, seq",
        _ONCE,
    ),
    "position": _upsert(
        _T,
        "positions",
        "symbol, strategy, side, quantity, entry_price, entry_timestamp, stop_loss, target_price, "
        "current_price, unrealized_pnl, unrealized_pnl_pct, status, updated_at, session, seq",
        "symbol",
    ),
    "external": _upsert(
        _T,
        "external",
        "symbol, asset_class, quantity, entry_price, last_price, open_orders, orders, updated_at, session, "
        "seq",
        "symbol",
    ),
    # ---- performance.db ---------------------------------------------------------------------
    "strategy_day": _upsert(
        _P,
        "strategy_daily",
        "date, strategy, trades_opened, trades_closed, wins, losses, gross_pnl, net_pnl, commission, "
        "sharpe_20d, sharpe_60d, win_rate_30d, avg_win, avg_loss, profit_factor, max_drawdown, is_enabled",
        "date, strategy",
    ),
    "strategy_stats": _upsert(
        _P,
        "strategy_stats",
        "strategy, total_trades, winning_trades, losing_trades, total_pnl, avg_pnl, win_rate, profit_factor, "
        "sharpe_ratio, sortino_ratio, max_drawdown, is_enabled, date",
        "strategy",
    ),
    "portfolio_day": _upsert(
        _P,
        "portfolio_daily",
        "date, equity, cash, positions_value, num_positions, exposure_pct, daily_pnl, daily_pnl_pct, "
        "cumulative_pnl, cumulative_pnl_pct, drawdown, drawdown_pct, high_water_mark, sharpe_ratio, "
        "sortino_ratio",
        "date",
    ),
    "breaker_tripped": _upsert(
        _P,
        "circuit_breaker_state",
        "breaker_type, triggered_at, expires_at, reason, action, target, is_active, value, limit_value",
        "breaker_type, target, triggered_at",
    ),
    "breaker_cleared": Statement(
        _P,
        "circuit_breaker_state",
        "UPDATE circuit_breaker_state SET is_active = 0, cleared_at = ?, cleared_reason = ? "
        "WHERE breaker_type = ? AND target = ? AND is_active = 1",
    ),
    "regime": _insert(
        _P,
        "regime_log",
        "timestamp, vix_level, vix_regime, previous_regime, action_taken, slow_regime, scalar, source, age, "
        "session, seq, n",
        _ONCE,
    ),
    "error": _insert(
        _P,
        "error_log",
        "id, timestamp, level, logger_name, message, source_file, line_number, exception_type, "
        "exception_traceback, component, occurrences, last_seen, session, seq, context",
        "ON CONFLICT (id) DO UPDATE SET occurrences = MAX(occurrences, excluded.occurrences), "
        "last_seen = MAX(last_seen, excluded.last_seen), "
        "is_resolved = is_resolved AND resolved_at >= excluded.last_seen",  # what comes again is not resolved
    ),
    "error_resolved": Statement(
        _P,
        "error_log",
        "UPDATE error_log SET is_resolved = 1, resolved_at = ?, resolved_by = ?, note = ? WHERE id = ?",
    ),
    "halts_resolved": Statement(
        _P,
        "error_log",
        "UPDATE error_log SET is_resolved = 1, resolved_at = ?, resolved_by = ?, note = ? "
        "WHERE level = 'CRITICAL' AND component = 'kill_switch' AND NOT is_resolved AND last_seen <= ?",
    ),
    "alert": _insert(
        _P,
        "alert_log",
        "id, timestamp, last_seen, occurrences, event, level, component, title, body, sinks, delivery",
        "ON CONFLICT (id) DO UPDATE SET occurrences = MAX(occurrences, excluded.occurrences), "
        "last_seen = MAX(last_seen, excluded.last_seen)",
    ),
    "alert_delivery": Statement(
        _P, "alert_log", "UPDATE alert_log SET delivery = ?, delivered_at = ? WHERE id = ?"
    ),
    "alerts_abandoned": Statement(
        _P,
        "alert_log",
        "UPDATE alert_log SET delivery = 'not sent: the engine ended first' WHERE delivery = 'waiting'",
    ),
    "task": _insert(_P, "task_log", "session, seq, n, timestamp, task, phase, status, detail", _ONCE),
    "strategy_state": _insert(
        _P,
        "strategy_log",
        "session, seq, n, timestamp, strategy, state, reason, slots, allocation",
        _ONCE,
    ),
    "session_started": _insert(
        _P, "session_log", "session, date, started_at", "ON CONFLICT (session) DO UPDATE SET ended_at = NULL"
    ),
    "session_phase": _insert(
        _P,
        "session_log",
        "session, date, phase, phase_at",
        "ON CONFLICT (session) DO UPDATE SET phase = excluded.phase, phase_at = excluded.phase_at",
    ),
    "session_ended": _insert(
        _P,
        "session_log",
        "session, date, ended_at",
        "ON CONFLICT (session) DO UPDATE SET ended_at = excluded.ended_at",
    ),
    "equity": _upsert(_P, "equity_minute", "minute, session, equity, cash, gross, positions", "minute"),
}
