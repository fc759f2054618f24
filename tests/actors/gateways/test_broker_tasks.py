"""The day's tasks that ask the broker, on the loopback host: done, asked again, failed, or not ours."""

from collections.abc import Callable, Sequence

import anyio
import anyio.lowlevel
import pytest

from actors.broker.bar_history import BarHistory
from actors.broker.directory import Directory
from actors.broker.rest import Rest
from actors.gateways import broker_tasks
from actors.gateways.broker_tasks import TRIES, BrokerTasks
from actors.market.tasks import SYNC_POSITIONS, VALIDATE
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.kernel.gateway import Inbox
from runtime.messages.account import AccountSwept
from runtime.messages.base import Input
from runtime.messages.broker import BrokerAccount, BrokerSnapshot
from runtime.messages.risk import TaskAnswered, TaskDue
from tests.actors.gateways.order_desk import UNHURRIED, keys
from tests.alpaca_server.server import AlpacaServer

SECOND = 1_000_000_000


class Tasks:
    """The gateway, its virtual clocks and what it told."""

    def __init__(
        self, server: AlpacaServer, streams: Sequence[str] = (), *, real: ReplayClock | None = None
    ) -> None:
        self.told: list[Input] = []
        self.clock, self.real = ReplayClock(server.clock.now()), real or ReplayClock(0)
        self.rest = Rest(server.urls.trading, keys(server), LiveClock(), timeouts=UNHURRIED)
        self.history = BarHistory(server.urls.data, keys(server), LiveClock(), timeouts=UNHURRIED)
        self.inbox = Inbox()
        self.gateway = BrokerTasks(
            self.inbox, lambda source, message: self.told.append(message), rest=self.rest,
            prices=self.history, directory=Directory(), streams=lambda: streams, clock=self.clock,
            real=self.real,
        )  # fmt: skip

    async def do(self, *tasks: str) -> list[TaskAnswered]:
        """Ask for tasks; the answers to them, time going on by itself."""
        for task in tasks:
            self.inbox.offer(TaskDue(ts_event=self.clock.now(), cause=1, task=task, phase="PRE_MARKET"))
        async with anyio.create_task_group() as group:
            group.start_soon(self.gateway.run)
            await self.until(lambda: len(self.answers()) == len(tasks))
            self.gateway.request_stop()
        await self.close()
        return self.answers()

    async def until(self, holds: Callable[[], object]) -> None:
        with anyio.fail_after(20):
            while not holds():
                await anyio.lowlevel.checkpoint()
                self.real.advance(self.real.now() + SECOND // 10)

    def answers(self) -> list[TaskAnswered]:
        return [one for one in self.told if isinstance(one, TaskAnswered)]

    async def close(self) -> None:
        await self.rest.aclose()
        await self.history.aclose()


async def test_both_hosts_are_asked_and_what_was_found_is_told(alpaca: AlpacaServer) -> None:
    (told,) = await Tasks(alpaca).do(VALIDATE)
    assert (told.task, told.status) == (VALIDATE, "done")
    assert "account ACTIVE" in told.detail and "clocks differ by 0.0 s" in told.detail
    assert told.detail.endswith("both streams up")
    asked = {one.what for one in alpaca.history.requests()}
    assert asked == {"GET /v2/account", "GET /v2/clock", "GET /v2/stocks/bars"}


async def test_a_clock_that_is_off_and_a_stream_that_is_down_are_told_without_failing(
    alpaca: AlpacaServer,
) -> None:
    tasks = Tasks(alpaca, ["the order stream is down"])
    tasks.clock.advance(tasks.clock.now() + 90 * SECOND)
    (told,) = await tasks.do(VALIDATE)
    assert told.status == "done"
    assert "clocks differ by 90.0 s, the order stream is down" in told.detail


async def test_a_broker_that_tells_no_time_is_said_to(alpaca: AlpacaServer) -> None:
    alpaca.faults.add("edit", "GET /v2/clock", change=lambda body: {**body, "timestamp": "soon"})
    (told,) = await Tasks(alpaca).do(VALIDATE)
    assert "clocks differ by unknown" in told.detail


async def test_positions_and_orders_are_told_before_the_task_is_done(alpaca: AlpacaServer) -> None:
    alpaca.hold("SPY", 7, 100)
    tasks = Tasks(alpaca)
    (told,) = await tasks.do(SYNC_POSITIONS)
    assert [type(one) for one in tasks.told] == [BrokerSnapshot, BrokerAccount, TaskAnswered]
    (snapshot,) = (one for one in tasks.told if isinstance(one, BrokerSnapshot))
    assert (snapshot.reason, [one.quantity for one in snapshot.positions]) == ("schedule", [7])
    assert told.detail == "1 positions and 0 open orders compared with ours"


@pytest.mark.parametrize(
    ("task", "site"),
    [(VALIDATE, "GET /v2/account"), (VALIDATE, "GET /v2/stocks/bars"), (SYNC_POSITIONS, "GET /v2/positions")],
)
@pytest.mark.parametrize("failures", [1, TRIES - 1, TRIES])
async def test_what_is_answered_badly_is_asked_again_a_few_times(
    alpaca: AlpacaServer, task: str, site: str, failures: int
) -> None:
    alpaca.faults.add("server_error_before", site, times=failures)
    (told,) = await Tasks(alpaca).do(task)
    assert told.status == ("failed" if failures == TRIES else "done")
    assert ("500" in told.detail) == (failures == TRIES)
    assert len(alpaca.history.requests(site)) >= min(failures + 1, TRIES)


async def test_a_task_that_failed_keeps_no_other_from_being_done(alpaca: AlpacaServer) -> None:
    alpaca.faults.add("refuse", "GET /v2/clock", times=None, status=401, message="unauthorized.")
    first, second = await Tasks(alpaca).do(VALIDATE, SYNC_POSITIONS)
    assert (first.status, second.status) == ("failed", "done")
    assert "unauthorized" in first.detail


async def test_the_brokers_words_are_one_line_before_they_are_told(alpaca: AlpacaServer) -> None:
    alpaca.faults.add("refuse", "GET /v2/account", times=None, message="no\x1b[2J\nway" + "!" * 900)
    (told,) = await Tasks(alpaca).do(VALIDATE)
    assert told.detail.isprintable()
    assert len(told.detail) < 400


async def test_a_task_whose_turn_comes_while_it_stops_is_left_for_the_next_start(
    alpaca: AlpacaServer,
) -> None:
    """No answer: the tape asks for it again."""
    alpaca.faults.add("server_error_before", "GET /v2/account", times=None)
    tasks = Tasks(alpaca)
    tasks.inbox.offer(TaskDue(ts_event=0, cause=1, task=VALIDATE, phase="PRE_MARKET"))
    async with anyio.create_task_group() as group:
        group.start_soon(tasks.gateway.run)
        with anyio.fail_after(20):
            await alpaca.until(lambda: alpaca.history.requests("GET /v2/account"))
        tasks.gateway.request_stop()
    await tasks.close()
    assert tasks.told == []
    assert len(alpaca.history.requests("GET /v2/account")) == 1


@pytest.mark.parametrize("task", ["daily_performance_analysis", "no_such_task"])
async def test_tasks_of_others_are_refused_by_name(alpaca: AlpacaServer, task: str) -> None:
    tasks = Tasks(alpaca)
    with pytest.raises(NotImplementedError, match="TaskDue"):
        await tasks.gateway.handle(TaskDue(ts_event=0, cause=1, task=task, phase="PRE_MARKET"))
    await tasks.close()
    assert tasks.told == [] and not alpaca.history.requests()


async def test_other_commands_are_no_tasks(alpaca: AlpacaServer) -> None:
    tasks = Tasks(alpaca)
    with pytest.raises(NotImplementedError, match="AccountSwept"):
        await tasks.gateway.handle(AccountSwept(ts_event=0, what="orders", done=True))
    await tasks.close()


def test_the_waits_between_tries_are_short_beside_the_phase() -> None:
    waits = [
        broker_tasks.back_off(f"broker_tasks:{VALIDATE}", attempt, SECOND) for attempt in range(1, TRIES)
    ]
    assert waits == sorted(waits)
    assert sum(waits) < 10 * SECOND
