"""The process at work in a root, as another one can reach it: its lock, its signals, its socket.

Only the standard library: `halt` needs it. On the socket one line of JSON asks and one answers:
`{"command": "halt", "reason": "...", "flatten": false, "by": "user 1000"}`, `{"ok": true, "text": "..."}`.
"""

import fcntl
import json
import os
import select
import signal
from pathlib import Path
from typing import Any, NamedTuple

from runtime import control_socket

_LOCK = ("run", "engine.lock")
_MOST_ANSWER = 4 << 20
"""Bytes; the longest is the chain of causes of a busy lot."""


class Holder(NamedTuple):
    """Who holds a root's lock.

    Attributes:
        pid: 0 where the lock does not say.
    """

    pid: int

    def __str__(self) -> str:
        return f"process {self.pid}" if self.pid else "a process that does not say its number"


def holder_of(root: Path) -> Holder | None:
    """Who is at work in this root; None: nobody.

    Raises:
        OSError: The lock cannot be looked at.
    """
    try:
        handle = os.open(root.joinpath(*_LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            number = os.read(handle, 64).decode("ascii", "replace").strip().rpartition(" ")[2]
            return Holder(int(number) if number.isdecimal() else 0)
        return None
    finally:
        os.close(handle)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal; without one most signals would end it.

    Raises:
        OSError: There is no such process.
    """
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        name, _, mask = line.partition(":")
        if name == "SigCgt":
            return bool(int(mask, 16) >> (number - 1) & 1)
    return False


def send(pid: int, number: signal.Signals) -> int:
    """Send a signal; a descriptor that becomes readable when the process ends, to be closed by the caller.

    Raises:
        OSError: There is no such process, or it is not ours.
    """
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, number)
    except BaseException:
        os.close(handle)
        raise
    return handle


def ended(handle: int, seconds: float) -> bool:
    """Wait for the end of a process at most so long; whether it came."""
    return bool(select.select([handle], [], [], seconds)[0])


def ask(root: Path, request: dict[str, Any], seconds: float = 2.0) -> str:
    """Ask the engine on its socket; what it answers.

    Args:
        seconds: Most that any one step may take.

    Raises:
        OSError: There is no socket, or nobody answers in time.
        ValueError: The answer is none, or a refusal.
    """
    with control_socket.connect(root, seconds) as line:
        line.sendall(json.dumps(request).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < _MOST_ANSWER:
            piece = line.recv(65_536)
            if not piece:
                break
            answer += piece
    said = json.loads(answer)
    if not isinstance(said, dict) or said.get("ok") is not True:
        text = said.get("text", "") if isinstance(said, dict) else ""
        raise ValueError(f"refused: {text}")
    return str(said.get("text", ""))
