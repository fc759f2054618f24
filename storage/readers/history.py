"""The books row by row: equity, days, trades, fills, breakers, regimes, of one session or of all.

Times are ns UTC, money USD, fractions fractions. What a session is worth is asked by its `Span`.
"""

from typing import NamedTuple

from runtime.errors import DataError
from storage.readers.ledger import Ledger, Record, record, records

_SESSION = """
    SELECT session, date, coalesce(started_at, phase_at, 0) AS starts
      FROM session_log
     WHERE date = ?
"""
_NEXT = """
    SELECT coalesce(started_at, phase_at) AS ends
      FROM session_log
     WHERE session > ?
  ORDER BY session
     LIMIT 1
"""
_EDGES = "SELECT min(date) AS first, max(date) AS last, count(*) AS sessions FROM session_log"
_SESSIONS = """
    SELECT session, date, coalesce(started_at, phase_at, 0) AS starts
      FROM session_log
     WHERE ?1 IS NULL OR session = ?1
  ORDER BY session
"""
_EQUITY = """
    SELECT minute, equity, cash, gross, positions, session
      FROM equity_minute
     WHERE ?1 IS NULL OR session = ?1
  ORDER BY minute
"""
_BEFORE = """
    SELECT equity, high_water_mark AS peak
      FROM portfolio_daily
     WHERE date < ?
  ORDER BY date DESC
     LIMIT 1
"""
_FIRST_DAY = "SELECT equity - daily_pnl AS equity FROM portfolio_daily ORDER BY date LIMIT 1"
_FIRST_MARK = "SELECT equity FROM equity_minute ORDER BY minute LIMIT 1"
_TRADES = """
    SELECT id, symbol, strategy, side, quantity, timestamp AS entry_timestamp, entry_price, exit_timestamp,
           exit_price, exit_reason, pnl, pnl_percent, commission, slippage, stop_loss, target_price,
           peak_price, trough_price, status, signal_id
      FROM trades
     WHERE status <> 'CANCELLED'
       AND (?1 IS NULL OR (timestamp >= ?1 AND timestamp < ?2)
            OR (exit_timestamp >= ?1 AND exit_timestamp < ?2))
  ORDER BY timestamp, id
"""
_FILLS = """
    SELECT id, signal_id, order_id, symbol, direction, quantity, fill_price, commission, slippage,
           executed_at, cash_micros
      FROM executions
     WHERE ?1 IS NULL OR session = ?1
  ORDER BY executed_at, id
"""
_SIGNALS = """
    SELECT id, timestamp, symbol, strategy, signal_type, direction, strength, confidence, price, stop_loss,
           take_profit, quantity, status, reason, detail, rationale, lot_id
      FROM signals
     WHERE ?1 IS NULL OR session = ?1
  ORDER BY timestamp, id
"""
_STRATEGY_DAYS = """
    SELECT date, strategy, trades_opened, trades_closed, wins, losses, gross_pnl, net_pnl, commission,
           sharpe_20d, sharpe_60d, win_rate_30d, avg_win, avg_loss, profit_factor, max_drawdown, is_enabled
      FROM strategy_daily
     WHERE ?1 IS NULL OR date = ?1
  ORDER BY date, strategy
"""
_BREAKERS = """
    SELECT breaker_type, target, action, reason, value, limit_value, triggered_at, expires_at, cleared_at,
           cleared_reason, is_active
      FROM circuit_breaker_state
     WHERE ?1 IS NULL
        OR (triggered_at < ?2 AND (is_active = 1 OR coalesce(cleared_at, triggered_at) >= ?1))
  ORDER BY triggered_at, breaker_type, target
"""
_REGIMES = """
    SELECT timestamp, vix_level, vix_regime, previous_regime, slow_regime, scalar, action_taken, source, age
      FROM regime_log
     WHERE ?1 IS NULL OR session = ?1
  ORDER BY session, seq, n
"""


class Span(NamedTuple):
    """One session's place in time; all None: the whole run.

    Attributes:
        session: yyyymmdd. date: ISO. starts, ends: ns UTC, the end excluded.
    """

    session: int | None = None
    date: str | None = None
    starts: int | None = None
    ends: int | None = None


WHOLE = Span()


def span_of(ledger: Ledger, day: str) -> Span:
    """Where a session lies.

    Args:
        day: ISO date of the trading day.

    Raises:
        DataError: The books have no such session.
    """
    found = record(ledger.performance, _SESSION, (day,))
    if found is None:
        edges = record(ledger.performance, _EDGES) or {}
        known = (
            f"{edges['sessions']}, {edges['first']} to {edges['last']}" if edges.get("sessions") else "none"
        )
        raise DataError(f"the books have no session {day}; sessions in them: {known}")
    after = record(ledger.performance, _NEXT, (found["session"],))
    ends = after["ends"] if after and after["ends"] else 2**63 - 1
    return Span(found["session"], found["date"], found["starts"], ends)


def sessions(ledger: Ledger, span: Span = WHOLE) -> list[Record]:
    """`session`, `date` and `starts` of each, in order."""
    return records(ledger.performance, _SESSIONS, (span.session,))


def equity(ledger: Ledger, span: Span = WHOLE) -> list[Record]:
    """The last mark of each minute that had one."""
    return records(ledger.performance, _EQUITY, (span.session,))


def start_of(ledger: Ledger, span: Span = WHOLE) -> tuple[float, float] | None:
    """(equity, highest until then) at the previous close, or at the run's beginning; None: no marks."""
    before = record(ledger.performance, _BEFORE, (span.date,)) if span.date else None
    if before is not None:
        return float(before["equity"]), float(before["peak"])
    first = record(ledger.performance, _FIRST_DAY) or record(ledger.performance, _FIRST_MARK)
    return (float(first["equity"]), float(first["equity"])) if first else None


def trades(ledger: Ledger, span: Span = WHOLE) -> list[Record]:
    """Trades that were entered or left, the oldest first."""
    return records(ledger.trades, _TRADES, (span.starts, span.ends))


def fills(ledger: Ledger, span: Span = WHOLE) -> list[Record]:
    """Every fill."""
    return records(ledger.trades, _FILLS, (span.session,))


def signals(ledger: Ledger, span: Span = WHOLE) -> list[Record]:
    """Every signal with what became of it."""
    return records(ledger.trades, _SIGNALS, (span.session,))


def strategy_days(ledger: Ledger, span: Span = WHOLE) -> list[Record]:
    """What each strategy did on each day that has closed."""
    return records(ledger.performance, _STRATEGY_DAYS, (span.date,))


def breakers(ledger: Ledger, span: Span = WHOLE) -> list[Record]:
    """Activations that acted within the span."""
    return records(ledger.performance, _BREAKERS, (span.starts, span.ends))


def regimes(ledger: Ledger, span: Span = WHOLE) -> list[Record]:
    """What was said of the regime, in order; every session begins with what is in force."""
    return records(ledger.performance, _REGIMES, (span.session,))
