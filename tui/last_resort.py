"""Halt and resume without an engine to ask: the HALT file itself, as the commands of that name treat it."""

import os
from pathlib import Path

from runtime import kill_switch
from storage.lock import RootBusy, RootLock
from tui.safe import clean


def by() -> str:
    """Who asks."""
    return f"user {os.getuid()} on the screen"


def halt(root: Path, reason: str, *, flatten: bool, at: int) -> str:
    """Write the HALT file.

    Args:
        at: ns UTC.

    Returns:
        What was done, for people.

    Raises:
        OSError: It could not be written.
    """
    trouble = kill_switch.throw(root, reason, flatten=flatten, at=at)
    path = root / kill_switch.DIRECTORY / kill_switch.FILE
    return clean(trouble or f"{path} is written: an engine at work obeys it, none starts to trade with it")


def resume(root: Path, *, at: int) -> str:
    """Remove the HALT file under the engine's lock, or leave the wish for an engine that holds it.

    Args:
        at: ns UTC.

    Returns:
        What was done, for people.

    Raises:
        OSError, NotLifted, StorageUnavailable: Trading stays halted.
    """
    try:
        with RootLock(root):
            kill_switch.lift(root, by(), at=at)
    except RootBusy:
        kill_switch.ask_to_lift(root, by(), at=at)
        return "an engine is at work without answering: it is asked by a file to resume"
    return "resumed: the HALT file is gone; no engine is running"
