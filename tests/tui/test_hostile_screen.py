"""Hostile text through every widget, modal, toast and bar reaches the terminal as a picture of itself."""

import re
import unicodedata
from pathlib import Path
from typing import Any

import msgspec

from runtime.messages.screen import Frame, Table
from runtime.messages.screen_wire import Answer
from tests.tui import frames
from tests.tui.screens import Desk, desk, hit, painted, text, told, until
from tui.screens.pages import PAGES

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07", "\x1b]52;c;aGFjaw==\x07", "\x9b31mred", "a\x00b\x07", "[/] [/nope]",
    "[@click=app.quit]quit[/]", "[red]x[/red]", "[type=x, v={'a[0]'}]", "\u202egnp.exe", "\u2066l\u2069",
    "z\u200be\u200dr\ufeffo", "e" + "\u0301" * 30, "two\nlines\tand\rmore", "\U000e0041\U0001f1e9\U0001f1ea",
    "=cmd|' /C calc'!A0", "\U0001f600 東京", "x\u2028y\u0085z",
)  # fmt: skip
LONG = "\x1b[31m" + "A\u202e" * 250_000
SGR = re.compile(r"\x1b\[[0-9;]*m")


def spoiled(row: Any, number: int) -> Any:
    """Every text of a row is hostile; its key too."""
    words = {
        name: LONG if number == 0 and place == 2 else HOSTILE[(number + place) % len(HOSTILE)]
        for place, name in enumerate(row.__struct_fields__)
        if isinstance(getattr(row, name), str)
    }
    return msgspec.structs.replace(row, **{**words, "key": f"{words['key'][:40]}{number}"})


def hostile_frame() -> Frame:
    whole = frames.whole()
    tables = {
        name: Table(rows=tuple(spoiled(row, n) for n, row in enumerate(table.rows)), whole=True)
        for name in whole.__struct_fields__
        if isinstance(table := getattr(whole, name), Table)
    }
    head = frames.head(
        halted=True, halt_reason=HOSTILE[0] + LONG, account=HOSTILE[5], session=HOSTILE[8],
        entries=HOSTILE[4], stream=HOSTILE[1], orders=HOSTILE[5], regime_source=HOSTILE[0],
        equity=float("nan"), vix=float("inf"),
        drawdown=1e300, cash=-1e18, day_pnl=float("-inf"), mode="PAPER",
    )  # fmt: skip
    return msgspec.structs.replace(whole, head=head, root=HOSTILE[0], **tables)


def is_inert(app: Desk) -> None:
    for piece in painted(app):
        assert not {unicodedata.category(letter) for letter in piece} & {
            "Cc",
            "Cf",
            "Cs",
            "Co",
            "Cn",
            "Mn",
        }, ascii(piece)
    for screen in app.screen_stack:
        for strip in screen._compositor.render_strips():
            sent = strip.render(app.console)
            assert "\x1b" not in SGR.sub("", sent)


async def test_hostile_text_is_shown_not_run(tmp_path: Path) -> None:
    async with desk(tmp_path, (160, 45), hostile_frame()) as (app, pilot, engine):
        engine.answer = Answer(ok=False, text="".join(HOSTILE) + LONG)
        for number, _ in enumerate(PAGES, start=1):
            await pilot.press(str(number % 10))
            await pilot.pause()
            is_inert(app)
            lines = text(app).splitlines()
            assert len(lines) == 45
            await pilot.press("s", "s", "slash", "x", "escape", "E", "y", "enter")
            is_inert(app)
            await pilot.press("escape", "escape")
        await until(pilot, lambda: len(list((tmp_path / "exports").glob("*.tsv"))) == len(PAGES))
        assert app.clipboard.replace("\t", "").isprintable()
        hit(app, "4")
        await pilot.press("p")
        is_inert(app)
        await pilot.press("y")
        await until(pilot, lambda: "[@click=app.quit]quit[/]" in told(app))
        app.notify(LONG, title=HOSTILE[5])
        hit(app, "K", "K")
        await pilot.pause()
        is_inert(app)
        assert "[@click=app.quit]" in " ".join(painted(app))
        files = [file.read_text() for file in sorted((tmp_path / "exports").glob("*.tsv"))]
        assert all(re.fullmatch(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]*", file) for file in files)
        assert not any(re.search(r"(^|\t)[=@]", file, re.MULTILINE) for file in files)
        assert app.is_running
