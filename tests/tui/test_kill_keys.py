"""`K` from everywhere, with an engine and without one."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import kill_switch
from runtime.messages.screen_wire import Answer
from tests.tui import frames
from tests.tui.screens import desk, hit, told, until
from tui import last_resort
from tui.kill_keys import KillKeys
from tui.screens.pages import PAGES
from tui.wire import Standing

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
        await pilot.pause()
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


# ---- the keys themselves, without a terminal ------------------------------------------------------


class App:
    """What the keys need of an app: a stack of screens, workers, toasts."""

    def __init__(self) -> None:
        self.screen_stack: list[object] = ["page"]
        self.workers: list[tuple[Coroutine[Any, Any, None], str]] = []
        self.toasts: list[tuple[str, str, str]] = []

    def push_screen(self, screen: object) -> None:
        self.screen_stack.append(screen)

    def pop_screen(self) -> None:
        self.screen_stack.pop()

    def run_worker(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.workers.append((work, name))

    def notify(self, words: str, *, title: str, severity: str, timeout: float = 5.0) -> None:
        self.toasts.append((title, severity, words))

    async def worked(self) -> None:
        for work, _ in self.workers:
            await work
        self.workers.clear()


class Wire:
    """A link that answers as it is told to."""

    def __init__(self, answer: Answer, state: str = "up", *, read_only: bool = False) -> None:
        self.answer, self.standing, self.read_only = answer, Standing(state), read_only  # type: ignore[arg-type]
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def ask(self, command: str, **words: Any) -> Answer:
        self.asked.append((command, words))
        return self.answer


def switch(root: Path, link: Wire | None = None) -> tuple[KillKeys, App, Wire]:
    app, wire = App(), link or Wire(Answer(ok=True))
    return KillKeys(app, wire, root, lambda: 5), app, wire  # type: ignore[arg-type]


def typed(keys: KillKeys, text: str, *, enter: bool = True) -> None:
    for letter in text:
        assert keys.took(letter, letter, None)
    if enter:
        assert keys.took("enter", "\r", None)


def test_every_key_but_k_passes_while_it_is_closed(tmp_path: Path) -> None:
    keys, app, _ = switch(tmp_path)
    assert not any(keys.took(key, key, None) for key in ("k", "enter", "escape", "q", "1"))
    assert not keys.took("ctrl+k", None, None)
    assert app.screen_stack == ["page"]
    assert keys.took("K", "K", None)
    assert keys.is_open


@given(st.lists(st.sampled_from([*"FLATENRSUMxk1 ", "enter", "backspace", "left", "tab"]), max_size=12))
def test_while_it_is_open_every_key_is_its_own_and_only_whole_words_do_anything(pressed: list[str]) -> None:
    keys, app, _ = switch(Path("/nowhere"))
    keys.show(None)
    so_far = ""
    for key in pressed:
        character = key if len(key) == 1 else None
        assert keys.took(key, character, None)
        if key == "enter" and so_far[-10:] in ("FLATTEN", "FLATTENALL", "RESUME"):
            break
        so_far = (
            so_far[:-1] if key == "backspace" else so_far + (key if key.isalpha() and len(key) == 1 else "")
        )
        assert keys.is_open and not app.workers
    for work, _ in app.workers:
        work.close()


def test_escape_leaves_all_as_it_is(tmp_path: Path) -> None:
    keys, app, _ = switch(tmp_path)
    keys.show(None)
    typed(keys, "FLATTEN", enter=False)
    assert keys.took("escape", None, None)
    assert (keys.is_open, app.screen_stack, app.workers) == (False, ["page"], [])


def test_it_is_opened_once_and_takes_away_what_was_opened_above_it(tmp_path: Path) -> None:
    keys, app, _ = switch(tmp_path)
    keys.show(None)
    keys.show(None)
    assert len(app.screen_stack) == 2
    app.push_screen("a question")
    assert keys.took("escape", None, None)
    assert app.screen_stack == ["page"]


def test_a_read_only_screen_leaves_the_halt_to_others(tmp_path: Path) -> None:
    keys, app, _ = switch(tmp_path, Wire(Answer(ok=True), read_only=True))
    keys.show(None)
    typed(keys, "KFLATTEN")
    assert keys.is_open and not app.workers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("K", {"flatten": False}),
        ("FLATTEN", {"flatten": True}),
        ("FLATTENALL", {"flatten": True, "everything": True}),
    ],
)
async def test_what_was_typed_is_what_the_engine_is_asked(
    tmp_path: Path, text: str, words: dict[str, Any]
) -> None:
    await asyncio.to_thread(kill_switch.prepare, tmp_path)
    keys, app, wire = switch(tmp_path)
    keys.show(None)
    typed(keys, text, enter=text != "K")
    await app.worked()
    ((command, said),) = wire.asked
    assert command == "halt"
    assert {name: said.get(name) for name in ("flatten", "everything")} == {"everything": None} | words
    assert said["reason"].endswith(f"by {said['by']}")
    assert not await asyncio.to_thread(lambda: kill_switch.look(tmp_path).halted)


async def test_an_answer_without_words_is_said_in_ours(tmp_path: Path) -> None:
    keys, app, _ = switch(tmp_path)
    keys.show(None)
    typed(keys, "K", enter=False)
    await app.worked()
    assert app.toasts == [("HALT", "warning", "the engine halts")]


@pytest.mark.parametrize(
    ("answer", "toast"),
    [
        (Answer(ok=True), ("RESUME", "information", "done")),
        (Answer(ok=False), ("RESUME", "error", "refused")),
        (Answer(ok=False, text="positions differ"), ("RESUME", "error", "positions differ")),
    ],
)
async def test_an_engine_that_is_up_alone_decides_whether_trading_resumes(
    tmp_path: Path, answer: Answer, toast: tuple[str, str, str]
) -> None:
    await asyncio.to_thread(kill_switch.throw, tmp_path, "odd fills", at=1)
    keys, app, wire = switch(tmp_path, Wire(answer))
    keys.show(None)
    typed(keys, "RESUME")
    await app.worked()
    assert [command for command, _ in wire.asked] == ["resume"]
    assert app.toasts == [toast]
    assert await asyncio.to_thread(lambda: kill_switch.look(tmp_path).halted)


async def test_a_halt_that_cannot_be_lifted_is_said_to_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(*_: object, **__: object) -> str:
        raise kill_switch.NotLifted("HALT is a folder")

    monkeypatch.setattr(last_resort, "resume", stuck)
    keys, app, _ = switch(tmp_path, Wire(Answer(ok=True), "lost"))
    keys.show(None)
    typed(keys, "RESUME")
    await app.worked()
    ((title, severity, words),) = app.toasts
    assert (title, severity) == ("RESUME", "error")
    assert words.startswith("trading stays halted: ") and "HALT is a folder" in words
