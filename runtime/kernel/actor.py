"""A decision actor: private state, one plain handler per message type, no clock of its own."""

import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

import msgspec

from runtime.messages.base import Message

Handler = TypeVar("Handler", bound=Callable[..., None])


def only_notes(handler: Handler) -> Handler:
    """Mark a handler that says nothing and leaves nothing to settle: nobody can tell when it runs.

    So who sends it mail goes on with its own first: what one actor says many times is noted in one go.
    """
    handler.only_notes = True  # type: ignore[attr-defined]
    return handler


class Moment:
    """The input being handled: its sequence number and time. Shared by all actors of a sequencer."""

    __slots__ = ("now", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self.now = 0


class Actor:
    """Base of every decision actor.

    A handler is a method named `on_*` that takes one annotated message and returns (or yields) messages.
    They are released together when it returns, none if it raises. Union annotations handle several types.
    `settle`, if defined, runs once the actor's inbox has run dry and no lower-ranked actor has mail: the
    end of a round.

    Attributes:
        unsettled: Whether `settle` has anything to do. An actor that knows keeps it up to date, so that
            rounds that cannot matter to it cost nothing; it follows from the messages alone.
    """

    name: str
    unsettled: bool = True
    _table: ClassVar[dict[type[Message], str]]

    moment: Moment

    def attach(self, name: str, moment: Moment) -> None:
        """Give the actor its address and the machine's moment; called before `start`."""
        self.name = name
        self.moment = moment

    @property
    def now(self) -> int:
        """Time of the input being handled, ns UTC."""
        return self.moment.now

    @property
    def seq(self) -> int:
        """Sequence number of the input being handled."""
        return self.moment.seq

    def carry(self) -> msgspec.Struct | None:
        """Everything that must cross the session's end; nothing else does."""
        return None

    def standing(self) -> msgspec.Struct | None:
        """Where it stands in the middle of a session: what `carry` says, and all that is of today."""
        return self.carry()

    @classmethod
    def handler_names(cls) -> dict[type[Message], str]:
        """Message type to method name, read once per class from the annotations of `on_*`."""
        table = cls.__dict__.get("_table")
        if table is None:
            table = _read_handlers(cls)
            cls._table = table
        return typing.cast(dict[type[Message], str], table)

    def noted_kinds(self) -> frozenset[type[Message]]:
        """Message types that are only noted."""
        names = self.handler_names()
        return frozenset(kind for kind in names if hasattr(getattr(self, names[kind]), "only_notes"))

    def bound_handlers(self) -> dict[type[Message], Callable[[Any], Iterable[Message] | None]]:
        """Message type to bound method."""
        return {kind: getattr(self, name) for kind, name in self.handler_names().items()}


def _read_handlers(cls: type) -> dict[type[Message], str]:
    table: dict[type[Message], str] = {}
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("on_"):
            continue
        parameters = list(inspect.signature(function).parameters)
        if len(parameters) != 2:
            raise TypeError(f"{cls.__name__}.{name} must take exactly one message")
        annotation = typing.get_type_hints(function)[parameters[1]]
        is_union = isinstance(annotation, types.UnionType)
        for kind in typing.get_args(annotation) if is_union else (annotation,):
            if not (isinstance(kind, type) and issubclass(kind, Message)):
                raise TypeError(f"{cls.__name__}.{name}: {kind!r} is not a message type")
            if kind in table:
                raise TypeError(f"{cls.__name__} handles {kind.__name__} twice: {table[kind]} and {name}")
            table[kind] = name
    return table
