"""Waits for what a client has told, or what has happened at the server, to make something hold."""

import asyncio
from collections.abc import Callable
from typing import Any

import anyio

from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

_MOST = 2 * WALL_S
"""Seconds after which a server without news is asked again; whoever waits gives up sooner."""


async def until(
    holds: Callable[[], Any], changed: asyncio.Event, server: AlpacaServer, within: float
) -> None:
    """Wait until something holds, looking again whenever `changed` is set or the server has news.

    Raises:
        TimeoutError: It has not come to hold `within` so many seconds.
    """

    async def news() -> None:
        seen = len(server.history)
        await server.until(lambda: len(server.history) > seen, _MOST)

    with anyio.fail_after(within):
        while not holds():
            changed.clear()
            waits = asyncio.ensure_future(changed.wait()), asyncio.ensure_future(news())
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()
