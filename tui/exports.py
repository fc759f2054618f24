"""Tables and pictures kept as files under the root, for their owner only; nothing is ever overwritten."""

import os
import re
from pathlib import Path

FOLDER = "exports"
_MOST_TRIES = 100


def save(root: Path, name: str, ending: str, text: str) -> Path:
    """Write a file of its own.

    Args:
        name: What it holds and when; other characters than letters, digits, `-` and `_` become `-`.

    Returns:
        Where it is.

    Raises:
        OSError: It cannot be written.
    """
    folder = root / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
    for number in range(_MOST_TRIES):
        path = folder / f"{plain}{f'-{number}' if number else ''}.{ending}"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return path
    raise FileExistsError(f"{folder / plain} and {_MOST_TRIES} like it are there already")
