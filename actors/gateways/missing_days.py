"""Reads, while a session runs, the daily history that its start had no time for: the next one has it."""

from collections.abc import Awaitable, Callable, Sequence

import anyio

from runtime.errors import DataError
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.kernel.supervisor import back_off
from runtime.log import get_logger
from runtime.text import few

TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 30_000_000_000, 600_000_000_000
"""Real time between them, ns: nobody waits for it before tomorrow."""

_log = get_logger(__name__)


class MissingDays(Gateway):
    """Tells nobody in the session: what it began with stays. Ends when nothing is missing.

    Args:
        fill: Reads what is missing and keeps what came; the symbols it could not get, and in words why.
        real: Time of waits.
    """

    def __init__(
        self,
        inbox: Inbox,
        port: Port,
        *,
        fill: Callable[[], Awaitable[tuple[Sequence[str], str]]],
        real: Clock,
        name: str = "missing_days",
    ) -> None:
        super().__init__(name, inbox, port)
        self._fill, self._real = fill, real
        self._missing: Sequence[str] = ()
        self._why = ""

    async def run(self) -> None:
        """Ask until it is complete, a few times; what is under way when it shall stop is dropped."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._work, group.cancel_scope)
            await self.stopping.wait()
            group.cancel_scope.cancel()

    async def _work(self, whole: anyio.CancelScope) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                self._missing, self._why = await self._fill()
            except (DataError, OSError) as error:
                _log.error("missing daily history could not be kept", error=str(error))
                break
            if not self._missing:
                break
            wait = back_off(self.name, attempt, FIRST_WAIT, LONGEST_WAIT)
            if attempt < TRIES and await happens_by(self._real, self.stopping, self._real.now() + wait):
                return
        else:
            _log.warning(
                "daily history stays incomplete: the next start asks again",
                missing=few(self._missing),
                reason=self._why,
            )
        whole.cancel()
