"""What the books say of each strategy: state, share, slots, profit, record, and why nothing comes from it."""

from storage.readers.ledger import Ledger, Record, record, records

_STATES = """
    SELECT strategy, state, reason, slots, allocation, timestamp AS since
      FROM strategy_log AS said
     WHERE (session, seq, n) = (SELECT session, seq, n
                                  FROM strategy_log
                                 WHERE strategy = said.strategy
                              ORDER BY session DESC, seq DESC, n DESC
                                 LIMIT 1)
  ORDER BY allocation DESC, strategy
"""
_SESSION = """
    SELECT session, date, coalesce(started_at, phase_at, 0) AS starts, ended_at, phase
      FROM session_log
  ORDER BY session DESC
     LIMIT 1
"""
_TRADES = """
    SELECT strategy, sum(status = 'OPEN') AS held, sum(status = 'CLOSED') AS trades,
           sum(status = 'CLOSED' AND pnl > 0) AS wins, sum(status = 'CLOSED' AND pnl < 0) AS losses,
           total(pnl) AS realised, total(pnl) FILTER (WHERE exit_timestamp >= ?1) AS realised_today
      FROM trades
  GROUP BY strategy
"""
_OPEN = """
    SELECT lots.strategy, total(lots.quantity * (positions.current_price - lots.entry_price)) AS open_pnl,
           total(lots.quantity * (positions.current_price - lots.entry_price))
               FILTER (WHERE lots.entry_timestamp >= ?1) AS opened_today
      FROM lots
      JOIN positions ON positions.symbol = lots.symbol AND positions.status = 'open'
     WHERE lots.state = 'open'
  GROUP BY lots.strategy
"""
_SIGNALS = """
    SELECT strategy, count(*) AS signals, max(timestamp) AS last_signal,
           sum(status = 'executed') AS executed
      FROM signals
     WHERE session = ?1 AND signal_type <> 'CLOSE'
  GROUP BY strategy
"""
_REFUSED = """
    SELECT strategy, reason, detail
      FROM (SELECT strategy, reason, detail, status,
                   row_number() OVER (PARTITION BY strategy ORDER BY timestamp DESC, id DESC) AS place
              FROM signals
             WHERE session = ?1 AND signal_type <> 'CLOSE')
     WHERE place = 1 AND status IN ('rejected', 'expired')
"""
_ACTING = """
    SELECT breaker_type, action, target, reason
      FROM circuit_breaker_state
     WHERE is_active = 1 AND action <> 'REDUCE'
  ORDER BY triggered_at
"""
_TRADING = ("MARKET_OPEN", "TRADING")


def strategies(ledger: Ledger, halted: str = "") -> list[Record]:
    """Every strategy the books know, the largest share first.

    Args:
        halted: Why the kill switch is thrown; empty: it is not.

    Returns:
        `day_pnl` is what was realised in the latest session plus the open P&L of what was entered in it;
        `total_pnl` realised plus open since the books began; USD.
    """
    trades, performance = ledger.trades, ledger.performance
    session = record(performance, _SESSION) or {"session": 0, "starts": 0, "ended_at": None, "phase": ""}
    starts, number = (session["starts"],), (session["session"],)
    traded, opened, signalled, refused = (
        {row["strategy"]: row for row in rows}
        for rows in (
            records(trades, _TRADES, starts),
            records(trades, _OPEN, starts),
            records(trades, _SIGNALS, number),
            records(trades, _REFUSED, number),
        )
    )
    acting = records(performance, _ACTING)
    found = []
    for row in records(performance, _STATES):
        name = row["strategy"]
        sums, still, said = traded.get(name, {}), opened.get(name, {}), signalled.get(name, {})
        decided = sums.get("wins", 0) + sums.get("losses", 0)
        open_pnl = still.get("open_pnl", 0.0)
        line = {
            **row,
            "held": sums.get("held", 0),
            "day_pnl": sums.get("realised_today", 0.0) + still.get("opened_today", 0.0),
            "open_pnl": open_pnl,
            "total_pnl": sums.get("realised", 0.0) + open_pnl,
            "trades": sums.get("trades", 0),
            "win_rate": sums["wins"] / decided if decided else None,
            "signals": said.get("signals", 0),
            "last_signal": said.get("last_signal"),
        }
        act = next((each for each in acting if each["target"] in ("", name)), None)
        found.append(line | {"silent": _silent(line, session, act, halted, refused.get(name))})
    return found


def _silent(row: Record, session: Record, act: Record | None, halted: str, refused: Record | None) -> str:
    """Why no entry comes from a strategy now, in words; empty where one may come at any time."""
    if row["state"] not in ("ACTIVE", "DEGRADED"):
        return str(row["reason"] or row["state"].lower())
    if halted:
        return f"halted: {halted}"
    if act is not None:
        return f"{act['breaker_type']}: {act['reason']}"
    if session["ended_at"] or session["phase"] not in _TRADING:
        return "the session has ended" if session["ended_at"] else "outside its hours"
    if row["held"] >= row["slots"]:
        return f"all its {row['slots']} slots are taken" if row["slots"] else "it has no slots"
    if refused is not None:
        return f"its last signal was refused: {refused['reason']} {refused['detail']}".strip()
    return "" if row["signals"] else "nothing has met its conditions in the session"
