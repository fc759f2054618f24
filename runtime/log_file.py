"""The file a log is written to: lines whole, for its owner only, never larger than it may become.

A full file becomes `NAME.1`, that one `NAME.2`, and so on; the oldest goes. Each line is one write, so a
reader that follows the file never sees half of one, and a line that a full disk cut short is closed before
the next begins.
"""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

MOST_BYTES = 20_000_000
KEPT = 5


class LogFile:
    """A log file that starts anew when it is full.

    Args:
        path: Made with its folder, for its owner only; appended to.
        most_bytes: Size after which it is put aside. kept: how many are kept aside.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES, kept: int = KEPT) -> None:
        self._path, self._most, self._kept = path, most_bytes, kept
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._handle = -1
        self._size = 0
        self._is_torn = False
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, text: str, /) -> int:
        """Append a line.

        Raises:
            OSError: There is no room. ValueError: The file is closed.
        """
        if self._handle < 0:
            raise ValueError("the log file is closed")
        data = text.encode("utf-8", "backslashreplace")
        if self._size and self._size + len(data) > self._most:
            self._turn()
        if self._is_torn:
            data = b"\n" + data
        written = os.write(self._handle, data)
        self._size += written
        self._is_torn = written < len(data)
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Close the file; a second time nothing happens."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> None:
        self._handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._handle).st_size
        self._is_torn = self._size > 0 and os.pread(self._handle, 1, self._size - 1) != b"\n"

    def _turn(self) -> None:
        """Put the full file aside; where that cannot be done it is written on, whatever its size."""
        with suppress(OSError):
            for number in range(self._kept - 1, 0, -1):
                with suppress(FileNotFoundError):
                    os.replace(_aside(self._path, number), _aside(self._path, number + 1))
            if self._kept:
                os.replace(self._path, _aside(self._path, 1))
            else:
                os.unlink(self._path)
            full = self._handle
            self._open()
            os.close(full)


def parts_of(path: Path) -> list[Path]:
    """A log file with what was put aside, the oldest first."""
    aside = {
        int(each.name.rpartition(".")[2]): each
        for each in path.parent.glob(f"{path.name}.*")
        if each.name.removeprefix(f"{path.name}.").isdecimal()
    }
    return [aside[number] for number in sorted(aside, reverse=True)] + ([path] if path.exists() else [])


def _aside(path: Path, number: int) -> str:
    return f"{path}.{number}"
