"""Does the tasks of the day that ask the broker: is everything reachable, and what does the account hold.

A task that is answered badly is asked again a few times; then it has failed, which is an error of its own and
stops nothing: entries wait for the streams anyway.
Source: seed 1, PRE_MARKET.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from actors.broker import snapshot, translate, wire
from actors.broker.directory import Directory
from actors.broker.market_wire import MinuteBar
from actors.market.tasks import SYNC_POSITIONS, VALIDATE
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.kernel.supervisor import back_off
from runtime.log import get_logger
from runtime.messages.base import Message
from runtime.messages.risk import TaskAnswered, TaskDue
from runtime.text import one_line

TRIES = 3
_DAY = 86_400_000_000_000

_log = get_logger(__name__)


class Account(snapshot.Reads, Protocol):
    """The part of the REST client that these tasks take."""

    async def account(self) -> wire.Account: ...
    async def clock(self) -> wire.ClockReading: ...


class Prices(Protocol):
    """The part of the data host that these tasks take."""

    async def daily_bars(
        self, symbols: Sequence[str], start: int, end: int, *, adjustment: str
    ) -> Sequence[MinuteBar]: ...


class BrokerTasks(Gateway):
    """Answers `TaskDue` with `TaskAnswered`.

    Args:
        rest: The account. prices: the data host. streams: what each stream says of itself, empty: up.
        clock: Market time. real: time of waits.
    """

    def __init__(
        self,
        inbox: Inbox,
        port: Port,
        *,
        rest: Account,
        prices: Prices,
        directory: Directory,
        streams: Callable[[], Sequence[str]],
        clock: Clock,
        real: Clock,
        name: str = "broker_tasks",
    ) -> None:
        super().__init__(name, inbox, port)
        self._rest, self._prices, self._directory = rest, prices, directory
        self._streams = streams
        self._clock, self._real = clock, real
        self._work = {VALIDATE: self._validate, SYNC_POSITIONS: self._sync}

    async def handle(self, command: Message) -> None:
        """Do one task, and tell what became of it."""
        if not isinstance(command, TaskDue) or command.task not in self._work:
            await super().handle(command)
            return
        detail = ""
        for attempt in range(1, TRIES + 1):
            try:
                self._answer(command, await self._work[command.task](), failed=False)
                return
            except (BrokerUnavailable, BrokerRejected, KeysRefused) as error:
                detail = one_line(str(error), 300)
                _log.warning("a task asks the broker again", task=command.task, error=detail)
            wait = back_off(f"{self.name}:{command.task}", attempt, 1_000_000_000)
            if attempt < TRIES and await happens_by(self._real, self.stopping, self._real.now() + wait):
                return  # unanswered: the next start asks again
        self._answer(command, detail, failed=True)

    def _answer(self, due: TaskDue, detail: str, *, failed: bool) -> None:
        self.port(
            "broker",
            TaskAnswered(
                ts_event=self._clock.now(),
                task=due.task,
                status="failed" if failed else "done",
                detail=detail,
            ),
        )

    async def _validate(self) -> str:
        """Both hosts answer, the account is there; what the streams say is told too."""
        account = await self._rest.account()
        told = wire.nanoseconds((await self._rest.clock()).timestamp)
        now = self._clock.now()
        await self._prices.daily_bars(("SPY",), now - 7 * _DAY, now - _DAY, adjustment="raw")
        off = "unknown" if told is None else f"{abs(told - now) / 1e9:.1f} s"
        state = "; ".join(self._streams()) or "both streams up"
        return f"trading and data hosts answer, account {account.status}, clocks differ by {off}, {state}"

    async def _sync(self) -> str:
        """Have positions and open orders compared with ours."""
        now = self._clock.now()
        found = await snapshot.take(self._rest, self._directory, now, "schedule")
        account = translate.account(await self._rest.account(), self._clock.now())
        self.port("broker", found)
        if account is not None:
            self.port("broker", account)
        return f"{len(found.positions)} positions and {len(found.orders)} open orders compared with ours"
