"""What is said beside a result, on stderr: as little or as much as was asked for (`-q`, `-v`).

Only the standard library: every command starts with it.
"""

import sys
from contextlib import suppress

QUIET, NORMAL, VERBOSE = -1, 0, 1
_level = [NORMAL]


def ask_for(*, quiet: bool, verbose: bool) -> None:
    """Set how much is said by this process; quiet wins."""
    _level[0] = QUIET if quiet else VERBOSE if verbose else NORMAL


def is_quiet() -> bool:
    """Whether nothing but errors is to be said."""
    return _level[0] == QUIET


def is_verbose() -> bool:
    """Whether details are welcome."""
    return _level[0] == VERBOSE


def say(text: str) -> None:
    """Say something on stderr unless quiet was asked for; nobody listening is no error."""
    if not is_quiet() and sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


def detail(text: str) -> None:
    """Say what only somebody who looks for a cause wants to know."""
    if is_verbose():
        say(text)
