"""Carries alerts to one sink: the only place that knows `apprise`, and the only one that knows the address.

`apprise` blocks, so it works in a thread of its own that nobody waits for longer than the limit. Its log is
read for the reason of a failure and goes nowhere else: it may name parts of the address.
"""

import contextvars
import logging
import re
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from actors.alerting.router import Alert
from config.alerts import AlertLevel
from config.secrets import Secret, Secrets, to_hide
from runtime.log_chain import speaking_for
from runtime.redaction import Redactor
from runtime.text import one_line

COMPONENT = "alerts"
"""Whose fault it is when an alert cannot be sent; nothing of this component is ever an alert."""

_NEW_YORK = ZoneInfo("America/New_York")
_KINDS: dict[AlertLevel, str] = {
    "INFO": "info",
    "WARNING": "warning",
    "ERROR": "failure",
    "CRITICAL": "failure",
}
_LONGEST_REASON = 200
_CALLS = re.compile(r"@(?=\w)|<(?=[!@#])")
_JOINER = "\N{WORD JOINER}"
"""Takes no room and breaks no line."""


class Courier:
    """One sink.

    Args:
        name: As the settings call it. address: an `apprise` URL.
        account: `PAPER` or `LIVE`, before the title.
        hidden: What must not leave in an alert either (`config.secrets.to_hide`), beside the address.

    Attributes:
        is_busy: Whether its thread still works on an alert.
        failure: Why the last alert did not arrive, or empty.
    """

    def __init__(self, name: str, address: Secret, account: str = "", hidden: Sequence[str] = ()) -> None:
        self.name = name
        self.is_busy = False
        self.failure = ""
        self._address, self._account = address, account
        self._redactor = Redactor([*hidden, *to_hide(Secrets(alert_sinks={name: address}))])
        self._service: Any = None

    def start(self, alert: Alert | None, done: Callable[[str], None]) -> None:
        """Send in a thread; `done` is called there with why it failed, or with nothing.

        Args:
            alert: None: only get ready for the first one.
        """
        self.is_busy = True

        def work() -> None:
            try:
                with speaking_for(COMPONENT):
                    failure = self.prepare() if alert is None else self.send(alert)
            except Exception as error:  # noqa: BLE001 - the thread's edge: whatever a service's code does
                failure = self._words(f"{type(error).__name__}: {error}")
            self.is_busy = False
            done(failure)

        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(work,), name=f"alerts to {self.name}", daemon=True).start()

    def prepare(self) -> str:
        """Load what the first alert would wait for, and look at the address; what is wrong with it."""
        import apprise  # noqa: PLC0415 - a third of a CPU second that only those pay who have a sink

        if self._service is None:
            with _reasons([]):
                # Without a limit of its own it works in this thread, which has ours.
                asset = apprise.AppriseAsset(
                    app_id="trading-runtime", app_url="", async_mode=False, service_timeout=0
                )
                service = apprise.Apprise(asset=asset)
                if not service.add(self._address.reveal()):
                    return "its address is none that can be used"
            self._service = service
        return ""

    def send(self, alert: Alert) -> str:
        """Send and wait; why it failed, or empty."""
        if failure := self.prepare():
            return failure
        reasons: list[str] = []
        with _reasons(reasons):
            arrived = self._service.notify(
                title=calls_nobody(
                    self._redactor.text(f"{self._account} {alert.level}: {alert.title}".strip())
                ),
                body=calls_nobody(self._redactor.text(_body(alert))),
                notify_type=_KINDS[alert.level],
            )
        return "" if arrived else self._words("; ".join(reasons) or "it said no")

    def _words(self, text: str) -> str:
        return one_line(self._redactor.text(" ".join(text.split())), _LONGEST_REASON)


def calls_nobody(text: str) -> str:
    """The text without what a chat takes for a call to its members (`@everyone`, `<!channel>`, `<@1>`).

    Part of an alert are words of a broker, which nobody here chose: they inform, and wake no channel.
    """
    return _CALLS.sub(lambda found: found[0] + _JOINER, text)


class _Listener(logging.Handler):
    """Keeps what one thread is told."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._reasons, self._thread = reasons, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._reasons.append(record.getMessage())


class _reasons:  # noqa: N801 - a context manager
    """Collects what `apprise` says in this thread, and lets none of it go further."""

    def __init__(self, reasons: list[str]) -> None:
        self._handler = _Listener(reasons)

    def __enter__(self) -> None:
        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.setLevel(logging.WARNING)
        logger.addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self._handler)


def _body(alert: Alert) -> str:
    moment = datetime.fromtimestamp(alert.last_seen // 1_000_000_000, UTC).astimezone(_NEW_YORK)
    lines = [alert.body] if alert.body else []
    if alert.occurrences > 1:
        lines.append(f"{alert.occurrences} times so far")
    lines.append(f"{alert.event}, {alert.component}, {moment:%Y-%m-%d %H:%M:%S} ET")
    return "\n".join(lines)
