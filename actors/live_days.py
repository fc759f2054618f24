"""One trading day after the other in one process: a session ends at 18:00 in New York, the next one begins.

The session's tape is closed and compressed; the next one starts from what it ended with. Over a weekend or a
holiday the next trading day's session has begun already: it waits for its phases, nobody polls. The socket is
the process's, not a session's: screens stay attached from one day to the next.
Source: architecture 1; kernel.md 1.
"""

from collections.abc import Callable, Sequence

import anyio
import anyio.to_thread

from actors.engine import Engine
from actors.live_door import Door
from actors.live_links import gateway_spec
from actors.live_plan import Plan
from actors.market.calendar import session_of
from runtime import memory
from runtime.error_sink import ErrorSink
from runtime.errors import DataError, StorageUnavailable
from runtime.kernel.clock import Clock
from runtime.kernel.crash_rows import recorder_of
from runtime.kernel.gateway import Inbox
from runtime.kernel.recording import Observer
from runtime.kernel.supervisor import Supervisor
from runtime.log import get_logger
from storage.tape import compress, parts_in
from storage.tape.format import COMPRESSED

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
        self._begins = begins
        self._is_stopped = False
        first = plan(session_of(clock.now()))
        self._door = Door(first.root, real, stop=self.stop, ready=listening)
        self._rules = first.settings.supervision
        self.engine = self._made(first)

    def stop(self) -> None:
        """End in order; the tape can be gone on with."""
        self._is_stopped = True
        self.engine.stop()

    async def run(self) -> None:
        """Run session after session; raises as `Engine.run`."""
        failed: Exception | None = None
        async with anyio.create_task_group() as group:
            supervisor = self._supervisor()
            group.start_soon(self._serve, supervisor)
            try:
                await self._run_sessions()
            except Exception as error:  # noqa: BLE001 - raised below: the group would wrap it
                failed = error
            finally:
                with anyio.CancelScope(shield=True):
                    if self._door.opened.is_set():
                        await supervisor.stop()
                group.cancel_scope.cancel()
        if failed is not None:
            raise failed

    async def _run_sessions(self) -> None:
        while True:
            self._begins(self.engine.session)
            await self.engine.run()
            if not self.engine.is_over:
                return
            await anyio.to_thread.run_sync(self._put_away, self.engine)
            following = max(self.engine.header.next, session_of(self._clock.now()))
            if self._is_stopped:
                return
            self.engine = self._made(self._plan(following))
            await anyio.to_thread.run_sync(memory.give_back)

    def _made(self, plan: Plan) -> Engine:
        return Engine(
            plan,
            clock=self._clock,
            real=self._real,
            errors=self._errors,
            observers=self._observers,
            door=self._door,
        )

    def _supervisor(self) -> Supervisor:
        rules = self._rules
        spec = gateway_spec(rules, "ui_server", Inbox(), self._door.gateway)
        supervisor = Supervisor([spec], self._real, record=recorder_of(self._errors))
        self._door.figures = supervisor.figures
        return supervisor

    async def _serve(self, supervisor: Supervisor) -> None:
        """Keep the socket, from the moment on at which there is something behind it."""
        await self._door.opened.wait()
        await supervisor.run()

    @staticmethod
    def _put_away(engine: Engine) -> None:
        """Compress the tapes of a session that is over; one that cannot be stays as it is."""
        for path in parts_in(engine.tape_path.parent, engine.session):
            try:
                if not path.name.endswith(COMPRESSED):
                    compress(path)
            except (DataError, StorageUnavailable) as error:
                _log.error("the tape stays uncompressed", tape=path.name, error=str(error))
