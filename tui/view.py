"""What a screen knows of the engine: a pure fold of frames into one frozen view. No Textual in it.

A table is a dict by key in order of first appearance, never changed in place: a panel that was given the same
dict as before has nothing to paint.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from runtime.messages.screen import (
    ActorRow,
    AlertRow,
    EquityPoints,
    ErrorRow,
    Frame,
    GaugeRow,
    Head,
    Keyed,
    LogRow,
    OrderRow,
    PositionRow,
    SignalRow,
    StrategyRow,
    Table,
    TaskRow,
    TradeRow,
    Transport,
)

MOST_LINES = 2_000
"""Lines of the log that a screen keeps."""

Row = TypeVar("Row", bound=Keyed)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything as it stood with the last frame.

    Attributes:
        number: Of the last frame; 0: none came yet. at: market time, ns. real: the engine's wall time, ns.
    """

    number: int = 0
    at: int = 0
    real: int = 0
    dropped: int = 0
    pid: int = 0
    root: str = ""
    head: Head | None = None
    positions: Mapping[str, PositionRow] = {}
    orders: Mapping[str, OrderRow] = {}
    trades: Mapping[str, TradeRow] = {}
    strategies: Mapping[str, StrategyRow] = {}
    gauges: Mapping[str, GaugeRow] = {}
    signals: Mapping[str, SignalRow] = {}
    log: Mapping[str, LogRow] = {}
    errors: Mapping[str, ErrorRow] = {}
    actors: Mapping[str, ActorRow] = {}
    tasks: Mapping[str, TaskRow] = {}
    alerts: Mapping[str, AlertRow] = {}
    today: EquityPoints = EquityPoints()
    history: EquityPoints = EquityPoints()
    transport: Transport | None = None


EMPTY = View()
_TABLES = (
    "positions", "orders", "trades", "strategies", "gauges", "signals", "log", "errors", "actors", "tasks",
    "alerts",
)  # fmt: skip


def fold(view: View, frame: Frame) -> View:
    """The view after one more frame; a whole frame forgets everything before it."""
    before = EMPTY if frame.whole else view
    changes: dict[str, Any] = {
        "number": frame.number,
        "at": frame.at or before.at,
        "real": frame.real or before.real,
        "dropped": frame.dropped,
        "pid": frame.pid or before.pid,
        "root": frame.root or before.root,
    }
    for name in _TABLES:
        if (table := getattr(frame, name)) is not None:
            changes[name] = changed(getattr(before, name), table)
    if "log" in changes:
        changes["log"] = _newest(changes["log"])
    for name in ("today", "history"):
        if (points := getattr(frame, name)) is not None:
            changes[name] = extended(getattr(before, name), points)
    if frame.head is not None:
        changes["head"] = frame.head
    if frame.transport is not None:
        changes["transport"] = frame.transport
    return msgspec.structs.replace(before, **changes)


def changed(before: Mapping[str, Row], table: Table[Row]) -> Mapping[str, Row]:
    """A table after a change: what is known stays in its place, what is new comes last."""
    after = {} if table.whole else dict(before)
    for key in table.gone:
        after.pop(key, None)
    for row in table.rows:
        after[row.key] = row
    return after


def extended(before: EquityPoints, points: EquityPoints) -> EquityPoints:
    """A curve with more points; one at a time that is there already takes its place."""
    if points.whole or not before.at:
        return EquityPoints(at=points.at, equity=points.equity)
    keep = len(before.at)
    while points.at and keep and before.at[keep - 1] >= points.at[0]:
        keep -= 1
    return EquityPoints(at=before.at[:keep] + points.at, equity=before.equity[:keep] + points.equity)


def _newest(rows: Mapping[str, LogRow]) -> Mapping[str, LogRow]:
    if len(rows) <= MOST_LINES:
        return rows
    return dict(list(rows.items())[-MOST_LINES:])
