"""`K` from everywhere: the kill switch takes keys before any widget, and acts with or without an engine."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App

from runtime.errors import BooksRefused, StorageUnavailable
from runtime.kill_switch import NotLifted
from runtime.messages.screen import Head
from runtime.messages.screen_wire import Answer
from tui import last_resort
from tui.screens.kill import Decision, KillScreen
from tui.wire import Link

_PATIENCE = 2.0
"""Seconds an engine has to answer a halt; then the file is written, which it obeys without answering."""
_LONG = 20.0
_VERY_LONG = 60.0


class KillKeys:
    """The kill switch of one screen.

    Args:
        app: Shows the switch and toasts. link: To the engine. root: Whose HALT file is the other way.
        clock: The present, ns UTC.
    """

    def __init__(self, app: App[Any], link: Link, root: Path, clock: Callable[[], int]) -> None:
        self._app = app
        self._link = link
        self._root = root
        self._clock = clock
        self._open: KillScreen | None = None

    @property
    def is_open(self) -> bool:
        """Whether every key is its own."""
        return self._open is not None

    def took(self, key: str, character: str | None, head: Head | None) -> bool:
        """Whether a key was for the kill switch; it has acted on it then."""
        if self._open is None:
            if character == "K":
                self.show(head)
            return character == "K"
        decision = self._open.press(key, character)
        if decision is not None:
            self._close()
            if decision != "leave":
                self._app.run_worker(self._act(decision), name=decision)
        return True

    def show(self, head: Head | None) -> None:
        """Open it, and say how the switch stands."""
        if self._open is not None:
            return
        halted = "HALTED now. " if head is not None and head.halted else ""
        is_up = self._link.standing.state == "up"
        reach = "An engine listens: it is asked." if is_up else "No engine listens: the HALT file is written."
        self._open = KillScreen(halted + reach, read_only=self._link.read_only)
        self._app.push_screen(self._open)

    def _close(self) -> None:
        closing, self._open = self._open, None
        while closing in self._app.screen_stack:  # whatever was opened above it meanwhile goes too
            self._app.pop_screen()

    async def _act(self, decision: Decision) -> None:
        if decision == "resume":
            await self._resume()
            return
        everything = decision == "flattenall"
        flatten, by = decision == "flatten" or everything, last_resort.by()
        reason = f"{decision} by {by}"
        wish: dict[str, Any] = {"flatten": flatten, "reason": reason, "by": by}
        if everything:
            wish["everything"] = True
        asked = await self._link.ask("halt", patience=_PATIENCE, **wish)
        title = decision.upper()
        if asked.ok:
            self._app.notify(asked.text or "the engine halts", title=title, severity="warning")
            return
        try:
            said = await asyncio.to_thread(
                last_resort.halt,
                self._root,
                reason,
                flatten=flatten,
                everything=everything,
                at=self._clock(),
            )
        except OSError as error:
            words = f"NOT HALTED: {asked.text}; the HALT file: {error.strerror or error}"
            self._app.notify(words, title="KILL SWITCH", severity="error", timeout=_VERY_LONG)
            return
        self._app.notify(f"{said} ({asked.text})", title=title, severity="warning", timeout=_LONG)

    async def _resume(self) -> None:
        if self._link.standing.state == "up":
            self._tell(await self._link.ask("resume", by=last_resort.by()))
            return
        try:
            said = await asyncio.to_thread(last_resort.resume, self._root, at=self._clock())
        except (OSError, NotLifted, StorageUnavailable, BooksRefused) as error:
            self._tell(Answer(ok=False, text=f"trading stays halted: {error}"))
            return
        self._tell(Answer(ok=True, text=said))

    def _tell(self, answer: Answer) -> None:
        words = answer.text or ("done" if answer.ok else "refused")
        self._app.notify(words, title="RESUME", severity="information" if answer.ok else "error")
