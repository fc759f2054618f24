"""Tapes that a run makes: each is compressed when its session ends."""

from pathlib import Path
from typing import TYPE_CHECKING

from storage.tape import TapeWriter, compress

if TYPE_CHECKING:
    from runtime.messages.session import SessionHeader


class PackedTape(TapeWriter):
    """A tape that compresses itself when it is closed."""

    def close(self) -> None:
        """Write the footer, then put a compressed tape in this one's place."""
        super().close()
        if self.path.exists():
            compress(self.path)


class Recordings:
    """Makes the tape of each session.

    Args:
        folder: Where they go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: PackedTape | None = None

    def __call__(self, header: "SessionHeader") -> PackedTape:
        """A new tape for the session that begins."""
        tape = self._last = PackedTape(self._folder / f"{header.session}.tape", header, durable=False)
        return tape

    def abandon(self) -> None:
        """Leave the last tape as it is, if its session did not come to its end."""
        if self._last is not None:
            self._last.abandon()
