"""One trading day after the other in one process: a session ends at 18:00 in New York, the next one begins.

The session's tape is closed and compressed; the next one starts from what it ended with. Over a weekend or a
holiday the next trading day's session has begun already: it waits for its phases, nobody polls.
Source: architecture 1; kernel.md 1.
"""

from collections.abc import Callable, Sequence

import anyio.to_thread

from actors.engine import Engine
from actors.live_plan import Plan
from actors.market.calendar import session_of
from runtime.error_sink import ErrorSink
from runtime.errors import DataError, StorageUnavailable
from runtime.kernel.clock import Clock
from runtime.kernel.recording import Observer
from runtime.log import get_logger
from storage.tape import compress

_log = get_logger(__name__)


class LiveDays:
    """Runs sessions until it is stopped.

    Args:
        plan: What a session (ISO date) is to be. clock, real, errors, observers, listening: as for `Engine`.
        begins: Called with each session's date before it is opened.

    Attributes:
        engine: The session at work, or the last one.
    """

    def __init__(
        self,
        plan: Callable[[str], Plan],
        *,
        clock: Clock,
        real: Clock,
        errors: ErrorSink | None = None,
        observers: Sequence[Observer] = (),
        listening: Callable[[], None] = lambda: None,
        begins: Callable[[str], None] = lambda session: None,
    ) -> None:
        self._plan = plan
        self._clock, self._real = clock, real
        self._errors = errors or ErrorSink()
        self._observers = observers
        self._listening = listening
        self._begins = begins
        self._is_stopped = False
        self.engine = self._made(session_of(clock.now()))

    def stop(self) -> None:
        """End in order; the tape can be gone on with."""
        self._is_stopped = True
        self.engine.stop()

    async def run(self) -> None:
        """Run session after session; raises as `Engine.run`."""
        while True:
            self._begins(self.engine.session)
            await self.engine.run()
            if not self.engine.is_over:
                return
            await anyio.to_thread.run_sync(self._put_away, self.engine)
            following = max(self.engine.header.next, session_of(self._clock.now()))
            if self._is_stopped:
                return
            self.engine = self._made(following)

    def _made(self, session: str) -> Engine:
        return Engine(
            self._plan(session),
            clock=self._clock,
            real=self._real,
            errors=self._errors,
            observers=self._observers,
            listening=self._listening,
        )

    @staticmethod
    def _put_away(engine: Engine) -> None:
        """Compress the tape of a session that is over; one that cannot be stays as it is."""
        try:
            compress(engine.tape_path)
        except (DataError, StorageUnavailable) as error:
            _log.error("the tape stays uncompressed", tape=engine.tape_path.name, error=str(error))
