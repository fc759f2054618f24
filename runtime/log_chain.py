"""From something that was said to a line of the log and a row of `error_log`."""

import contextvars
import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from runtime.error_sink import ErrorSink
from runtime.log_lines import LEVELS, component_of
from runtime.redaction import Redactor

_speaker: contextvars.ContextVar[str] = contextvars.ContextVar("speaker", default="")

_LONGEST_TRACE = 12_000


class Lines(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> int: ...
    def flush(self) -> None: ...


class LogChain:
    """From an event to a line: level, place, traceback, redaction, the sink, JSON.

    What a finaliser or a signal handler logs while its thread is in the middle of a line is written after it.

    Args:
        stream: Where the lines go. clock: ns UTC. sink: gets WARNING and above, or None.
        level: The lowest level written to the stream.
    """

    def __init__(
        self, stream: Lines, clock: Callable[[], int], sink: ErrorSink | None, redactor: Redactor, level: int
    ) -> None:
        self._stream, self._clock, self._sink, self._redactor = stream, clock, sink, redactor
        self._lock = threading.RLock()
        self._is_writing = False
        self._later: list[str] = []
        self.level = level
        self.lost = 0

    def write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Write one line and, from WARNING on, tell the sink. Never raises, never waits for a database."""
        level = level.upper()
        rank = LEVELS.get(level, 20)
        is_news = self._sink is not None and rank >= LEVELS["WARNING"]
        if rank < self.level and not is_news:
            return
        now = self._clock()
        said = dict(fields)
        caught = said.pop("exc_info", None)
        line: dict[str, Any] = {"ts": now, "level": level, "event": self._redactor.clean(event)}
        if speaker := _speaker.get():
            said["component"] = speaker
        line |= self._redactor.value(said)
        if caught:
            line |= self._exception(caught)
        if self._sink is not None and is_news:
            self._tell_sink(self._sink, now, line)
        if rank >= self.level:
            self._write_line(json.dumps(line, ensure_ascii=False, allow_nan=True))

    def _write_line(self, text: str) -> None:
        with self._lock:
            self._later.append(text)
            if self._is_writing:
                return
            self._is_writing = True
            try:
                while self._later:
                    self._stream.write(self._later.pop(0) + "\n")
                self._stream.flush()
            except (OSError, ValueError) as error:  # a full disk must not reach whoever logs
                self.lost += 1
                if self.lost == 1 and self._sink is not None:
                    self._tell_sink(
                        self._sink,
                        self._clock(),
                        {
                            "level": "ERROR",
                            "logger": __name__,
                            "event": f"lines of the log are lost: {type(error).__name__}: {error}",
                        },
                    )
            finally:
                self._is_writing = False

    def _exception(self, caught: Any) -> dict[str, Any]:
        if isinstance(caught, tuple):
            error = caught[1]
        else:
            error = caught if isinstance(caught, BaseException) else sys.exc_info()[1]
        if not isinstance(error, BaseException):
            return {}
        kind, trace = type(error), error.__traceback__
        text = "".join(traceback.format_exception(kind, error, trace))  # without local variables
        if len(text) > _LONGEST_TRACE:  # where it began and how it ended
            half = _LONGEST_TRACE // 2
            text = f"{text[:half]}\n... ({len(text) - 2 * half} characters cut)\n{text[-half:]}"
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        found: dict[str, Any] = {
            "exception_type": f"{module}{kind.__qualname__}",
            "traceback": self._redactor.clean(text),
        }
        frames = traceback.extract_tb(trace)
        if frames:
            found |= {"raised_in": frames[-1].filename, "raised_at": frames[-1].lineno or 0}
        return found

    @staticmethod
    def _tell_sink(sink: ErrorSink, now: int, line: Mapping[str, Any]) -> None:
        logger = str(line.get("logger", ""))
        context = {name: value for name, value in line.items() if name not in _COLUMNS}
        text = str(line["event"])
        if context:
            text += " " + " ".join(f"{name}={value}" for name, value in context.items())
        sink.put(
            timestamp=now,
            level=str(line["level"]),
            logger_name=logger,
            message=text,
            source_file=str(line.get("raised_in") or line.get("file", "")),
            line_number=int(line.get("raised_at") or line.get("line", 0)),
            exception_type=str(line.get("exception_type", "")),
            exception_traceback=str(line.get("traceback", "")),
            component=str(line.get("component") or component_of(logger)),
            context=json.dumps(context, ensure_ascii=False) if context else "",
        )


_COLUMNS = frozenset(
    ("ts", "level", "event", "logger", "file", "line", "component", "traceback", "exception_type")
    + ("raised_in", "raised_at")
)
"""Of a line; the rest is what it is about."""


@contextmanager
def speaking_for(component: str) -> Iterator[None]:
    """Have everything logged in this context, by whatever library, count as this component's."""
    token = _speaker.set(component)
    try:
        yield
    finally:
        _speaker.reset(token)
