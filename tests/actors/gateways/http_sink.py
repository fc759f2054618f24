"""A sink on this machine that keeps what it is sent, and can refuse, hang or be gone."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.walls import WALL_S


class HttpSink:
    """Attributes: got: the bodies, in order. status: what is answered. open: cleared, answers wait."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.open = threading.Event()
        self.open.set()
        self.came = threading.Semaphore(0)
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.got.append(json.loads(body))
                sink.came.release()
                sink.open.wait(WALL_S)
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def url(self, token: str = "t0ken-of-this-sink") -> str:
        return f"json://127.0.0.1:{self.server.server_port}/{token}"

    def wait(self, count: int) -> None:
        """Until so many more have come (in a thread of its own, please)."""
        for _ in range(count):
            assert self.came.acquire(timeout=WALL_S)

    def titles(self) -> list[str]:
        return [body["title"] for body in self.got]


@contextmanager
def http_sink() -> Iterator[HttpSink]:
    sink = HttpSink()
    thread = threading.Thread(target=sink.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield sink
    finally:
        sink.open.set()
        sink.server.shutdown()
        sink.server.server_close()
        thread.join()
