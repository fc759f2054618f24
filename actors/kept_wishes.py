"""What a person wished while no engine ran, made inputs at the start and forgotten once the tape has them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio.to_thread

from runtime.kernel.clock import Clock
from runtime.kernel.gateway import Port
from runtime.messages.base import Input, Message
from runtime.messages.risk import StrategyPaused
from storage.wishes import Wish, forget_wishes, read_wishes


class KeptWishes:
    """The wishes kept below a root, on their way into a session; an observer of its inputs.

    Until the tape has them for good they are kept: a start that dies before that finds them again, and a
    wish said twice changes nothing.

    Args:
        root: Read at once, so to be made in a worker thread.

    Raises:
        DataError: The file cannot be believed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._wishes: list[Wish] = read_wishes(root)
        self._left = len(self._wishes)
        self._is_posted = False
        self._settled = asyncio.Event()

    def post(self, port: Port, clock: Clock) -> None:
        """Say them, once the session has begun."""
        self._is_posted = True
        for wish in self._wishes:
            said = StrategyPaused(
                ts_event=clock.now(), strategy=wish.strategy, paused=wish.paused, by=wish.by
            )
            port("operator", said)

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        if self._is_posted and self._left and isinstance(message, StrategyPaused):
            self._left -= 1
            if not self._left:
                self._settled.set()

    def give_up(self) -> None:
        """The session ends; what was not said stays for the next."""
        self._settled.set()

    async def forget(self, sync: Callable[[], Awaitable[None]]) -> None:
        """Wait until all were said, make the tape durable, and remove the file."""
        if not self._wishes:
            return
        await self._settled.wait()
        if not self._left:
            await sync()
            await anyio.to_thread.run_sync(forget_wishes, self._root)
