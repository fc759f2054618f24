"""Follows a session input by input and says what is to be told: the same live and in a replay."""

from collections.abc import Sequence

from actors.alerting import notices
from actors.alerting.notices import Notice
from actors.alerting.router import Alert, Router
from config.alerts import Alerts
from runtime.messages.base import Input, Message

NOT_SENT = "not sent: replay"
Row = tuple[str, tuple[object, ...]]


class Watch:
    """One session's alerts.

    Args:
        session: ISO date, part of the alerts' ids. sinks: names of those that have an address.
    """

    def __init__(self, settings: Alerts, session: str, sinks: Sequence[str] = ()) -> None:
        self._router = Router(settings, sinks)
        self._session = session.replace("-", "")

    def observe(self, seq: int, at: int, message: Input, caused: Sequence[Message]) -> list[Alert]:
        """What is told because of an input, and what was due before it.

        Args:
            seq: The input's number. at: when it was known, ns UTC.
        """
        told: list[Alert] = []
        if notices.worth_a_look(message, caused):
            for number, notice in enumerate(notices.notices(message, caused)):
                told += self._router.take(notice, at, f"{self._session}-{seq}-{number}")
        elif 0 < self._router.due <= at:
            told += self._router.flush(at)
        return told

    def error(self, notice: Notice, at: int, id: str) -> list[Alert]:
        """What is told because of a row of `error_log` that belongs to no input."""
        return self._router.take(notice, at, id)

    def flush(self, at: int) -> list[Alert]:
        """What is due by now."""
        return self._router.flush(at)

    def connect_anew(self) -> None:
        """The process has started again, and its streams with it."""
        self._router.connect_anew()

    def close(self) -> list[Alert]:
        """What was counted and not told until the session's end."""
        return self._router.close()

    @property
    def due(self) -> int:
        """When `flush` has something to tell, ns UTC; 0: nothing is waiting."""
        return self._router.due


class ReplayedAlerts:
    """The history of a session that nobody is told of.

    Args:
        session: ISO date.
    """

    def __init__(self, settings: Alerts, session: str) -> None:
        self._watch = Watch(settings, session)

    def rows(self, seq: int, at: int, message: Input, caused: Sequence[Message]) -> list[Row]:
        """What would have been told because of an input."""
        return [row(alert, NOT_SENT) for alert in self._watch.observe(seq, at, message, caused)]

    def end(self) -> list[Row]:
        """What was counted until the session's end."""
        return [row(alert, NOT_SENT) for alert in self._watch.close()]


def row(alert: Alert, delivery: str = "") -> Row:
    """An alert as a row of the books.

    Args:
        delivery: What becomes of it, where the alert does not say so itself.
    """
    return "alert", (
        *(alert.id, alert.ts_event, alert.last_seen, alert.occurrences, alert.event, alert.level),
        *(alert.component, alert.title, alert.body, ",".join(alert.sinks), delivery or alert.delivery),
    )
