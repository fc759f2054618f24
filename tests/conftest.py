"""What every test gets: Hypothesis profiles, and a failure when our code blocks the event loop."""

import inspect
import os
from collections.abc import Iterator

import hypothesis
import pytest

# A busy machine is slow without being wrong, so nothing has a deadline; CI repeats the same examples.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "default")
)

TAPE = {"input", "command", "crash", "caused", "sync"}
HALT_FILE = {"look", "_content"}
SCANNED = ["actors", "config", "runtime", "storage", "tui"]


@pytest.fixture(autouse=True)
def no_blocking(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an async test in which our code blocks the loop; two places are allowed to.

    The tape's append (a record is with the operating system before its input is handled) and the look at
    the HALT file (two `stat` before every order that adds exposure; its words once, when it is found).
    """
    if not inspect.iscoroutinefunction(getattr(request, "function", None)):
        yield
        return
    from blockbuster import blockbuster_ctx  # imported by the few that need it: it costs a plain test time

    with blockbuster_ctx(scanned_modules=SCANNED) as blockers:
        for name, function in blockers.functions.items():
            if name.startswith(("os.", "io.")):
                function.can_block_in("storage/tape/writer.py", TAPE)
                function.can_block_in("runtime/kill_switch.py", HALT_FILE)
        yield
