"""The named moments at which a process can be made to die, for kill -9 where nobody from outside can aim.

`arm` wraps the product's own methods in the process that is to die; nothing else is changed. Of faults.md A2
the rename of a Parquet file is left out: a live engine writes none.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

POINTS = (
    "before_intent", "after_intent", "after_sync", "posted", "answered", "cancel_posted", "fill_before_tape",
    "fill_on_tape", "mid_fill_transaction", "before_commit", "between_databases", "after_commit",
    "mid_checkpoint", "mid_error_flush", "catching_up", "reconciled", "refeeding", "halt_on_tape",
    "halt_cancelling",
)  # fmt: skip
"""faults.md A2, finer: around an order's record, its POST and its answer; around a fill's record and its
rows; a checkpoint; error rows; while the account is compared, while the tape is fed again, in a halt."""

HALTING = ("halt_on_tape", "halt_cancelling")
"""Those that need a HALT to be reached."""

EMERGENCY = "mid_emergency_sweep"
"""A closing order that is made past the decision actors has left and its answer has not come; it needs a HALT
that closes our lots, and an executor that was given up."""


def arm(point: str, count: int = 1) -> None:
    """Die the `count`-th time this process comes to `point`."""
    left = [count]

    def here(*_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    _ARMS[point](here)


def crash_while(actor: str, path: str) -> None:
    """Have a decision actor raise on every new message as long as a file is there, but not when fed again."""
    from runtime.kernel.actor import Actor

    inner = Actor.bound_handlers
    well: dict[int, Any] = {}

    def bound(one: Any) -> Any:
        handlers = inner(one)
        if not type(one).__module__.endswith(f".{actor}"):
            return handlers
        return {kind: _poisoned(handler) for kind, handler in handlers.items()}

    def _poisoned(handler: Any) -> Any:
        def handle(message: Any) -> Any:
            if id(message) not in well and os.path.exists(path):
                raise RuntimeError("crash loop")
            done = list(handler(message) or ())
            well[id(message)] = message
            return done

        return handle

    Actor.bound_handlers = bound  # type: ignore[method-assign]


def _wrap(owner: Any, name: str, *, before: Any = None, after: Any = None) -> None:
    """Call `before` with the arguments, `after` likewise once it returned."""
    inner = getattr(owner, name)

    def outer(*given: Any, **named: Any) -> Any:
        if before is not None:
            before(*given, **named)
        done = inner(*given, **named)
        if after is not None:
            after(*given, **named)
        return done

    setattr(owner, name, outer)


def _when(kind: str, here: Any) -> Any:
    """Only where an argument is a message of a kind."""

    def look(*given: Any, **named: Any) -> None:
        if any(type(one).__name__ == kind for one in given):
            here()

    return look


def _tape(method: str, kind: str, moment: str) -> Any:
    def arm_it(here: Any) -> None:
        from storage.tape import TapeWriter

        _wrap(TapeWriter, method, **{moment: _when(kind, here)})

    return arm_it


def _after_sync(here: Any) -> None:
    from actors.broker.submissions import Submissions

    _wrap(Submissions, "_last_look", after=here)


def _request(method: str, path: str, *, answered: bool) -> Any:
    """Once the last byte of a request is with the kernel; or once its answer is here, untold."""

    def arm_it(here: Any) -> None:
        from http.client import HTTPConnection

        asked: dict[int, bool] = {}

        def note(connection: Any, verb: str, url: str, *_: Any, **__: Any) -> None:
            asked[id(connection)] = verb == method and url.startswith(path)

        def look(connection: Any, *_: Any, **__: Any) -> None:
            if asked.get(id(connection)):
                here()

        _wrap(HTTPConnection, "putrequest", before=note)
        _wrap(HTTPConnection, "getresponse", **{"after" if answered else "before": look})

    return arm_it


def _mid_emergency_sweep(here: Any) -> None:
    from http.client import HTTPConnection

    from actors.broker.sweep import Sweeper

    asked: dict[int, bool] = {}
    sweeping: list[bool] = []

    def note(connection: Any, verb: str, url: str, *_: Any, **__: Any) -> None:
        closes = (verb, url.partition("?")[0]) == ("POST", "/v2/orders") or (
            verb == "DELETE" and url.startswith("/v2/positions")
        )
        asked[id(connection)] = bool(sweeping) and closes

    def look(connection: Any, *_: Any, **__: Any) -> None:
        if asked.get(id(connection)):
            here()

    _wrap(Sweeper, "close_ours", before=lambda *_, **__: sweeping.append(True))
    _wrap(HTTPConnection, "putrequest", before=note)
    _wrap(HTTPConnection, "getresponse", before=look)


def _watch(look: Callable[[Any, str], tuple[Any, Any]]) -> None:
    """Have the writer's transactions looked at, statement by statement.

    Args:
        look: Given a transaction's rows and a statement's SQL; what to call before and after it, or None.
    """
    from actors.gateways import db_writer

    inner = db_writer.transaction

    def watched(rows: Any, *more: Any) -> Any:
        steps, failure = inner(rows, *more), None
        while True:
            try:
                step = next(steps) if failure is None else steps.throw(failure)
            except StopIteration as end:
                return end.value
            failure = None
            before, after = look(rows, step.sql)
            if before is not None:
                before()
            try:
                yield step
            except Exception as raised:
                failure = raised
                continue
            if after is not None:
                after()

    db_writer.transaction = watched  # type: ignore[assignment]


def _sql(sought: str, moment: str) -> Any:
    """Before or after a statement whose SQL has `sought`."""

    def arm_it(here: Any) -> None:
        def look(rows: Any, sql: str) -> tuple[Any, Any]:
            if sought not in sql:
                return None, None
            return (here, None) if moment == "before" else (None, here)

        _watch(look)

    return arm_it


def _between(here: Any) -> None:
    """One database has the rows of an input, the other has not."""
    from storage.statements import STATEMENTS

    written: list[str] = []

    def look(rows: Any, sql: str) -> tuple[Any, Any]:
        of = {STATEMENTS[row[1][0]].database for row in rows}
        if sql == "COMMIT" and of == {"trades"}:
            return None, lambda: written.append("trades")
        if sql.startswith("BEGIN") and of == {"performance"} and written:
            return here, None
        return None, None

    _watch(look)


def _mid_checkpoint(here: Any) -> None:
    """Every commit checkpoints, and death comes a moment after one has begun, in SQLite's own code."""
    from actors.gateways import db_writer

    inner = db_writer.pragmas
    db_writer.pragmas = lambda *given: (*inner(*given), "PRAGMA wal_autocheckpoint = 1")  # type: ignore[assignment]

    def soon() -> None:
        threading.Thread(target=lambda: (time.sleep(0.0003), here()), daemon=True).start()

    _watch(lambda rows, sql: (soon if sql == "COMMIT" else None, None))


