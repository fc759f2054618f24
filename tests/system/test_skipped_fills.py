"""A fill that a money actor crashed on, and so skipped, is taken from the broker at the next comparison."""

from typing import Any

import pytest
import pytest_asyncio

from actors.executor import Executor
from actors.portfolio import Portfolio
from runtime.messages.broker import LookUpOrder, OrderAccepted, OrderFilled
from runtime.messages.machine import ActorCrashed
from runtime.messages.risk import BreakerTripped
from runtime.messages.trading import LotChanged, PositionMismatched
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_orders import ENTRY, LOT, LiveOrders, trading

FLAT = (100.0, 100.0, 100.0, 100.0)
TARGET = (105.0, 105.0, 105.0, 105.0)


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T10:00:00-05:00") as server:
        await server.push_minute({"SPY": FLAT})
        yield server


@pytest.fixture(params=[Executor, Portfolio], ids=["executor", "portfolio"])
def crash(request, monkeypatch):
    """Make one actor crash on the fill of this number, once."""
    kind = request.param
    handle = kind.on_order_filled
    state = {"fills": 0, "on": 0}

    def on_order_filled(self: Any, fill: OrderFilled) -> Any:
        # Re-fed messages of the restart go by their execution, not by count.
        seen = state.setdefault(fill.execution_id, len([key for key in state if key.startswith("e8")]) + 1)
        if seen == state["on"] and not state.get("done"):
            state["done"] = True
            raise RuntimeError("poisonous")
        return handle(self, fill)

    monkeypatch.setattr(kind, "_table", None, raising=False)
    monkeypatch.setattr(kind, "on_order_filled", on_order_filled)
    return lambda number: state.update(on=number)


@pytest.mark.parametrize("number", [1, 2], ids=["entry", "target"])
async def test_the_books_and_the_broker_agree_again(server, crash, number):
    crash(number)
    async with trading(server) as live:
        live.phase("TRADING")
        live.enter()
        await live.wait_for(OrderAccepted)
        await live.minute(*FLAT)
        await live.wait_for(OrderFilled)
        if number == 2:
            await live.minute(*TARGET)
            await live.wait_for(OrderFilled, 2)
        (crashed,) = live.of(ActorCrashed)
        assert crashed.message_type == "OrderFilled"
        assert any(one.action == "HALT" for one in live.of(BreakerTripped))  # entries are blocked
        await live.compared()
        await live.wait_for(LookUpOrder)
        await live.until(lambda: len(live.of(OrderFilled)) > number)
        await live.compared()
        await live.compared()
        held = 10 if number == 1 else 0
        portfolio, executor = live.machine.actor("portfolio"), live.machine.actor("executor")
        assert portfolio._book.net("SPY") == held
        assert sum(lot.net for lot in executor._lots.values()) == held
        assert server.positions.get("SPY", 0) == held
        assert len({one.execution_id for one in live.of(OrderFilled)}) == number
        doubts = live.of(PositionMismatched)
        assert not doubts or doubts[-1].ours == doubts[-1].broker
        assert live.of(LotChanged)[-1].lot_id == LOT
        assert not [name for name in live.states() if name not in (ENTRY, *_legs(live))]


def _legs(live: LiveOrders) -> list[str]:
    return [leg.client_order_id for one in live.of(OrderAccepted) for leg in one.legs]
