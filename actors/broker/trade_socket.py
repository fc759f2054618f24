"""Trade updates over a websocket: keys, `listen`, and its acknowledgement before anything counts.

`EventSource` is all the gateway knows of the transport, so that another one (server-sent events) can take
the place of this one.
Source: alpaca.md 2.1, 2.5 and 2.6.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, Protocol, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection

from actors.broker import trade_wire, wire
from actors.broker.stream_faults import StreamFault
from actors.broker.trade_wire import Authorization, Listening, Unreadable
from actors.broker.websocket import SocketLimits, opened, until
from config.secrets import Secrets
from runtime.kernel.clock import Clock

Event = wire.TradeUpdate | Unreadable
Form = Literal["auth", "authenticate"]
"""How the keys are sent: as documented now, or the older way."""

STREAM = "trade_updates"
SECOND = 1_000_000_000


class Events(Protocol):
    """An open source of events."""

    async def next(self) -> list[Event]:
        """The next events, in order; waits for at least one.

        Raises:
            StreamFault: The source ended.
        """


class EventSource(Protocol):
    """Where trade updates come from."""

    def open(self) -> AbstractAsyncContextManager[Events]:
        """Open it; inside the block every event that happens is delivered, or the source ends.

        Raises:
            StreamFault: It cannot be opened, or it ended.
        """


class TradeSocket:
    """The websocket transport.

    Args:
        url: With scheme and path, for example wss://paper-api.alpaca.markets/stream.
        real: Real time, for the time-out of the handshake.
        handshake_s: Seconds from the open connection to the acknowledgement.
        form: How the keys are sent first; refused, the other way is tried once.
    """

    def __init__(
        self,
        url: str,
        secrets: Secrets,
        real: Clock,
        *,
        limits: SocketLimits | None = None,
        handshake_s: float = 10.0,
        form: Form = "auth",
    ) -> None:
        self._url, self._secrets, self._real = url, secrets, real
        self._limits = limits or SocketLimits()
        self._handshake_s = handshake_s
        self._form: Form = form
        self._refused: set[Form] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Events]:
        """Connect, send the keys, listen; see `EventSource`."""
        async with opened(self._url, self._limits) as socket:
            early: list[Event] = []
            deadline = self._real.now() + round(self._handshake_s * SECOND)
            with until(self._real, deadline) as scope:
                await self._authenticate(socket, early)
                await self._listen(socket, early)
            if scope.cancelled_caught:
                raise StreamFault("retry", f"the trade stream did not answer within {self._handshake_s:g} s")
            yield _Open(socket, early)

    async def _authenticate(self, socket: ClientConnection, early: list[Event]) -> None:
        """Send the keys, if need be in both forms."""
        while True:
            await _say(socket, self._keys(self._form))
            answer = await _awaited(socket, (Authorization,), early)
            if answer.status == "authorized":
                self._refused.clear()
                return
            self._refused.add(self._form)
            self._form = "authenticate" if self._form == "auth" else "auth"
            if self._form in self._refused:
                self._refused.clear()
                text = "check ALPACA_API_KEY and ALPACA_SECRET_KEY, and that they are of this account's mode"
                raise StreamFault("stop", f"the trade stream refused the keys: {text}", 402)

    async def _listen(self, socket: ClientConnection, early: list[Event]) -> None:
        await _say(socket, {"action": "listen", "data": {"streams": [STREAM]}})
        while True:
            answer = await _awaited(socket, (Listening, Authorization), early)
            if isinstance(answer, Authorization):
                if answer.status == "authorized":  # said twice: one answer to each form of the keys
                    continue
                raise StreamFault("retry", "the trade stream takes us for a stranger: not listening")
            if isinstance(answer, Listening) and STREAM in answer.streams:
                return
            raise StreamFault("slow", f"the trade stream does not offer {STREAM}")

    def _keys(self, form: Form) -> dict[str, object]:
        key, secret = self._secrets.api_key, self._secrets.secret_key
        if key is None or secret is None:
            raise StreamFault("stop", "no keys: set ALPACA_API_KEY and ALPACA_SECRET_KEY")
        if form == "auth":
            return {"action": "auth", "key": key.reveal(), "secret": secret.reveal()}
        return {"action": form, "data": {"key_id": key.reveal(), "secret_key": secret.reveal()}}


class _Open:
    """An acknowledged connection."""

    def __init__(self, socket: ClientConnection, early: list[Event]) -> None:
        self._socket = socket
        self._early = early

    async def next(self) -> list[Event]:
        if self._early:
            early, self._early = self._early, []
            return early
        while True:
            found = await _read(self._socket)
            events = [one for one in found if isinstance(one, wire.TradeUpdate | Unreadable)]
            if any(isinstance(one, Authorization) and one.status != "authorized" for one in found):
                raise StreamFault("retry", "the trade stream no longer takes our keys")
            if any(isinstance(one, Listening) and STREAM not in one.streams for one in found):
                raise StreamFault("retry", f"the trade stream stopped {STREAM}")
            if events:
                return events


async def _say(socket: ClientConnection, message: dict[str, object]) -> None:
    await socket.send(msgspec.json.encode(message), text=True)


async def _read(socket: ClientConnection) -> list[trade_wire.Message]:
    return trade_wire.decode(await socket.recv(decode=False))


K = TypeVar("K", bound=msgspec.Struct)


async def _awaited(socket: ClientConnection, kinds: tuple[type[K], ...], early: list[Event]) -> K:
    """The next message of some kinds; events that come before it are kept."""
    while True:
        answer: K | None = None
        for message in await _read(socket):
            if isinstance(message, kinds):
                answer = message
            elif isinstance(message, wire.TradeUpdate | Unreadable):
                early.append(message)
        if answer is not None:
            return answer
