"""What may be said at all: an actor says decisions, a port says inputs."""

from runtime.messages.base import Decision, Input, Message

DECISIONS: set[type] = set()
INPUTS: set[type] = set()
"""Types seen to be decisions, inputs: asking a struct class with `isinstance` costs more than encoding."""


def check_decision(message: Message) -> None:
    """Whether an actor may say it; its type is remembered.

    Raises:
        TypeError: It is no decision.
    """
    if not isinstance(message, Decision):
        raise TypeError(f"emitted {type(message).__name__}, which is no decision")
    DECISIONS.add(type(message))


def check_input(message: Message) -> None:
    """Whether a port may say it, likewise."""
    if not isinstance(message, Input):
        raise TypeError(f"emitted {type(message).__name__}, but a port may only emit inputs")
    INPUTS.add(type(message))
