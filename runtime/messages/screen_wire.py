"""What a screen or a command asks of the engine, the answer, and how both and frames lie on the socket.

On the socket a value is four bytes of length (big-endian) and one MessagePack value; an `Ask` is one line of
JSON, and so is the answer where no stream of values was asked for. Imports no NumPy.
Source: architecture 6; terminal 1 and 2.2.
"""

import msgspec

from runtime.messages.screen import SCHEMA, Frame


class Ask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client asks: one line of JSON.

    `attach` turns the connection into a stream of `Wire`s, frames or, if it is refused, one answer and the
    end; on it further lines may come, each is answered by an `Answer` in a `Wire` of its own, in any order.
    Commands: attach, hello, halt, flatten, resume, pause_strategy, unpause_strategy, resolve_error, stop,
    explain, and for a replay play, pause, step (to the next minute), speed, seek, seek_order (pauses there).
    `hello` tells the process's number.

    Attributes:
        id: The client's own number, given back in the answer. read_only: an attached client that may ask
            nothing but `hello` and `explain`. by: who asks, in words, for the books.
        strategy: Of pause and unpause. target: the error id, or what to explain. flatten: with `halt`.
        everything: with `flatten`: `EXTERNAL` too.
        value: Of `speed` (0: as fast as it goes), or the market time to `seek` to, ns.
    """

    command: str
    id: int = 0
    schema: int = SCHEMA
    reason: str = ""
    flatten: bool = False
    by: str = ""
    strategy: str = ""
    target: str = ""
    note: str = ""
    value: float = 0.0
    read_only: bool = False
    everything: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an `Ask`; alone on a line of JSON, or on an attached connection as a frame's value.

    Attributes:
        body: JSON of a longer answer (`explain`: as the command of that name prints with --json).
    """

    ok: bool
    id: int = 0
    text: str = ""
    body: str = ""


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value on an attached connection: a frame or an answer."""

    frame: Frame | None = None
    answer: Answer | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Wire)
MOST = 16 << 20
"""Longest value on the wire, bytes; a longer one is refused unread."""
HEADER = 4


def pack(value: Wire) -> bytes:
    """Length and value, ready for the socket; a frame is given the schema's number."""
    if value.frame is not None and not value.frame.schema:
        value = Wire(frame=msgspec.structs.replace(value.frame, schema=SCHEMA), answer=value.answer)
    body = _encoder.encode(value)
    return len(body).to_bytes(HEADER, "big") + body


def unpack(body: bytes) -> Wire:
    """The value without its length.

    Raises:
        msgspec.DecodeError: It is none, or of another schema's shape.
    """
    return _decoder.decode(body)
