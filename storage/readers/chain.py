"""The chain of causes of a signal, an order, a fill or a trade: from the bar to the profit."""

import difflib
import json

from storage.readers.ledger import Ledger, Record, record, records

_LOTS = """
    SELECT lot_id FROM signals WHERE id = ?1
     UNION
    SELECT trade_id FROM orders WHERE id = ?1 OR alpaca_order_id = ?1
     UNION
    SELECT coalesce(signal_id, order_id) FROM executions WHERE id = ?1
     UNION
    SELECT id FROM lots WHERE id = ?1
     UNION
    SELECT lot_id FROM signals WHERE id = ?2 AND ?2 <> ''
"""
# a dropped CLOSE knows its signal, not its lot, so the links are looked for under both names
_LINKS = """
    SELECT session, seq, n, id, kind, answers, lot_id, ts, numbers
      FROM causes
     WHERE lot_id IN (SELECT ?1 UNION SELECT id FROM signals WHERE lot_id = ?1)
  ORDER BY session, seq, n
"""
_SIGNALS = """
    SELECT id, signal_type, status, reason, detail
      FROM signals
     WHERE lot_id = ?1 OR id = ?1
  ORDER BY timestamp, id
"""
_TRADE = """
    SELECT id, symbol, strategy, side, quantity, entry_price, exit_price, pnl, pnl_percent, status,
           exit_reason, commission, slippage, timestamp, exit_timestamp
      FROM trades
     WHERE id = ?
"""
_ALIKE = """
    SELECT id FROM (SELECT id FROM signals WHERE id LIKE ?1 ESCAPE '\\' ORDER BY timestamp DESC LIMIT 200)
     UNION
    SELECT id FROM (SELECT id FROM orders WHERE id LIKE ?1 ESCAPE '\\' ORDER BY submitted_at DESC LIMIT 200)
     UNION
    SELECT id FROM (SELECT id FROM executions WHERE id LIKE ?1 ESCAPE '\\' ORDER BY id DESC LIMIT 200)
  ORDER BY id
"""
_OF_SYMBOL = "SELECT id FROM signals WHERE symbol = ? ORDER BY timestamp DESC, id DESC LIMIT ?"
_LATEST = "SELECT id FROM signals ORDER BY timestamp DESC, id DESC LIMIT ?"
_LONGEST_ID = 80


def chain(ledger: Ledger, id: str) -> Record | None:
    """Everything that led to what has this id, and what came of it, oldest first.

    Args:
        id: Of a signal, an order (ours or the broker's), a fill or a trade.

    Returns:
        `lots`: for each lot its links, signals and trade; None if the books do not know the id.
    """
    before_role = id.rpartition(":")[0]  # an order that was denied is in no table but in its name
    lots = [row["lot_id"] for row in records(ledger.trades, _LOTS, (id, before_role))]
    if not lots:
        return None
    return {"id": id, "books": ledger.books, "lots": [_lot(ledger, lot) for lot in sorted(lots)]}


def nearest(ledger: Ledger, id: str, count: int = 3) -> list[str]:
    """Ids most like this one, for whoever mistyped it; of a symbol its latest signals, else those of all."""
    if found := [str(row["id"]) for row in records(ledger.trades, _OF_SYMBOL, (id[:_LONGEST_ID], count))]:
        return found
    for length in range(min(len(id), _LONGEST_ID), 2, -1):
        pattern = id[:length].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        found = [str(row["id"]) for row in records(ledger.trades, _ALIKE, (pattern,))]
        if found:
            return difflib.get_close_matches(id[:_LONGEST_ID], found, n=count, cutoff=0)
    return [str(row["id"]) for row in records(ledger.trades, _LATEST, (count,))]


def _lot(ledger: Ledger, lot: str) -> Record:
    links = records(ledger.trades, _LINKS, (lot,))
    for link in links:
        link["numbers"] = json.loads(link["numbers"])
    return {
        "lot_id": lot,
        "links": links,
        "signals": records(ledger.trades, _SIGNALS, (lot,)),
        "trade": record(ledger.trades, _TRADE, (lot,)),
    }
