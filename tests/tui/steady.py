"""A pilot that waits until the app has done all that follows from a key, however slow the machine is.

Textual's own waits until the process uses little CPU, at most for a second: on a busy machine a process that
is not let run looks idle too, and the pilot would go on in the midst of what it waits for.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from textual import events, messages
from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump
from textual.notifications import Notification, Notifications
from textual.pilot import Pilot

from tests.walls import WALL_S

_OWN = (events.Callback, events.Timer, messages.Prompt)
"""What says nothing of work under way: our own question, what clocks tell for ever, a wish to look idle."""


class Kept(Notifications):
    """Toasts that are remembered when their time is over.

    Attributes:
        all: Every one there was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Notification] = []

    def add(self, notification: Notification) -> "Kept":
        self.all.append(notification)
        super().add(notification)
        return self


@asynccontextmanager
async def shown(
    app: App[Any], size: tuple[int, int], *, notifications: bool = True
) -> AsyncIterator[Pilot[Any]]:
    """The app on a terminal that nobody sees, its toasts kept, with a patient pilot."""
    app._notifications = Kept()
    with _patient(app):
        async with app.run_test(size=size, notifications=notifications) as pilot:
            yield pilot


@contextmanager
def _patient(app: App[Any]) -> Iterator[None]:
    """Whatever the pilot would wait for, it waits until nothing is under way in the app."""
    handled = [0, -1]  # messages; how many there were when everything was last settled
    dispatch = MessagePump._dispatch_message

    async def counted(pump: MessagePump, message: Message) -> None:
        if not isinstance(message, _OWN):
            handled[0] += 1
        await dispatch(pump, message)

    async def settled(*_: object) -> bool:
        async with asyncio.timeout(WALL_S):
            await _settled(app, handled)
        return not app._exception_event.is_set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MessagePump, "_dispatch_message", counted)
        patch.setattr(Pilot, "_wait_for_screen", settled)
        patch.setattr("textual.app.wait_for_idle", settled)
        patch.setattr("textual.pilot.wait_for_idle", settled)
        yield


async def _settled(app: App[Any], handled: list[int]) -> None:
    """Ask all widgets whether they have done what they were told, until nobody was told more meanwhile."""
    for _ in range(5):  # what a driver was given comes into the app's queue only by and by
        await asyncio.tasks.sleep(0)
    is_quiet = handled[0] == handled[1] and not any(_has_work(pump) for pump in _pumps(app))
    while not is_quiet and not _is_over(app):
        before, pumps = handled[0], _pumps(app)
        asked = [(pump, reached) for pump in pumps if (reached := _ask(pump)) is not None]
        while not _is_over(app) and not all(each.is_set() or not pump.is_running for pump, each in asked):
            await asyncio.tasks.sleep(0)
        is_quiet = handled[0] == before and not any(_has_work(pump) for pump in _pumps(app))
    handled[1] = handled[0]


def _is_over(app: App[Any]) -> bool:
    return app._exit or not app._running or app._exception_event.is_set()


def _pumps(app: App[Any]) -> list[MessagePump]:
    return [app, *(each for screen in app.screen_stack for each in screen.walk_children(with_self=True))]


def _has_work(pump: MessagePump) -> bool:
    waits = pump.is_running and (pump.message_queue_size > 0 or bool(pump._next_callbacks))
    return waits or bool(getattr(pump, "_callbacks", ()))


def _ask(pump: MessagePump) -> asyncio.Event | None:
    """What is set once a widget has come to the end of what waits for it now; None: it is no more."""
    reached = asyncio.Event()
    return reached if pump.is_running and pump.call_later(reached.set) else None
