"""The session's own daily bars after the close: read once enough are there, given up in time, kept."""

import numpy as np
import pytest

from actors.broker.bar_history import BarHistory
from actors.broker.market_wire import DailyBar
from actors.gateways.daily_data import DailyData, DailyFacts
from actors.market.calendar import midnight, session_times
from config.machine import Data
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.kernel.gateway import Inbox
from runtime.messages.market import DailyBars, DailyReady, VixClose
from runtime.messages.session import SessionHeader
from storage.loaders.own_days import OwnDay
from storage.loaders.session_data import day_fields
from tests.actors.gateways.streaming import keys
from tests.alpaca_server.server import AlpacaServer

SESSION, PREVIOUS = "2026-11-20", "2026-11-19"
MINUTE = 60_000_000_000
CLOSE = session_times(SESSION).close


class Desk:
    """The gateway, its clock, and what it told and kept."""

    def __init__(self, server: AlpacaServer, *, ratio: float = 1.0) -> None:
        self.clock = ReplayClock(CLOSE)
        self.inputs: list[object] = []
        self.kept: list[OwnDay] = []
        self.vix: float | None = None
        self.running: dict[str, DailyBar] = {}
        header = SessionHeader(
            **day_fields(SESSION, session_times),
            settings={},
            settings_hash="",
            symbols=("AAA", "BBB"),
            sectors=("XLE", "XLK"),
        )
        self.history = BarHistory(server.urls.data, keys(server), LiveClock())
        self.gateway = DailyData(
            Inbox(),
            lambda source, message: self.inputs.append(message),
            facts=DailyFacts(
                header=header,
                previous=midnight(PREVIOUS),
                midnight=midnight(SESSION),
                has_history=np.array([True, True]),
                ratio=np.array([ratio, 1.0]),
                adjusted=np.array([50.0, np.nan]),
            ),
            settings=Data(),
            days=self.history,
            running=self.running,
            vix=lambda: self.vix,
            keep=self.kept.append,
            clock=self.clock,
        )

    async def run(self, *steps: int) -> None:
        """Run to the end; the clock steps on (minutes after the close) whenever the gateway waits."""
        left = list(steps)

        def wait(at: int, wake):
            cancel = ReplayClock.call_at(self.clock, at, wake)
            if left:
                import asyncio

                asyncio.get_running_loop().call_soon(self.clock.advance, CLOSE + left.pop(0) * MINUTE)
            return cancel

        self.clock.call_at = wait  # type: ignore[method-assign]
        await self.gateway.run()
        await self.history.aclose()

    def of(self, kind):
        return [one for one in self.inputs if isinstance(one, kind)]


@pytest.fixture
async def server():
    async with AlpacaServer(symbols=("AAA", "BBB"), start=f"{SESSION}T16:30:00-05:00") as server:
        yield server


def lay_in(server: AlpacaServer, *symbols: str) -> None:
    for symbol in symbols:
        server.lay_in(
            symbol,
            {midnight(PREVIOUS): (100, 101, 99, 100, 500), midnight(SESSION): (102, 105, 101, 104, 900)},
            "1Day",
        )


async def test_bars_of_all_symbols_are_told_twenty_minutes_after_the_close_and_kept(server):
    lay_in(server, "AAA", "BBB")
    desk = Desk(server, ratio=2.0)
    desk.vix = 17.5
    await desk.run(20)
    (bars,), (ready,), (vix,) = desk.of(DailyBars), desk.of(DailyReady), desk.of(VixClose)
    assert desk.clock.now() == CLOSE + 20 * MINUTE
    # AAA's panel is in units of half today's price; its adjusted close grew by 104/100.
    assert bars.values[:5].T.tolist() == [[51, 52.5, 50.5, 52, 1_800], [102, 105, 101, 104, 900]]
    assert bars.adj_close == (pytest.approx(52.0), 0.0)
    assert (ready.coverage, ready.degraded, vix.level) == (1.0, False, 17.5)
    (kept,) = desk.kept
    assert kept.symbols == ("AAA", "BBB")
    assert kept.values[3].tolist() == [104, 104]
    assert (kept.split.tolist(), kept.scale.tolist()) == ([1, 1], [2, 1])


async def test_it_asks_again_until_enough_have_their_bar(server):
    lay_in(server, "AAA")
    desk = Desk(server)
    desk.vix = 17.5
    waits = [20, 30]

    def late(*_: object) -> None:
        lay_in(server, "BBB")

    desk.clock.call_at(CLOSE + 25 * MINUTE, late)
    await desk.run(*waits)
    assert [one.ts_event for one in desk.of(DailyReady)] == [CLOSE + 30 * MINUTE]
    assert len(desk.of(DailyBars)[0]) == 2


async def test_what_does_not_come_is_given_up_ninety_minutes_after_the_close(server):
    lay_in(server, "AAA")
    desk = Desk(server)
    await desk.run(20, 30, 40, 50, 60, 70, 80, 90)
    (ready,) = desk.of(DailyReady)
    assert (ready.coverage, ready.degraded, ready.ts_event) == (0.5, True, CLOSE + 90 * MINUTE)
    assert not desk.of(VixClose)
    assert desk.of(DailyBars)[0].ids.tolist() == [0]


async def test_a_late_vix_close_is_told_after_the_bars(server):
    lay_in(server, "AAA", "BBB")
    desk = Desk(server)
    desk.clock.call_at(CLOSE + 35 * MINUTE, lambda: setattr(desk, "vix", 20.0))
    await desk.run(20, 30, 40)
    assert [type(one).__name__ for one in desk.inputs] == ["DailyBars", "DailyReady", "VixClose"]


async def test_the_stream_stands_in_for_what_the_broker_does_not_answer(server):
    server.faults.add("server_error_before", on="GET /v2/stocks/bars", times=None)
    desk = Desk(server)
    desk.vix = 17.5
    from datetime import UTC, datetime

    stamp = datetime.fromtimestamp(midnight(SESSION) // 1_000_000_000, UTC)
    for name in ("AAA", "BBB"):
        desk.running[name] = DailyBar(S=name, o=1.0, h=2.0, l=0.5, c=1.5, v=10.0, t=stamp)
    await desk.run(20)
    (bars,) = desk.of(DailyBars)
    assert bars.close.tolist() == [1.5, 1.5]
    assert bars.adj_close == (0.0, 0.0)
