"""Waiting for files to change, told by the kernel (inotify): nothing is asked again and again.

watchfiles' own loop begins to watch at its first step, too late for whoever reads first and waits then; its
watcher itself begins where it is made.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

ADDED, MODIFIED, DELETED = 1, 2, 3
"""Kinds of changes."""
_GATHER_MS, _STEP_MS = 200, 10
"""Events are gathered until none has come for a step, at most so long."""


class FolderWatch:
    """Watches folders, not what lies in folders below them, from its making on.

    Args:
        folders: Those that do not exist are left out.
        matters: Whether a change, by kind and path, is one; None: every change.
    """

    def __init__(self, folders: Sequence[Path], matters: Callable[[int, str], bool] | None = None) -> None:
        from watchfiles._rust_notify import RustNotify

        self._matters = matters
        self._watcher = RustNotify(
            [str(each) for each in folders if each.is_dir()], False, False, 0, False, False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        self._watcher.close()

    def wait(self, seconds: float = 0.0) -> bool:
        """Wait for a change, at most so long; 0: for ever. Whether one came.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        until = time.monotonic() + seconds
        while True:
            left = max(1, round((until - time.monotonic()) * 1_000)) if seconds else 0
            found = self._watcher.watch(_GATHER_MS, _STEP_MS, left, None)
            if found == "signal":
                raise KeyboardInterrupt
            if isinstance(found, str):
                return False
            if self._matters is None or any(self._matters(kind, path) for kind, path in found):
                return True
