"""What is behind a row of a table: chains of causes, tracebacks, notes on errors."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from textual.app import App

from runtime.messages.screen import ErrorRow
from tui import last_resort
from tui.panels.table import LineTable
from tui.screens.detail import Detail, chain_of, known_of
from tui.screens.typed import Typed
from tui.wire import Link


class Behind:
    """Opens details and resolves errors.

    Args:
        app: Shows the boxes. link: Whom chains are asked of.
        root: Whose books tell them where nobody answers.
    """

    def __init__(self, app: App[Any], link: Link, root: Path) -> None:
        self._app = app
        self._link = link
        self._root = root

    def open(self, table: LineTable[Any], row: Any) -> None:
        """Show all that is known of a row, and its chain of causes as soon as that is told."""
        id = chain_of(row)
        detail = Detail(f"{table.title}: {id or row.key}", known_of(table, row))
        self._app.push_screen(detail)
        if id:
            self._app.run_worker(self._explain(detail, id), name="explain")

    async def _explain(self, detail: Detail, id: str) -> None:
        found, why = await self.explained(id)
        if not detail.is_running:
            return
        if found is not None:
            detail.put_chain(found)
        else:
            self._app.notify(f"no chain of causes: {why}", severity="warning")

    async def explained(self, id: str) -> tuple[dict[str, Any] | None, str]:
        """The chain of causes of an id, from the engine or, if none answers, from the books; or why not."""
        answer = await self._link.ask("explain", target=id)
        if answer.ok and answer.body:
            try:
                return msgspec.json.decode(answer.body, type=dict[str, Any]), ""
            except msgspec.MsgspecError as error:
                return None, f"the answer cannot be read: {error}"
        if self._link.standing.state == "up":
            return None, answer.text
        return await asyncio.to_thread(last_resort.chain_in_books, self._root, id)

    def resolve(self, row: Any) -> None:
        """Ask for a note and resolve an error with it."""
        if not isinstance(row, ErrorRow):
            self._app.notify("put the cursor on an error first (page 8)", severity="warning")
            return
        if row.resolved:
            self._app.notify("it is resolved already")
            return
        key = row.key

        def noted(note: str | None) -> None:
            if note:
                self._app.run_worker(self._resolve(key, note))

        self._app.push_screen(
            Typed(f"Resolve error {key}", row.text, placeholder="what was done about it"), noted
        )

    async def _resolve(self, key: str, note: str) -> None:
        answer = await self._link.ask("resolve_error", target=key, note=note, by=last_resort.by())
        words = answer.text or ("done" if answer.ok else "refused")
        self._app.notify(words, title="RESOLVE", severity="information" if answer.ok else "error")
