"""Ctrl-C in the middle of a run: the input in hand is handled to its end, so the books stay whole."""

import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from actors.playback import Session
    from runtime.messages.base import Input
    from runtime.messages.machine import Source


class Stopped(KeyboardInterrupt):
    """The run was stopped between two inputs."""


class Interrupt:
    """Takes the first Ctrl-C as a wish, to be granted between two inputs; a second one stops at once."""

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def check(self, session: str) -> None:
        """Stop here if that was asked for.

        Raises:
            Stopped: It was.
        """
        if self._asked:
            raise Stopped(f"stopped in the session {session}")

    def watched(self, sessions: "Iterable[Session]") -> "Iterator[Session]":
        """The same sessions, which end where a stop is asked for."""
        for session in sessions:
            self.check(session.header.session)
            yield _Watched(session, self)


class _Watched:
    """A session that looks for the wish to stop before each input."""

    def __init__(self, session: "Session", interrupt: Interrupt) -> None:
        self.header = session.header
        self.panels = session.panels
        self.recorded = session.recorded
        self._session = session
        self._interrupt = interrupt

    def inputs(self) -> "Iterator[tuple[int, Source, Input]]":
        """Its inputs in order of time."""
        name, check = self.header.session, self._interrupt.check
        for found in self._session.inputs():
            check(name)
            yield found
