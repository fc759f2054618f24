"""Where the time between a minute's last item and its order goes: moments noted inside the product's code.

Nothing is replaced; methods on the way are wrapped so that they note the monotonic clock as they are passed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from http.client import HTTPConnection
from typing import Any

from websockets.asyncio.client import ClientConnection

from actors.broker.submissions import Submissions
from actors.gateways.market_stream import MarketStream
from actors.live_outlet import Outlet
from runtime.kernel.host import Host
from runtime.kernel.sequencer import Sequencer
from runtime.messages.market import Bars
from storage.tape import TapeWriter

STEPS = (
    "wire_in", "frame_in", "decode_join", "host", "tape_append", "decide", "rows", "hand_over",
    "to_thread", "fsync", "halt_look", "http_send", "wire_out",
)  # fmt: skip
"""From the broker's hands to the broker's hands; they add up to the total of a minute's first order."""

Marks = dict[str, int]


class Stopwatch:
    """Notes the first passing of each mark between `begin` and `end`.

    Attributes:
        steps: ms by step, of the first order of each minute.
        totals: ms of every order, broker to broker. ours: from the kernel handing us the bytes that complete
            the minute to the order's last byte handed to the kernel, of the first orders.
    """

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.totals: list[float] = []
        self.ours: list[float] = []
        self._marks: Marks = {}
        self._first = ""
        self._append = 0
        self._read: dict[ClientConnection, int] = {}
        self._is_on = False

    def begin(self) -> None:
        """A minute is about to come."""
        self._marks, self._append, self._first, self._is_on = {}, 0, "", True

    def end(self, left: int, came: dict[str, int]) -> None:
        """The minute's orders are with the broker.

        Args:
            left: When its frame left. came: when each order was there, by client id.
        """
        self._is_on = False
        self.totals += [(at - left) / 1e6 for at in came.values()]
        if self._first not in came:
            return
        m = self._marks | {"left": left, "came": came[self._first]}
        # The broker may read the bytes before our thread is back from handing them over.
        m["sent"] = min(m["sent"], m["came"])
        between = {
            "wire_in": m["received"] - m["left"],
            "frame_in": m["frame"] - m["received"],
            "decode_join": m["posted"] - m["frame"],
            "host": m["handled"] - m["posted"],
            "tape_append": self._append,
            "decide": m["observed"] - m["handled"] - self._append,
            "rows": m["projected"] - m["observed"],
            "hand_over": m["submit"] - m["projected"],
            "to_thread": m["sync"] - m["submit"],
            "fsync": m["synced"] - m["sync"],
            "halt_look": m["looked"] - m["synced"],
            "http_send": m["sent"] - m["looked"],
            "wire_out": m["came"] - m["sent"],
        }
        self.steps.append({name: ns / 1e6 for name, ns in between.items()})
        self.ours.append((m["sent"] - m["received"]) / 1e6)

    # ---- the marks --------------------------------------------------------------------------

    def _mark(self, name: str) -> None:
        if self._is_on and name not in self._marks:
            self._marks[name] = time.monotonic_ns()

    def _enter(self, name: str, given: tuple[Any, ...]) -> None:
        """A method is entered; what it is about decides whether it counts."""
        match name:
            case "posted" if not any(type(one) is Bars for one in given):
                return
            case "submit":
                if not self._first:
                    self._first = given[0].order.client_order_id
        self._mark(name)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Wrap the product's methods for the time of a block."""
        undo = [
            self._bytes_read(),
            self._frame(),
            self._before(Host, "post", "posted"),
            self._around(Outlet, "__call__", "observed", "projected"),
            self._before(Submissions, "submit", "submit"),
            self._around(TapeWriter, "sync", "sync", "synced"),
            self._around(Submissions, "_last_look", "look", "looked"),
            self._sent(),
            *(self._appended(name) for name in ("input", "command", "caused")),
            self._handled(),
        ]
        try:
            yield
        finally:
            for each in undo:
                each()

    def _bytes_read(self) -> Callable[[], None]:
        """The moment before a connection looks at bytes it was handed."""

        def wrap(inner: Callable[..., Any]) -> Callable[..., Any]:
            def outer(this: Any, data: bytes) -> Any:
                self._read[this] = time.monotonic_ns()
                return inner(this, data)

            return outer

        return _wrapped(ClientConnection, "data_received", wrap)

    def _frame(self) -> Callable[[], None]:
        """A frame is taken in: the bytes that completed it are the last ones read until now."""

        def wrap(inner: Callable[..., Any]) -> Callable[..., Any]:
            def outer(this: Any, data: bytes) -> Any:
                if self._is_on and "frame" not in self._marks:
                    self._marks["received"] = self._read[this._socket]
                self._mark("frame")
                return inner(this, data)

            return outer

        return _wrapped(MarketStream, "_take", wrap)

    def _before(self, owner: type, method: str, mark: str) -> Callable[[], None]:
        def wrap(inner: Callable[..., Any]) -> Callable[..., Any]:
            def outer(this: Any, *given: Any, **named: Any) -> Any:
                self._enter(mark, given)
                return inner(this, *given, **named)

            return outer

        return _wrapped(owner, method, wrap)

    def _around(self, owner: type, method: str, before: str, after: str) -> Callable[[], None]:
        def wrap(inner: Callable[..., Any]) -> Callable[..., Any]:
            def outer(this: Any, *given: Any, **named: Any) -> Any:
                # Of what is observed only the minute itself, not what came before it.
                counts = before != "observed" or any(type(one) is Bars for one in given)
                if counts:
                    self._mark(before)
                try:
                    return inner(this, *given, **named)
                finally:
                    if counts:
                        self._mark(after)

            return outer

        return _wrapped(owner, method, wrap)

    def _handled(self) -> Callable[[], None]:
        def wrap(inner: Callable[..., Any]) -> Callable[..., Any]:
            def outer(this: Any, source: Any, message: Any, at: int) -> Any:
                if type(message) is Bars:
                    self._mark("handled")
                return inner(this, source, message, at)

            return outer

        return _wrapped(Sequencer, "post", wrap)

    def _appended(self, method: str) -> Callable[[], None]:
        def wrap(inner: Callable[..., Any]) -> Callable[..., Any]:
            def outer(this: Any, *given: Any) -> Any:
                begun = time.monotonic_ns()
                done = inner(this, *given)
                if "handled" in self._marks and "observed" not in self._marks:
                    self._append += time.monotonic_ns() - begun
                return done

            return outer

        return _wrapped(TapeWriter, method, wrap)

    def _sent(self) -> Callable[[], None]:
        """The moment after the last piece of the first order was handed to the kernel."""

        def wrap(inner: Callable[..., Any]) -> Callable[..., Any]:
            def outer(this: Any, data: Any) -> Any:
                done = inner(this, data)
                if self._is_on and self._first and self._first.encode() in bytes(data):
                    self._mark("sent")
                return done

            return outer

        return _wrapped(HTTPConnection, "send", wrap)


def _wrapped(
    owner: type, method: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Callable[[], None]:
    inner = getattr(owner, method)
    setattr(owner, method, wraps(inner)(wrap(inner)))
    return lambda: setattr(owner, method, inner)
