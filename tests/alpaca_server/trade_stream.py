"""The trade updates websocket, /stream. Source: alpaca.md 2. Nothing is ever replayed."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from tests.alpaca_server.connection import Connection
from tests.alpaca_server.events import Teller
from tests.alpaca_server.faults import Fault, Faults
from tests.alpaca_server.options import Options
from tests.alpaca_server.recording import History
from tests.alpaca_server.slots import Slots
from tests.alpaca_server.spoiling import Spoiler

STREAMS = ("trade_updates",)
_OLD_FORM = (
    "this authentication format is being deprecated. Please use the format: "
    '{"action": "auth", "key": "x", "secret": "x"}'
)
ENDPOINT = "stream"


class Listener:
    """One client of the stream."""

    def __init__(self, connection: Connection, spoiler: Spoiler) -> None:
        self.connection = connection
        self.spoiler = spoiler
        self.authorized = False
        self.streams: list[str] = []


class TradeStream:
    """All clients; updates leave in the order they happened, each after the answer it belongs to."""

    def __init__(self, options: Options, faults: Faults, history: History, now: Callable[[], int]) -> None:
        self._options = options
        self._faults = faults
        self._history = history
        self._now = now
        self._queue: asyncio.Queue[tuple[list[dict[str, Any]], asyncio.Event | None]] = asyncio.Queue()
        self.slots = Slots(options.trade_connections, options.dead_slot_s)
        self.listeners: list[Listener] = []
        self.connects = 0
        """Upgrades so far, refused ones included."""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Speak with one client until it is gone."""
        if not self.slots.take(ENDPOINT):
            return web.Response(status=429, text="too many connections")
        connection = Connection(
            request,
            compress=self._options.compress,
            patience_s=self._options.slow_client_s,
            binary=self._options.trade_frames == "binary",
        )
        listener = Listener(connection, Spoiler(self._faults, connection, self._history.touch))
        try:
            socket = await connection.open()
            self._record("open", b"", None, request)
            self.listeners.append(listener)
            if self._faults.take("trades connect", "abort"):
                connection.abort()
            async for frame in connection.messages():
                await self._handle(listener, frame)
        finally:
            connection.forget()
            if listener in self.listeners:
                self.listeners.remove(listener)
            self.slots.give_back(ENDPOINT, died=connection.died)
            self._record("closed", b"", None, None)
        return socket

    def _record(self, what: str, body: bytes, json: Any, request: web.Request | None) -> None:
        headers = {} if request is None else {k.lower(): v for k, v in request.headers.items()}
        self._history.add(at=self._now(), where="trades", what=what, body=body, json=json, headers=headers)

    async def _handle(self, listener: Listener, frame: bytes) -> None:
        message = listener.connection.decoded(frame)
        action = message.get("action") if isinstance(message, dict) else None
        self._record(action if isinstance(action, str) else "unreadable", frame, message, None)
        match action:
            case "auth":
                await self._authorize(listener, (message.get("key"), message.get("secret")), "")
            case "authenticate":
                given = message.get("data") or {}
                await self._authorize(listener, (given.get("key_id"), given.get("secret_key")), _OLD_FORM)
            case "listen":
                await self._listen(listener, (message.get("data") or {}).get("streams") or [])
            case _:
                await listener.connection.say({"stream": "error", "data": {"error": "invalid message"}})

    async def _authorize(self, listener: Listener, pair: tuple[Any, Any], remark: str) -> None:
        fault = self._faults.take("trades auth", "unauthorized", "silent_auth")
        if fault is not None and fault.kind == "silent_auth":
            later = self._after(fault, lambda: self._authorize(listener, pair, remark))
            listener.connection.keep(asyncio.get_running_loop().create_task(later))
            return
        listener.authorized = fault is None and pair == (self._options.key, self._options.secret)
        data = {
            "status": "authorized" if listener.authorized else "unauthorized",
            "action": "authenticate",
        }
        message = remark if listener.authorized else "access key verification failed"
        if message:
            data["message"] = message
        await listener.connection.say({"stream": "authorization", "data": data})

    async def _listen(self, listener: Listener, streams: list[str]) -> None:
        if not listener.authorized:
            refusal = {"status": "unauthorized", "action": "listen"}
            await listener.connection.say({"stream": "authorization", "data": refusal})
            return
        fault = self._faults.take("trades listen", "no_ack")
        listener.streams = [one for one in streams if one in STREAMS]
        message = {"stream": "listening", "data": {"streams": list(listener.streams)}}
        ack = partial(listener.connection.say, message)
        if fault is None:
            await ack()
        else:
            listener.connection.keep(asyncio.get_running_loop().create_task(self._after(fault, ack)))

    @staticmethod
    async def _after(fault: Fault, deed: Callable[[], Awaitable[None]]) -> None:
        await fault.released.wait()
        await deed()

    # -- updates ---------------------------------------------------------------------------------

    def publish(self, teller: Teller, after: asyncio.Event | None) -> None:
        """Queue what the broker has to tell.

        Args:
            after: Nothing of it leaves before this is set; None: at once.
        """
        events, teller.outbox = teller.outbox, []
        if events:
            self._queue.put_nowait((events, after))

    async def pump(self) -> None:
        """Send updates as they come, for ever."""
        while True:
            events, after = await self._queue.get()
            if after is not None:
                await after.wait()
            for data in events:
                await self._tell(data)
            self._queue.task_done()
            self._history.touch()

    async def settled(self) -> None:
        """Wait until every update so far has left."""
        await self._queue.join()

    async def _tell(self, data: dict[str, Any]) -> None:
        for listener in [one for one in self.listeners if "trade_updates" in one.streams]:
            message = {"stream": "trade_updates", "data": data}
            await listener.spoiler.say(f"trades event {data['event']}", message)

    @property
    def connections(self) -> list[Connection]:
        """Open connections, oldest first: to mute, freeze, abort or close."""
        return [listener.connection for listener in self.listeners]
