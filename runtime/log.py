"""Logging: JSON lines for people and machines, warnings also to `error_log`, no secrets, no control codes.

structlog and the standard library's loggers end in the same chain. Nothing here waits: the line is written
to a stream, a warning is left in a bounded sink that the database's writer empties when it can.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict

from runtime.error_sink import ErrorSink
from runtime.log_chain import Lines, LogChain
from runtime.log_file import KEPT, MOST_BYTES, LogFile
from runtime.log_lines import LEVELS
from runtime.redaction import Redactor, text_of

_QUIET = ("websockets", "urllib3", "asyncio", "aiosqlite", "apprise", "requests", "requests_oauthlib")
"""Their DEBUG lines print authentication frames or addresses with keys, or drown everything else."""


def configure(
    stream: Lines,
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
    redactor = Redactor(secrets)
    chain = LogChain(stream, clock, sink, redactor, LEVELS[level])
    least = LEVELS[level]
    if sink is not None:
        sink.clean = redactor.clean
        least = min(least, LEVELS["WARNING"])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _place_of_warnings(),
            _Ending(chain),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root = _let_go()
    root.addHandler(_Bridge(chain))
    root.setLevel(least)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(least, logging.INFO))
    return chain


def release() -> None:
    """Let go of the stream: a later line would be written into a closed file."""
    _let_go()
    structlog.reset_defaults()


def _let_go() -> logging.Logger:
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Bridge)]:
        root.removeHandler(handler)
    return root


def open_log(path: Path, *, most_bytes: int = MOST_BYTES, kept: int = KEPT) -> LogFile:
    """Open a log file for appending, for its owner only.

    Args:
        most_bytes: Size after which it is put aside. kept: how many are kept aside.
    """
    return LogFile(path, most_bytes=most_bytes, kept=kept)


def get_logger(name: str) -> Any:
    """A structlog logger that says which module speaks; pass `__name__`."""
    return structlog.get_logger(logger_name=name)


class _Ending:
    """Last processor: hands the event to the chain and ends structlog's own."""

    def __init__(self, chain: LogChain) -> None:
        self._chain = chain

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> str:
        fields = dict(event)
        level = str(fields.pop("level"))
        fields["logger"] = fields.pop("logger_name", "")
        said: Any = fields.pop("event", "")
        self._chain.write(level, said if isinstance(said, str) else text_of(said), fields)
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
    """The standard library's loggers into the same chain.

    It has no lock of its own: a finaliser that logs while the chain is locked would take the two in the
    wrong order.
    """

    def __init__(self, chain: LogChain) -> None:
        super().__init__()
        self._chain = chain

    def createLock(self) -> None:  # noqa: N802 - its name in the standard library
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True

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
        self._chain.write(_level_name(record.levelno), text, fields)


def _level_name(number: int) -> str:
    """The standard level at or below a library's own."""
    return max((name for name in LEVELS if LEVELS[name] <= number), key=LEVELS.__getitem__, default="DEBUG")
