"""The screen on a real engine's socket: a loopback account, an entry, a halt by key, a resume."""

from pathlib import Path

import pytest
import pytest_asyncio

from runtime.messages.broker import OrderAccepted, OrderFilled
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, Live, lay_files, running
from tests.system.turning import MONDAY, turning
from tests.tui.screens import hit, text, until
from tests.tui.steady import shown
from tui.app import Desk
from tui.screens.pages import PAGES


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


async def test_a_person_watches_an_entry_halts_and_resumes(server: AlpacaServer, root: Path) -> None:
    live = Live(server, root)
    async with running(live):
        desk = Desk(root)
        async with shown(desk, (160, 45)) as pilot:
            for number in range(5):
                await live.minute(number, FLAT)
            await live.until(lambda: live.of(OrderAccepted))
            await live.minute(5, FLAT)
            await live.until(lambda: live.of(OrderFilled))
            await until(pilot, lambda: desk.view.positions)
            painted = text(desk)
            assert painted.startswith(" PAPER  TRADING")
            assert "SPY" in painted
            assert "gap_fill" in painted
            hit(desk, "K", "K")
            await until(pilot, lambda: "HALTED: halt by user" in text(desk))
            hit(desk, "K", *"RESUME", "enter")
            await until(pilot, lambda: desk.view.head and not desk.view.head.halted)
            assert "HALTED" not in text(desk)


async def test_the_screen_stays_on_its_page_when_one_day_follows_another(
    server: AlpacaServer, root: Path
) -> None:
    async with turning(server, root) as turn:
        desk = Desk(root)
        async with shown(desk, (160, 45)) as pilot:
            await until(pilot, lambda: desk.view.head)
            hit(desk, "5")
            await until(pilot, lambda: desk.main.current != PAGES[0].name)
            page, number = desk.main.current, desk.view.number
            await turn.six_in_the_evening()
            await until(pilot, lambda: desk.view.head and desk.view.head.entries)
            assert "NO ENGINE" not in text(desk)
            await turn.monday()
            await until(pilot, lambda: f" {MONDAY}" in text(desk))
            assert desk.view.head and desk.view.head.session == MONDAY
            assert desk.main.current == page
            assert "NO ENGINE" not in text(desk)
            assert desk.view.number > number  # on one connection: a new one would count anew
            assert desk.view.dropped == 0
