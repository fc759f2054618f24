"""Waiting for files to change, told by the kernel (inotify): nothing is asked again and again.

watchfiles' own loop begins to watch at its first step, too late for whoever reads first and waits then; its
watcher itself begins where it is made.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_GATHER_MS, _STEP_MS = 200, 10
"""Events are gathered until none has come for a step, at most so long."""


class FolderWatch:
    """Watches folders, not what lies in folders below them, from its making on.

    Args:
        folders: Those that do not exist are left out.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        from watchfiles._rust_notify import RustNotify

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
        found = self._watcher.watch(_GATHER_MS, _STEP_MS, round(seconds * 1_000), None)
        if found == "signal":
            raise KeyboardInterrupt
        return found != "timeout"
