"""A line of the log, for who writes it and who reads it again: levels, component, time. No structlog here.

A line is one JSON object with `ts` (ns UTC), `level`, `event`, `logger` and whatever else was said.
"""

import json
from typing import Any

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}

_MOST_LINE = 200_000
"""Characters of a line that is still read as one; a longer one is shown as text, cut."""


def component_of(logger: str) -> str:
    """The part of the system a logger belongs to: `actors.gateways.db_writer` -> `db_writer`.

    A gateway has its own name, as its crashes have; `storage.books` is `books`, a library is itself.
    """
    parts = logger.split(".")
    if parts[:2] == ["actors", "gateways"] and len(parts) > 2:
        return parts[2]
    if parts[0] in ("actors", "runtime", "storage", "tui") and len(parts) > 1:
        return parts[1]
    return parts[0] or "process"


def parsed(line: str, before: int = 0) -> dict[str, Any]:
    """A line as it was written; what is none becomes an event of its own, so that nothing is left out.

    Args:
        before: ns UTC of the line before it, for one that has no time.

    Returns:
        At least `ts`, `level`, `component` and `event`.
    """
    try:
        found = json.loads(line) if len(line) <= _MOST_LINE else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return {"ts": before, "level": "INFO", "component": "unknown", "event": line[:_MOST_LINE]}
    ts, level = found.get("ts"), str(found.get("level", "")).upper()
    component = found.get("component") or component_of(str(found.get("logger", "")))
    return {
        **found,
        "ts": ts if isinstance(ts, int) and 0 <= ts < 2**63 else before,
        "level": level if level in LEVELS else "INFO",
        "component": str(component),
        "event": str(found.get("event", "")),
    }
