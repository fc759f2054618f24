"""What would otherwise be lost: warnings, and errors in threads, finalisers, callbacks and forgotten tasks.

All of it ends in the log like what is logged on purpose, with the component in whose code it happened.
"""

import asyncio
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from runtime.log_chain import LogChain
from runtime.log_lines import component_of

_HERE = Path(__file__).resolve().parents[1]
_OURS = ("actors", "config", "runtime", "storage", "tui")
_EDGES = ("process_log", "strays")
"""Where errors are caught, not made."""


@contextmanager
def caught(chain: LogChain) -> Iterator["Strays"]:
    """Send what nobody catches to the log for as long as the block runs."""
    strays = Strays(chain)
    before = sys.unraisablehook, threading.excepthook, warnings.showwarning
    sys.unraisablehook = strays.unraisable
    threading.excepthook = strays.thread
    warnings.showwarning = strays.warning
    try:
        yield strays
    finally:
        sys.unraisablehook, threading.excepthook, warnings.showwarning = before


class Strays:
    """The hooks of the interpreter, and of an event loop."""

    def __init__(self, chain: LogChain) -> None:
        self._chain = chain

    def loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """For `loop.set_exception_handler`: what no task and no future waited for."""
        error = context.get("exception")
        fields = {name: text for name, text in _about(context).items() if text}
        self._write("ERROR", "asyncio", str(context.get("message", "error in the event loop")), error, fields)

    def thread(self, arguments: threading.ExceptHookArgs) -> None:
        """For `threading.excepthook`."""
        if arguments.exc_type is not SystemExit:
            name = arguments.thread.name if arguments.thread is not None else ""
            self._write(
                "ERROR", "threading", "a thread ended with an error", arguments.exc_value, {"thread": name}
            )

    def unraisable(self, found: "sys.UnraisableHookArgs") -> None:
        """For `sys.unraisablehook`: finalisers and callbacks that raised."""
        fields = {"in": getattr(found.object, "__qualname__", type(found.object).__qualname__)}
        self._write("ERROR", "process", found.err_msg or "an error was ignored", found.exc_value, fields)

    def warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """For `warnings.showwarning`."""
        fields = {"file": filename, "line": lineno, "exception_type": category.__name__}
        fields["component"] = _component(filename) or "process"
        self._chain.write("WARNING", str(message), {"logger": "py.warnings", **fields})

    def ended(self, error: BaseException) -> None:
        """The process ends with this error."""
        self._write("CRITICAL", "process", "ended with an error", error, {})

    def _write(
        self, level: str, logger: str, text: str, error: BaseException | None, fields: dict[str, Any]
    ) -> None:
        if error is not None:
            text = f"{text}: {type(error).__name__}: {_words(error)}"
            fields["exc_info"] = error
        component = _where(error.__traceback__) if error is not None else ""
        self._chain.write(level, text, {"logger": logger, "component": component or logger, **fields})


def _about(context: dict[str, Any]) -> dict[str, str]:
    """Whose error it was, in words that are the same each time: no addresses, no numbers of tasks."""
    task = context.get("task") or context.get("future")
    if isinstance(task, asyncio.Task):
        name = task.get_name()
        plain = "" if name.startswith("Task-") else name
        return {"task": plain, "coroutine": getattr(task.get_coro(), "__qualname__", "")}
    callback = getattr(context.get("handle"), "_callback", None)
    return {"callback": getattr(callback, "__qualname__", "")}


def _words(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:500]
    except Exception as second:  # noqa: BLE001 - a broken __str__ must not hide the error
        return f"({type(second).__name__} in its text)"


def _where(trace: types.TracebackType | None) -> str:
    """The component whose code is the deepest in a traceback; empty: none of ours."""
    found = ""
    while trace is not None:
        component = _component(trace.tb_frame.f_code.co_filename, ours_only=True)
        found = component if component not in ("", *_EDGES) else found
        trace = trace.tb_next
    return found


def _component(filename: str, *, ours_only: bool = False) -> str:
    """`.../actors/gateways/alerts.py` -> `alerts`, `.../site-packages/pandas/x.py` -> `pandas`."""
    path = Path(filename)
    if path.is_relative_to(_HERE):
        parts = path.relative_to(_HERE).with_suffix("").parts
        if parts[0] in _OURS:
            return component_of(".".join(parts))
    if "site-packages" in path.parts and not ours_only:
        return path.parts[path.parts.index("site-packages") + 1].removesuffix(".py")
    return ""
