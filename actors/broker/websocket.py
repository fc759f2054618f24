"""A websocket to the broker: opened with our limits, closed with a close frame, its failures told plainly.

The library's own log lines are kept out: one of them would print the keys, and we tell every failure
ourselves, once.
Source: alpaca.md 1.5 and C.
"""

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import anyio
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from actors.broker.stream_faults import StreamFault, refused_upgrade
from runtime.kernel.clock import Clock

_QUIET = logging.getLogger("websockets.trading")
_QUIET.setLevel(logging.CRITICAL)
_QUIET.propagate = False

_TRY_LATER = (1008, 1013)


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Time-outs in seconds of real time, sizes in bytes and frames.

    Attributes:
        ping_s, pong_s: A peer that does not answer a ping is dead after both.
        queue: Frames that may wait for us before the server is held back.
    """

    open_s: float = 5.0
    close_s: float = 2.0
    ping_s: float = 5.0
    pong_s: float = 5.0
    frame_bytes: int = 64 * 1024 * 1024
    queue: int = 256


@asynccontextmanager
async def opened(
    url: str, limits: SocketLimits, headers: Mapping[str, str] | None = None
) -> AsyncIterator[ClientConnection]:
    """Open a connection for the time of a block.

    Raises:
        StreamFault: It could not be opened, or it ended inside the block.
    """
    try:
        # Compressed, as the library offers it: a minute of 500 symbols is 14 kB instead of 43, which an idle
        # connection sends at once, while the rest of 43 would wait for a round trip or two.
        socket = await connect(
            url,
            additional_headers=dict(headers or {}),
            logger=_QUIET,
            proxy=None,
            open_timeout=limits.open_s,
            close_timeout=limits.close_s,
            ping_interval=limits.ping_s,
            ping_timeout=limits.pong_s,
            max_size=limits.frame_bytes,
            max_queue=limits.queue,
        )
    except InvalidStatus as error:
        raise refused_upgrade(error.response.status_code) from None
    except InvalidURI:
        raise StreamFault("stop", f"{url!r} is no websocket address: check the stream's URL") from None
    except TimeoutError:
        raise StreamFault("retry", f"no connection within {limits.open_s:g} s") from None
    except (InvalidHandshake, OSError, EOFError) as error:
        raise StreamFault("retry", f"no connection: {type(error).__name__}: {error}") from None
    try:
        yield socket
    except ConnectionClosed as error:
        raise _closed(error) from None
    finally:
        # A session that ends without a close frame keeps its place at the server for 90 s.
        with anyio.CancelScope(shield=True):
            await socket.close()


def _closed(error: ConnectionClosed) -> StreamFault:
    if error.rcvd is not None:
        code, reason = error.rcvd.code, error.rcvd.reason
        text = f"the server closed the connection: {code} {reason}".rstrip()
        return StreamFault("slow" if code in _TRY_LATER else "retry", text, code)
    if error.sent is not None and "ping" in error.sent.reason:
        return StreamFault("retry", "the server did not answer a ping: the connection was dead")
    if error.sent is not None:
        return StreamFault("retry", f"broken frame: {error.sent.code} {error.sent.reason}", error.sent.code)
    return StreamFault("retry", "the connection broke off")


@contextmanager
def until(clock: Clock, at: int) -> Iterator[anyio.CancelScope]:
    """Cancel the block when the clock reaches `at`; `cancelled_caught` tells whether it did."""
    with anyio.CancelScope() as scope:
        cancel = clock.call_at(at, scope.cancel)
        try:
            yield scope
        finally:
            cancel()
