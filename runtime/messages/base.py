"""What every message is: frozen, tagged, cheap, and either an input or a decision.

Times are int nanoseconds UTC, prices float USD, quantities int shares, shares of a whole fractions.
`array_like` keeps records small and fast, so fields may only ever be appended, with defaults.

Python 3.11 builds a dictionary for a call whose positional arguments and twice its keywords are more than
30, which costs five times what the message does. So the large messages that are made for every order may be
made by position: their leading fields are, in the order of the class.
"""

from typing import ClassVar

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="message"):
    """Anything that travels.

    Attributes:
        ts_event: When it happened (a bar: the start of its minute), ns UTC.
    """

    address: ClassVar[str] = ""
    """Name of the field that names the actor it is for; empty: every actor that handles the type."""
    exclusive: ClassVar[bool] = False
    """With an address: whether nobody else gets it, not even actors that listen to everything."""
    parts: ClassVar[str] = ""
    """Name of the field whose messages are handled in its place, in order, as one input."""

    ts_event: int


class Input(Message, frozen=True, gc=False, array_like=True, tag=True):
    """Came from outside: its sequence number is the tape's, given by the sequencer."""


def parts_of(message: Message) -> tuple[Message, ...]:
    """The messages that are handled in its place; most are handled themselves."""
    return getattr(message, message.parts) if message.parts else (message,)


class Decision(Message, frozen=True, gc=False, array_like=True, tag=True):
    """Emitted by a decision actor.

    Attributes:
        cause: Sequence number of the input that caused it.
    """

    cause: int


class Command(Decision, frozen=True, gc=False, array_like=True, tag=True):
    """A decision that leaves the system (to the broker): on the tape before it goes."""
