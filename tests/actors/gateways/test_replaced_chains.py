"""Shares of an order that was replaced count once, whichever way the broker counts and whatever was heard.

A replacement goes on with the count of the order before it, or begins anew: both have been seen. What tells
them apart are the FILL activities, which belong to the order that traded.
"""

import random

import pytest

from actors.broker.rest import Timeouts
from runtime.messages.broker import OrderCanceled, OrderReplaced
from tests.actors.gateways.streaming import eventually, turns
from tests.actors.gateways.test_broker_stream import ENTRY, Stream, _hurried

DIALECTS = [{"replacement": "carried"}, {"replacement": "fresh"}]
dialects = pytest.mark.parametrize("alpaca_options", DIALECTS, ids=["carried", "fresh"])


async def trades(server, order_id, shares, price=100):
    """Let so many shares of an order trade, by its broker id."""
    await server.fill(next(one for one in server.orders if one.id == order_id), price, shares)


def worth(desk, name=ENTRY):
    """Shares and USD that were told."""
    return (
        sum(one[0] for one in desk.fills(name)),
        sum(one[0] * one[1] for one in desk.fills(name)),
    )


@dialects
@pytest.mark.parametrize("parts", [(4, 2), (4, 4), (4, 6), (1, 6), (3, 2, 4), (2, 0, 3), (0, 3, 5), (4, 0)])
async def test_every_part_of_a_chain_that_nobody_heard_is_told(alpaca, parts):
    desk = Stream(alpaca)
    latest = (await desk.buy(qty=20)).id
    desk.directory.add(ENTRY, "SPY", broker_order_id=latest, is_accepted=True)
    for number, shares in enumerate(parts):
        if number:
            latest = (await desk.rest.replace(latest, {"limit_price": str(100 + number)})).id
        if shares:
            await trades(alpaca, latest, shares, 100 - number)
    async with desk.running():
        assert worth(desk) == (sum(parts), sum(n * (100 - at) for at, n in enumerate(parts)))
        await trades(alpaca, latest, 1, 90)
        await desk.filled(sum(parts) + 1)
    assert alpaca.positions == {"SPY": sum(parts) + 1}


@dialects
@pytest.mark.parametrize("second", [2, 4, 6])
async def test_what_a_replacement_traded_while_the_stream_was_down_is_told(alpaca, second):
    desk = Stream(alpaca)
    async with desk.running():
        old = await desk.buy(qty=20)
        await alpaca.fill(old, 100, 4)
        await desk.filled(4)
        alpaca.trades.connections[0].abort()
        await desk.not_ready("broke off")
        await alpaca.until(lambda: not alpaca.trades.connections)
        new = await desk.rest.replace(old.id, {"limit_price": "101"})
        await trades(alpaca, new.id, second, 101)
        await desk.wait_over()
        await desk.ready(2)
        assert worth(desk) == (4 + second, 400 + 101 * second)
        assert desk.directory.named(ENTRY).broker_order_id == new.id


