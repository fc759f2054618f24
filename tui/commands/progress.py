"""How far long work has come: a bar on a terminal, a line per session on a plain one, silence elsewhere."""

import shutil
import sys
from types import TracebackType
from typing import Any, Self

from tui.commands.narration import is_quiet
from tui.commands.output import decorated

_LEAST_WIDTH = 50
"""Columns below which a bar would be cut."""


class Progress:
    """Shows how far a run of several sessions has come.

    Args:
        total: Sessions to come. shown: False keeps it silent; so does a stderr that is no terminal.
    """

    def __init__(self, total: int, *, shown: bool) -> None:
        self.shown = shown and not is_quiet() and sys.stderr is not None and sys.stderr.isatty()
        self._total = total
        self._done = 0
        self._session = ""
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self.shown and decorated(sys.stderr) and shutil.get_terminal_size().columns >= _LEAST_WIDTH:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task("session", total=self._total)
        return self

    def update(self, session: str, share: float) -> None:
        """Say that this share (0 to 1) of the session is done."""
        begins = session != self._session
        if begins:
            self._done += bool(self._session)
            self._session = session
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done + share, description=session)
        elif begins:
            print(f"{session} ({self._done + 1} of {self._total})", file=sys.stderr)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
