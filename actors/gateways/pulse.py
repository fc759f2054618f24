"""Notices that the process did not run for a while: a machine that slept, a stopped process, a busy loop.

Nothing is decided here: bars that waited meanwhile are late for the market stream, which marks them stale,
and a connection that died of it is made again. A person is told why that happened.
Source: faults.md A 7, 8.
"""

from runtime.kernel.clock import Cancel, Clock
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.log import get_logger

BEAT = 1_000_000_000
LATE = 250_000_000
"""A beat that comes so much too late, ns, is in the log."""
STOOD = 2_000_000_000
"""One that comes so much too late is a warning."""
QUIET = 60_000_000_000
"""Late beats that are less than that are told once in so long, ns."""

_log = get_logger(__name__)


class Pulse(Gateway):
    """Beats once a second of real time; tells nobody in the session.

    Args:
        real: Time of the beats. A wall clock that is set forward looks like a process that stood.
    """

    def __init__(self, inbox: Inbox, port: Port, *, real: Clock, name: str = "pulse") -> None:
        super().__init__(name, inbox, port)
        self._real = real
        self._due = 0
        self._quiet_until = 0
        self._cancel: Cancel | None = None

    async def run(self) -> None:
        """Beat until it shall stop."""
        self._arm()
        try:
            await self.stopping.wait()
        finally:
            if self._cancel is not None:
                self._cancel()

    def _arm(self) -> None:
        self._due = self._real.now() + BEAT
        self._cancel = self._real.call_at(self._due, self._beat)

    def _beat(self) -> None:
        # Looked at where the clock calls: a task that it woke would run after everything else that is due.
        now = self._real.now()
        late = now - self._due
        if late >= STOOD:
            _log.warning("the process stood still, or the clock was set", seconds=round(late / 1e9, 1))
        elif late >= LATE and now >= self._quiet_until:
            self._quiet_until = now + QUIET
            _log.info("the process was held up", seconds=round(late / 1e9, 2))
        self._arm()
