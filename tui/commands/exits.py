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

_CODES = {"ConfigError": CONFIG, "DataError": DATA, "BooksRefused": DATA, "StorageUnavailable": DATA}


def code_of(error: Exception) -> int | None:
    """The exit code of an error a person can mend; None for a bug."""
    for kind in type(error).__mro__:
        code = _CODES.get(kind.__name__)
        if code is not None:
            return code
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        return DATA
    return None
