"""What is done without an engine to ask: the HALT file itself, and chains of causes out of the books."""

import os
from pathlib import Path
from typing import Any

from runtime import kill_switch
from storage.database import DatabaseRefused
from storage.lock import RootBusy, RootLock
from storage.readers.chain import chain
from storage.readers.ledger import open_ledger
from tui.safe import clean


def by() -> str:
    """Who asks."""
    return f"user {os.getuid()} on the screen"


def halt(root: Path, reason: str, *, flatten: bool, everything: bool = False, at: int) -> str:
    """Write the HALT file.

    Args:
        at: ns UTC.

    Returns:
        What was done, for people.

    Raises:
        OSError: It could not be written.
    """
    trouble = kill_switch.throw(root, reason, flatten=flatten, everything=everything, at=at)
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


def chain_in_books(root: Path, id: str) -> tuple[dict[str, Any] | None, str]:
    """The chain of causes of an id as the books have it; where there is none, why."""
    try:
        with open_ledger(root) as ledger:
            found = chain(ledger, id)
    except (DatabaseRefused, OSError) as error:
        return None, clean(str(error), 200)
    return (found, "") if found is not None else (None, f"the books do not know {clean(id, 60)}")
