"""One websocket of a client, with everything that can be wrong with one.

Pings are answered here and not by the library, so that a connection can be mute, deaf or both.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
from aiohttp import WSMsgType, web

LARGEST = 64 * 1024 * 1024


class Connection:
    """A websocket that says arrays or objects in JSON or msgpack.

    Args:
        patience_s: Real seconds a frame may wait for a client that does not read.
        binary: Whether JSON goes out in binary frames.

    Attributes:
        packs: Whether it speaks msgpack, in binary frames.
        mute: Nothing is sent but pongs.
        answers_pings: Whether pings get their pong.
        sent: Frames so far.
        died: Whether it ended without a close frame.
    """

    def __init__(
        self, request: web.Request, *, compress: bool, patience_s: float, binary: bool = False
    ) -> None:
        self._request = request
        self._patience_s = patience_s
        self._socket = web.WebSocketResponse(
            autoping=False, autoclose=False, compress=compress, max_msg_size=LARGEST, timeout=1.0
        )
        self.packs = request.headers.get("Content-Type") == "application/msgpack"
        self.binary = binary
        self.mute = False
        self.answers_pings = True
        self.died = True
        self.headers = request.headers
        self.sent = 0
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Hold on to a task of this connection until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def open(self) -> web.WebSocketResponse:
        """Complete the upgrade."""
        await self._socket.prepare(self._request)
        return self._socket

    @property
    def is_open(self) -> bool:
        """Whether frames can still be sent."""
        return not self._socket.closed and self._request.transport is not None

    async def messages(self) -> AsyncIterator[bytes]:
        """Text and binary frames until the other side is gone; pings are answered on the way."""
        while True:
            message = await self._socket.receive()
            await self._thawed.wait()
            match message.type:
                case WSMsgType.TEXT:
                    yield message.data.encode()
                case WSMsgType.BINARY:
                    yield message.data
                case WSMsgType.PING:
                    if self.answers_pings and self.is_open:
                        await self._socket.pong(message.data)
                case WSMsgType.CLOSE:
                    self.died = False
                    await self._socket.close(code=message.data or 1000)
                    return
                case WSMsgType.CLOSING | WSMsgType.CLOSED | WSMsgType.ERROR:
                    return

    def decoded(self, frame: bytes) -> Any:
        """A frame's content; None if it cannot be read."""
        try:
            return msgpack.unpackb(frame) if self.packs else json.loads(frame)
        except Exception:
            return None

    def encoded(self, message: Any) -> bytes | str:
        """A message as this connection says it."""
        if self.packs:
            return bytes(msgpack.packb(message, datetime=True))
        text = json.dumps(message, separators=(",", ":"), default=_plain)
        return text.encode() if self.binary else text

    async def say(self, message: Any) -> None:
        """Send a message, unless the connection is mute, frozen or gone."""
        await self.send(self.encoded(message))

    async def send(self, frame: bytes | str) -> None:
        """Send a frame as it stands: text if it is text."""
        if self.mute or not self._thawed.is_set() or not self.is_open:
            return
        try:
            async with asyncio.timeout(self._patience_s):
                if isinstance(frame, str):
                    await self._socket.send_str(frame)
                else:
                    await self._socket.send_bytes(frame)
            self.sent += 1
        except TimeoutError:
            self.abort()  # the other side reads nothing: nobody else waits for it
        except (ConnectionError, RuntimeError):
            pass  # gone in between: what is lost is lost, as with the real service

    def forget(self) -> None:
        """Give up what was still to be done."""
        for task in self._tasks:
            task.cancel()

    def freeze(self) -> None:
        """Become half-open: no data, no pongs, no close."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on where it froze."""
        self._thawed.set()

    def abort(self) -> None:
        """Reset the TCP connection."""
        self.thaw()
        if self._request.transport is not None:
            self._request.transport.abort()

    def write_raw(self, data: bytes) -> None:
        """Put bytes on the wire that are no frame."""
        if self._request.transport is not None:
            self._request.transport.write(data)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a close frame; it does not wait for the other side's."""
        self.died = False
        self.thaw()
        if not self._socket.closed:
            await self._socket.close(code=code, message=reason.encode(), drain=True)


def _plain(value: Any) -> Any:
    if isinstance(value, msgpack.Timestamp):
        raise TypeError("timestamps are text in JSON")
    raise TypeError(f"cannot write {type(value)}")
