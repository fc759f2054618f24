"""One process per root: whoever writes a root's books and tapes holds its lock.

The system drops the lock with the process, however that ends; the file stays, removing it would be a race.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.errors import BooksRefused, StorageUnavailable
from storage.disk import make_private


class RootBusy(BooksRefused):
    """Another process works in this root."""

    def __init__(self, root: Path, holder: str) -> None:
        who = f"another process ({holder})" if holder else "another process"
        hint = "wait for its end (`stop` ends it, `tui` shows it), or choose another --root"
        super().__init__(f"{who} is at work in {root}: {hint}")


class RootLock:
    """The lock of a root, held from `with` to its end.

    Args:
        root: Created if it is not there; the lock is `<root>/run/engine.lock`.

    Raises:
        RootBusy: Another process has it, or another holder in this one.
        StorageUnavailable: The root cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = -1

    def __enter__(self) -> Self:
        path = self._root / "run" / "engine.lock"
        try:
            make_private(path.parent)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageUnavailable(f"the root {self._root} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._file, 64).decode("ascii", "replace").strip()
            self._close()
            raise RootBusy(self._root, holder) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, f"process {os.getpid()}\n".encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1