@dialects
async def test_a_replacement_that_is_heard_from_its_beginning_needs_no_reading(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        old = await desk.buy(qty=20)
        await alpaca.fill(old, 100, 4)
        await desk.filled(4)
        asked = len(alpaca.history.requests("GET"))
        new = await desk.rest.replace(old.id, {"limit_price": "101"})
        await desk.posted.until(lambda: desk.posted.all(OrderReplaced))
        await trades(alpaca, new.id, 4, 101)
        await desk.filled(8)
        assert len(alpaca.history.requests("GET")) == asked
    assert worth(desk) == (8, 804)


@dialects
@pytest.mark.parametrize("lost", ["partial_fill", "replaced", "new"])
async def test_one_event_of_a_replacement_that_is_lost_loses_no_share(alpaca, lost):
    desk = Stream(alpaca)
    async with desk.running():
        old = await desk.buy(qty=20)
        await desk.posted.until(lambda: desk.directory.named(ENTRY).is_accepted)
        alpaca.faults.add("drop_frame", f"trades event {lost}")
        await alpaca.fill(old, 100, 4)
        new = await desk.rest.replace(old.id, {"limit_price": "101"})
        await trades(alpaca, new.id, 5, 101)
        await eventually(lambda: _hurried(desk) and worth(desk)[0] >= 9)
        await eventually(lambda: _hurried(desk) and not desk.gateway._behind)
    assert worth(desk) == (9, 905)


@dialects
async def test_activities_that_lag_keep_a_replacement_unclear_until_they_come(alpaca, monkeypatch):
    """What cannot be told apart is not guessed."""
    desk = Stream(alpaca)
    old = await desk.buy(qty=20)
    desk.directory.add(ENTRY, "SPY", broker_order_id=old.id, is_accepted=True)
    await alpaca.fill(old, 100, 4)
    new = await desk.rest.replace(old.id, {"limit_price": "101"})
    await trades(alpaca, new.id, 6, 101)
    fills = desk.rest.fills

    async def late(**about):
        return [one for one in await fills(**about) if one.order_id != new.id]

    monkeypatch.setattr(desk.rest, "fills", late)
    async with desk.running():
        assert worth(desk) == (4, 400)
        assert desk.directory.named(ENTRY).is_unclear
        monkeypatch.setattr(desk.rest, "fills", fills)
        await trades(alpaca, new.id, 1, 99)
        await eventually(lambda: _hurried(desk) and worth(desk)[0] >= 11)
    assert worth(desk) == (11, 400 + 606 + 99)
    assert not desk.directory.named(ENTRY).is_unclear


@pytest.mark.parametrize("alpaca_options", [{"stop_leg_status": "held"}])
async def test_a_replaced_stop_that_is_held_beside_its_target_is_told(alpaca):
    desk = Stream(alpaca)
    await alpaca.push_minute({"SPY": (100, 100, 100, 100)})
    async with desk.running():
        entry = await desk.buy(
            order_class="bracket", take_profit={"limit_price": "110"}, stop_loss={"stop_price": "95"}
        )
        await alpaca.fill(entry, 100, 10)
        await desk.filled(10)
        stop = next(one for one in alpaca.orders if one.stop_price)
        assert stop.status == "held"
        new = await desk.rest.replace(stop.id, {"stop_price": "96"})
        alpaca.trades.connections[0].abort()
        await desk.not_ready("broke off")
        await desk.wait_over()
        await desk.ready(2)
    (told,) = desk.posted.all(OrderReplaced)
    assert (told.client_order_id, told.new_broker_order_id, told.stop_price) == (
        stop.client_order_id, new.id, 96.0,
    )  # fmt: skip


SPOILS = (
    ("close", "*"), ("abort", "*"), ("drop_frame", "*"), ("duplicate_frame", "*"), ("reorder_frame", "*"),
    ("unknown_event", "*"), ("unknown_status", "*"), ("garbage_frame", "*"), ("truncated_frame", "*"),
)  # fmt: skip


@dialects
@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_to_replaced_orders_every_share_is_told_once(alpaca, seed):
    luck = random.Random(seed)
    desk = Stream(alpaca, timeouts=Timeouts())
    names = [f"gap_fill-20261120-{n}:e1" for n in range(6)]
    chains: dict[str, list] = {}
    async with desk.running():
        for name in names:
            chains[name] = [await desk.buy(name, 30)]
        for number in range(30):
            if luck.random() < 0.4:
                kind, event = luck.choice(SPOILS)
                alpaca.faults.add(kind, f"trades event {event}")
            chain = chains[luck.choice(names)]
            if chain[-1].is_live:
                what = luck.random()
                if what < 0.6:
                    shares = min(luck.randrange(1, 5), int(chain[-1].remaining))
                    await alpaca.fill(chain[-1], 100 + luck.randrange(5), shares)
                elif what < 0.9:
                    new = await desk.rest.replace(chain[-1].id, {"limit_price": f"{60 + number}"})
                    chain.append(next(one for one in alpaca.orders if one.id == new.id))
                else:
                    await alpaca.act(lambda broker, id=chain[-1].id: broker.cancel(id))
            await turns(luck.randrange(40))
            due = desk.real.next_due()
            if due is not None and desk.gateway.figures.state != "connecting" and luck.random() < 0.7:
                desk.real.advance(due)
        alpaca.faults.clear()
        for connection in alpaca.trades.connections:
            connection.abort()
        await alpaca.until(lambda: not alpaca.trades.connections)
        ready = sum(1 for up, _ in desk.states if up)
        await eventually(lambda: _hurried(desk) and sum(1 for up, _ in desk.states if up) > ready)
        await eventually(lambda: _hurried(desk) and not desk.gateway._behind)
    for name, chain in chains.items():
        ids = [one.id for one in chain]
        shares = sum(one.quantity for one in alpaca.broker.executions if one.order.id in ids)
        value = sum(one.quantity * one.price for one in alpaca.broker.executions if one.order.id in ids)
        assert worth(desk, name) == (shares, pytest.approx(float(value))), (name, ids)
        totals = [total for _, _, total, _ in desk.fills(name)]
        assert totals == sorted(set(totals))
        ends = [one for one in desk.posted.all(OrderCanceled) if one.client_order_id == name]
        assert len(ends) == (chain[-1].status == "canceled")
