"""Errors, alerts, actors and tasks as tables: how the machine itself is doing."""

from collections.abc import Mapping

from runtime.messages.screen import ActorRow, AlertRow, ErrorRow, TaskRow
from tui.panels import figures
from tui.panels.bar import Bar, part
from tui.panels.columns import Column
from tui.panels.ink import Piece, Role
from tui.panels.table import LineTable
from tui.view import View

LEVELS: tuple[tuple[str, Role], ...] = (("CRITICAL", "bad"), ("ERROR", "bad"), ("WARNING", "warn"))


def counts(rows: Mapping[str, ErrorRow]) -> dict[str, tuple[int, int]]:
    """(rows, times) that are not resolved, by level."""
    found = {level: [0, 0] for level, _ in LEVELS}
    for row in rows.values():
        if not row.resolved and row.level in found:
            found[row.level][0] += 1
            found[row.level][1] += row.count
    return {level: (rows, times) for level, (rows, times) in found.items()}


def _dealt_with(row: ErrorRow) -> Piece:
    return ("resolved", "good") if row.resolved else ("open", "warn")


def _words(row: ErrorRow) -> Piece:
    return row.text, "faint" if row.resolved else "text"


def _detail(row: ActorRow) -> Piece:
    return row.detail, "quiet"


def _often(value: int) -> Piece:
    return f"{value:,d}", "bad" if value else "faint"


ERRORS: tuple[Column[ErrorRow], ...] = (
    Column("time", 14, lambda r: (f"{figures.day(r.at)} {figures.clock(r.at)}", "quiet"),
           order=lambda r: r.at),
    Column("level", 5, lambda r: figures.level(r.level)),
    Column("component", 12, lambda r: (r.component, "accent"), rank=1, most=20),
    Column("times", 5, lambda r: (figures.count(r.count), "text"), rank=2, right=True,
           order=lambda r: r.count),
    Column("what", 30, _words, most=160),
    Column("state", 8, _dealt_with, rank=3),
    Column("where", 14, lambda r: (r.where, "faint"), rank=4, most=26),
    Column("id", 6, lambda r: (r.key, "faint"), rank=5, right=True),
    Column("note", 20, lambda r: (r.note, "quiet"), rank=6, most=60),
)  # fmt: skip

ALERTS: tuple[Column[AlertRow], ...] = (
    Column("time", 14, lambda r: (f"{figures.day(r.at)} {figures.clock(r.at)}", "quiet"),
           order=lambda r: r.at),
    Column("level", 5, lambda r: figures.level(r.level)),
    Column("event", 14, lambda r: (r.event, "accent"), rank=1, most=22),
    Column("alert", 24, lambda r: (r.text, "text"), most=140),
    Column("sent", 12, lambda r: (r.sent, "quiet"), rank=2, most=50),
)  # fmt: skip

ACTORS: tuple[Column[ActorRow], ...] = (
    Column("actor", 18, lambda r: (r.key, "strong"), most=27),
    Column("kind", 8, lambda r: (r.kind, "quiet"), rank=6),
    Column("state", 10, lambda r: (r.state, figures.state(r.state))),
    Column("inbox", 5, lambda r: (f"{r.depth:,d}", "warn" if r.depth > 1_000 else "text"), rank=2, right=True,
           order=lambda r: r.depth),
    Column("most", 6, lambda r: (figures.count(r.high_water), "quiet"), rank=4, right=True,
           order=lambda r: r.high_water),
    Column("handled", 8, lambda r: (figures.count(r.handled), "text"), rank=1, right=True,
           order=lambda r: r.handled),
    Column("per s", 6, lambda r: (figures.count(r.per_s), "text"), rank=3, right=True,
           order=lambda r: r.per_s),
    Column("each", 7, lambda r: (figures.latency(r.busy_ns) if r.busy_ns else "-", "text"), rank=1,
           right=True, order=lambda r: r.busy_ns),
    Column("drops", 6, lambda r: _often(r.drops), rank=5, right=True, order=lambda r: r.drops),
    Column("crashes", 7, lambda r: _often(r.crashes), rank=2, right=True, order=lambda r: r.crashes),
    Column("restarts", 8, lambda r: _often(r.restarts), rank=3, right=True, order=lambda r: r.restarts),
    Column("detail", 16, _detail, rank=7, most=90),
)  # fmt: skip

TASKS: tuple[Column[TaskRow], ...] = (
    Column("time", 8, lambda r: (figures.clock(r.at), "quiet"), order=lambda r: r.at),
    Column("phase", 12, lambda r: (r.phase.replace("_", " "), "quiet"), rank=1),
    Column("task", 24, lambda r: (r.task, "strong"), most=34),
    Column("status", 7, lambda r: (r.status, figures.state(r.status))),
    Column("detail", 16, lambda r: (r.detail, "quiet"), rank=2, most=100),
)  # fmt: skip


class ErrorCounts(Bar):
    """How many errors of each level are open: the system's health in one line."""

    def show(self, view: View) -> None:
        """Paint it if it changed."""
        parts = []
        for level, (rows, times) in counts(view.errors).items():
            role = dict(LEVELS)[level] if rows else "good"
            words = f"{rows:,d}" + (f" ({figures.count(times)} times)" if times > rows else "")
            parts.append(part((f"{level} ", "quiet"), (words, role)))
        resolved = sum(row.resolved for row in view.errors.values())
        parts.append(part(("resolved ", "quiet"), (f"{resolved:,d}", "text"), rank=1))
        parts.append(
            part(("⏎ ", "key"), ("traceback", "quiet"), ("  R ", "key"), ("resolve", "quiet"), rank=2)
        )
        self.put(parts)


class Errors(LineTable[ErrorRow]):
    """The error log, newest first."""

    def __init__(self) -> None:
        super().__init__("errors", "Errors", ERRORS, empty="no errors: all is well", newest_first=True)

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.errors)


class Alerts(LineTable[AlertRow]):
    """What people were told, newest first."""

    def __init__(self) -> None:
        super().__init__("alerts", "Alerts", ALERTS, empty="nobody was alerted", newest_first=True)

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.alerts)


class Actors(LineTable[ActorRow]):
    """Actors in rank order, then gateways."""

    def __init__(self) -> None:
        super().__init__("actors", "Actors and gateways", ACTORS, empty="no actors are known yet")

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.actors)


class Tasks(LineTable[TaskRow]):
    """The day's tasks and what became of each."""

    def __init__(self) -> None:
        super().__init__("tasks", "Tasks of the day", TASKS, empty="no task was due yet")

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.tasks)
