"""The screen as a person uses it: keys, mouse, freeze, filter, palettes, losing the engine and finding it."""

from pathlib import Path
from typing import Any

import pytest
from textual.widget import Widget

from runtime.messages.screen import Frame, Table
from runtime.messages.screen_wire import Answer
from tests.tui import frames
from tests.tui.screens import desk, hit, text, told, until
from tui.panels.holdings import Positions
from tui.panels.table import LineTable
from tui.screens.main import Main


def focused(app: Any) -> LineTable[Any]:
    assert isinstance(app.focused, LineTable)
    return app.focused


async def test_the_cursor_moves_and_the_table_sorts_filters_copies_and_exports(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, _):
        await pilot.press("2", "j", "down", "k")
        assert focused(app).chosen.symbol == "MSFT"
        await pilot.press("G")
        assert focused(app).chosen.symbol == "XOM"
        await pilot.press("g")
        assert focused(app).chosen.symbol == "AAPL"
        await pilot.press("s", "s", "s", "s", "r")
        table = focused(app)
        assert table.columns[3].title == "P&L"
        assert (table.sorted_by, table.descending) == (3, True)
        assert [row.pnl for row in table.rows] == sorted((row.pnl for row in table.rows), reverse=True)
        assert table.chosen.symbol == "AAPL"  # the cursor stays with its row
        hit(app, "slash", *"gap")  # in one go, as a pasted or scripted line comes
        await pilot.press("enter")
        assert [row.symbol for row in table.rows] == ["NVDA"]
        assert app.focused is table
        assert "Positions 1 of 10 /gap" in text(app)
        await pilot.press("y")
        assert app.clipboard.split("\t")[:2] == ["NVDA", "+6"]
        await pilot.press("E")
        await until(pilot, lambda: list((tmp_path / "exports").glob("*.tsv")))
        (file,) = (tmp_path / "exports").glob("*.tsv")
        assert file.stat().st_mode & 0o777 == 0o600
        heading, row = file.read_text().splitlines()
        assert heading.split("\t")[:4] == ["symbol", "qty", "last", "P&L"]
        assert row.split("\t")[:2] == ["NVDA", "+6"]
        await pilot.press("escape")
        assert len(table.rows) == 10
        await pilot.press("slash", *"!gap", "escape")
        assert len(table.rows) == 10
        await pilot.press("tab")
        assert focused(app).name == "trades"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: list((tmp_path / "exports").glob("*.svg")))


async def test_the_mouse_turns_pages_sorts_and_chooses(tmp_path: Path) -> None:
    async with desk(tmp_path, (80, 24)) as (app, pilot, _):
        await pilot.click(app.main.tabs, offset=(16, 0))
        assert app.main.current == "positions"
        table = app.main.query_one("PositionsPage Positions", Positions)
        await pilot.click(table, offset=(3, 0))
        assert table.sorted_by == 0
        await pilot.click(table, offset=(3, 3))
        assert table.chosen is not None
        assert table.chosen.symbol == "AVGO"
        await pilot.click(table, offset=(3, 4), times=2)
        await until(pilot, lambda: f"Positions: {frames.position(4).key}" in text(app))
        await pilot.press("escape")
        await pilot.click(app.main.keys, offset=(1, 0))
        assert app._kill.is_open
        await pilot.press("escape")


async def test_frozen_paint_stands_still_while_data_go_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        await pilot.press("space")
        engine.send(frames.later(2, head=frames.head(equity=11_111.0)))
        await until(pilot, lambda: app.view.number == 2)
        shown = text(app)
        assert "FROZEN: 1 frames came meanwhile" in shown
        assert "97,926.19" in shown
        assert "11,111.00" not in shown
        await pilot.press("space")
        await pilot.pause()
        assert "11,111.00" in text(app)
        assert "FROZEN" not in text(app)


async def test_only_lines_that_changed_are_painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        await pilot.press("2")
        await pilot.pause()
        painted_lines: list[int] = []
        strip = Positions.strip

        def counted(self: Any, y: int, width: int) -> Any:
            painted_lines.append(y)
            return strip(self, y, width)

        monkeypatch.setattr(Positions, "strip", counted)
        row = frames.position(3, last=1.0)
        engine.send(Frame(number=2, at=frames.NOW, positions=Table(rows=(row,))))
        await until(pilot, lambda: app.view.number == 2)
        assert set(painted_lines) == {4}
        painted_lines.clear()
        engine.send(Frame(number=3, at=frames.NOW, positions=Table(rows=(row,))))
        await until(pilot, lambda: app.view.number == 3)
        assert painted_lines == []


