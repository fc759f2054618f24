"""What the books say of a run, or of one session: equity, trades, costs, each strategy, breakers, errors."""

from storage.readers.history import WHOLE, Span
from storage.readers.history import breakers as breakers_of
from storage.readers.ledger import Ledger, Record, record, records

_DAYS = """
    SELECT date, equity, cash, num_positions, exposure_pct, daily_pnl, daily_pnl_pct, cumulative_pnl,
           drawdown_pct, sharpe_ratio, sortino_ratio
      FROM portfolio_daily
     WHERE :date IS NULL OR date = :date
  ORDER BY date
"""
# of one session: what was entered or left in it; won, lost and realised is what was left in it
_TOUCHED = """
    SELECT *, :starts IS NULL OR coalesce(exit_timestamp >= :starts AND exit_timestamp < :ends, 0) AS counts
      FROM trades
     WHERE :starts IS NULL OR (timestamp >= :starts AND timestamp < :ends)
        OR (exit_timestamp >= :starts AND exit_timestamp < :ends)
"""
_SUMS = """
           sum(status = 'OPEN') AS open, sum(status = 'CLOSED' AND counts) AS closed,
           sum(status = 'CANCELLED') AS cancelled,
           sum(status = 'CLOSED' AND counts AND pnl > 0) AS wins,
           sum(status = 'CLOSED' AND counts AND pnl < 0) AS losses,
           total(pnl) FILTER (WHERE counts) AS realised_pnl
"""
_TRADES = f"SELECT {_SUMS} FROM ({_TOUCHED})"
_BY_STRATEGY = f"""
    SELECT strategy, {_SUMS}, total(commission) AS commission, total(slippage) AS slippage
      FROM ({_TOUCHED})
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
     WHERE :session IS NULL OR session = :session
  GROUP BY strategy, status, reason
  ORDER BY strategy, status, signals DESC, reason
"""
_COSTS = """
    SELECT count(*) AS fills, total(commission) AS commission, total(slippage) AS slippage,
           total(quantity * fill_price) AS turnover, coalesce(sum(cash_micros), 0) AS cash_micros
      FROM executions
     WHERE signal_id IS NOT NULL AND (:session IS NULL OR session = :session)
"""
_SPLITS = """
    SELECT symbol, strategy, lot_id, numerator, denominator, source, quantity_before, quantity_after,
           entry_before, entry_after, cash_micros, applied_at
      FROM splits
     WHERE :session IS NULL OR session = :session
  ORDER BY applied_at, lot_id
"""
_EXITS = """
    SELECT exit_reason, count(*) AS trades, total(pnl) AS pnl
      FROM trades
     WHERE status = 'CLOSED'
       AND (:starts IS NULL OR (exit_timestamp >= :starts AND exit_timestamp < :ends))
  GROUP BY exit_reason
  ORDER BY trades DESC, exit_reason
"""
_REGIMES = """
    SELECT vix_regime, count(*) AS changes
      FROM regime_log
     WHERE :session IS NULL OR session = :session
  GROUP BY vix_regime
  ORDER BY vix_regime
"""
_ERRORS = """
    SELECT level, component, count(*) AS rows, sum(occurrences) AS occurrences
      FROM error_log
     WHERE :starts IS NULL OR session = :session OR (timestamp >= :starts AND timestamp < :ends)
  GROUP BY level, component
  ORDER BY level, component
"""
_SESSIONS = """
    SELECT count(*) AS sessions, min(date) AS first, max(date) AS last
      FROM session_log
     WHERE :session IS NULL OR session = :session
"""
_FIRST_EQUITY = """
    SELECT minute, equity
      FROM equity_minute
     WHERE :session IS NULL OR session = :session
  ORDER BY minute
     LIMIT 1
"""
_LAST_EQUITY = """
    SELECT minute, equity
      FROM equity_minute
     WHERE :session IS NULL OR session = :session
  ORDER BY minute DESC
     LIMIT 1
"""


def report(ledger: Ledger, span: Span = WHOLE) -> Record:
    """Everything `report` shows; money in USD, ratios and percentages as fractions."""
    trades, performance, asked = ledger.trades, ledger.performance, span._asdict()
    return {
        "books": ledger.books,
        "day": span.date,
        "sessions": record(performance, _SESSIONS, asked),
        "equity_first": record(performance, _FIRST_EQUITY, asked),
        "equity_last": record(performance, _LAST_EQUITY, asked),
        "days": records(performance, _DAYS, asked),
        "trades": _zeros(record(trades, _TRADES, asked)),
        "costs": record(trades, _COSTS, asked),
        "splits": records(trades, _SPLITS, asked),
        "exits": records(trades, _EXITS, asked),
        "strategies": _joined(records(trades, _BY_STRATEGY, asked), records(performance, _STATS)),
        "signals": records(trades, _SIGNALS, asked),
        "breakers": breakers_of(ledger, span),
        "regimes": records(performance, _REGIMES, asked),
        "errors": records(performance, _ERRORS, asked),
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
    nothing = {"open": 0, "closed": 0, "cancelled": 0, "wins": 0, "losses": 0, "realised_pnl": 0.0}
    idle = nothing | {"commission": 0.0, "slippage": 0.0}
    rows += [{"strategy": name, **idle, **row} for name, row in known.items() if name not in traded]
    return sorted(rows, key=lambda row: str(row["strategy"]))
