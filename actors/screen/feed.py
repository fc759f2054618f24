"""Stands beside the sequencer and keeps what a screen will want to know, at the price of one append an input.

What was kept is folded when somebody looks, a bounded piece at a time, never while a decision is made. While
nobody looks it waits; when very much waits, whoever folds is woken.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from actors.screen.state import ScreenState
from runtime.error_sink import ErrorEntry
from runtime.messages.base import Input, Message
from storage.statements import Row

CROWDED = 20_000
"""Inputs that wait before they are folded without anybody looking."""
PIECE = 150
"""Messages folded at once: well below a millisecond."""
_MOST_SAID = 5_000
_SHOWN = frozenset(("error", "alert", "alert_delivery"))


class Feed:
    """Observer of one session.

    Args:
        state: What it is folded into.

    Attributes:
        crowded: Set while more than `CROWDED` inputs wait.
    """

    def __init__(self, state: ScreenState) -> None:
        self.state = state
        self.crowded = asyncio.Event()
        self._backlog: deque[tuple[int, int, Input, Sequence[Message]]] = deque()
        self._rest: Iterator[Message] = iter(())
        self._rows: deque[Row] = deque(maxlen=_MOST_SAID)
        self._entries: deque[ErrorEntry] = deque(maxlen=_MOST_SAID)
        self._waiting: list[tuple[Callable[[Input], bool], asyncio.Event]] = []

    # ---- what is said -----------------------------------------------------------------------

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self._backlog.append((seq, at, message, caused))
        if self._waiting:
            self._wake(message)
        if len(self._backlog) > CROWDED:
            self.crowded.set()

    def rows(self, rows: Sequence[Row]) -> None:
        """Rows on their way to the books; those of the error log and of alerts are shown."""
        for row in rows:
            if row[0] in _SHOWN:
                self._rows.append(row)

    def entry(self, entry: ErrorEntry) -> None:
        """An error of the process; from any thread."""
        self._entries.append(entry)

    # ---- waiting for an input ---------------------------------------------------------------

    def expect(self, which: Callable[[Input], bool]) -> asyncio.Event:
        """An event that is set once such an input has been handled; `forget` it if it never comes."""
        handled = asyncio.Event()
        self._waiting.append((which, handled))
        return handled

    def forget(self, handled: asyncio.Event) -> None:
        """Wait for it no longer."""
        self._waiting = [each for each in self._waiting if each[1] is not handled]

    def _wake(self, message: Input) -> None:
        met = [handled for which, handled in self._waiting if which(message)]
        for handled in met:
            handled.set()
            self.forget(handled)

    # ---- folding ----------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """Inputs not folded yet."""
        return len(self._backlog)

    def fold(self) -> bool:
        """Fold one piece of what waits; whether there is more."""
        state, backlog, left = self.state, self._backlog, PIECE
        while left > 0:
            for said in self._rest:
                state.take(said)
                left -= 1
                if left <= 0:
                    return True
            if not backlog:
                self._tell_words()
                self.crowded.clear()
                return False
            seq, at, message, caused = backlog.popleft()
            while self._rows and self._rows[0][1][1] < at:  # what was said before it, in its place
                self._tell_row()
            state.begin(seq, at, message)
            left -= 1
            self._rest = iter(caused)
        return True

    def _tell_words(self) -> None:
        while self._rows:
            self._tell_row()
        while self._entries:
            self.state.journal.entry(self._entries.popleft())

    def _tell_row(self) -> None:
        journal = self.state.journal
        name, parameters = self._rows.popleft()
        if name == "error":
            journal.row(parameters)
        elif name == "alert":
            journal.alert(parameters)
        else:
            journal.delivered(parameters[0], parameters[2])
