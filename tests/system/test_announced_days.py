"""A whole engine on a day for which something is announced: recorded, heard by the strategies, replayed."""

from pathlib import Path

import anyio.to_thread
import pytest
import pytest_asyncio

from actors.verification import verify
from runtime.messages.broker import SubmitOrder
from runtime.messages.corporate import CorporateActionsRead
from runtime.messages.risk import Noted
from runtime.messages.trading import SignalDropped
from tests.alpaca_server.corporate import announced
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, SESSION, Live, lay_files, running


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


async def test_an_announcement_is_on_the_tape_and_keeps_the_strategies_out_for_the_day(server, root):
    kind, row = announced("SPY", 10, 1, SESSION)
    server.market.corporate_actions[kind] = [row]
    live = Live(server, root)
    async with running(live):
        await live.until(lambda: live.of(CorporateActionsRead))
        for minute in range(6):
            await live.minute(minute, FLAT)
    (read,) = live.of(CorporateActionsRead)
    assert [one.symbol for one in read.actions] == ["SPY"]
    assert {one.reason for one in live.of(SignalDropped)} == {"FROZEN"}
    assert not live.of(SubmitOrder)
    verdict = await anyio.to_thread.run_sync(verify, root / "tapes" / f"{SESSION}.tape")
    assert verdict.identical, verdict.text()


async def test_without_announcements_the_day_is_traded_and_one_row_says_so(server, root):
    words = {"status": 403, "code": 40310000, "message": "not in your plan"}
    server.faults.add("refuse", "GET /v1/corporate-actions", times=None, **words)
    live = Live(server, root)
    async with running(live):
        await live.until(lambda: live.of(CorporateActionsRead))
        for minute in range(6):
            await live.minute(minute, FLAT)
    assert live.of(SubmitOrder)
    told = [one.text for one in live.of(Noted) if "corporate actions" in one.text]
    assert len(told) == 1
    assert "not in your plan" in told[0]
