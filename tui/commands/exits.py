"""Exit codes, and which error means which."""

OK = 0
FAILED = 1
USAGE = 2
CONFIG = 3
UNHEALTHY = 4
HALTED = 5
NO_ENGINE = 6
RUNNING = 7
AUTH = 8
DATA = 9
INTERRUPTED = 130

MEANINGS = {
    OK: "done",
    FAILED: "failed",
    USAGE: "wrong words on the command line",
    CONFIG: "a setting is wrong",
    UNHEALTHY: "not healthy",
    HALTED: "halted",
    NO_ENGINE: "no engine is running",
    RUNNING: "already running",
    AUTH: "keys missing or refused",
    DATA: "a file is missing, damaged or not what is needed",
    INTERRUPTED: "interrupted",
}


class WrongUse(Exception):
    """The words of the command line do not go together."""


class EngineRefused(Exception):
    """The running engine said no."""


class EngineDeaf(Exception):
    """A process is at work in the root and does not answer."""


_CODES = {
    "ConfigError": CONFIG,
    "DataError": DATA,
    "RootBusy": RUNNING,
    "BooksRefused": DATA,
    "StorageUnavailable": DATA,
    "WrongUse": USAGE,
    "UnicodeEncodeError": USAGE,  # a word of bytes that are no text, where text is wanted
    "EngineRefused": FAILED,
    "EngineDeaf": RUNNING,
    "KeysRefused": AUTH,
    "BrokerUnavailable": FAILED,
    "BrokerRejected": FAILED,
}
"""By name, so that no command imports the modules of errors it cannot meet."""


def code_of(error: Exception) -> int | None:
    """The exit code of an error a person can mend; None for a bug."""
    for kind in type(error).__mro__:
        code = _CODES.get(kind.__name__)
        if code is not None:
            return code
    return DATA if isinstance(error, OSError) else None


def words_of(error: Exception) -> str:
    """What went wrong, on one line and without control characters."""
    from runtime.text import one_line

    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return one_line(f"{place}{error.strerror}", 1_000)
    return one_line(str(error) or type(error).__name__, 1_000)


def plain(text: str) -> str:
    """Several lines without control characters."""
    from runtime.text import printable

    return printable(text)
