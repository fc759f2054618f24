"""What a frame of the trade stream says: an event of an order, or that something unreadable came.

An event that cannot be read is never dropped: it names the order to read again by REST, or says that all of
them must be.
Source: alpaca.md 2.1 and 2.3.
"""

from typing import Any

import msgspec

from actors.broker import wire
from runtime.text import one_line


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """An event nobody could read.

    Attributes:
        order_id: The broker's id of the order it is about; empty: nobody knows.
        example: What came, fit for a log line.
    """

    order_id: str
    example: str


class Authorization(msgspec.Struct, frozen=True):
    """The answer to our keys, or to a request sent before them."""

    status: str = ""
    action: str = ""
    message: str = ""


class Listening(msgspec.Struct, frozen=True):
    """The streams whose later events will be delivered."""

    streams: list[str] = []


class Elsewhere(msgspec.Struct, frozen=True):
    """Something of a stream that we did not ask for."""

    stream: str


Message = wire.TradeUpdate | Unreadable | Authorization | Listening | Elsewhere


class _Envelope(msgspec.Struct, frozen=True):
    stream: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _OrderId(msgspec.Struct, frozen=True):
    id: wire.Id


class _AnyUpdate(msgspec.Struct, frozen=True):
    order: _OrderId


_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_one = msgspec.json.Decoder(_Envelope)
_many = msgspec.json.Decoder(list[msgspec.Raw])
_update = msgspec.json.Decoder(wire.TradeUpdate)
_any_update = msgspec.json.Decoder(_AnyUpdate)
_KINDS: dict[str, Any] = {
    "authorization": msgspec.json.Decoder(Authorization),
    "listening": msgspec.json.Decoder(Listening),
}


def decode(frame: bytes) -> list[Message]:
    """Take a frame apart: JSON, in text or binary frames alike; never raises."""
    if frame.lstrip()[:1] == b"[":  # one object a frame is the rule; a list is understood too
        try:
            return [_decoded(bytes(piece)) for piece in _many.decode(frame)]
        except _UNREADABLE:
            return [Unreadable(order_id="", example=_shown(frame))]
    return [_decoded(frame)]


def _decoded(data: bytes) -> Message:
    try:
        envelope = _one.decode(data)
        if envelope.stream in _KINDS:
            found: Message = _KINDS[envelope.stream].decode(envelope.data)
            return found
    except _UNREADABLE:
        return Unreadable(order_id="", example=_shown(data))
    if envelope.stream != "trade_updates":
        return Elsewhere(stream=one_line(envelope.stream, 40))
    return update(bytes(envelope.data))


def update(data: bytes) -> wire.TradeUpdate | Unreadable:
    """One event, without what the transport puts round it."""
    try:
        return _update.decode(data)
    except _UNREADABLE:
        pass
    try:
        order_id = _any_update.decode(data).order.id
    except _UNREADABLE:
        order_id = ""
    return Unreadable(order_id=order_id, example=_shown(data))


def _shown(data: bytes) -> str:
    return one_line(repr(data[:200]), 300)