async def test_a_row_that_goes_leaves_the_cursor_with_its_own(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        await pilot.press("2", "j", "j")
        assert focused(app).chosen.symbol == "NVDA"
        engine.send(Frame(number=2, positions=Table(gone=(frames.position(0).key,))))
        await until(pilot, lambda: app.view.number == 2)
        assert focused(app).chosen.symbol == "NVDA"
        assert "AAPL" not in text(app).partition("Closed")[0]


async def test_the_log_follows_until_the_cursor_goes_up(tmp_path: Path) -> None:
    async with desk(tmp_path, (80, 24)) as (app, pilot, engine):
        await pilot.press("7")
        engine.send(Frame(number=2, log=Table(rows=(frames.line(900, text="the newest line"),))))
        await until(pilot, lambda: "the newest line" in text(app))
        await pilot.press("k")
        engine.send(Frame(number=3, log=Table(rows=(frames.line(901, text="one more"),))))
        await until(pilot, lambda: app.view.number == 3)
        assert focused(app).chosen.text.startswith("order rejected")
        await pilot.press("G")
        assert "one more" in text(app)


async def test_pausing_a_strategy_is_asked_and_no_is_the_answer_by_default(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, engine):
        await pilot.press("4", "p")
        assert "Pause mean_reversion?" in text(app)
        await pilot.press("enter")
        await pilot.press("p", "y")
        await until(pilot, lambda: len(engine.asked) > 1)
        engine.answer = Answer(ok=False, text="no such [/] strategy")
        await pilot.press("j", "j", "j", "p", "y")
        await until(pilot, lambda: len(engine.asked) > 2)
        asked = [(ask.command, ask.strategy) for ask in engine.asked[1:]]
        assert asked == [
            ("pause_strategy", "mean_reversion"),
            ("unpause_strategy", "volatility_managed_momentum"),
        ]
        await until(pilot, lambda: "no such [/] strategy" in told(app))


async def test_palettes_help_palette_of_commands_and_leaving(tmp_path: Path) -> None:
    async with desk(tmp_path) as (app, pilot, _):
        seen = [app.theme]
        for _number in range(3):
            await pilot.press("c")
            seen.append(app.theme)
        assert seen == ["desk", "desk-cb", "light", "desk"]
        await pilot.press("ctrl+c")
        assert "q leaves the screen" in told(app)
        await pilot.press("question_mark")
        assert "FLATTEN and RESUME are typed" in text(app)
        await pilot.press("question_mark")
        await pilot.press("ctrl+p", *"page risk")
        assert "turn to the page Risk" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.main.current == "risk")
        await pilot.press("q")
    assert app.return_value == "leave"


async def test_an_engine_that_goes_is_told_and_found_again(tmp_path: Path) -> None:
    now = [frames.NOW]
    async with desk(tmp_path, clock=lambda: now[0]) as (app, pilot, engine):
        await engine.stop()
        now[0] += 12 * frames.SECOND
        await until(pilot, lambda: app.link.standing.state == "lost")
        shown = text(app)
        assert "NO ENGINE for 12 s: what you see is old. It may still be trading. K writes the HALT" in shown
        assert "97,926.19" in shown
        engine.first = frames.whole(head=frames.head(equity=22_222.0))
        await engine.listen()
        await until(pilot, lambda: app.link.standing.state == "up")
        assert "NO ENGINE" not in text(app)
        assert "22,222.00" in text(app)


async def test_what_must_be_known_stands_across_the_top(tmp_path: Path) -> None:
    now = [frames.NOW]
    head = frames.head(
        mode="LIVE", halted=True, halt_reason="odd [fills]", halt_flatten=True, stream="down", critical=1,
        bar_at=frames.NOW - 200 * frames.SECOND,
    )  # fmt: skip
    first = frames.whole(head=head)
    async with desk(tmp_path, first=first, clock=lambda: now[0], read_only=True) as (app, pilot, engine):
        now[0] += 7 * frames.SECOND
        app._show()
        await pilot.pause()
        status, *lines = text(app).splitlines()
        assert status.startswith("  LIVE    HALTED   READ-ONLY  TRADING 15:22:17")
        assert lines[2:5] == [
            " SILENT: no news from the engine for 7.0s",
            " HALTED: odd [fills], and to close all positions (under way). K, then RESUME lifts it",
            " STALE DATA: the last bars came 3m ago (stream down)",
        ]
        await pilot.press("K", "K")
        assert "This screen is read-only" in text(app)
        assert [ask.command for ask in engine.asked] == ["attach"]
        assert engine.asked[0].read_only
        await pilot.press("escape", "4", "p")
        assert "attached read-only" in told(app)
        assert "Pause mean_reversion" not in text(app)


async def test_no_colour_where_none_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with desk(tmp_path, (80, 24)) as (app, pilot, _):
        await pilot.press("K")
        styles = {
            segment.style
            for screen in app.screen_stack
            for strip in screen._compositor.render_strips()
            for segment in app._filters[0].apply(list(strip), app.background_colors[0])
        }
        assert not [style for style in styles if style and (style.color or style.bgcolor)]
        assert any(style and style.reverse for style in styles)


async def test_a_page_is_one_line_in_the_table_of_pages(tmp_path: Path) -> None:
    async with desk(tmp_path, (40, 12)) as (app, pilot, _):
        for key in "1234567":
            await pilot.press(key)
        assert isinstance(app.screen, Main)
        assert [type(page).__name__ for page in app.main._pages.values()][-1] == "LogPage"
        assert all(isinstance(panel, Widget) for page in app.main._pages.values() for panel in page.panels)
