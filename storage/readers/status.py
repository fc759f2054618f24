"""How things stand: the last session, what is held, what acts, what went wrong."""

from storage.readers.ledger import Ledger, Record, record, records

_SESSION = """
    SELECT session, date, started_at, ended_at, phase, phase_at
      FROM session_log
  ORDER BY session DESC
     LIMIT 1
"""
_EQUITY = """
    SELECT minute, equity, cash, gross, positions
      FROM equity_minute
  ORDER BY minute DESC
     LIMIT 1
"""
_POSITIONS = """
    SELECT symbol, strategy, side, quantity, entry_price, entry_timestamp, current_price, unrealized_pnl,
           unrealized_pnl_pct, stop_loss, target_price
      FROM positions
     WHERE status = 'open'
  ORDER BY symbol
"""
_ORDERS = """
    SELECT id, symbol, side, order_type, quantity, filled_qty, status, limit_price, stop_price
      FROM orders
     WHERE status NOT IN ('filled', 'canceled', 'expired', 'rejected')
  ORDER BY submitted_at, id
"""
_EXTERNAL = """
    SELECT symbol, asset_class, quantity, entry_price, last_price, open_orders
      FROM external
     WHERE quantity <> 0 OR open_orders > 0
  ORDER BY symbol
"""
_TASKS = """
    SELECT timestamp, phase, task, status, detail
      FROM task_log
     WHERE session = ?
  ORDER BY seq, n
"""
_BREAKERS = """
    SELECT breaker_type, action, target, reason, triggered_at, expires_at, value, limit_value
      FROM circuit_breaker_state
     WHERE is_active = 1
  ORDER BY triggered_at, breaker_type, target
"""
_STRATEGIES = """
    SELECT strategy, state, reason, slots, allocation, timestamp
      FROM strategy_log AS said
     WHERE (session, seq, n) = (SELECT session, seq, n
                                  FROM strategy_log
                                 WHERE strategy = said.strategy
                              ORDER BY session DESC, seq DESC, n DESC
                                 LIMIT 1)
  ORDER BY allocation DESC, strategy
"""
_REGIME = """
    SELECT timestamp, vix_level, vix_regime, previous_regime, action_taken, source, age
      FROM regime_log
  ORDER BY session DESC, seq DESC, n DESC
     LIMIT 1
"""
_ACTORS = """
    SELECT component AS actor, sum(message LIKE 'crashed on %') AS crashes,
           sum(message LIKE 'restarted, %') AS restarts,
           sum(message LIKE 'stopped for the session: %') AS stopped
      FROM error_log
     WHERE session = ?
  GROUP BY component
    HAVING crashes + restarts + stopped > 0
  ORDER BY component
"""
_ERROR_COUNTS = """
    SELECT level, count(*) AS rows, sum(occurrences) AS occurrences
      FROM error_log
     WHERE is_resolved = 0
  GROUP BY level
  ORDER BY level
"""
_ERRORS = """
    SELECT id, timestamp, level, component, message, occurrences
      FROM error_log
     WHERE is_resolved = 0
  ORDER BY timestamp DESC, id DESC
     LIMIT ?
"""


def status(ledger: Ledger, errors: int = 10) -> Record:
    """Everything `status` shows.

    Args:
        errors: Most of the latest unresolved errors to name.
    """
    performance, trades = ledger.performance, ledger.trades
    session = record(performance, _SESSION)
    number = session["session"] if session else 0
    orders = records(trades, _ORDERS)
    return {
        "books": ledger.books,
        "session": session,
        "phase": session["phase"] if session else None,
        "equity": record(performance, _EQUITY),
        "regime": record(performance, _REGIME),
        "positions": records(trades, _POSITIONS),
        "orders": orders,
        "working_orders": orders,
        "external": records(trades, _EXTERNAL),
        "breakers": records(performance, _BREAKERS),
        "strategies": records(performance, _STRATEGIES),
        "actors": [_actor(row) for row in records(performance, _ACTORS, (number,))],
        "tasks": records(performance, _TASKS, (number,)),
        "error_counts": records(performance, _ERROR_COUNTS),
        "errors": records(performance, _ERRORS, (errors,)),
        "refused_rows": _refused(ledger),
    }


def _actor(row: Record) -> Record:
    """One that had trouble in the session; the books know of no others."""
    return {
        "actor": row["actor"],
        "state": "stopped" if row["stopped"] else "restarted",
        "crashes": row["crashes"],
        "restarts": row["restarts"],
    }


def _refused(ledger: Ledger) -> int:
    """Rows the schema refused: always a bug, so always shown."""
    count = "SELECT count(*) FROM refused_rows"
    return sum(int(link.execute(count).fetchone()[0]) for link in (ledger.trades, ledger.performance))
