"""What the machine itself says: sessions, timers, crashes. Nothing here knows of trading."""

from typing import ClassVar, Literal

from runtime.messages.base import Decision, Input, Message

Source = Literal["market", "broker", "timer", "operator", "research", "machine"]
SOURCES: tuple[str, ...] = ("market", "broker", "timer", "operator", "research", "machine")


class SessionStarted(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """First input of a session; everything else it starts from is in the tape's header."""

    session: str
    """ISO date of the trading day."""
    part: int = 1
    """Beyond 1 the session has begun already, and goes on under changed settings or code."""
    unbroken: bool = False
    """With a later part: nothing went by meanwhile, so nobody has to be compared with the broker first."""


class SessionParted(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Last input of a tape whose session goes on in another part, under changed settings or code."""

    session: str
    part: int
    """The part it goes on in, counted from 1."""
    changed: str
    """What has changed, in words."""


class SessionEnded(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Last input of a session; what actors carry is asked for after it."""

    session: str


class TimerFired(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A timer that an actor set has come due; only that actor gets it."""

    address: ClassVar[str] = "actor"
    exclusive: ClassVar[bool] = True

    actor: str
    key: str


class SetTimer(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Ask for a `TimerFired` at `due`; the same actor and key replaces an earlier one."""

    actor: str
    key: str
    due: int


class CancelTimer(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Forget a timer; an unknown one is no error."""

    actor: str
    key: str


class ErrorResolved(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A person has dealt with a row of `error_log`."""

    error_id: str
    by: str
    note: str = ""


class ActorCrashed(Message, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A handler raised; the message is kept aside and never redelivered.

    Attributes:
        ordinal: Which message of the session it was for this actor, counted from 1.
        message_type: Class name of the poisonous message.
        message_digest: First 16 bytes (hex) of SHA-256 of the encoded message.
        poison: The encoded message, cut at 4 KiB (it is for people).
        error: Exception type and text, without addresses or paths.
        traceback: Frames without local variables; not part of any digest.
        crashes: How often this actor has crashed within the restart period, this one included.
    """

    cause: int
    actor: str
    ordinal: int
    message_type: str
    message_digest: str
    poison: bytes = b""
    error: str = ""
    traceback: str = ""
    source_file: str = ""
    line_number: int = 0
    crashes: int = 1


class ActorRestarted(Message, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A new instance took over with the state the old one had before the poisonous message."""

    cause: int
    actor: str
    refed: int
    restarts: int


class ActorStopped(Message, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Restart intensity was exceeded: the actor gets no more messages until the session ends."""

    cause: int
    actor: str
    reason: str
