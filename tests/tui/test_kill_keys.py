"""`K` from everywhere, with an engine and without one."""

import asyncio
from pathlib import Path

import pytest

from runtime import kill_switch
from runtime.messages.screen_wire import Answer
from tests.tui import frames
from tests.tui.screens import desk, hit, told, until
from tui.screens.pages import PAGES

PLACES = {
    **{spec.name: [str(number % 10)] for number, spec in enumerate(PAGES, start=1)},
    "filter": ["1", "slash", "a"],
    "help": ["1", "question_mark"],
    "question": ["4", "p"],
    "commands": ["1", "ctrl+p", "x"],
    "frozen": ["1", "space"],
}


async def test_k_k_halts_from_every_page_modal_filter_and_palette(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        for number, (place, keys) in enumerate(PLACES.items(), start=1):
            hit(app, *keys[:-1])
            await pilot.press(keys[-1])
            hit(app, "K", "K")
            await until(pilot, lambda wanted=number + 1: len(engine.asked) == wanted)
            assert engine.asked[-1].command == "halt", place
            assert not engine.asked[-1].flatten
            hit(app, "escape")
        assert engine.asked[-1].by.startswith("user ")


async def test_flatten_and_resume_are_typed_and_nothing_else_does_anything(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        hit(app, "K", *"flatten", "enter", "escape")
        hit(app, "K", *"FLATTEM", "enter", "backspace", *"N", "escape", "left")
        assert not app._kill.is_open
        assert [ask.command for ask in engine.asked] == ["attach"]
        engine.answer = Answer(ok=True, text="closing [/] all")
        hit(app, "K", *"FLATTEX", "backspace", "N", "enter")
        await until(pilot, lambda: len(engine.asked) == 2)
        assert (engine.asked[1].command, engine.asked[1].flatten) == ("halt", True)
        await until(pilot, lambda: "closing [/] all" in told(app))
        hit(app, "K", *"RESUME", "enter")
        await until(pilot, lambda: len(engine.asked) == 3)
        assert engine.asked[2].command == "resume"


async def test_without_an_engine_the_halt_file_is_written_and_resume_removes_it(tmp_path: Path) -> None:
    await asyncio.to_thread(kill_switch.prepare, tmp_path)
    async with desk(tmp_path) as (app, pilot, engine):
        await engine.stop()
        await until(pilot, lambda: app.link.standing.state == "lost")
        hit(app, "K")
        hit(app, "K")
        await until(pilot, lambda: "HALT is written" in told(app))
        assert not (await asyncio.to_thread(kill_switch.read, tmp_path)).flatten
        hit(app, "K", *"FLATTEN", "enter")
        await until(pilot, lambda: "FLATTEN" in told(app))
        assert (await asyncio.to_thread(kill_switch.read, tmp_path)).flatten
        assert not (await asyncio.to_thread(kill_switch.read, tmp_path)).everything
        hit(app, "K", *"FLATTENALL", "enter")
        await until(pilot, lambda: "FLATTENALL" in told(app))
        assert (await asyncio.to_thread(kill_switch.read, tmp_path)).everything
        hit(app, "K", *"RESUME", "enter")
        await until(pilot, lambda: "the HALT file is gone" in told(app))
        assert not (await asyncio.to_thread(kill_switch.look, tmp_path)).halted


async def test_an_engine_that_refuses_gets_the_file(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        engine.answer = Answer(ok=False, text="the gateway is gone")
        hit(app, "K", "K")
        await until(pilot, lambda: "the gateway is gone" in told(app))
        assert (await asyncio.to_thread(kill_switch.look, tmp_path)).halted


async def test_what_could_not_be_halted_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kill_switch, "throw", full)
    async with desk(tmp_path, first=frames.whole()) as (app, pilot, engine):
        await engine.stop()
        await until(pilot, lambda: app.link.standing.state == "lost")
        hit(app, "K", "K")
        await until(pilot, lambda: "NOT HALTED" in told(app))
        assert "No space left on device" in told(app)
