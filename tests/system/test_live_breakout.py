"""The opening volumes of earlier sessions reach a live session, and a breakout is traded on them."""

from pathlib import Path

import pytest
import pytest_asyncio

from actors.market.calendar import sessions_between
from config.load import load
from runtime.messages.broker import OrderAccepted, SubmitOrder
from runtime.messages.trading import SignalRaised
from tests.alpaca_server.server import AlpacaServer
from tests.storage.loaders.made import bars, write
from tests.system.live_day import Live, lay_files, running

ALONE = (
    *(
        f"strategies.{name}.enabled=false"
        for name in (
            *("mean_reversion", "gap_fill", "vol_managed_momentum", "vix_regime_rotation", "pairs_trading"),
            *("quality_smallcap_value", "factor_momentum", "orb", "vwap_reversion"),
        )
    ),
)
SETTINGS = load(None, environ={}, overrides=ALONE).settings
USUAL, BUSY = 5, 400_000
"""Minutes of a usual opening (1,000 shares and a few each), and the shares of a busy minute."""


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    folder = tmp_path / "data" / "historical" / "intraday_1min"
    folder.mkdir(parents=True)
    days = sessions_between("2026-10-20", "2026-11-19")
    write(folder / "spy.parquet", [row for day in days for row in bars(day, "SPY", [100.0] * USUAL)])
    return tmp_path


async def opening(live: Live, volume: int) -> None:
    """Five minutes that rise from 100 to 101."""
    for number in range(USUAL):
        opens = 100 + 0.2 * number
        row = (opens, opens + 0.22, opens - 0.02, opens + 0.2, volume)
        await live.minute(number, [round(price, 2) for price in row[:4]] + [volume])


async def test_an_opening_busier_than_usual_is_traded(server, root):
    live = Live(server, root, SETTINGS)
    async with running(live):
        await opening(live, BUSY)
        await live.until(lambda: live.of(OrderAccepted))
    (signal,) = live.of(SignalRaised)
    (order,) = live.of(SubmitOrder)
    assert (signal.strategy, signal.symbol, signal.direction) == ("relative_volume_breakout", "SPY", "long")
    assert (order.symbol, order.side, order.type) == ("SPY", "buy", "stop_limit")
    # The trigger is the highest price of the first five minutes.
    assert order.stop_price == pytest.approx(101.02)


async def test_a_usual_opening_is_not(server, root):
    live = Live(server, root, SETTINGS)
    async with running(live):
        await opening(live, 500)
        await live.minute(USUAL, (101.0, 101.1, 100.9, 101.0, 500))
    assert not live.of(SignalRaised)
