"""What every kept file needs: folders for their owner only, and names that survive a power loss."""

import os
from pathlib import Path


def make_private(directory: Path) -> None:
    """Create a directory and its parents, each new one for its owner only."""
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def sync_directory(directory: Path) -> None:
    """Make a rename or a new name in a directory survive a power loss."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
