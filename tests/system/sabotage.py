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


class _Watch:
    """What one actor did in one session: messages handled for the first time, and those told again.

    A restarted actor is told its past once more, everything it handled well; that must neither be counted
    nor poisoned.
    """

    def __init__(self) -> None:
        self.well = 0
        self.again = 0


class Saboteur:
    """Stands between the machine and its actors.

    Args:
        poisons: What must crash.

    Attributes:
        heard: What every actor handled, in order, poison included.
        met: The crashes that happened, with the type of the message.
    """

    def __init__(self, poisons: list[Poison] | None = None) -> None:
        self._wanted = {(one.actor, one.session, one.ordinal): one for one in poisons or ()}
        self.heard: Heard = {}
        self.met: dict[Poison, str] = {}

    def specs(self, specs: list[ActorSpec], header: SessionHeader) -> list[ActorSpec]:
        """The same actors, watched."""
        return [self._watched(spec, header.session) for spec in specs]

    def _watched(self, spec: ActorSpec, session: str) -> ActorSpec:
        heard = self.heard.setdefault((spec.name, session), [])
        watch = _Watch()

        def guard(handler: Callable[..., Any], kind: str) -> Callable[..., Any]:
            def run(*message: object) -> Any:
                if watch.again:
                    watch.again -= 1
                    return tuple(handler(*message) or ())
                heard.append(kind)
                poison = self._wanted.get((spec.name, session, len(heard)))
                if poison is None or poison.late:
                    said = tuple(handler(*message) or ())
                if poison is not None:
                    self.met[poison] = kind
                    raise RuntimeError("sabotage")
                watch.well += 1
                return said

            return run

        def build(carried: bytes | None) -> Any:
            watch.again = watch.well
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
