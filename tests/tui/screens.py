"""A screen under test: attached to made-up frames, its clock standing still, read as plain text."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual import events
from textual.pilot import Pilot

from runtime.messages.screen import Frame
from tests.tui import frames
from tests.tui.engine_socket import EngineSocket
from tests.tui.steady import Kept, shown
from tests.walls import WALL_S
from tui.app import Desk

Seat = tuple[Desk, Pilot[Any], EngineSocket]


@asynccontextmanager
async def desk(
    folder: Path, size: tuple[int, int] = (120, 30), first: Frame | None = None, **options: Any
) -> AsyncIterator[Seat]:
    """An attached desk that has shown its first frame."""
    async with EngineSocket(folder, first or frames.whole()) as engine:
        options.setdefault("clock", lambda: frames.NOW)
        app = Desk(folder, **options)
        async with shown(app, size) as pilot:
            await until(pilot, lambda: bool(app.view.number))
            yield app, pilot, engine


async def until(pilot: Pilot[Any], what: Any) -> None:
    """Let the app work until something holds."""
    async with asyncio.timeout(WALL_S):
        while not what():
            await pilot.pause(0.001)
    await pilot.pause()


def hit(app: Desk, *keys: str) -> None:
    """Keys as a terminal sends them, one after the other without a pause; letters name themselves."""
    for key in keys:
        character = key if len(key) == 1 else {"slash": "/", "question_mark": "?", "space": " "}.get(key)
        app.post_message(events.Key(key, character))


def text(app: Desk) -> str:
    """What can be read on the top screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def told(app: Desk) -> str:
    """All that toasts have said."""
    assert isinstance(app._notifications, Kept)
    return " ".join(f"{toast.title} {toast.message}" for toast in app._notifications.all)


def painted(app: Desk) -> list[str]:
    """Every piece of text that is painted, with what lies under a modal screen."""
    return [
        segment.text
        for screen in app.screen_stack
        for strip in screen._compositor.render_strips()
        for segment in strip
    ]
