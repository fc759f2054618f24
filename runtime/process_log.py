"""The log of a process from its start to its end: nothing that went wrong is lost between the two."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runtime.error_fallback import FALLBACK, spill
from runtime.error_sink import ErrorSink
from runtime.log import configure, open_log, release
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
) -> Iterator[tuple[ErrorSink, Strays]]:
    """Log into a file (None: nowhere) for as long as the block runs.

    What is still in the sink at the end, because no database took it, goes to the fallback file beside the
    log, with the error that ended the block.

    Args:
        path: Made with its folder, for its owner only; appended to.
        clock: Time in ns UTC. level: one of `LEVELS`.
        sink: What is logged at WARNING and above; None: a new one.
        secrets: Values that must never be written.

    Returns:
        The sink, and the hooks for an event loop.
    """
    errors = sink or ErrorSink()
    with open_log(path) if path is not None else io.StringIO() as stream:
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
