"""The same server in a thread of its own, for clients that block: alpaca-py, a child process, a shell."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any, Self

from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

_PATIENCE_S = 1.5 * WALL_S
"""Longer than any wait that is carried out over there, so that one fails first and says of what."""


class HostedAlpacaServer:
    """A server on its own loop and thread; arguments are those of `AlpacaServer`.

    Attributes:
        server: The server itself: reading from it is fine, doing goes through `call`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="alpaca-server", daemon=True)
        self._made = (args, kwargs)
        self.server: AlpacaServer

    def __enter__(self) -> Self:
        self._thread.start()

        async def begin() -> AlpacaServer:
            server = AlpacaServer(*self._made[0], **self._made[1])
            await server.start()
            return server

        self.server = self._wait(begin())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._wait(self.server.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE_S)
            self._loop.close()

    def call(self, deed: Callable[[AlpacaServer], Any]) -> Any:
        """Do something with the server in its own thread, wait for it and return what it gives."""

        async def done() -> Any:
            result = deed(self.server)
            return await result if inspect.isawaitable(result) else result

        return self._wait(done())

    def _wait(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE_S)
