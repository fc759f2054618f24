"""One union of every message and one codec for it."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import numpy as np

from runtime.messages import account, broker, corporate, machine, market, reports, risk, trading
from runtime.messages.base import Command, Decision, Input, Message


def _concrete(base: type[Message]) -> list[type[Message]]:
    """Every message class below `base`, parents before children, in definition order."""
    found: list[type[Message]] = []
    for child in base.__subclasses__():
        found.append(child)
        found.extend(_concrete(child))
    return found


_MODULES = {
    module.__name__ for module in (account, broker, corporate, machine, market, reports, risk, trading)
}
_ABSTRACT = (Input, Decision, Command, market.Columns)
MESSAGES: tuple[type[Message], ...] = tuple(
    kind for kind in _concrete(Message) if kind not in _ABSTRACT and kind.__module__ in _MODULES
)
"""Every message type of the system. Two types with one name would be refused by msgspec."""

AnyMessage = Any  # the runtime union below; a static union of all types would have to repeat their names
_UNION: Any = None
for _kind in MESSAGES:
    _UNION = _kind if _UNION is None else _UNION | _kind

_IDS, _VALUES = 1, 2  # msgpack extension codes: part of the tape's format, never re-used
_INT32, _FLOAT64 = np.dtype("<i4"), np.dtype("<f8")


def _array_out(value: object) -> Any:
    if isinstance(value, np.ndarray):
        code = _IDS if value.dtype == np.int32 else _VALUES
        return msgspec.msgpack.Ext(code, value.tobytes())
    raise NotImplementedError(f"{type(value).__name__} cannot travel in a message")


def _array_in(kind: Any, value: Any) -> Any:
    if type(value) is not msgspec.msgpack.Ext:
        raise NotImplementedError(f"{kind} cannot travel in a message")
    data = cast(bytes, value.data)
    if value.code == _IDS:
        return np.frombuffer(data, dtype=_INT32)
    return np.frombuffer(data, dtype=_FLOAT64).reshape(7, -1)


_encoder = msgspec.msgpack.Encoder(enc_hook=_array_out)
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_UNION, dec_hook=_array_in)

encode = _encoder.encode
encode_into = _encoder.encode_into
decode = _decoder.decode


def encode_each_into(messages: Sequence[Message], buffer: bytearray) -> None:
    """Append the encodings of messages, one after the other: as an array, whose head is then cut out.

    One call for all of them costs less than one each; the bytes are the same.

    Raises:
        Exception: One cannot be encoded; what the buffer then ends with is nothing that can be read.
    """
    begins, count = len(buffer), len(messages)
    encode_into(messages, buffer, -1)
    del buffer[begins : begins + (1 if count < 16 else 3 if count < 65_536 else 5)]
