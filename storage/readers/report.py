"""What the books say of the whole run: equity, trades, costs, each strategy, breakers, errors."""

from storage.readers.ledger import Ledger, Record, record, records

_DAYS = """
    SELECT date, equity, cash, num_positions, exposure_pct, daily_pnl, daily_pnl_pct, cumulative_pnl,
           drawdown_pct, sharpe_ratio, sortino_ratio
      FROM portfolio_daily
  ORDER BY date
"""
_TRADES = """
    SELECT sum(status = 'OPEN') AS open, sum(status = 'CLOSED') AS closed,
           sum(status = 'CANCELLED') AS cancelled,
           sum(status = 'CLOSED' AND pnl > 0) AS wins, sum(status = 'CLOSED' AND pnl < 0) AS losses,
           total(pnl) AS realised_pnl
      FROM trades
"""
_BY_STRATEGY = """
    SELECT strategy, sum(status = 'OPEN') AS open, sum(status = 'CLOSED') AS closed,
           sum(status = 'CLOSED' AND pnl > 0) AS wins, sum(status = 'CLOSED' AND pnl < 0) AS losses,
           total(pnl) AS realised_pnl, total(commission) AS commission, total(slippage) AS slippage
      FROM trades
  GROUP BY strategy
  ORDER BY strategy
"""
_STATS = """
    SELECT strategy, avg_pnl, win_rate, profit_factor, sharpe_ratio, sortino_ratio, max_drawdown, is_enabled
      FROM strategy_stats
  ORDER BY strategy
"""
_SIGNALS = """
    SELECT strategy, status, reason, count(*) AS signals
      FROM signals
  GROUP BY strategy, status, reason
  ORDER BY strategy, status, signals DESC, reason
"""
_COSTS = """
    SELECT count(*) AS fills, total(commission) AS commission, total(slippage) AS slippage,
           total(quantity * fill_price) AS turnover, coalesce(sum(cash_micros), 0) AS cash_micros
      FROM executions
"""
_EXITS = """
    SELECT exit_reason, count(*) AS trades, total(pnl) AS pnl
      FROM trades
     WHERE status = 'CLOSED'
  GROUP BY exit_reason
  ORDER BY trades DESC, exit_reason
"""
_BREAKERS = """
    SELECT breaker_type, target, action, reason, triggered_at, expires_at, is_active, cleared_at
      FROM circuit_breaker_state
  ORDER BY triggered_at, breaker_type, target
"""
_REGIMES = """
    SELECT vix_regime, count(*) AS changes
      FROM regime_log
  GROUP BY vix_regime
  ORDER BY vix_regime
"""
_ERRORS = """
    SELECT level, component, count(*) AS rows, sum(occurrences) AS occurrences
      FROM error_log
  GROUP BY level, component
  ORDER BY level, component
"""
_SESSIONS = "SELECT count(*) AS sessions, min(date) AS first, max(date) AS last FROM session_log"
_FIRST_EQUITY = "SELECT minute, equity FROM equity_minute ORDER BY minute LIMIT 1"
_LAST_EQUITY = "SELECT minute, equity FROM equity_minute ORDER BY minute DESC LIMIT 1"


def report(ledger: Ledger) -> Record:
    """Everything `report` shows; money in USD, ratios and percentages as fractions."""
    trades, performance = ledger.trades, ledger.performance
    return {
        "books": ledger.books,
        "sessions": record(performance, _SESSIONS),
        "equity_first": record(performance, _FIRST_EQUITY),
        "equity_last": record(performance, _LAST_EQUITY),
        "days": records(performance, _DAYS),
        "trades": _zeros(record(trades, _TRADES)),
        "costs": record(trades, _COSTS),
        "exits": records(trades, _EXITS),
        "strategies": _joined(records(trades, _BY_STRATEGY), records(performance, _STATS)),
        "signals": records(trades, _SIGNALS),
        "breakers": records(performance, _BREAKERS),
        "regimes": records(performance, _REGIMES),
        "errors": records(performance, _ERRORS),
    }


def _zeros(found: Record | None) -> Record:
    """Sums over no rows are NULL in SQL and nothing in a report."""
    return {name: value or 0 for name, value in (found or {}).items()}


def _joined(trades: list[Record], stats: list[Record]) -> list[Record]:
    """What a strategy traded, with its statistics where a session has closed."""
    known = {row["strategy"]: row for row in stats}
    empty = dict.fromkeys(stats[0]) if stats else {}
    rows = [row | (known.get(row["strategy"]) or empty | {"strategy": row["strategy"]}) for row in trades]
    traded = {row["strategy"] for row in trades}
    nothing = {"open": 0, "closed": 0, "wins": 0, "losses": 0, "realised_pnl": 0.0}
    idle = nothing | {"commission": 0.0, "slippage": 0.0}
    rows += [{"strategy": name, **idle, **row} for name, row in known.items() if name not in traded]
    return sorted(rows, key=lambda row: str(row["strategy"]))
