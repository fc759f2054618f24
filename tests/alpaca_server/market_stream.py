"""The market-data websocket: /v2/iex, /v2/sip, /v2/delayed_sip and /v2/test.

Source: alpaca.md 1. Every message is an array of objects whose first key is `T`; control messages come alone.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import msgpack  # type: ignore[import-untyped]
from aiohttp import web

from tests.alpaca_server.clock import rfc3339
from tests.alpaca_server.connection import Connection
from tests.alpaca_server.faults import Fault, Faults
from tests.alpaca_server.market import Bar
from tests.alpaca_server.options import Options
from tests.alpaca_server.recording import History
from tests.alpaca_server.slots import Slots
from tests.alpaca_server.spoiling import Spoiler

ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    408: "v2 not enabled",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    411: "insufficient scope",
    500: "internal error",
}
FEEDS = ("iex", "sip", "delayed_sip", "test")
CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "imbalances")
_TEST_CHANNELS = ("trades", "quotes", "bars")
_FATAL = (402, 404, 409)
_SYMBOL = re.compile(r"\*|[A-Z0-9]+([./][A-Z0-9]+)?")
_CHANNEL_OF = {
    "t": "trades", "q": "quotes", "b": "bars", "u": "updatedBars", "d": "dailyBars", "s": "statuses",
    "l": "lulds", "i": "imbalances", "c": "trades", "x": "trades",
}  # fmt: skip


class Subscriber:
    """One client of the stream."""

    def __init__(self, connection: Connection, feed: str, spoiler: Spoiler) -> None:
        self.connection = connection
        self.feed = feed
        self.spoiler = spoiler
        self.authenticated = False
        self.channels: dict[str, list[str]] = {name: [] for name in CHANNELS}

    def wants(self, item: dict[str, Any]) -> bool:
        """Whether a message of the stream is for this client."""
        symbols = self.channels.get(_CHANNEL_OF.get(item.get("T", ""), ""), [])
        return item.get("S") in symbols or "*" in symbols

    def subscription(self) -> dict[str, Any]:
        """The whole set, as every acknowledgement has it."""
        if self.feed == "test":
            return {"T": "subscription", **{name: list(self.channels[name]) for name in _TEST_CHANNELS}}
        named = {name: list(symbols) for name, symbols in self.channels.items() if name != "imbalances"}
        if self.channels["imbalances"]:
            named["imbalances"] = list(self.channels["imbalances"])
        follows = list(self.channels["trades"])
        return {"T": "subscription", **named, "corrections": follows, "cancelErrors": follows}


class MarketStream:
    """All clients of all feeds."""

    def __init__(self, options: Options, faults: Faults, history: History, now: Callable[[], int]) -> None:
        self._options = options
        self._faults = faults
        self._history = history
        self._now = now
        self.slots = Slots(options.connections_per_feed, options.dead_slot_s)
        self.subscribers: list[Subscriber] = []
        self.connects = 0
        """Upgrades so far, refused ones included."""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Speak with one client until it is gone."""
        feed = request.match_info["feed"]
        connection = Connection(
            request, compress=self._options.compress, patience_s=self._options.slow_client_s
        )
        socket = await connection.open()
        self._record("open", b"", None, request)
        if self._faults.take("market connect", "abort"):
            connection.abort()
        client = Subscriber(connection, feed, Spoiler(self._faults, connection, self._history.touch))
        self.subscribers.append(client)
        timer = asyncio.get_running_loop().call_later(self._options.auth_timeout_s, self._time_out, client)
        try:
            await connection.say([{"T": "success", "msg": "connected"}])
            if "APCA-API-KEY-ID" in request.headers:
                pair = (request.headers["APCA-API-KEY-ID"], request.headers.get("APCA-API-SECRET-KEY", ""))
                await self._authenticate(client, pair)
            async for frame in connection.messages():
                await self._handle(client, frame)
        finally:
            connection.forget()
            timer.cancel()
            self.subscribers.remove(client)
            if client.authenticated:
                self.slots.give_back(feed, died=connection.died)
            self._record("closed", b"", None, None)
        return socket

    def _record(self, what: str, body: bytes, json: Any, request: web.Request | None) -> None:
        headers = {} if request is None else {k.lower(): v for k, v in request.headers.items()}
        self._history.add(at=self._now(), where="market", what=what, body=body, json=json, headers=headers)

    async def _handle(self, client: Subscriber, frame: bytes) -> None:
        message = client.connection.decoded(frame)
        action = message.get("action") if isinstance(message, dict) else None
        self._record(action if isinstance(action, str) else "unreadable", frame, message, None)
        match action:
            case "auth":
                await self._authenticate(client, (message.get("key"), message.get("secret")))
            case "subscribe" | "unsubscribe":
                await self._subscribe(client, message, action)
            case _:
                await self._error(client, 400)

    async def _error(self, client: Subscriber, code: int) -> None:
        await client.connection.say([{"T": "error", "code": code, "msg": ERRORS[code]}])
        if code in _FATAL and self._options.close_after_fatal:
            await client.connection.close(1000)

    def _time_out(self, client: Subscriber) -> None:
        if not client.authenticated and client.connection.is_open:
            task = asyncio.get_running_loop().create_task(self._error(client, 404))
            client.connection.keep(task)

    async def _authenticate(self, client: Subscriber, pair: tuple[Any, Any]) -> None:
        fault = self._faults.take(
            "market auth", "unauthorized", "silent_auth", "connection_limit", "insufficient_subscription",
            "market_error",
        )  # fmt: skip
        if client.authenticated:
            await self._error(client, 403)
        elif fault is not None and fault.kind == "silent_auth":
            later = self._after(fault, lambda: self._authenticate(client, pair))
            client.connection.keep(asyncio.get_running_loop().create_task(later))
        elif fault is not None and fault.kind != "unauthorized":
            given = {"connection_limit": 406, "insufficient_subscription": 409}
            await self._error(client, given.get(fault.kind) or fault.get("code", 500))
        elif fault is not None or pair != (self._options.key, self._options.secret):
            await self._error(client, 402)
        elif client.feed == "sip" and not self._options.sip:
            await self._error(client, 409)
        elif not self.slots.take(client.feed):
            await self._error(client, 406)
        else:
            client.authenticated = True
            await client.connection.say([{"T": "success", "msg": "authenticated"}])

    async def _subscribe(self, client: Subscriber, message: dict[str, Any], action: str) -> None:
        if not client.authenticated:
            await self._error(client, 401)
            return
        asked = {name: symbols for name, symbols in message.items() if name != "action"}
        fault = self._faults.take(f"market {action}", "symbol_limit", "partial_ack", "no_ack", "market_error")
        code = self._refusal(client, asked, action)
        if fault is not None and fault.kind in ("symbol_limit", "market_error"):
            code = 405 if fault.kind == "symbol_limit" else fault.get("code", 500)
        if code:
            await self._error(client, code)
            return
        missing = fault.get("missing", 1) if fault is not None and fault.kind == "partial_ack" else []
        for channel, symbols in asked.items():
            left_out = symbols[:missing] if isinstance(missing, int) else missing
            known = client.channels[channel]
            if action == "unsubscribe":
                client.channels[channel] = [one for one in known if one not in symbols]
            else:
                known += [one for one in symbols if one not in known and one not in left_out]
        ack = partial(client.connection.say, [client.subscription()])
        if fault is not None and fault.kind == "no_ack":
            client.connection.keep(asyncio.get_running_loop().create_task(self._after(fault, ack)))
        else:
            await ack()

    @staticmethod
    async def _after(fault: Fault, deed: Callable[[], Awaitable[None]]) -> None:
        await fault.released.wait()
        await deed()

    def _refusal(self, client: Subscriber, asked: dict[str, Any], action: str) -> int:
        """The error a subscription deserves, or 0."""
        allowed = _TEST_CHANNELS if client.feed == "test" else CHANNELS
        for channel, symbols in asked.items():
            if channel not in allowed:
                return 410
            if not isinstance(symbols, list) or not all(
                isinstance(one, str) and _SYMBOL.fullmatch(one) for one in symbols
            ):
                return 400
        limit = self._options.symbol_limit
        wanted = {one for known in client.channels.values() for one in known}
        wanted |= {one for symbols in asked.values() for one in symbols}
        if action == "subscribe" and limit and (len(wanted) > limit or "*" in wanted):
            return 405
        return 0

    # -- what tests do ---------------------------------------------------------------------------

    async def send(self, items: Iterable[dict[str, Any]]) -> None:
        """Send data messages to whoever wants them; a `t` that is an int is a moment in ns UTC."""
        everything = list(items)
        for client in [one for one in self.subscribers if one.authenticated]:
            wanted = [item for item in everything if client.wants(item)]
            code = self._faults.take("market data", "slow_client", "market_error") if wanted else None
            if code is not None:
                await self._error(client, 407 if code.kind == "slow_client" else code.get("code", 500))
                if code.kind == "slow_client":
                    await client.connection.close(1000)
                continue
            step = self._options.market_batch
            for begin in range(0, len(wanted), step):
                batch = [_stamped(item, client.connection.packs) for item in wanted[begin : begin + step]]
                await client.spoiler.say("market data", batch)

    async def send_bars(self, kind: str, bars: Iterable[Bar]) -> None:
        """Send bars as "b", "u" or "d"."""
        await self.send(bar.json(kind=kind, t=bar.t) for bar in bars)

    async def error(self, code: int) -> None:
        """Tell every client of an error."""
        for client in list(self.subscribers):
            await self._error(client, code)

    @property
    def connections(self) -> list[Connection]:
        """Open connections, oldest first: to mute, freeze, abort or close."""
        return [client.connection for client in self.subscribers]

    def subscribed(self, channel: str) -> list[str]:
        """Symbols anybody gets on a channel."""
        found = {one for client in self.subscribers for one in client.channels[channel]}
        return sorted(found)


def _stamped(item: dict[str, Any], packs: bool) -> dict[str, Any]:
    moment = item.get("t")
    if not isinstance(moment, int):
        return item
    return item | {"t": msgpack.Timestamp.from_unix_nano(moment) if packs else rfc3339(moment)}
