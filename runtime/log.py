"""Logging: JSON lines for people and machines, warnings also to `error_log`, no secrets, no control codes.

structlog and the standard library's loggers end in the same chain. Nothing here waits: the line is written
to a stream, a warning is left in a bounded sink that the database's writer empties when it can.
"""

import contextlib
import io
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict

from runtime.error_sink import ErrorSink
from runtime.text import printable

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_QUIET = ("websockets", "urllib3", "asyncio", "aiosqlite")
"""Their DEBUG lines print authentication frames or drown everything else."""

_REDACTED = "[redacted]"
_SECRET_NAMES = re.compile(r"key_id|secret|passw|token|authori[sz]ation|api_?key|credential", re.IGNORECASE)
_SECRET_SHAPES = re.compile(r"\b(?:PK|AK|CK)[A-Z0-9]{16,24}\b|(?<=[Bb]earer )\S+")
_SHORTEST_SECRET = 6


class Redactor:
    """Takes secrets out of everything that is written.

    Args:
        secrets: Values that must never appear; shorter ones than six characters would hit plain words.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=lambda s: (-len(s), s))
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, value: str) -> str:
        """Replace known secrets and what looks like one."""
        if self._known is not None:
            value = self._known.sub(_REDACTED, value)
        return _SECRET_SHAPES.sub(_REDACTED, value)

    def value(self, value: Any) -> Any:
        """The same inside mappings and sequences; other objects become their text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {
                self._clean(str(name)): _REDACTED if _SECRET_NAMES.search(str(name)) else self.value(item)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return self._clean(value if isinstance(value, str) else _text_of(value))

    def _clean(self, text: str) -> str:
        return printable(self.text(text))


class LogChain:
    """From an event to a line: level, place, traceback, redaction, the sink, JSON.

    Args:
        stream: Where the lines go. clock: ns UTC. sink: gets WARNING and above, or None.
        level: The lowest level written.
    """

    def __init__(
        self, stream: TextIO, clock: Callable[[], int], sink: ErrorSink | None, redactor: Redactor, level: int
    ) -> None:
        self._stream, self._clock, self._sink, self._redactor = stream, clock, sink, redactor
        self._lock = threading.Lock()
        self.level = level
        self.lost = 0

    def write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Write one line and, from WARNING on, tell the sink. Never raises, never waits for a database."""
        level = level.upper()
        rank = LEVELS.get(level, 20)
        if rank < self.level:
            return
        now = self._clock()
        said = dict(fields)
        caught = said.pop("exc_info", None)
        line: dict[str, Any] = {"ts": now, "level": level, "event": self._redactor.value(str(event))}
        line |= self._redactor.value(said)
        if caught:
            line |= self._exception(caught)
        if self._sink is not None and rank >= LEVELS["WARNING"]:
            self._tell_sink(self._sink, now, line)
        try:
            text = json.dumps(line, ensure_ascii=False, allow_nan=True)
            with self._lock:
                self._stream.write(text + "\n")
                self._stream.flush()
        except (OSError, ValueError):  # a full disk or a closed stream must not reach whoever logs
            self.lost += 1

    def _exception(self, caught: Any) -> dict[str, Any]:
        if isinstance(caught, tuple):
            error = caught[1]
        else:
            error = caught if isinstance(caught, BaseException) else sys.exc_info()[1]
        if not isinstance(error, BaseException):
            return {}
        kind, trace = type(error), error.__traceback__
        lines = "".join(traceback.format_exception(kind, error, trace))  # without local variables
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        found = {"exception_type": f"{module}{kind.__qualname__}", "traceback": self._redactor.value(lines)}
        frames = traceback.extract_tb(trace)
        if frames:
            found |= {"raised_in": frames[-1].filename, "raised_at": frames[-1].lineno or 0}
        return found

    @staticmethod
    def _tell_sink(sink: ErrorSink, now: int, line: Mapping[str, Any]) -> None:
        logger = str(line.get("logger", ""))
        known = ("ts", "level", "event", "logger", "file", "line", "component", "traceback")
        extra = {name: value for name, value in line.items() if name not in (*known, "exception_type")}
        text = str(line["event"])
        for name in ("raised_in", "raised_at"):
            extra.pop(name, None)
        if extra:
            text += " " + " ".join(f"{name}={value}" for name, value in extra.items())
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
        )


def configure(
    stream: TextIO,
    *,
    clock: Callable[[], int],
    level: str = "INFO",
    sink: ErrorSink | None = None,
    secrets: Sequence[str] = (),
) -> LogChain:
    """Send structlog and the standard library's loggers to `stream` as JSON lines.

    Args:
        clock: Time in ns UTC. level: one of `LEVELS`. sink: gets WARNING and above.
        secrets: Values that must never be written.

    Raises:
        KeyError: The level is unknown.
    """
    chain = LogChain(stream, clock, sink, Redactor(secrets), LEVELS[level])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _place_of_warnings(),
            _Ending(chain),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge(chain))
    root.setLevel(LEVELS[level])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.INFO))
    return chain


@contextlib.contextmanager
def logging_to(path: Path | None, *, clock: Callable[[], int], level: str = "INFO") -> Iterator[ErrorSink]:
    """Log into a file (None: nowhere) for as long as the block runs; what it logs at WARNING and above.

    Args:
        path: Made with its folder, for its owner only; appended to.
        clock: Time in ns UTC. level: one of `LEVELS`.
    """
    sink = ErrorSink()
    with open_log(path) if path is not None else io.StringIO() as stream:
        configure(stream, clock=clock, level=level, sink=sink)
        try:
            yield sink
        finally:
            _release()


def _release() -> None:
    """Let go of the stream: a later line would be written into a closed file."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Bridge)]:
        root.removeHandler(handler)
    structlog.reset_defaults()


def open_log(path: Path) -> TextIO:
    """Open a log file for appending, for its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    return path.open("a", encoding="utf-8", errors="backslashreplace")


def get_logger(name: str) -> Any:
    """A structlog logger that says which module speaks; pass `__name__`."""
    return structlog.get_logger(logger_name=name)


def component_of(logger: str) -> str:
    """The part of the system a logger belongs to: `actors.gateways.db_writer` -> `gateways`."""
    parts = logger.split(".")
    if parts[0] in ("actors", "runtime", "storage", "tui") and len(parts) > 1:
        return parts[1]
    return parts[0] or "process"


class _Ending:
    """Last processor: hands the event to the chain and ends structlog's own."""

    def __init__(self, chain: LogChain) -> None:
        self._chain = chain

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> str:
        fields = dict(event)
        level = str(fields.pop("level"))
        fields["logger"] = fields.pop("logger_name", "")
        self._chain.write(level, str(fields.pop("event", "")), fields)
        raise structlog.DropEvent


def _place_of_warnings() -> Callable[[Any, str, EventDict], EventDict]:
    """File and line, only where somebody will look for them: finding them costs 10 us."""
    place = structlog.processors.CallsiteParameterAdder(
        {structlog.processors.CallsiteParameter.PATHNAME, structlog.processors.CallsiteParameter.LINENO},
        additional_ignores=[__name__],
    )

    def add(logger: Any, method: str, event: EventDict) -> EventDict:
        if LEVELS.get(str(event.get("level", "")).upper(), 0) >= LEVELS["WARNING"]:
            event = place(logger, method, event)
            event["file"], event["line"] = event.pop("pathname"), event.pop("lineno")
        return event

    return add


class _Bridge(logging.Handler):
    """The standard library's loggers into the same chain."""

    def __init__(self, chain: LogChain) -> None:
        super().__init__()
        self._chain = chain

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if record.levelno >= logging.WARNING:
            fields |= {"file": record.pathname, "line": record.lineno}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a foreign format string with wrong arguments is still news
            text = f"{record.msg} ({type(error).__name__} while formatting)"
        self._chain.write(record.levelname, text, fields)


def _text_of(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a broken __repr__ must not break the log
        return f"<{type(value).__name__}: {type(error).__name__} in repr>"
