"""What the switches do to one message on its way out of a stream."""

import json
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]

from tests.alpaca_server.connection import Connection
from tests.alpaca_server.faults import Fault, Faults

BROKEN_FRAME = b"\xff\xff\xff\xff"
"""Reserved bits and an opcode nobody knows: a protocol error for every client."""

_MESSAGE = ("edit_frame", "bad_item", "unknown_type", "bare_bars", "padded_frame", "unknown_event",
            "unknown_status")  # fmt: skip
_FRAME = ("text_frame", "truncated_frame")
_DELIVERY = ("close", "abort", "broken_protocol", "garbage_frame", "drop_frame", "reorder_frame",
             "duplicate_frame")  # fmt: skip
_PADDING = 2 * 1024 * 1024


class Spoiler:
    """Sends messages of one connection past the switches.

    Args:
        seen: Called with every frame that left.
    """

    def __init__(self, faults: Faults, connection: Connection, seen: Callable[[], None]) -> None:
        self._faults = faults
        self._connection = connection
        self._seen = seen
        self._late: list[bytes | str] = []

    async def say(self, site: str, message: Any) -> None:
        """Send a message as the switches in force leave it."""
        connection = self._connection
        for fault in self._faults.all(site, *_MESSAGE):
            message = _changed(fault, message)
        frame = connection.encoded(message)
        for fault in self._faults.all(site, *_FRAME):
            if fault.kind == "text_frame":
                frame = json.dumps(message, default=_text, separators=(",", ":"))
            else:
                frame = frame[: len(frame) // 2]
        frames: list[bytes | str] | None = [frame]
        for fault in self._faults.all(site, *_DELIVERY):
            frames = await self._delivered(fault, frames or [])
            if frames is None:
                return
        late, self._late = self._late, []
        for one in [*(frames or []), *late]:
            await connection.send(one)
        self._seen()

    async def _delivered(self, fault: Fault, frames: list[bytes | str]) -> list[bytes | str] | None:
        """The frames to send now; None: nothing leaves, and what waited goes on waiting."""
        connection = self._connection
        match fault.kind:
            case "close":
                await connection.close(fault.get("code", 1011), fault.get("reason", ""))
            case "abort":
                connection.abort()
            case "broken_protocol":
                connection.write_raw(BROKEN_FRAME)
            case "reorder_frame":
                self._late += frames
            case "garbage_frame":
                garbage: bytes | str = fault.get("data", b"\x00\xc1garbage")
                return [garbage, *frames]
            case "drop_frame":
                return []
            case "duplicate_frame":
                return frames * int(fault.get("copies", 2))
        return None


def _changed(fault: Fault, message: Any) -> Any:
    match fault.kind:
        case "edit_frame":
            return fault.given["change"](message)
        case "bad_item":
            bad = fault.get("item", {"T": "b", "S": 7, "o": "not a price", "t": None})
            middle = len(message) // 2
            return [*message[:middle], bad, *message[middle:]]
        case "unknown_type":
            return [*message, {"T": "zz", "S": "AAPL", "whatever": [1, {"a": None}]}]
        case "bare_bars":
            return [{k: v for k, v in item.items() if k not in ("n", "vw")} for item in message]
        case "padded_frame":
            filler = {"T": "zz", "S": "PAD", "text": "x" * fault.get("size", _PADDING)}
            return [*message, filler]
        case "unknown_event":
            return message | {"data": message["data"] | {"event": fault.get("name", "reshuffled")}}
        case _:
            data = message["data"]
            order = data["order"] | {"status": fault.get("name", "levitating")}
            return message | {"data": data | {"order": order}}


def _text(value: Any) -> str:
    if isinstance(value, msgpack.Timestamp):
        return str(value.to_datetime().strftime("%Y-%m-%dT%H:%M:%SZ"))
    raise TypeError(f"cannot write {type(value)}")
