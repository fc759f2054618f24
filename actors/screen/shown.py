"""The frames of whichever session is in hand: one socket shows one session after the other."""

import asyncio

from actors.gateways.ui_server import Source
from runtime.messages.screen import Frame


class Shown:
    """The frames of whichever session is shown; a change of session is told as a whole frame.

    Attributes:
        clients: How many are attached.
    """

    def __init__(self) -> None:
        self._frames: Source
        self._is_empty = self._is_new = True
        self.clients = 0

    def show(self, frames: Source) -> None:
        """From now on these."""
        before = None if self._is_empty else self._frames
        self._frames, self._is_new, self._is_empty = frames, True, False
        if before is not None:
            before.crowded.set()  # whoever waits for it is to wait for the new one's

    @property
    def crowded(self) -> asyncio.Event:
        """Set when so much waits that it should be folded."""
        return self._frames.crowded

    def fold(self) -> bool:
        """Take in a piece of what has happened; whether there is more."""
        return self._frames.fold()

    def changes(self) -> Frame:
        """What has changed since the last call; everything where that was of another session."""
        self._frames.clients = self.clients
        changes = self._frames.changes()
        if not self._is_new:
            return changes
        self._is_new = False
        return self._frames.whole()

    def whole(self) -> Frame:
        """Everything, as of the last call of `changes`; of a session shown since then, as of now."""
        if self._is_new:
            self._frames.changes()
        return self._frames.whole()


class Still:
    """A session that is over, as it was last seen.

    Args:
        last: A whole frame of it.
    """

    def __init__(self, last: Frame) -> None:
        self.clients = 0
        self.crowded = asyncio.Event()
        self._last = last

    def fold(self) -> bool:
        """Nothing happens any more."""
        self.crowded.clear()
        return False

    def changes(self) -> Frame:
        """Nothing has changed."""
        return Frame()

    def whole(self) -> Frame:
        """As it was last seen."""
        return self._last
