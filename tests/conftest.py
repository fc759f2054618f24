"""What every test gets: Hypothesis profiles, plain signals, and a failure when our code blocks the loop."""

import inspect
import os
import signal
import threading
from collections.abc import Iterator

import hypothesis
import pytest

# A busy machine is slow without being wrong: nothing has a deadline, and slow examples are no complaint.
# The same examples come every time; new ones are looked for on purpose, with HYPOTHESIS_PROFILE=thorough.
PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("ci", PATIENT, derandomize=True, database=None, print_blob=True)
hypothesis.settings.register_profile("thorough", PATIENT, max_examples=2_000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

TAPE = {"input", "command", "crash", "caused", "sync"}
HALT_FILE = {"look", "_content"}
SCANNED = ["actors", "config", "runtime", "storage", "tui"]


def pytest_configure() -> None:
    """Programs started by tests take signals as those started by a person do.

    Whoever starts the tests may ignore some (`nohup`, a job in the background of a script), and what is
    ignored is inherited; what has a handler is not.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _ignored_here)


def _ignored_here(number: int, frame: object) -> None:
    """As if it were ignored, for this process alone."""


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
