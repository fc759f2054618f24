"""Plain clients of the loopback server: no code of the product in them."""

import json
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgpack  # type: ignore[import-untyped]
from websockets.asyncio.client import ClientConnection, connect

from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

PACKED = {"Content-Type": "application/msgpack"}


class Rest:
    """A REST client with the server's keys."""

    def __init__(self, server: AlpacaServer, headers: dict[str, str] | None = None) -> None:
        self._server = server
        self._headers = server.headers if headers is None else headers
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def raw(
        self, method: str, path: str, body: Any = None, *, timeout_s: float = WALL_S
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers as they came."""
        limit = aiohttp.ClientTimeout(total=timeout_s)
        async with self._session.request(
            method, self._server.urls.trading + path, json=body, timeout=limit
        ) as answer:
            return answer.status, await answer.read(), dict(answer.headers)

    async def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and decoded body."""
        status, content, _ = await self.raw(method, path, body)
        return status, json.loads(content) if content else None

    async def submit(self, client_order_id: str, side: str, quantity: int, **fields: Any) -> tuple[int, Any]:
        """Send a day order at the market, or what the fields make of it."""
        body = {
            "symbol": "SPY", "qty": str(quantity), "side": side, "type": "market", "time_in_force": "day",
            "client_order_id": client_order_id,
        }  # fmt: skip
        return await self("POST", "/v2/orders", body | fields)


class Socket:
    """A websocket that speaks JSON or msgpack."""

    def __init__(self, url: str, headers: dict[str, str] | None = None, **limits: Any) -> None:
        self._headers = headers or {}
        self._limits = {"max_size": None, "ping_interval": None, "close_timeout": 1, "proxy": None} | limits
        self._url = url
        self.socket: ClientConnection

    async def __aenter__(self) -> Self:
        self.socket = await connect(self._url, additional_headers=self._headers, **self._limits)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()

    async def say(self, message: Any) -> None:
        """Send one message."""
        if "Content-Type" in self._headers:
            await self.socket.send(msgpack.packb(message))
        else:
            await self.socket.send(json.dumps(message))

    async def raw(self) -> bytes | str:
        """The next frame as it came."""
        return await self.socket.recv()

    async def hear(self) -> Any:
        """The next frame decoded."""
        frame = await self.socket.recv()
        if "Content-Type" in self._headers and isinstance(frame, bytes):
            return msgpack.unpackb(frame, timestamp=0)
        return json.loads(frame)

    async def ask(self, message: Any) -> Any:
        """Send a message and hear what follows."""
        await self.say(message)
        return await self.hear()


def market(server: AlpacaServer, feed: str = "iex", **headers: str) -> Socket:
    """A socket of a market stream."""
    return Socket(server.urls.feed(feed), {name.replace("_", "-"): text for name, text in headers.items()})


def keys(server: AlpacaServer) -> dict[str, str]:
    """The authentication message both streams take."""
    return {"action": "auth", "key": server.options.key, "secret": server.options.secret}


async def subscribed(socket: Socket, server: AlpacaServer, **channels: list[str]) -> Any:
    """Go through the opening of a market stream and return the acknowledgement."""
    assert await socket.hear() == [{"T": "success", "msg": "connected"}]
    assert await socket.ask(keys(server)) == [{"T": "success", "msg": "authenticated"}]
    return (await socket.ask({"action": "subscribe", **channels}))[0]


async def listening(socket: Socket, server: AlpacaServer) -> None:
    """Go through the opening of the trade updates."""
    assert (await socket.ask(keys(server)))["data"]["status"] == "authorized"
    ack = await socket.ask({"action": "listen", "data": {"streams": ["trade_updates"]}})
    assert ack == {"stream": "listening", "data": {"streams": ["trade_updates"]}}


async def events(socket: Socket, count: int) -> list[tuple[str, str]]:
    """Event and client id of the next updates."""
    found = []
    for _ in range(count):
        data = (await socket.hear())["data"]
        found.append((data["event"], data["order"]["client_order_id"]))
    return found
