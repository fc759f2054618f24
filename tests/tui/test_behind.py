"""What is behind a row, errors and their notes, a replay's keys."""

from pathlib import Path

import msgspec
import pytest

from runtime.messages.screen import Frame
from runtime.messages.screen_wire import Answer
from tests.tui import frames
from tests.tui.panels.test_chain import LOT
from tests.tui.screens import desk, painted, text, told, until
from tui.panels.transport import SPEEDS, stepped
from tui.replay_keys import moment

HOSTILE = "a\x1b]0;x\x07[/][@click=app.quit]b\u202e\x00"


async def test_enter_on_an_order_shows_the_chain_from_bar_to_profit(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        engine.answer = Answer(ok=True, body=msgspec.json.encode({"lots": [LOT]}).decode())
        await pilot.press("3", "enter")
        await until(pilot, lambda: "capped by PCT" in text(app))
        assert engine.asked[-1].command == "explain"
        assert engine.asked[-1].target == frames.order(23).lot
        shown = text(app)
        for words in ("input", "signal", "approved", "fill", "closed  ▲+4.87"):
            assert words in shown
        await pilot.press("y")
        assert "capped by PCT" in app.clipboard
        await pilot.press("escape")
        assert "capped by PCT" not in text(app)
        for page, target in (("2", frames.position(0).key), ("6", frames.signal(29).key)):
            await pilot.press(page, "enter")
            await until(pilot, lambda: engine.asked[-1].target == target)  # noqa: B023
            await pilot.press("escape")


async def test_without_a_chain_the_row_itself_is_shown_whole_and_why_is_said(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        engine.answer = Answer(ok=False, text="the books know no such order")
        await pilot.press("3", "enter")
        await until(pilot, lambda: "the books know no such order" in told(app))
        assert f"Orders: {frames.order(23).lot}" in text(app)
        await pilot.press("escape", "4", "j", "j", "enter")
        assert "all gaps of today are filled" in text(app)
        await pilot.press("escape")
        await engine.stop()
        await until(pilot, lambda: app.link.standing.state == "lost")
        await pilot.press("2", "enter")
        await until(pilot, lambda: "no chain of causes: " in told(app))


async def test_an_error_shows_its_traceback_and_is_resolved_with_a_note(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        await pilot.press("8")
        shown = text(app)
        assert "CRITICAL 2 (24 times)" in shown
        assert "consecutive_losses PAUSE" in shown
        await pilot.press("j", "j", "enter")
        assert "the 100th minute is one too many" in text(app)
        assert "stumbler.py" in text(app)
        await pilot.press("escape", "R", *"mended", "enter")
        await until(pilot, lambda: engine.asked[-1].command == "resolve_error")
        assert (engine.asked[-1].target, engine.asked[-1].note) == (frames.error(4).key, "mended")
        await pilot.press("j", "R")
        assert "it is resolved already" in told(app)
        await pilot.press("2", "R")
        assert "put the cursor on an error first" in told(app)


async def test_keys_move_a_replay_and_say_so_where_there_is_none(tmp_path: Path) -> None:
    first = frames.whole(transport=frames.transport(), head=frames.head(mode="REPLAY"))
    async with desk(tmp_path, (160, 45), first) as (app, pilot, engine):
        shown = text(app)
        assert "▶ PLAYING  ×60  2026-11-20 15:22:17" in shown
        await pilot.press("o", "plus", "minus", "full_stop", "n")
        await until(pilot, lambda: len(engine.asked) == 6)
        asked = [(ask.command, ask.value) for ask in engine.asked[1:]]
        assert asked == [
            ("pause", 0.0),
            ("speed", 300.0),
            ("speed", 15.0),
            ("step", 0.0),
            ("seek_order", 0.0),
        ]
        await pilot.press("t", *"15:45", "enter")
        await until(pilot, lambda: engine.asked[-1].command == "seek")
        assert int(engine.asked[-1].value) == frames.OPENS + 375 * frames.MINUTE
        await pilot.press("t", *"noon", "enter")
        await until(pilot, lambda: "noon is no time" in told(app))
        engine.answer = Answer(ok=False, text="it stands at its end")
        engine.send(Frame(number=2, transport=frames.transport(ended=True, playing=False)))
        await until(pilot, lambda: "■ ENDED" in text(app))
        await pilot.press("0", "o")
        await until(pilot, lambda: "it stands at its end" in told(app))
        assert "stands at its end" in text(app)
    (tmp_path / "s").unlink(missing_ok=True)
    async with desk(tmp_path) as (app, pilot, engine):
        await pilot.press("o")
        assert "nothing is replayed here" in told(app)
        assert len(engine.asked) == 1


async def test_hostile_rows_answers_and_notes_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    lot = {
        **LOT,
        "lot_id": HOSTILE,
        "links": [{"kind": HOSTILE, "id": HOSTILE, "numbers": {HOSTILE: HOSTILE}}],
    }
    first = frames.whole(
        errors=msgspec.structs.replace(
            frames.whole().errors,  # type: ignore[arg-type]
            rows=(frames.error(0, text=HOSTILE, component=HOSTILE, traceback=HOSTILE * 9_000, note=HOSTILE),),
        ),
        transport=frames.transport(),
    )
    async with desk(tmp_path, (80, 24), first) as (app, pilot, engine):
        engine.answer = Answer(ok=True, text=HOSTILE, body=msgspec.json.encode({"lots": [lot]}).decode())
        for keys in (("8", "enter"), ("escape", "R", "x", "enter"), ("2", "enter"), ("escape", "9", "enter")):
            await pilot.press(*keys)
            await pilot.pause()
            assert not any(set(piece) & set("\x1b\x07\x00\u202e") for piece in painted(app))
        await pilot.press("escape")


@pytest.mark.parametrize(("text", "minutes"), [("09:30", 0), ("15:45", 375), ("09:31:30", 1.5)])
def test_a_typed_time_is_one_of_the_session_in_new_york(text: str, minutes: float) -> None:
    assert moment(frames.transport(), text) == frames.OPENS + round(minutes * frames.MINUTE)


@pytest.mark.parametrize("text", ["", "25:00", "9", "later", "09:30 PM"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert moment(frames.transport(), text) is None


def test_speeds_are_a_ladder_that_ends_at_as_fast_as_it_goes() -> None:
    speed, seen = SPEEDS[0], [SPEEDS[0]]
    while (faster := stepped(speed, 1)) != speed:
        speed = faster
        seen.append(speed)
    assert tuple(seen) == SPEEDS
    while (slower := stepped(speed, -1)) != speed:
        speed = slower
    assert speed == SPEEDS[0]
    assert stepped(100.0, 1) == 300.0
    assert stepped(100.0, -1) == 60.0


async def test_leaving_asks_about_an_engine_that_was_started_with_the_screen(tmp_path: Path) -> None:
    over: list[bool] = []
    async with desk(tmp_path, has_ended=lambda: bool(over)) as (app, pilot, _):
        await pilot.press("q")
        assert "4 intraday positions are closed by a running engine only." in text(app)
        await pilot.press("x", "escape")
        assert app.is_running
        await pilot.press("q", "l")
        assert app.return_value == "leave"
    async with desk(
        tmp_path, first=frames.whole(head=frames.head(mode="DEMO")), has_ended=lambda: bool(over)
    ) as (
        app,
        pilot,
        _,
    ):
        await pilot.press("q")
        assert "Its books stay" in text(app)
        await pilot.press("enter")
        assert app.return_value == "stop"
    over.append(True)
    async with desk(tmp_path, has_ended=lambda: bool(over)) as (app, pilot, _):
        await until(pilot, lambda: app.return_value == "ended")
