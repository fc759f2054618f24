"""Where the engine of a root listens, and how to reach it. Only the standard library: `halt` needs it.

The socket is `<root>/run/engine.sock`. Where that path would pass 100 bytes it is made in $XDG_RUNTIME_DIR,
if there is one, and `run/engine.sock` is a link to it. Nobody has to know which: both ends go through the
open folder, whose path below /proc is short, and follow the link.
"""

import hashlib
import os
import socket
import stat
import struct
from contextlib import suppress

FOLDER = "run"
NAME = "engine.sock"
LONGEST = 100
"""Bytes of a path; the system's own limit is 108 with the zero."""
_BACKLOG = 64

Root = str | os.PathLike[str]


def place(root: Root) -> str:
    """Path of the socket that an engine of this root makes."""
    inside = os.path.join(os.path.abspath(os.fspath(root)), FOLDER, NAME)
    if len(os.fsencode(inside)) <= LONGEST:
        return inside
    outside = _runtime_folder()
    if not outside:
        return inside
    digest = hashlib.sha256(os.fsencode(os.path.realpath(os.fspath(root)))).hexdigest()[:16]
    found = os.path.join(outside, f"trading-{digest}.sock")
    return found if len(os.fsencode(found)) <= LONGEST else inside


def connect(root: Root, seconds: float | None = None) -> socket.socket:
    """A connection to the engine of a root.

    Args:
        seconds: Most that any one step may take from now on; None: for ever.

    Raises:
        OSError: Nobody listens there, or not in time.
    """
    folder = os.open(os.path.join(os.fspath(root), FOLDER), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if seconds is not None:
                # Python's own time-out would not wait for a place in a queue that is full.
                span = struct.pack("ll", int(seconds), round(seconds % 1 * 1e6))
                line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)
            try:
                line.connect(f"/proc/self/fd/{folder}/{NAME}")
            except BlockingIOError:
                raise TimeoutError(f"nobody took the connection within {seconds:g} s") from None
            line.settimeout(seconds)
        except BaseException:
            line.close()
            raise
    finally:
        os.close(folder)
    return line


def listen(root: Root) -> socket.socket:
    """Listen for this root, for the owner only; what a dead engine left there is replaced.

    The caller holds the root's lock, so nobody else listens there.

    Raises:
        OSError: The folder or the socket cannot be made.
    """
    os.makedirs(os.path.join(os.fspath(root), FOLDER), mode=0o700, exist_ok=True)
    folder = os.open(os.path.join(os.fspath(root), FOLDER), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        inside, wanted = f"/proc/self/fd/{folder}/{NAME}", place(root)
        _remove(inside)
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(line.fileno(), 0o600)  # so that the name is private from its first moment
            if os.path.basename(wanted) == NAME:
                line.bind(inside)
            else:
                _remove(wanted)
                line.bind(wanted)
                os.symlink(wanted, inside)
            line.listen(_BACKLOG)
        except BaseException:
            line.close()
            raise
        line.setblocking(False)
        return line
    finally:
        os.close(folder)


def remove(root: Root) -> None:
    """Take the name away again, when nobody listens any more."""
    with suppress(OSError):
        _remove(os.path.join(os.fspath(root), FOLDER, NAME))
    with suppress(OSError):
        _remove(place(root))


def _remove(path: str) -> None:
    """Remove a socket or a link to one; nothing else.

    Raises:
        OSError: Something else lies there.
    """
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISSOCK(kind) or stat.S_ISLNK(kind)):
        raise FileExistsError(17, "something that is no socket lies there", path)
    os.unlink(path)


def _runtime_folder() -> str:
    """$XDG_RUNTIME_DIR if it is a folder of ours alone, else empty."""
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(named):
        return ""
    try:
        about = os.stat(named)
    except (OSError, ValueError):
        return ""
    ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o077
    return named if ours else ""
