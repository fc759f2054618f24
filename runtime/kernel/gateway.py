"""A gateway actor: one asyncio task with a bounded inbox of commands; what it learns becomes inputs."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Literal, Protocol

import anyio.lowlevel
import msgspec

from runtime.messages.base import Input, Message
from runtime.messages.machine import Source

Policy = Literal["block", "drop"]
"""What a full inbox does with a type: make the sender wait (or fail), or drop the oldest and count it."""


class InboxFull(RuntimeError):
    """A message that may not be dropped found no room and its sender cannot wait."""


class InboxClosed(RuntimeError):
    """The gateway is stopping and takes no more commands."""


class Port(Protocol):
    """How a gateway hands an input to the sequencer's host."""

    def __call__(self, source: Source, message: Input, /) -> None: ...


class InboxFigures(msgspec.Struct):
    """What went through an inbox."""

    taken: int = 0
    depth: int = 0
    high_water: int = 0
    drops: int = 0
    refused: int = 0


class Inbox:
    """Commands for one gateway, first in first out; outlives the gateway's instances.

    Used from the event loop's thread only, by one reader.

    Args:
        capacity: Messages it holds at most.
        policies: Per exact type; "block" for types not named.
    """

    def __init__(
        self, capacity: int = 10_000, policies: Mapping[type[Message], Policy] | None = None
    ) -> None:
        if capacity < 1:
            raise ValueError("an inbox holds at least one message")
        self.capacity = capacity
        self._figures = InboxFigures()
        self._droppable = frozenset(kind for kind, policy in (policies or {}).items() if policy == "drop")
        self._queue: deque[Message] = deque()
        # Level-triggered: each is set exactly while its condition holds, so no wake-up can be missed.
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.closed = False

    def offer(self, message: Message) -> bool:
        """Put without waiting; False: it was dropped (and counted) by its type's policy.

        Raises:
            InboxFull: it may not be dropped and nothing else could be.
            InboxClosed: the gateway is stopping.
        """
        if self.closed:
            self._figures.refused += 1
            raise InboxClosed(f"{type(message).__name__} after the inbox was closed")
        if len(self._queue) >= self.capacity and not self._drop_oldest():
            if type(message) in self._droppable:
                self._figures.drops += 1
                return False
            self._figures.refused += 1
            raise InboxFull(f"{type(message).__name__} found {self.capacity} messages before it")
        self._queue.append(message)
        self._some.set()
        self._figures.high_water = max(self._figures.high_water, len(self._queue))
        if len(self._queue) >= self.capacity:
            self._room.clear()
        return True

    async def put(self, message: Message) -> bool:
        """Put; a message that may not be dropped waits for room (back-pressure)."""
        while (
            len(self._queue) >= self.capacity
            and not self.closed
            and type(message) not in self._droppable
            and not self._drop_oldest()
        ):
            await self._room.wait()
        return self.offer(message)

    def _drop_oldest(self) -> bool:
        for place, queued in enumerate(self._queue):
            if type(queued) in self._droppable:
                del self._queue[place]
                self._figures.drops += 1
                return True
        return False

    async def get(self) -> Message | None:
        """The next command; None once the inbox is closed and empty. Lets other tasks run each time."""
        await anyio.lowlevel.checkpoint()
        while not self._queue:
            if self.closed:
                return None
            self._some.clear()
            await self._some.wait()
        # Nothing is awaited from here on: a cancelled reader never takes a message with it.
        message = self._queue.popleft()
        self._figures.taken += 1
        self._room.set()
        return message

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (message := await self.get()) is not None:
            yield message

    def close(self) -> None:
        """Refuse what comes from now on; what is queued may still be taken."""
        self.closed = True
        self._some.set()
        self._room.set()

    def figures(self) -> InboxFigures:
        """Depth, high-water mark, drops and refusals so far."""
        self._figures.depth = len(self._queue)
        return self._figures

    def __len__(self) -> int:
        return len(self._queue)


class Gateway:
    """Base of every gateway actor.

    A new instance is built for every restart, with the same inbox; a command whose handling raised is
    already out of it and does not come back.

    Args:
        name: Its address, for logs and figures.
        inbox: Its commands.
        port: Where inputs go.
    """

    def __init__(self, name: str, inbox: Inbox, port: Port) -> None:
        self.name = name
        self.inbox = inbox
        self.port = port
        self.stopping = asyncio.Event()
        self.current: Message | None = None
        """The command being handled: kept aside with the crash if handling it raises."""

    async def run(self) -> None:
        """Work until the inbox is closed and drained; the base handles one command at a time."""
        async for command in self.inbox:
            self.current = command
            await self.handle(command)
            self.current = None

    async def handle(self, command: Message) -> None:
        """Do one command."""
        raise NotImplementedError(f"{self.name} takes no commands, yet got {type(command).__name__}")

    def request_stop(self) -> None:
        """Ask to end: sets `stopping`, closes the inbox. A gateway that reads a socket closes it here."""
        self.stopping.set()
        self.inbox.close()
