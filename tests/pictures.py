"""The pictures of README.md, made from the seeded demo so that they cannot go stale.

`python -m tests.pictures` writes them anew; a test compares what can be read on them.
"""

import asyncio
import html
import json
import re
import tempfile
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from textual._context import visible_screen_stack

from actors.gateways.replay_feed import MadeSession
from actors.market.calendar import session_times
from config.load import load
from runtime.messages.screen import Frame, Transport
from runtime.messages.screen_wire import Answer
from storage.loaders.synthetic import synthetic_sessions
from storage.readers.chain import chain
from storage.readers.ledger import open_ledger
from tests.actors.screen.played import Played
from tests.demo_run import demo
from tests.readme import REPOSITORY
from tests.tui.engine_socket import EngineSocket
from tests.tui.screens import until
from tests.tui.steady import shown
from tui.app import Desk
from tui.commands.demo import DEMO_SETTINGS, SEED

FOLDER = REPOSITORY / "tui" / "pictures"
PLACE, TIME = 3, "11:47"
"""The session (from 0) and the time in New York that the first picture shows."""
_SECOND = 1_000_000_000


class _Reached(Exception):
    """The moment of the picture."""


def frame() -> Frame:
    """What the engine of a demo tells a screen at that moment."""
    made = synthetic_sessions(seed=SEED, times=session_times)
    header = MadeSession(made[PLACE]).header
    day = datetime.fromisoformat(f"{header.session}T{TIME}").replace(tzinfo=ZoneInfo("America/New_York"))
    moment = int(day.timestamp()) * _SECOND

    def look(played: Played) -> None:
        if played.at >= moment:
            raise _Reached

    played = Played(load(DEMO_SETTINGS, environ={}).settings, look)
    try:
        for session in made[: PLACE + 1]:
            played.play(session)
    except _Reached:
        played.catch_up()
        played.frames.changes()
    whole = msgspec.structs.replace(played.frames.whole(), number=1)
    assert whole.head is not None
    return msgspec.structs.replace(
        whole,
        head=msgspec.structs.replace(whole.head, mode="DEMO", account="replay:demo-7"),
        actors=None,
        transport=Transport(
            playing=True,
            ended=False,
            speed=60.0,
            session=header.session,
            starts=header.starts,
            at=whole.at,
            ends=header.ends,
            place=PLACE,
            sessions=len(made),
            orders=len(whole.orders.rows) if whole.orders else 0,
        ),
    )


def causes(first: Frame) -> str:
    """Why the order on top of the page of orders was sent, out of the books of a whole demo."""
    assert first.orders is not None
    with open_ledger(demo()[0]) as ledger:
        return json.dumps(chain(ledger, first.orders.rows[-1].lot))


async def _painted(size: tuple[int, int], first: Frame, keys: tuple[str, ...], wait: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        async with EngineSocket(Path(folder), first) as engine:
            engine.answer = Answer(ok=True, body=causes(first))
            desk = Desk(Path(folder), clock=lambda: first.real)
            async with shown(desk, size, notifications=False) as pilot:
                await until(pilot, lambda: bool(desk.view.number))
                await pilot.press(*keys)
                await until(pilot, lambda: wait in _screen(desk))
                return plain_fonts(desk.export_screenshot(title="python -m runtime demo"))


def _screen(desk: Desk) -> str:
    # Lines are painted once: what shines through a modal screen must be known when somebody first looks.
    visible_screen_stack.set(desk._background_screens)
    strips = desk.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def plain_fonts(svg: str) -> str:
    """The picture with the fonts of whoever looks at it: none is fetched."""
    svg = re.sub(r"@font-face\s*{[^}]*}\s*|<!--.*?-->\s*", "", svg)
    return svg.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")


def words(svg: str) -> list[str]:
    """What can be read on a picture."""
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def pictures() -> dict[str, str]:
    """Every picture by the name of its file."""
    first = frame()

    async def make() -> dict[str, str]:
        return {
            "overview.svg": await _painted((160, 45), first, (), "Positions"),
            "causes.svg": await _painted((120, 30), first, ("3", "enter"), "capped by"),
        }

    return asyncio.run(make())


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        (FOLDER / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
