"""What the machine tells of itself: to the tape, and to whoever watches."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from runtime.messages.base import Command, Input, Message
from runtime.messages.machine import ActorCrashed, Source


class Recorder(Protocol):
    """Where the sequencer writes what must be on the tape (storage/tape has the real one)."""

    def input(self, seq: int, at: int, source: Source, message: Input) -> None:
        """Called before the input is handled."""

    def command(self, seq: int, message: Command) -> None:
        """Called before the command leaves."""

    def crash(self, crash: ActorCrashed) -> None:
        """Called as soon as an actor crashed."""

    def caused(self, seq: int, count: int, digest: bytes) -> None:
        """Called when everything the input caused has been handled."""


class Observer(Protocol):
    """Sees each input with everything it caused, once it is over: projections, screens, tests."""

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None: ...


class Recorded(msgspec.Struct, frozen=True):
    """A crash that a tape tells of: replay skips the same message for the same actor."""

    actor: str
    ordinal: int
    message_digest: str