def _refeeding(here: Any) -> None:
    from runtime.kernel.sequencer import Sequencer

    _wrap(Sequencer, "expect", before=here)


def _cancelling(here: Any) -> None:
    """A cancellation that a halt has asked for has left."""
    halted: list[bool] = []
    from runtime.kernel.sequencer import Sequencer

    _wrap(Sequencer, "_handle", after=_when("HaltThrown", lambda *_: halted.append(True)))
    # A tape that is fed again has a halt before this one, and its lifting.
    _wrap(Sequencer, "_handle", after=_when("HaltLifted", lambda *_: halted.clear()))
    _request("DELETE", "/v2/orders", answered=False)(lambda *_: here() if halted else None)


_ARMS: dict[str, Any] = {
    "before_intent": _tape("command", "SubmitOrder", "before"),
    "after_intent": _tape("command", "SubmitOrder", "after"),
    "after_sync": _after_sync,
    "posted": _request("POST", "/v2/orders", answered=False),
    "answered": _request("POST", "/v2/orders", answered=True),
    "cancel_posted": _request("DELETE", "/v2/orders", answered=False),
    "fill_before_tape": _tape("input", "OrderFilled", "before"),
    "fill_on_tape": _tape("input", "OrderFilled", "after"),
    "mid_fill_transaction": _sql("INTO executions", "after"),
    "before_commit": _sql("COMMIT", "before"),
    "between_databases": _between,
    "after_commit": _sql("COMMIT", "after"),
    "mid_checkpoint": _mid_checkpoint,
    "mid_error_flush": _sql("INTO error_log", "after"),
    "catching_up": _request("GET", "/v2/positions", answered=True),
    "reconciled": _tape("input", "BrokerSnapshot", "after"),
    "refeeding": _refeeding,
    "halt_on_tape": _tape("input", "HaltThrown", "after"),
    "halt_cancelling": _cancelling,
    EMERGENCY: _mid_emergency_sweep,
}
