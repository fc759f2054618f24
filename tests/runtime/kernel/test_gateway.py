"""What a full inbox does, and that nothing in it is lost by waiting, cancelling or closing."""

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.kernel.gateway import Gateway, Inbox, InboxClosed, InboxFull
from runtime.messages.base import Input, Message
from runtime.messages.machine import Source
from tests.runtime.kernel.parts import Fill, Halt, Tick


class Sink(Gateway):
    def __init__(self, inbox: Inbox) -> None:
        super().__init__("sink", inbox, self.no_port)
        self.seen: list[int] = []

    def no_port(self, source: Source, message: Input, /) -> None:
        raise AssertionError

    async def handle(self, command: Message) -> None:
        self.seen.append(command.n)  # type: ignore[attr-defined]


def queued(inbox: Inbox) -> list[Message]:
    return list(inbox._queue)


def test_a_full_inbox_refuses_what_may_not_be_dropped() -> None:
    inbox = Inbox(2)
    inbox.offer(Fill(ts_event=0, n=1))
    inbox.offer(Fill(ts_event=0, n=2))
    with pytest.raises(InboxFull):
        inbox.offer(Fill(ts_event=0, n=3))
    figures = inbox.figures()
    assert (figures.depth, figures.high_water, figures.drops, figures.refused) == (2, 2, 0, 1)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 99)), max_size=60), st.integers(1, 8))
def test_only_droppable_types_are_dropped_oldest_first_and_each_is_counted(
    offers: list[tuple[bool, int]], capacity: int
) -> None:
    inbox = Inbox(capacity, {Tick: "drop"})
    model: list[Message] = []
    drops = refused = 0
    for droppable, n in offers:
        message = Tick(ts_event=0, n=n) if droppable else Fill(ts_event=0, n=n)
        if len(model) == capacity:
            oldest = next((m for m in model if type(m) is Tick), None)
            if oldest is not None:
                model.pop(next(i for i, m in enumerate(model) if m is oldest))
                drops += 1
            elif droppable:
                drops += 1
                assert inbox.offer(message) is False
                continue
            else:
                refused += 1
                with pytest.raises(InboxFull):
                    inbox.offer(message)
                continue
        model.append(message)
        assert inbox.offer(message)
    assert queued(inbox) == model
    assert (inbox.figures().drops, inbox.figures().refused) == (drops, refused)


async def test_a_sender_that_may_wait_is_held_back_until_there_is_room() -> None:
    inbox = Inbox(3)
    sink = Sink(inbox)
    most = 0

    async def send() -> None:
        nonlocal most
        for n in range(200):
            await inbox.put(Fill(ts_event=0, n=n))
            most = max(most, len(inbox))
        inbox.close()

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        group.start_soon(sink.run)
    assert sink.seen == list(range(200))
    assert most <= 3


async def test_a_closed_inbox_is_drained_and_takes_nothing_more() -> None:
    inbox = Inbox(9)
    sink = Sink(inbox)
    for n in range(4):
        inbox.offer(Fill(ts_event=0, n=n))
    sink.request_stop()
    with pytest.raises(InboxClosed):
        inbox.offer(Fill(ts_event=0, n=9))
    with pytest.raises(InboxClosed):
        await inbox.put(Fill(ts_event=0, n=9))
    await sink.run()
    assert sink.seen == [0, 1, 2, 3]


async def test_senders_waiting_for_room_are_told_when_the_inbox_closes() -> None:
    inbox = Inbox(1)
    inbox.offer(Fill(ts_event=0))
    refused = []

    async def send() -> None:
        try:
            await inbox.put(Fill(ts_event=0))
        except InboxClosed:
            refused.append(1)

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        group.start_soon(send)
        await anyio.lowlevel.checkpoint()
        inbox.close()
    assert refused == [1, 1]


async def test_a_cancelled_reader_takes_no_message_with_it() -> None:
    inbox = Inbox(1_000)
    seen: list[int] = []
    sent = 0

    async def read(scope: anyio.CancelScope) -> None:
        with scope:
            async for message in inbox:
                seen.append(message.n)  # type: ignore[attr-defined]

    for round_ in range(60):
        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()
            group.start_soon(read, scope)
            for _ in range(round_ % 5):
                await anyio.lowlevel.checkpoint()
            inbox.offer(Fill(ts_event=0, n=sent))
            sent += 1
            for _ in range(round_ % 3):
                await anyio.lowlevel.checkpoint()
            scope.cancel()
    inbox.close()
    async for message in inbox:
        seen.append(message.n)  # type: ignore[attr-defined]
    assert seen == list(range(sent))


async def test_a_backlog_does_not_starve_other_tasks() -> None:
    inbox = Inbox(1_000)
    sink = Sink(inbox)
    for n in range(500):
        inbox.offer(Fill(ts_event=0, n=n))
    inbox.close()
    turns: list[int] = []

    async def other() -> None:
        while len(inbox):
            turns.append(len(inbox))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(sink.run)
        group.start_soon(other)
    assert len(turns) > 400


async def test_a_command_nobody_wrote_a_handler_for_is_an_error() -> None:
    gateway = Gateway("plain", Inbox(1), lambda source, message: None)
    gateway.inbox.offer(Halt(ts_event=0))
    with pytest.raises(NotImplementedError, match="Halt"):
        await gateway.run()
    assert type(gateway.current) is Halt


def test_an_inbox_holds_at_least_one_message() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Inbox(0)
