"""The log of a process from its start to its end: nothing that went wrong is lost between the two."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runtime.error_fallback import FALLBACK, spill
from runtime.error_sink import ErrorSink
from runtime.log import configure, open_log, release
from runtime.log_file import KEPT, MOST_BYTES, LogFile
from runtime.strays import Strays, caught

__all__ = ["FALLBACK", "logging_to"]


@contextmanager
def logging_to(
    path: Path | None,
    *,
    clock: Callable[[], int],
    level: str = "INFO",
    sink: ErrorSink | None = None,
    secrets: Sequence[str] = (),
    most_bytes: int = MOST_BYTES,
    kept: int = KEPT,
) -> Iterator[tuple[ErrorSink, Strays]]:
    """Log into a file (None: nowhere) for as long as the block runs.

    What is still in the sink at the end, because no database took it, goes to the fallback file beside the
    log, with the error that ended the block.

    Args:
        path: Made with its folder, for its owner only; appended to.
        clock: Time in ns UTC. level: one of `LEVELS`.
        sink: What is logged at WARNING and above; None: a new one.
        secrets: Values that must never be written.
        most_bytes: Size after which the file is put aside. kept: how many are kept aside.

    Returns:
        The sink, and the hooks for an event loop.
    """
    errors = sink or ErrorSink()
    with _opened(path, most_bytes, kept) as stream:
        chain = configure(stream, clock=clock, level=level, sink=errors, secrets=secrets)
        with caught(chain) as strays:
            try:
                yield errors, strays
            except Exception as error:
                strays.ended(error)
                raise
            finally:
                release()
                if path is not None:
                    spill(errors, path.with_name(FALLBACK))


def _opened(path: Path | None, most_bytes: int, kept: int) -> LogFile | io.StringIO:
    return io.StringIO() if path is None else open_log(path, most_bytes=most_bytes, kept=kept)
