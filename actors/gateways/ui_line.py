"""One connection to the engine's socket: lines in, answers and frames out, all of it bounded.

Its first line decides whether it is a screen that is sent frames, or a question that is answered and done.
"""

import asyncio
from typing import Protocol, cast

import msgspec

from runtime.kernel.clock import Cancel, Clock
from runtime.messages.screen_wire import Answer, Ask, Wire, pack
from runtime.text import one_line

MOST_WAITING = 256 << 10
"""Bytes a client may leave unread before frames are dropped."""
MOST_LINE = 64 << 10
MOST_ASKS = 4
"""Questions of one connection that are being answered at once; then it is not read from."""
SILENCE = 5_000_000_000
"""How long a new connection may say nothing, ns."""
LINGER = 2_000_000_000
"""How long a refused client may take to read why, ns."""
READ_ONLY = ("hello", "explain")

_decoder = msgspec.json.Decoder(Ask)


class Server(Protocol):
    """What a connection needs of whoever took it."""

    real: Clock

    def attach(self, client: "Connection", ask: Ask) -> str:
        """Send this client frames from now on; why not, or empty."""

    def ask(self, client: "Connection", ask: Ask) -> None:
        """Have a question answered."""

    def lost(self, client: "Connection") -> None:
        """A connection is over."""


class Connection(asyncio.Protocol):
    """One connection: its first line decides what it is.

    Attributes:
        lacks_all: Whether its next frame must be whole. dropped: frames it has missed.
    """

    def __init__(self, server: Server, user: int) -> None:
        self._server = server
        self._user = user
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._asking = 0
        self._is_attached = self._is_read_only = self._is_closing = False
        self._silent: Cancel = lambda: None
        self.lacks_all = True
        self.dropped = 0

    # ---- what asyncio calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there; it must say something soon."""
        self._transport = cast(asyncio.Transport, transport)
        real = self._server.real
        self._silent = real.call_at(real.now() + SILENCE, self._too_silent)

    def data_received(self, data: bytes) -> None:
        """Part of a line, or several."""
        if self._is_closing:
            return
        self._buffer += data
        self._read_lines()

    def eof_received(self) -> bool:
        """Nothing more will be asked; whether to stay: an answer on a line of its own is still sent."""
        return self._asking > 0 and not self._is_attached

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        self._silent()
        self._transport, self._is_closing = None, True
        self._server.lost(self)

    # ---- lines ------------------------------------------------------------------------------

    def _read_lines(self) -> None:
        while not self._is_closing and self._asking < self._most:
            end = self._buffer.find(b"\n")
            if end > MOST_LINE or (end < 0 and len(self._buffer) > MOST_LINE):
                self._refuse(f"a line may have {MOST_LINE} bytes")
            elif end < 0:
                break
            else:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                self._hear(line)
        self._read_on()

    @property
    def _most(self) -> int:
        return MOST_ASKS if self._is_attached else 1

    def _read_on(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._asking >= self._most:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _hear(self, line: bytes) -> None:
        self._silent()
        try:
            ask = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._refuse(f"that is no question: {one_line(str(error), 200)}")
            return
        if ask.command == "attach":
            self._attach(ask)
        elif self._is_read_only and ask.command not in READ_ONLY:
            self._tell(Answer(ok=False, id=ask.id, text="this screen is attached read-only"))
        else:
            self._asking += 1
            by = one_line(ask.by, 100) or f"user {self._user} on the engine's socket"
            self._server.ask(self, msgspec.structs.replace(ask, by=by))

    def _attach(self, ask: Ask) -> None:
        if self._is_attached or self._asking:
            self._refuse("a connection is attached by its first line")
            return
        self._is_attached, self._is_read_only = True, ask.read_only
        if why := self._server.attach(self, ask):
            self._refuse(why)

    # ---- answers and frames -----------------------------------------------------------------

    def answered(self, answer: Answer) -> None:
        """A question of this connection has been answered."""
        self._asking -= 1
        self._tell(answer)
        if self._is_attached:
            self._read_lines()
        else:
            self.close()

    def _tell(self, answer: Answer) -> None:
        if self._transport is None:
            return
        if self._is_attached:
            self._transport.write(pack(Wire(answer=answer)))
        else:
            self._transport.write(msgspec.json.encode(answer) + b"\n")

    def _refuse(self, why: str) -> None:
        if not self._is_closing:
            self._tell(Answer(ok=False, text=why))
            self.close()

    def _too_silent(self) -> None:
        self._refuse("nothing was asked")

    def has_room(self) -> bool:
        """Whether a frame may be written; one that may not is dropped, and the next must be whole."""
        transport = self._transport
        if transport is None or self._is_closing:
            return False
        if transport.get_write_buffer_size() <= MOST_WAITING:
            return True
        self.dropped += 1
        self.lacks_all = True
        return False

    def send_frame(self, data: bytes) -> None:
        """Write a frame; it waits in this process until it is read."""
        if self._transport is not None and not self._is_closing:
            self._transport.write(data)
            self.lacks_all = False

    def close(self, *, at_once: bool = False) -> None:
        """End it once what was written is read, and after a while in any case.

        Args:
            at_once: Do not wait for the reader.
        """
        self._is_closing = True
        self._silent()
        transport = self._transport
        if transport is None:
            return
        if at_once and transport.get_write_buffer_size():
            transport.abort()
            return
        transport.close()
        real = self._server.real
        self._silent = real.call_at(real.now() + LINGER, transport.abort)
