"""What a running engine says of itself: the first frame it sends to whoever attaches, then goodbye."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import control_socket
from tui.commands.narration import detail

if TYPE_CHECKING:
    import socket

    from runtime.messages.screen import Frame

PATIENCE = 2.0
"""Seconds that any one step may take."""


def frame_of(root: Path, seconds: float = PATIENCE) -> "Frame | None":
    """The engine's whole state now; None where no engine listens, or none that speaks as we do."""
    try:
        with control_socket.connect(root, seconds) as line:
            return _first(line)
    except (OSError, ValueError) as error:
        detail(f"the engine tells nothing: {error}")
        return None


def _first(line: "socket.socket") -> "Frame | None":
    from runtime.messages.screen import SCHEMA
    from runtime.messages.screen_wire import HEADER, MOST, unpack

    line.sendall(json.dumps({"command": "attach", "read_only": True, "schema": SCHEMA}).encode() + b"\n")
    while True:
        length = int.from_bytes(_exactly(line, HEADER), "big")
        if length > MOST:
            raise ValueError(f"a frame of {length:,} bytes")
        said = unpack(_exactly(line, length))
        if said.frame is not None:
            return said.frame if said.frame.schema == SCHEMA else None
        if said.answer is not None and not said.answer.ok:
            raise ValueError(said.answer.text)


def _exactly(line: "socket.socket", count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = line.recv(min(1 << 16, count - len(found)))
        if not piece:
            raise ConnectionError("it hung up")
        found += piece
    return found
