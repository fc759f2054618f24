"""Tells a person: alerts of the session to their sinks, and their history to the books.

The desk follows the session beside the decisions and never waits; the gateway sends what the desk hands it,
one alert after the other, to all its sinks at once, each in its own thread with a limit. A sink that fails is
one warning until it works again, and nothing that this component says is ever an alert.
"""

import asyncio
from collections.abc import Callable, Sequence

import anyio

from actors.alerting import notices
from actors.alerting.router import WAITING, Alert
from actors.alerting.watch import Row, Watch, row
from actors.notify.courier import COMPONENT, Courier
from actors.notify.delivery import deliver
from config.alerts import Alerts
from config.secrets import Secrets, to_hide
from runtime.error_sink import ErrorEntry, ErrorSink
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox, InboxClosed, InboxFull, Port
from runtime.log import get_logger
from runtime.messages.base import Input, Message

_SECOND = 1_000_000_000
_CAPACITY = 200

MISSED = "not sent: it happened before this start"
TOO_MANY = "not sent: too many wait"
STOPPING = "not sent: the engine is stopping"

_log = get_logger(__name__)


class AlertDesk:
    """What the session has to tell; outlives the gateway's instances.

    Args:
        account: `paper` or `live`, for the titles. clock: market time. real: time of waits.
        errors: What the process logs; rows of it that a rule wants are alerts too.

    Attributes:
        inbox: What the gateway is to send. timeout: how long a sink may take, ns.
    """

    def __init__(
        self,
        settings: Alerts,
        secrets: Secrets,
        *,
        session: str,
        account: str,
        clock: Clock,
        real: Clock,
        errors: ErrorSink,
    ) -> None:
        hidden = to_hide(secrets)
        self.couriers = {
            name: Courier(name, address, account.upper(), hidden)
            for name, address in secrets.alert_sinks.items()
        }
        self.inbox = Inbox(_CAPACITY)
        self.timeout = round(settings.timeout_s * _SECOND)
        self.real = real
        self._end_hearing: Callable[[], None] = lambda: None
        self._changed = asyncio.Event()
        self._due = 0
        self._settings = settings
        self._watch = Watch(settings, session, tuple(self.couriers))
        self._clock, self._errors = clock, errors
        self._log_rows: Callable[[Sequence[Row]], bool] | None = None
        self._early: list[Row] = [("alerts_abandoned", ())]

    def go_live(self, log_rows: Callable[[Sequence[Row]], bool]) -> None:
        """From now on alerts are sent; call in the event loop, once the tape is fed again.

        Args:
            log_rows: Where rows of the history go.
        """
        unknown = {name for rule in self._settings.rules for name in rule.sinks} - self.couriers.keys()
        if unknown:
            _log.warning("rules name alert sinks without an address", sinks=", ".join(sorted(unknown)))
        self._log_rows = log_rows
        self._watch.connect_anew()
        log_rows(self._early)
        self._early = []
        loop = asyncio.get_running_loop()

        def heard(entry: ErrorEntry) -> None:
            if entry.component != COMPONENT:
                try:
                    loop.call_soon_threadsafe(self.error, entry)
                except RuntimeError:
                    return  # the loop is closed, and with it everything that could send

        self._end_hearing = self._errors.hear(heard)

    def observe(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        """Follow the session: called after every input."""
        self._tell(self._watch.observe(seq, at, message, caused))

    def error(self, entry: ErrorEntry) -> None:
        """A row of `error_log` that belongs to no input."""
        place = f"{entry.logger_name} {entry.source_file}:{entry.line_number}"
        notice = notices.of_error(entry.level, entry.component, entry.message, place)
        self._tell(self._watch.error(notice, self._clock.now(), entry.id))

    async def wait_until_due(self) -> None:
        """Wait until something is due and tell it; returns at once when more may have become due."""
        self._changed.clear()
        if due := self._watch.due:
            if not await happens_by(self._clock, self._changed, due):
                self._tell(self._watch.flush(self._clock.now()))
        else:
            await self._changed.wait()

    def close(self) -> None:
        """The session is over: what was counted gets into the history."""
        self._end_hearing()
        self.inbox.close()
        self._tell(self._watch.close())

    def settle(self, alert: Alert, delivery: str) -> None:
        """Write what became of an alert."""
        self._write([("alert_delivery", (delivery, self._clock.now(), alert.id))])

    def _tell(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            if self._log_rows is None:
                self._write([row(alert, MISSED)])
                continue
            self._write([row(alert)])
            if alert.delivery != WAITING:
                continue
            refused = self._hand_over(alert)
            if refused and not alert.is_repeat:  # what became of the first one stands
                self.settle(alert, refused)
        if self._watch.due != self._due:
            self._due = self._watch.due
            self._changed.set()

    def _hand_over(self, alert: Alert) -> str:
        try:
            self.inbox.offer(alert)
        except InboxFull:
            return TOO_MANY
        except InboxClosed:
            return STOPPING
        return ""

    def _write(self, rows: Sequence[Row]) -> None:
        if self._log_rows is None:
            self._early += rows
        elif not self._log_rows(rows):
            _log.warning("alerts are missing in the history: the books are behind")


class AlertGateway(Gateway):
    """Sends what the desk hands over."""

    def __init__(self, name: str, inbox: Inbox, port: Port, *, desk: AlertDesk) -> None:
        super().__init__(name, inbox, port)
        self._desk = desk

    async def run(self) -> None:
        """Send until stopped; before the first alert everything it needs is loaded."""
        for name in self._desk.couriers:
            await self._send(name, None)
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_time)
            await super().run()
            group.cancel_scope.cancel()

    async def _keep_time(self) -> None:
        while True:
            await self._desk.wait_until_due()

    async def handle(self, command: Message) -> None:
        """Send one alert to its sinks."""
        if not isinstance(command, Alert):
            await super().handle(command)
            return
        results: dict[str, str] = dict.fromkeys(command.sinks, "")

        async def collect(name: str) -> None:
            results[name] = await self._send(name, command)

        async with anyio.create_task_group() as group:
            for name in command.sinks:
                group.start_soon(collect, name)
        failed = [f"{name}: {failure}" for name, failure in results.items() if failure]
        sent = ", ".join(name for name, failure in results.items() if not failure)
        parts = [f"sent to {sent}"] if sent else []
        self._desk.settle(command, "; ".join(parts + ([f"failed: {'; '.join(failed)}"] if failed else [])))

    async def _send(self, name: str, alert: Alert | None) -> str:
        courier = self._desk.couriers[name]
        failure = await deliver(courier, alert, self._desk.real, self._desk.timeout)
        if failure and not courier.failure:
            _log.warning("alerts cannot be sent; told once until they can", sink=name, why=failure)
        elif courier.failure and not failure:
            _log.info("alerts are sent again", sink=name)
        courier.failure = failure
        return failure
