"""A screen without a terminal that folds what it is sent."""

from collections.abc import Callable
from typing import Any

import anyio

from runtime.messages.screen_wire import Answer, Ask
from tests.actors.gateways.screens import Screen
from tests.actors.screen.reader import Reader
from tests.walls import WALL_S


class Watcher:
    """A screen that folds what it is sent until something holds, or until it is answered."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.seen = Reader()

    async def until(self, holds: Callable[[Reader], Any]) -> None:
        with anyio.fail_after(WALL_S):
            while not holds(self.seen):
                self.seen.take(await self.screen.frame())

    async def ask(self, command: str, **fields: Any) -> Answer:
        await self.screen.say(Ask(command=command, id=1, **fields))
        while (wire := await self.screen.wire()).answer is None:
            self.seen.take(wire.frame)
        return wire.answer
