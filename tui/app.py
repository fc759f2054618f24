"""The app: one attached screen. It folds frames, turns keys into asks, and never decides anything.

`K` is taken before anything else sees it, whatever is open.
"""

import asyncio
import gc
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen

from runtime.kernel.clock import LiveClock
from runtime.messages.screen import Frame, StrategyRow
from runtime.messages.screen_wire import Answer
from tui import exports, last_resort, replay_keys
from tui.behind import Behind
from tui.kill_keys import KillKeys
from tui.panels import figures
from tui.panels.ink import PALETTES, NoColour, theme_of
from tui.panels.lines import Lines
from tui.panels.status import Connection
from tui.panels.table import LineTable
from tui.safe import clean
from tui.screens.commands import CommandScreen
from tui.screens.confirm import Confirm
from tui.screens.help import HelpScreen
from tui.screens.leave import Choice, LeaveScreen, leaving
from tui.screens.main import Main
from tui.screens.pages import PAGES
from tui.view import EMPTY, fold
from tui.wire import Link, Standing

_TICK = 1.0
_MOST_TOLD = 300
_ENDED_BY = (signal.SIGTERM, signal.SIGHUP)


class Desk(App[str]):
    """The screen of one engine; its result is `stop` or `leave`, as a person chose, or `ended`."""

    TITLE = "runtime"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False  # it would copy what is painted, borders and all; `y` copies the row
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(n % 10), f"page('{spec.name}')", spec.title, show=False)
            for n, spec in enumerate(PAGES, 1)
        ),
        *replay_keys.BINDINGS,
        Binding("slash", "filter", "Filter", show=False),
        Binding("escape", "clear", "Clear the filter", show=False),
        Binding("space", "freeze", "Freeze", show=False),
        Binding("p", "pause", "Pause a strategy", show=False),
        Binding("R", "resolve", "Resolve an error", show=False),
        Binding("c", "palette", "Colours", show=False),
        Binding("y", "copy_row", "Copy the row", show=False),
        Binding("E", "export", "Export as TSV", show=False),
        Binding("ctrl+s", "picture", "Keep as SVG", show=False, priority=True),
        Binding("ctrl+p", "commands", "Commands", show=False),
        Binding("question_mark", "help", "Keys", show=False),
        Binding("q", "leave", "Leave", show=False),
        Binding("ctrl+q", "leave", "Leave", show=False, priority=True),
    ]

    def __init__(
        self,
        root: Path,
        *,
        read_only: bool = False,
        palette: str = PALETTES[0].name,
        clock: Callable[[], int] | None = None,
        has_ended: Callable[[], bool] | None = None,
    ) -> None:
        """Attach to nothing yet.

        Args:
            root: Whose engine; its HALT file is written when nobody listens there.
            palette: desk, desk-cb or light.
            clock: The present, ns UTC.
            has_ended: Whether the engine that was started with this screen is over: then the screen is too,
                and leaving it asks what is to become of the engine. None: it was not started with it.
        """
        super().__init__()
        if self.no_color:
            self._filters[:] = [NoColour()]
        for known in PALETTES:
            self.register_theme(theme_of(known))
        self.theme = palette
        self.root_folder = root
        self._clock = clock or LiveClock().now
        self.link = Link(root, on_frame=self._framed, on_standing=self._stood, read_only=read_only)
        self.main = Main()
        self.view = EMPTY
        self._frozen = False
        self._shown = EMPTY
        self._behind = 0
        self._heard = self._clock()
        self._kill = KillKeys(self, self.link, root, self._clock)
        self._has_ended = has_ended
        self._behind_rows = Behind(self, self.link, root)
        self._replay = replay_keys.ReplayKeys(self, self.link)

    def get_default_screen(self) -> Screen[Any]:
        """The one with the pages."""
        return self.main

    def on_mount(self) -> None:
        """Attach, and see to it that a signal leaves the terminal as it was."""
        self._show()
        self.set_interval(_TICK, self._tick)
        self.run_worker(self.link.run(), name="link", exit_on_error=True)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in _ENDED_BY:
                loop.add_signal_handler(number, self._ended_by, number)
            gc.collect()  # long pauses of the collector are seen as a stuttering screen (terminal 2.1)
            gc.freeze()
            gc.set_threshold(700, 10, 10**6)

    def _tick(self) -> None:
        self._show()
        if self._has_ended is not None and self._has_ended():
            self.exit("ended")

    def on_unmount(self) -> None:
        """Let the engine go."""
        self.link.close()

    def _ended_by(self, number: signal.Signals) -> None:
        self.exit(return_code=128 + number)

    # What comes from the engine

    def _framed(self, frame: Frame) -> None:
        halted = self.view.head is not None and self.view.head.halted
        self.view = fold(self.view, frame)
        self._heard = self._clock()
        if self._frozen:
            self._behind += 1
        if self.view.head is not None and self.view.head.halted and not halted:
            self.bell()
        self._show()

    def _stood(self, standing: Standing) -> None:
        self._show()

    @property
    def connection(self) -> Connection:
        """How this screen stands to its engine."""
        standing = self.link.standing
        return Connection(
            is_up=standing.state == "up",
            why=standing.why,
            silent_for=self._clock() - self._heard,
            read_only=self.link.read_only,
            frozen=self._frozen,
            behind=self._behind,
        )

    def _show(self) -> None:
        if not self._frozen:
            self._shown = self.view
        self.main.show(self._shown, self.connection)

    # The kill switch

    async def on_event(self, event: events.Event) -> None:
        """Take `K`, and every key while the kill switch is open, before any widget does.

        And `/`: what is typed right behind it must find the filter open, not the keys of a table.
        """
        if isinstance(event, events.Key) and not event.is_forwarded:
            if self._kill.took(event.key, event.character, self.view.head):
                return
            if event.character == "/" and isinstance(self.focused, LineTable) and self.screen is self.main:
                self.action_filter()
                return
        await super().on_event(event)

    def action_kill(self) -> None:
        """Open the kill switch."""
        self._kill.show(self.view.head)

    def _tell(self, what: str, answer: Answer) -> None:
        words = answer.text or ("done" if answer.ok else "refused")
        self.notify(words, title=what, severity="information" if answer.ok else "error")

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a toast; the words are cleaned and never read as markup, whoever asks for it."""
        super().notify(
            clean(message, _MOST_TOLD),
            title=clean(title, 60),
            severity=severity,
            timeout=timeout,
            markup=False,
        )

    # Keys

    async def action_page(self, name: str) -> None:
        """Turn to a page."""
        if self.screen is self.main:
            await self.main.turn_to(name)

    def action_filter(self) -> None:
        """Open the filter of the table with the focus."""
        table = self.main.table()
        if table is not None:
            self.main.filter_line.open(table)

    def action_clear(self) -> None:
        """Take the filter of the table with the focus away."""
        table = self.main.table()
        if table is not None and table.filtering:
            table.filter("")

    async def action_table(self, name: str) -> None:
        """Do something with the table with the focus."""
        table = self.main.table()
        if table is not None:
            await self.run_action(name, table)

    async def action_detail(self) -> None:
        """Show what is behind the chosen row."""
        await self.action_table("choose")

    def action_freeze(self) -> None:
        """Stand still, or go on."""
        self._frozen = not self._frozen
        self._behind = 0
        self._show()

    def action_palette(self) -> None:
        """The next palette."""
        names = [known.name for known in PALETTES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        for shown in self.screen_stack:
            for lines in shown.query(Lines):
                lines.refresh()

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen())

    def action_help_quit(self) -> None:
        """Ctrl+C: it ends nothing here, so say what does."""
        self.notify("q leaves the screen; K is the kill switch", title="ctrl+c does nothing here")

    def action_commands(self) -> None:
        """Ask for a command by name."""

        async def asked_for(action: str | None) -> None:
            if action:
                await self.run_action(action)

        self.push_screen(CommandScreen(), asked_for)

    def action_leave(self) -> None:
        """Leave the screen, having asked about an engine that was started with it."""
        if self._has_ended is None:
            self.exit("leave")
        elif not isinstance(self.screen, LeaveScreen):
            self.push_screen(leaving(self.view), self._leave)

    def _leave(self, choice: Choice | None) -> None:
        if choice in ("stop", "leave"):
            self.exit(choice)

    def action_copy_row(self) -> None:
        """Copy the chosen row to the terminal's clipboard."""
        table = self.main.table()
        row = table.row_as_tsv() if table is not None else ""
        if row:
            self.copy_to_clipboard(row)
            self.notify(row.replace("\t", "  "), title="copied")

    async def action_export(self) -> None:
        """Write the table with the focus as TSV."""
        table = self.main.table()
        if table is not None:
            await self._save(table.name or "table", "tsv", table.as_tsv())

    async def action_picture(self) -> None:
        """Write the screen as SVG."""
        await self._save("screen", "svg", self.export_screenshot())

    async def _save(self, name: str, ending: str, text: str) -> None:
        dated = f"{name}-{figures.stamp(self._clock())}"
        try:
            path = await asyncio.to_thread(exports.save, self.root_folder, dated, ending, text)
        except OSError as error:
            self.notify(f"not written: {error.strerror or error}", title="export", severity="error")
            return
        self.notify(str(path), title="written")

    def action_pause(self) -> None:
        """Pause the strategy under the cursor, or let it go on, once confirmed."""
        if self.link.read_only:
            self.notify("this screen is attached read-only", severity="warning")
            return
        table = self.main.table()
        row = table.chosen if table is not None else None
        if not isinstance(row, StrategyRow):
            self.notify("put the cursor on a strategy first (page 4)", severity="warning")
            return
        paused = row.state == "PAUSED"
        command, verb = ("unpause_strategy", "Let") if paused else ("pause_strategy", "Pause")
        ending = " go on?" if paused else "? It enters nothing new; what it holds stays protected."
        name = row.key

        def decided(yes: bool | None) -> None:
            if yes:
                self.run_worker(self._ask_for(command, name))

        self.push_screen(Confirm(f"{verb} {clean(name, 60)}{ending}"), decided)

    async def _ask_for(self, command: str, strategy: str) -> None:
        words = command.replace("_", " ")
        self._tell(words, await self.link.ask(command, strategy=strategy, by=last_resort.by()))

    # What is behind a row

    @on(LineTable.Chosen)
    def _chosen(self, event: LineTable.Chosen) -> None:
        event.stop()
        self._behind_rows.open(event.table, event.row)

    def action_resolve(self) -> None:
        """Ask for a note and resolve the error under the cursor."""
        table = self.main.table()
        self._behind_rows.resolve(table.chosen if table is not None else None)

    def action_transport(self, what: str) -> None:
        """Move a replay."""
        self._replay.do(what, self.view.transport)
