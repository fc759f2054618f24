"""Something that answers on an engine's socket, for commands that ask one."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime import control_socket
from storage.lock import RootLock


@contextmanager
def engine_at(root: Path, answer: bytes) -> Iterator[list[dict[str, Any]]]:
    """Something that holds the root's lock and answers everybody with the same bytes; what it was asked."""
    asked: list[dict[str, Any]] = []
    (root / "run").mkdir(exist_ok=True)
    with RootLock(root), control_socket.listen(root) as line:
        line.setblocking(True)

        def serve() -> None:
            while True:
                try:
                    client, _ = line.accept()
                except OSError:
                    return
                with client, client.makefile("rb") as words:
                    asked.append(json.loads(words.readline()))
                    client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            line.shutdown(socket.SHUT_RDWR)
            thread.join()
            control_socket.remove(root)
