"""What a screen knows before the session's first input: what was carried over, and what the books hold.

The rest follows from the inputs, so a screen can be attached at any moment of the day, or made anew.
"""

import sqlite3
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import msgspec

from actors import breaker, executor, portfolio
from actors.allocation.book import MICRO, Lot
from actors.market.calendar import NEW_YORK
from actors.screen.holdings import Held
from actors.screen.state import ScreenState
from runtime.messages.risk import BreakerTripped
from runtime.messages.session import SessionHeader
from storage.database import DatabaseRefused
from storage.readers.ledger import Ledger, open_ledger, records

_HISTORY = "SELECT date, equity FROM portfolio_daily WHERE date < ? ORDER BY date DESC LIMIT 1500"
_OPEN_ERRORS = """
    SELECT id, timestamp, level, logger_name, message, source_file, line_number, exception_type,
           exception_traceback, component, occurrences, last_seen, session, seq
      FROM error_log
     WHERE is_resolved = 0
  ORDER BY timestamp DESC, id DESC
     LIMIT 100
"""
_ALERTS = """
    SELECT id, timestamp, last_seen, occurrences, event, level, component, title, body, sinks, delivery
      FROM alert_log
  ORDER BY timestamp DESC, id DESC
     LIMIT 100
"""
_COUNTS = "SELECT level, count(*) AS rows FROM error_log WHERE is_resolved = 0 GROUP BY level"
_RATIOS = "SELECT strategy, sharpe_ratio FROM strategy_stats"


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What the books say of earlier days.

    Attributes:
        days: Closes, ns UTC ascending, and the equity then, USD. errors: unresolved rows, the latest ones,
            oldest first. alerts: the latest, oldest first.
        counts: Unresolved rows by level. ratios: Sharpe ratio by strategy.
    """

    days: tuple[tuple[int, float], ...] = ()
    errors: tuple[tuple[Any, ...], ...] = ()
    alerts: tuple[tuple[Any, ...], ...] = ()
    counts: dict[str, int] = {}
    ratios: dict[str, float | None] = {}


def read_past(root: Path, session: str) -> Past:
    """Read the books of a root; in a worker thread. Books that cannot be read have no past to show.

    Args:
        session: ISO date; only what is older is history.
    """
    try:
        with open_ledger(root) as ledger:
            return _past(ledger, session)
    except (
        DatabaseRefused,
        sqlite3.Error,
    ):  # whoever writes them says so; a screen without a past still is one
        return Past()


def _past(ledger: Ledger, session: str) -> Past:
    performance = ledger.performance
    days = [(_close(r["date"]), float(r["equity"])) for r in records(performance, _HISTORY, (session,))]
    return Past(
        days=tuple(reversed(days)),
        errors=tuple(reversed([tuple(row.values()) for row in records(performance, _OPEN_ERRORS)])),
        alerts=tuple(reversed([tuple(row.values()) for row in records(performance, _ALERTS)])),
        counts={str(r["level"]): int(r["rows"]) for r in records(performance, _COUNTS)},
        ratios={str(r["strategy"]): r["sharpe_ratio"] for r in records(performance, _RATIOS)},
    )


def _close(session: str) -> int:
    """16:00 in New York, ns UTC: near enough for a curve of days."""
    return (
        round(datetime.combine(date.fromisoformat(session), time(16), NEW_YORK).timestamp()) * 1_000_000_000
    )


def seed(state: ScreenState, past: Past) -> None:
    """Tell a new screen what was before."""
    _seed_past(state, past)
    header = state.header
    _seed_money(state, _carried(header, "portfolio", portfolio.Carried))
    _seed_orders(state, _carried(header, "executor", executor.ExecutorCarried))
    _seed_breaker(state, _carried(header, "breaker", breaker.Carried))


def _carried(header: SessionHeader, actor: str, kind: type[Any]) -> Any:
    raw = header.carried.get(actor)
    return None if raw is None else msgspec.msgpack.decode(raw, type=kind)


def _seed_past(state: ScreenState, past: Past) -> None:
    for at, equity in past.days:
        state.history.put(at, equity)
    for row in past.errors:
        state.journal.row(row)
    for row in past.alerts:
        state.journal.alert(row)
    state.journal.open.update(past.counts)
    for name, sharpe in past.ratios.items():
        if name in state.strategies.facts:
            state.strategies.facts[name].sharpe = sharpe


def _seed_money(state: ScreenState, carried: portfolio.Carried | None) -> None:
    if carried is None:
        return
    state.opening = state.equity = carried.last_equity
    state.high_water = carried.high_water
    state.cash = carried.cash / MICRO
    for lot in carried.lots:
        state.holdings.put(_held(lot))
    for name, facts in state.strategies.facts.items():
        record = carried.records.get(name)
        if record is not None:
            facts.before = facts.total = record.last_profit
            facts.trades, facts.wins = record.trades, record.wins
        facts.held.update(dict.fromkeys(lot.id for lot in carried.lots if lot.strategy == name))


def _held(lot: Lot) -> Held:
    return Held(
        lot=lot.id,
        symbol=lot.symbol,
        strategy=lot.strategy,
        quantity=lot.quantity,
        entered=lot.entered,
        entry=lot.entry_price,
        entry_at=lot.entry_ts,
        realised=lot.realised / MICRO,
        mark=lot.mark / MICRO,
        stop=lot.stop_loss,
        target=lot.take_profit,
        intraday=lot.intraday,
    )


def _seed_orders(state: ScreenState, carried: executor.ExecutorCarried | None) -> None:
    if carried is None:
        return
    for lot in carried.lots:
        held = state.holdings.lots.get(lot.lot_id)
        since = state.header.starts if held is None else held.entry_at  # when its exits began to work
        for order in lot.orders.values():
            if order.is_live:
                state.orders.carried(order, lot.strategy, lot.lot_id, since)


def _seed_breaker(state: ScreenState, carried: breaker.Carried | None) -> None:
    if carried is None:
        return
    if carried.halted is not None:
        state.halted, state.halt_reason = True, carried.halted
    for row in carried.chain.rows:
        tripped = BreakerTripped(
            ts_event=row.triggered_at,
            cause=0,
            breaker=row.breaker,
            action=row.action,
            target=row.target,
            reason=row.reason,
            value=row.value,
            limit=row.limit,
            expires_at=row.expires_at,
            triggered_at=row.triggered_at,
        )
        state.acting[row.breaker, row.target] = tripped
        state.strategies.tripped(tripped)
