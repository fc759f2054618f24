"""What is told in words: log lines, errors, tasks."""

from typing import Any

import msgspec

from actors.screen.tables import Rows
from runtime.error_sink import ErrorEntry
from runtime.messages.risk import TaskDone
from runtime.messages.screen import AlertRow, ErrorRow, LogRow, TaskRow
from runtime.text import printable

MOST_LINES = 500
MOST_ERRORS = 200
MOST_ALERTS = 200
MOST_TEXT = 500
MOST_TRACEBACK = 1_500
_LEVELS = ("CRITICAL", "ERROR", "WARNING")


class Journal:
    """Everything said, the oldest forgotten first.

    Attributes:
        open: Unresolved rows of the error log by level, those that are no longer shown too.
    """

    def __init__(self) -> None:
        self.log: Rows[LogRow] = Rows(MOST_LINES)
        self.errors: Rows[ErrorRow] = Rows(MOST_ERRORS)
        self.tasks: Rows[TaskRow] = Rows(1_000)
        self.alerts: Rows[AlertRow] = Rows(MOST_ALERTS)
        self.open = dict.fromkeys(_LEVELS, 0)
        self._lines = 0

    def begin_session(self) -> None:
        """Another session goes on with it: tasks are of one day."""
        self.tasks = Rows(1_000)

    def line(self, at: int, level: str, component: str, text: str) -> None:
        """One line of the log."""
        self._lines += 1
        self.log.put(
            LogRow(
                key=str(self._lines), at=at, level=level, component=component, text=printable(text, MOST_TEXT)
            )
        )

    def task(self, done: TaskDone) -> None:
        """What became of a task; of two of one name and phase the later counts."""
        self.tasks.put(
            TaskRow(
                key=f"{done.phase} {done.task}",
                at=done.ts_event,
                phase=done.phase,
                task=done.task,
                status=done.status,
                detail=printable(done.detail, MOST_TEXT),
            )
        )

    # ---- alerts -----------------------------------------------------------------------------

    def alert(self, parameters: tuple[Any, ...]) -> None:
        """A row on its way to the history of alerts, as `storage.statements` has it."""
        id, at, _, count, event, level, _, title, _, _, delivery = parameters
        old = self.alerts.get(str(id))
        self.alerts.put(
            AlertRow(
                key=str(id),
                at=int(at),
                level=str(level),
                event=str(event),
                text=printable(f"{title} ({count} times)" if int(count) > 1 else str(title), MOST_TEXT),
                sent=old.sent if old is not None else printable(str(delivery), MOST_TEXT),
            )
        )

    def delivered(self, delivery: str, id: str) -> None:
        """What became of an alert."""
        row = self.alerts.get(id)
        if row is not None:
            self.alerts.put(msgspec.structs.replace(row, sent=printable(delivery, MOST_TEXT)))

    # ---- errors -----------------------------------------------------------------------------

    def row(self, parameters: tuple[Any, ...]) -> None:
        """A row on its way to the error log, as `storage.statements` has it."""
        id, at, level, _, text, file, line, kind, trace, component, count, *_ = parameters
        where = f"{file}:{line}" if file else ""
        self._error(
            ErrorRow(
                key=str(id),
                at=int(at),
                level=str(level),
                component=str(component),
                text=printable(f"{kind}: {text}" if kind and kind not in str(text) else str(text), MOST_TEXT),
                count=int(count),
                where=printable(where, MOST_TEXT),
                traceback=printable(str(trace)[-MOST_TRACEBACK:], 2 * MOST_TRACEBACK),
            )
        )

    def entry(self, entry: ErrorEntry) -> None:
        """An error of the process itself."""
        self.row(entry.row()[1])

    def _error(self, row: ErrorRow) -> None:
        old = self.errors.get(row.key)
        if old is None:
            if row.level in self.open and not row.resolved:
                self.open[row.level] += 1
            self.line(row.at, row.level, row.component, row.text)
        elif old.resolved and row.count > old.count:  # what comes again is not resolved, as in the books
            self.open[row.level] = self.open.get(row.level, 0) + 1
        elif old.resolved:
            row = msgspec.structs.replace(row, resolved=True, note=old.note)
        self.errors.put(row)

    def resumed(self, by: str) -> None:
        """A person has lifted the halt: its rows are seen to, as in the books."""
        for row in list(self.errors):
            if row.level == "CRITICAL" and row.component == "kill_switch":
                self.resolved(row.key, f"resumed ({by})")

    def resolved(self, id: str, note: str) -> None:
        """A person has seen to it."""
        row = self.errors.get(id)
        if row is not None and not row.resolved:
            self.open[row.level] = max(0, self.open.get(row.level, 0) - 1)
            self.errors.put(msgspec.structs.replace(row, resolved=True, note=printable(note, MOST_TEXT)))
