"""Listens in on a connection: every byte that comes off the wire is kept before anybody reads it."""

import asyncio


class Tap(asyncio.Protocol):
    """Hands everything on to the protocol behind it.

    Args:
        inner: The HTTP protocol.
        kept: Where the bytes go.
        open_taps: The connections that are open; it puts itself in and out.
    """

    def __init__(self, inner: asyncio.Protocol, kept: bytearray, open_taps: "set[Tap]") -> None:
        self._inner = inner
        self._kept = kept
        self._open = open_taps
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._kept += data
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def abort(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            self._transport.abort()
