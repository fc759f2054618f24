"""Friday's session and Monday's in one process, held between the two for as long as a test wants."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.from_thread
import msgspec

from actors.live_days import LiveDays
from actors.live_plan import Plan
from actors.live_session import Start
from runtime.messages.broker import BrokerStreamChanged
from runtime.messages.machine import SessionStarted
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, Live
from tests.system.live_days import days_of, to_the_end
from tests.walls import WALL_S

FRIDAY, MONDAY = "2026-11-20", "2026-11-23"


class Turn:
    """Two days at work.

    Attributes:
        between: Set when Friday is put away and Monday has not begun.
    """

    def __init__(self, live: Live) -> None:
        self.live = live
        self.between = anyio.Event()
        self._go_on = threading.Event()
        self.days: LiveDays = days_of(live, plan=self._plan)

    def _plan(self, session: str) -> Plan:
        plain = self.live.plan_of(session)
        if session == FRIDAY:
            return plain

        def make() -> Start:
            anyio.from_thread.run_sync(self.between.set)
            self._go_on.wait(2 * WALL_S)
            return plain.make()

        return msgspec.structs.replace(plain, make=make)

    async def six_in_the_evening(self) -> None:
        """Let Friday end, and stand between the days."""
        await to_the_end(self.live)
        with anyio.fail_after(WALL_S):
            await self.between.wait()

    def go_on(self) -> None:
        """Let Monday begin."""
        self._go_on.set()

    async def monday(self) -> None:
        """Let Monday begin, and wait until it has and everything is up."""
        self.go_on()
        live = self.live
        await live.until(lambda: live.of(SessionStarted)[-1].session == MONDAY)
        await live.until(lambda: len([one for one in live.of(BrokerStreamChanged) if one.ready]) == 2)


@asynccontextmanager
async def turning(server: AlpacaServer, root: Path) -> AsyncIterator[Turn]:
    """Run both days for the block, then stop in order."""
    live = Live(server, root)
    turn = Turn(live)
    live.engine = turn.days.engine
    async with anyio.create_task_group() as group:
        group.start_soon(turn.days.run)
        try:
            await live.ready()
            await live.minute(0, FLAT)
            yield turn
        finally:
            turn.go_on()
        turn.days.stop()
