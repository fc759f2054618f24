"""Keys that move a replay: asked of the engine, which answers with its next frame."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from textual.app import App
from textual.binding import Binding, BindingType

from runtime.messages.screen import Transport
from tui.panels.transport import stepped
from tui.screens.typed import Typed
from tui.wire import Link

_NEW_YORK = ZoneInfo("America/New_York")
_SECOND = 1_000_000_000
BINDINGS: tuple[BindingType, ...] = (
    Binding("o", "transport('toggle')", "Play or pause a replay", show=False),
    Binding("plus,equals_sign", "transport('faster')", "Faster", show=False),
    Binding("minus", "transport('slower')", "Slower", show=False),
    Binding("full_stop", "transport('step')", "One minute on", show=False),
    Binding("n", "transport('seek_order')", "To the next order", show=False),
    Binding("t", "transport('seek')", "To a time", show=False),
)


def moment(transport: Transport, text: str) -> int | None:
    """The time a person typed, in the session that is replayed.

    Args:
        text: HH:MM or HH:MM:SS, New York.

    Returns:
        ns UTC; None: it is no time.
    """
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            read = datetime.strptime(text, form)
        except ValueError:
            continue
        day = datetime.fromisoformat(transport.session)
        at = read.replace(year=day.year, month=day.month, day=day.day, tzinfo=_NEW_YORK)
        return int(at.timestamp()) * _SECOND
    return None


class ReplayKeys:
    """What the keys do.

    Args:
        app: Shows questions and toasts. link: To the engine that replays.
    """

    def __init__(self, app: App[Any], link: Link) -> None:
        self._app = app
        self._link = link

    def do(self, what: str, transport: Transport | None) -> None:
        """Move the replay.

        Args:
            what: toggle, faster, slower, step, seek_order or seek.
            transport: Where it stands; None: nothing is replayed.
        """
        if transport is None:
            self._app.notify("nothing is replayed here: time is the market's own", severity="warning")
        elif what == "toggle":
            self._move("pause" if transport.playing else "play")
        elif what in ("faster", "slower"):
            self._move("speed", stepped(transport.speed, 1 if what == "faster" else -1))
        elif what == "seek":
            self._ask_time(transport)
        else:
            self._move(what)

    def _ask_time(self, transport: Transport) -> None:
        def typed(text: str | None) -> None:
            at = moment(transport, text) if text else None
            if at is not None:
                self._move("seek", float(at))
            elif text:
                self._app.notify(f"{text} is no time: HH:MM", severity="warning")

        words = "A time of the session, New York. What is past is played again up to there."
        self._app.push_screen(Typed("Go to", words, placeholder="HH:MM", longest=8), typed)

    def _move(self, command: str, value: float = 0.0) -> None:
        self._app.run_worker(self._moved(command, value), name="transport")

    async def _moved(self, command: str, value: float) -> None:
        answer = await self._link.ask(command, value=value)
        if not answer.ok:
            self._app.notify(answer.text or "refused", title="REPLAY", severity="error")
