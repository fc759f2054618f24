"""Makes chosen actors raise on chosen messages, from outside: the actors themselves know nothing of it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from actors import playback
from runtime.kernel.cell import ActorSpec
from runtime.messages.session import SessionHeader

Heard = dict[tuple[str, str], list[str]]
"""Message types by (actor, session), in the order in which the actor handled them."""


class Poison(msgspec.Struct, frozen=True):
    """One crash.

    Attributes:
        actor, session: Who crashes, and on which day.
        ordinal: On which message of the session, counted from 1; `settle` counts as one.
        late: Whether it has done all its work, and changed its state, before it raises.
    """

    actor: str
    session: str
    ordinal: int
    late: bool


class Saboteur:
    """Stands between the machine and its actors.

    Args:
        poisons: What must crash; each once.

    Attributes:
        heard: What every actor handled until it first crashed.
        met: The crashes that happened, with the type of the message.
    """

    def __init__(self, poisons: list[Poison] | None = None) -> None:
        self._wanted = {(one.actor, one.session): one for one in poisons or ()}
        self.heard: Heard = {}
        self.met: dict[Poison, str] = {}

    def specs(self, specs: list[ActorSpec], header: SessionHeader) -> list[ActorSpec]:
        """The same actors, watched."""
        return [self._watched(spec, header.session) for spec in specs]

    def _watched(self, spec: ActorSpec, session: str) -> ActorSpec:
        key = (spec.name, session)
        heard = self.heard.setdefault(key, [])
        poison = self._wanted.get(key)

        def guard(handler: Callable[..., Any], kind: str) -> Callable[..., Any]:
            def run(*message: object) -> Any:
                if poison in self.met:  # it has crashed: what comes now may be its past, told again
                    return handler(*message)
                heard.append(kind)
                if poison is None or len(heard) != poison.ordinal:
                    return handler(*message)
                self.met[poison] = kind
                if poison.late:
                    list(handler(*message) or ())
                raise RuntimeError("sabotage")

            return run

        def build(carried: bytes | None) -> Any:
            actor = spec.build(carried)
            handlers = actor.bound_handlers()
            watched = {kind: guard(handler, kind.__name__) for kind, handler in handlers.items()}
            actor.bound_handlers = lambda: watched  # type: ignore[method-assign]
            settle = getattr(actor, "settle", None)
            if settle is not None:
                actor.settle = guard(settle, "settle")
            return actor

        return msgspec.structs.replace(spec, build=build)


@contextlib.contextmanager
def sabotaged(saboteur: Saboteur) -> Iterator[Saboteur]:
    """Let every machine that is built meanwhile have its actors watched."""
    build = playback.system.build

    def patched(settings: Any, header: SessionHeader, *more: Any, **named: Any) -> list[ActorSpec]:
        return saboteur.specs(build(settings, header, *more, **named), header)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playback.system, "build", patched)
        yield saboteur
