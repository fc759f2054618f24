"""A busy desk while the broker fails at random: no order twice, no fill lost, nobody left in doubt."""

import random
from collections import Counter
from typing import Any

import anyio
import pytest

from runtime.messages.base import Message
from runtime.messages.broker import (
    LookUpOrder,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from tests.actors.gateways.order_desk import Running, buy, cancel, running, sell
from tests.alpaca_server.orders import Order
from tests.alpaca_server.server import AlpacaServer

FAULTS = (
    "gateway_timeout_before", "gateway_timeout_after", "server_error_before", "server_error_after",
    "drop_before", "drop_after",
)  # fmt: skip
ORDERS = 24


def name_of(number: int) -> str:
    return f"mr-20261120-{number}:{'e' if number % 3 else 'x'}1"


def make(number: int) -> Message:
    return (buy if number % 3 else sell)(name_of(number), lot_id=f"mr-20261120-{number}", quantity=10)


def look_up(number: int) -> LookUpOrder:
    return LookUpOrder(ts_event=0, cause=1, client_order_id=name_of(number), broker_order_id="", symbol="SPY")


def told_of(desk: Running) -> Counter[str]:
    """Shares told by order."""
    shares: Counter[str] = Counter()
    for fill in desk.of(OrderFilled):
        shares[fill.client_order_id] += fill.quantity
    return shares


def settled_at_last(desk: Running) -> dict[str, Any]:
    """What was told last of each order that matters for its life."""
    kinds = (OrderAccepted, OrderRejected, OrderCanceled, OrderExpired, OrderFilled)
    return {one.client_order_id: one for one in desk.told if isinstance(one, kinds)}


def agree(desk: Running, there: dict[str, Order]) -> bool:
    """Whether everything that happened at the broker was told."""
    shares = told_of(desk)
    for name, order in there.items():
        known = desk.desk.directory.named(name)
        if known is None or shares[name] != order.filled_qty or known.is_over == order.is_live:
            return False
    return True


@pytest.mark.parametrize("alpaca_options", [{"rate_limit": 0}])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_order_is_at_the_broker_at_most_once_and_every_fill_is_told_once(
    alpaca: AlpacaServer, seed: int
) -> None:
    chance = random.Random(seed)
    alpaca.hold("SPY", 1_000, 100)
    for kind in FAULTS:
        alpaca.faults.add(kind, "*", times=None, chance=0.06)
    how = chance.choice(("html", "truncated", "missing_id", "null_qty"))
    alpaca.faults.add("malformed", "POST /v2/orders", times=None, chance=0.1, how=how)
    async with running(alpaca, per_minute=100_000) as desk:
        for number in range(1, ORDERS + 1):
            desk.send(make(number))
        await desk.until(lambda: len(settled_at_last(desk)) == ORDERS)
        taken = [one for one in alpaca.orders if one.is_live]
        for order in taken:
            fate = chance.random()
            if fate < 0.5:
                await alpaca.fill(order, 100, chance.randint(1, 10))
            if fate > 0.3:
                desk.send(cancel(order.client_order_id))
        await anyio.wait_all_tasks_blocked()
        await desk.desk.settled.wait()
        alpaca.faults.clear()
        for number in range(1, ORDERS + 1):
            desk.send(look_up(number))
        there = {one.client_order_id: one for one in alpaca.orders}
        await desk.until(lambda: agree(desk, there))
        last = settled_at_last(desk)
        for number in range(1, ORDERS + 1):
            name = name_of(number)
            assert name in last, f"{name} was left in doubt"
            if name not in there:
                assert type(last[name]) is OrderRejected
        assert len({one.client_order_id for one in alpaca.orders}) == len(alpaca.orders)
        ids = [fill.execution_id for fill in desk.of(OrderFilled)]
        assert len(ids) == len(set(ids))
        entries = [name_of(n) for n in range(1, ORDERS + 1) if n % 3]
        sent = Counter(one.json["client_order_id"] for one in desk.posts())
        assert all(sent[name] <= 1 for name in entries)
