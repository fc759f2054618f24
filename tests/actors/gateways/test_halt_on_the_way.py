"""What a halt says of entries that left just before it: none is on its way, or which ones (faults E 47)."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import anyio.lowlevel
import anyio.to_thread
import pytest

from actors.gateways.kill_watch import KillSwitch
from actors.operator import ANSWERED, Operator
from actors.screen.feed import Feed
from actors.screen.state import ScreenState
from config.schema import Settings
from runtime import kill_switch
from runtime.kernel.clock import Clock, ReplayClock
from runtime.messages.base import Input
from runtime.messages.broker import OrderAccepted, OrderRejected
from runtime.messages.machine import Source
from runtime.messages.screen_wire import Answer, Ask
from tests.actors.days import header
from tests.actors.gateways.order_desk import ENTRY, EXIT, Running, buy, running, sell
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

MOMENT = 50_000_000
WHILE = 60_000_000_000


async def unanswered(desk: Running, within: int) -> list[str]:
    return await desk.desk.unanswered(desk.wall, desk.wall.now() + within)


@pytest.fixture
def held() -> "Callable[[Running], threading.Event]":
    """The last look of entries takes until the event is set."""

    def hold(desk: Running) -> threading.Event:
        gate, look = threading.Event(), desk.look

        def slow() -> str:
            said = look()
            gate.wait(WALL_S)
            return said

        desk.look = slow  # type: ignore[method-assign]
        return gate

    return hold


async def test_nothing_sent_is_nothing_on_its_way(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        assert await unanswered(desk, WHILE) == []


async def test_an_entry_between_its_look_and_its_bytes_is_on_its_way(
    alpaca: AlpacaServer, held: Callable[[Running], threading.Event]
) -> None:
    """It looked before the switch was thrown, and leaves after."""
    async with running(alpaca) as desk:
        gate = held(desk)
        with ExitStack() as at_the_end:
            at_the_end.callback(gate.set)
            desk.send(buy())
            while not desk.looks:
                await anyio.lowlevel.checkpoint()
            desk.halt = "thrown"
            assert not desk.desk.sendings[ENTRY].has_left
            assert await unanswered(desk, MOMENT) == [ENTRY]
            gate.set()
            assert await unanswered(desk, WHILE) == []
        assert [one.client_order_id for one in alpaca.orders] == [ENTRY]


async def test_an_entry_that_has_not_looked_yet_is_not_on_its_way_and_never_leaves(
    alpaca: AlpacaServer,
) -> None:
    async with running(alpaca) as desk:
        synced = threading.Event()
        desk.sync = lambda: (desk.syncs.append("asked"), synced.wait(WALL_S), None)[-1]  # type: ignore[method-assign]
        with ExitStack() as at_the_end:
            at_the_end.callback(synced.set)
            desk.send(buy())
            while not desk.syncs:
                await anyio.lowlevel.checkpoint()
            desk.halt = "thrown"
            assert await unanswered(desk, WHILE) == []
        assert "thrown" in (await desk.wait_for(OrderRejected)).reason
        assert desk.posts() == []


async def test_an_entry_without_an_answer_is_waited_for_and_then_named(alpaca: AlpacaServer) -> None:
    stall = alpaca.faults.add("stall_before", "POST /v2/orders")
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.until(desk.posts)
        assert await unanswered(desk, MOMENT) == [ENTRY]
        stall.release()
        assert await unanswered(desk, WHILE) == []


async def test_an_order_that_reduces_is_not_waited_for(alpaca: AlpacaServer) -> None:
    stall = alpaca.faults.add("stall_before", "POST /v2/orders")
    async with running(alpaca) as desk:
        desk.send(sell())
        await desk.until(desk.posts)
        assert EXIT in desk.desk.sendings
        assert await unanswered(desk, WHILE) == []
        stall.release()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "none is on its way"),
        (("a:e1",), "no answer yet to a:e1: what the broker has"),
        (tuple(f"{one}:e1" for one in "abcdefg"), "a:e1, b:e1, c:e1, d:e1, e:e1 and 2 more: what"),
    ],
)
async def test_the_answer_to_a_halt_says_what_is_on_its_way(
    tmp_path: Path, alpaca: AlpacaServer, names: Sequence[str], words: str
) -> None:
    answer, asked = await halt(tmp_path, names)
    assert answer.ok
    assert answer.text.startswith("halted: no entry leaves any more, ")
    assert words in answer.text
    # Whoever asks waits for two seconds; the actors and the broker share them.
    assert [until - begun for begun, until in asked] == [ANSWERED]


async def halt(root: Path, names: Sequence[str]) -> tuple[Answer, list[tuple[int, int]]]:
    """What an operator answers, and until when it waited for entries."""
    feed, clock = Feed(ScreenState(header(), Settings())), ReplayClock(1_000)
    asked: list[tuple[int, int]] = []

    def post(source: Source, message: Input, /) -> None:
        feed(1, clock.now(), message, ())

    async def on_their_way(real: Clock, until: int) -> Sequence[str]:
        asked.append((clock.now(), until))
        return names

    await anyio.to_thread.run_sync(kill_switch.prepare, root)
    switch = KillSwitch(root, post, clock)
    await switch.start()
    operator = Operator(
        lambda: feed, post, switch, strategies=(), root=root, now=clock.now, real=clock,
        stop=lambda: None, unanswered=on_their_way,
    )  # fmt: skip
    return await operator(Ask(command="halt", reason="a test", by="a test")), asked
