"""The error log and the history of alerts, as a person reads them: filtered, newest first."""

from typing import Any

from storage.readers.ledger import Ledger, Record, record, records

_RANKS = {"WARNING": 1, "ERROR": 2, "CRITICAL": 3}
_RANK = "CASE level WHEN 'CRITICAL' THEN 3 WHEN 'ERROR' THEN 2 WHEN 'WARNING' THEN 1 ELSE 0 END"
_CHOSEN = f"""
     WHERE {_RANK} >= :rank
       AND (:component = '' OR component = :component)
       AND last_seen >= :since
"""
_OPEN = " AND (:unresolved = 0 OR is_resolved = 0)"
_LIST = f"""
    SELECT id, timestamp, last_seen, occurrences, level, component, message, logger_name, source_file,
           line_number, exception_type, is_resolved, resolved_at, resolved_by, note
      FROM error_log
    {_CHOSEN} {_OPEN}
  ORDER BY last_seen DESC, id DESC
     LIMIT :most
"""
_COUNTS = f"""
    SELECT level, count(*) AS rows, sum(occurrences) AS occurrences, sum(is_resolved) AS resolved
      FROM error_log
    {_CHOSEN} {_OPEN}
  GROUP BY level
  ORDER BY {_RANK} DESC
"""
_ONE = "SELECT * FROM error_log WHERE id = ?"
_NAMED = "SELECT id FROM error_log WHERE substr(id, 1, ?) = ? ORDER BY last_seen DESC, id DESC LIMIT 6"
_LATEST = "SELECT id FROM error_log ORDER BY last_seen DESC, id DESC LIMIT 3"
_ALERTS = f"""
    SELECT id, timestamp, last_seen, occurrences, event, level, component, title, body, sinks, delivery,
           delivered_at
      FROM alert_log
    {_CHOSEN}
  ORDER BY last_seen DESC, id DESC
     LIMIT :most
"""


def errors(
    ledger: Ledger,
    *,
    level: str = "WARNING",
    component: str = "",
    since: int = 0,
    unresolved: bool = False,
    most: int = 50,
) -> dict[str, list[Record]]:
    """Rows of the error log, and how many there are of each level.

    Args:
        level: The least. component: only this one; empty: all. since: seen at or after, ns UTC.
        most: Rows told, the latest; -1: all.
    """
    chosen = _chosen(level, component, since, most) | {"unresolved": int(unresolved)}
    return {
        "counts": _told(ledger, _COUNTS, chosen),
        "errors": _told(ledger, _LIST, chosen),
    }


def one_error(ledger: Ledger, id: str) -> Record | None:
    """Everything known of one row."""
    return record(ledger.performance, _ONE, (id,))


def named(ledger: Ledger, words: str) -> list[str]:
    """Ids that are these words, or else begin with them; at most six."""
    if record(ledger.performance, _ONE, (words,)) is not None:
        return [words]
    return [row["id"] for row in records(ledger.performance, _NAMED, (len(words), words))]


def latest(ledger: Ledger) -> list[str]:
    """Ids of the rows seen last."""
    return [row["id"] for row in records(ledger.performance, _LATEST)]


def alerts(
    ledger: Ledger, *, level: str = "INFO", component: str = "", since: int = 0, most: int = 50
) -> list[Record]:
    """The history of alerts; arguments as for `errors`."""
    return _told(ledger, _ALERTS, _chosen(level, component, since, most))


def _chosen(level: str, component: str, since: int, most: int) -> dict[str, Any]:
    return {"rank": _RANKS.get(level, 0), "component": component, "since": since, "most": most}


def _told(ledger: Ledger, sql: str, chosen: dict[str, Any]) -> list[Record]:
    return [dict(row) for row in ledger.performance.execute(sql, chosen)]
