"""How a root stands: its books, its kill switch, and what a running engine says that no book knows.

Also whether that is well: a health check asks for the exit code alone. Starts at once: no NumPy, no actors.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import kill_switch
from tui.commands import engine, exits
from tui.commands.roots import REPLAYED

if TYPE_CHECKING:
    from runtime.messages.screen import Frame, PositionRow

Standing = dict[str, Any]

_NOTHING: Standing = {
    "session": None,
    "phase": None,
    "equity": None,
    "regime": None,
    "breakers": [],
    "positions": [],
    "orders": [],
    "working_orders": [],
    "external": [],
    "strategies": [],
    "actors": [],
    "tasks": [],
    "error_counts": [],
    "errors": [],
    "refused_rows": 0,
}
_TRADING = ("MARKET_OPEN", "TRADING", "MARKET_CLOSE")


def standing(root: Path) -> Standing:
    """Everything `status` shows.

    Raises:
        DatabaseRefused: There are no books, or they cannot be read, and trading is not halted.
    """
    from storage.database import DatabaseRefused
    from storage.readers.ledger import open_ledger
    from storage.readers.status import status

    try:
        with open_ledger(root) as ledger:
            found = status(ledger)
    except DatabaseRefused as error:
        halt = _halt(root, is_quiet=True)
        if not halt["halted"]:
            raise
        found = {"books": None, "trouble": str(error), **_NOTHING}
    else:
        halt = _halt(root, is_quiet=is_replay(found))
    holder = engine.holder_of(root)
    frame = _frame(root) if holder is not None else None
    at_work = {
        "running": holder is not None,
        "pid": holder.pid if holder else None,
        "tells": frame is not None,
    }
    found = {**found, **halt, "engine": at_work, "streams": _streams(frame)}
    if frame is not None:
        found |= _live(frame)
        found["positions"] = _marked(found["positions"], frame)
    return {**found, "unwell": _unwell(root, found)}


def code_of(found: Standing) -> int:
    """The exit code: 5 halted; of an account's books also 6 no engine runs, 4 something is not well."""
    if found["halted"]:
        return exits.HALTED
    if is_replay(found):
        return exits.OK
    if not found["engine"]["running"]:
        return exits.NO_ENGINE
    return exits.UNHEALTHY if found["unwell"] else exits.OK


def is_replay(found: Standing) -> bool:
    """Whether the books are a replay's, in which nothing is expected to run."""
    return str(found["books"]).startswith(REPLAYED)


def _halt(root: Path, *, is_quiet: bool) -> Standing:
    """How the kill switch of a root stands.

    Args:
        is_quiet: Whether nothing trades there, so that a missing directory means nothing.
    """
    state = kill_switch.look(root)
    if not state.halted or (state.is_absent and is_quiet):
        return {"halted": False, "halt_reason": None, "halt_since": None, "halt_flatten": False}
    order = kill_switch.read(root)
    return {
        "halted": True,
        "halt_reason": order.reason,
        "halt_since": order.time or None,
        "halt_flatten": order.flatten,
    }


def _frame(root: Path) -> "Frame | None":
    from tui.commands.live import frame_of

    return frame_of(root)


def _streams(frame: "Frame | None") -> Standing:
    """State of both streams in a word; `none` where no engine tells."""
    head = frame.head if frame is not None else None
    return {
        "market": head.stream if head else "none",
        "orders": head.orders if head else "none",
        "last_bar": (head.bar_at or None) if head else None,
        "not_streamed": head.not_streamed if head else None,
    }


def _live(frame: "Frame") -> Standing:
    """What of the books' account a running engine knows better, and what only it knows."""
    found: Standing = {"books_behind": frame.head.db_lag if frame.head else None}
    if frame.head is not None and frame.head.phase is not None:
        found["phase"] = frame.head.phase
    if frame.actors is not None:
        found["actors"] = [
            {
                "actor": row.key,
                "kind": row.kind,
                "state": row.state,
                "depth": row.depth,
                "high_water": row.high_water,
                "handled": row.handled,
                "crashes": row.crashes,
                "restarts": row.restarts,
                "detail": row.detail,
            }
            for row in frame.actors.rows
        ]
    return found


def _marked(positions: list[Standing], frame: "Frame") -> list[Standing]:
    """Positions of the books at the engine's prices: the books have those of the last fill.

    Stop and target are those that rest at the broker, of the largest lot.
    """
    largest: dict[str, PositionRow] = {}
    for row in frame.positions.rows if frame.positions is not None else ():
        known = largest.get(row.symbol)
        if not row.external and (known is None or abs(row.quantity) > abs(known.quantity)):
            largest[row.symbol] = row
    return [_at(one, largest.get(one["symbol"])) for one in positions]


def _at(position: Standing, row: "PositionRow | None") -> Standing:
    if row is None:
        return position
    pnl = position["quantity"] * (row.last - position["entry_price"])
    cost = abs(position["quantity"]) * position["entry_price"]
    return {
        **position,
        "current_price": row.last,
        "unrealized_pnl": pnl,
        "unrealized_pnl_pct": pnl / cost if cost else 0.0,
        "stop_loss": row.stop,
        "target_price": row.target,
    }


def _unwell(root: Path, found: Standing) -> list[str]:
    """What a person should look at, in words; empty: nothing."""
    if is_replay(found):
        return []
    words = []
    if found["refused_rows"]:
        words.append(f"{found['refused_rows']} rows did not fit the books' schema")
    words += [
        f"task {each['task']} failed: {each['detail']}"
        for each in found["tasks"]
        if each["status"] == "failed"
    ]
    words += [f"{each['actor']} has stopped" for each in found["actors"] if each["state"] == "stopped"]
    critical = sum(each["rows"] for each in found["error_counts"] if each["level"] == "CRITICAL")
    if critical:
        words.append(f"{critical} critical errors are not resolved")
    at_work = found["engine"]
    if at_work["tells"] and found["phase"] in _TRADING:
        words += [
            f"the {name} stream is down" for name in ("market", "orders") if found["streams"][name] == "down"
        ]
    if at_work["running"] and not at_work["tells"] and (root / "run" / "engine.sock").exists():
        words.append("the engine does not answer")
    return words
