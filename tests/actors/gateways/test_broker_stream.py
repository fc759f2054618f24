"""The trade stream against the loopback service: catch-up, guards, READY and NOT READY."""

import itertools
import random
from contextlib import asynccontextmanager

import anyio
import pytest

from actors.broker.directory import Directory
from actors.broker.rest import Rest
from actors.broker.stream_faults import BackOff
from actors.broker.trade_feed import rfc3339
from actors.broker.trade_socket import TradeSocket
from actors.gateways.broker_stream import BrokerStream
from config.secrets import Secret, Secrets
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.kernel.gateway import Inbox
from runtime.messages.broker import (
    BrokerAccount,
    BrokerSnapshot,
    BrokerStreamChanged,
    FillCorrected,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
)
from tests.actors.gateways.order_desk import UNHURRIED
from tests.actors.gateways.streaming import PINGING, SECOND, UNHURRIED_SOCKET, Posted, eventually, keys, turns

ENTRY = "gap_fill-20261120-1:e1"
OTHER = "gap_fill-20261120-2:e1"


class Stream:
    """One trade stream, its clocks, its directory and what it posted; `real` moves only when told."""

    def __init__(
        self, server, *, form="auth", told_until=0, limits=None, handshake_s=10.0, timeouts=UNHURRIED
    ):
        self.server = server
        self.clock = ReplayClock(server.clock.now())
        self.real = ReplayClock(server.clock.now())
        self.posted = Posted()
        self.directory = Directory()
        self.rest = Rest(server.urls.trading, keys(server), LiveClock(), timeouts=timeouts)
        self.form, self.told_until, self.handshake_s = form, told_until, handshake_s
        self.limits = limits or UNHURRIED_SOCKET
        self.secrets = keys(server)
        self.gateway = self.build()

    def build(self):
        source = TradeSocket(
            self.server.urls.trading_stream, self.secrets, self.real, limits=self.limits, form=self.form,
            handshake_s=self.handshake_s,
        )  # fmt: skip
        return BrokerStream(
            "orders", Inbox(10), self.posted, source=source, rest=self.rest, directory=self.directory,
            clock=self.clock, real=self.real, waits=BackOff("orders"), told_until=self.told_until,
        )  # fmt: skip

    @asynccontextmanager
    async def running(self, *, ready=True):
        async with anyio.create_task_group() as group:
            group.start_soon(self.gateway.run)
            if ready:
                await self.ready()
            yield self
            self.gateway.request_stop()
        await self.rest.aclose()

    @property
    def states(self):
        return [(one.ready, one.reason) for one in self.posted.all(BrokerStreamChanged)]

    async def ready(self, count=1):
        await self.posted.until(lambda: sum(1 for up, _ in self.states if up) >= count)

    async def not_ready(self, words=""):
        await self.posted.until(
            lambda: self.states and not self.states[-1][0] and words in self.states[-1][1]
        )

    async def wait_over(self, state="waiting"):
        """Let the back-off pass, in no time."""
        await eventually(lambda: self.gateway.figures.state == state)
        await eventually(lambda: self.real.next_due() is not None)
        self.real.advance(self.real.next_due())

    async def buy(self, name=ENTRY, qty=10, **body):
        """An order of ours, placed as the order gateway would: known before it is sent."""
        self.directory.add(name, "SPY")
        plain = {"symbol": "SPY", "qty": str(qty), "side": "buy", "type": "limit", "limit_price": "100"}
        return await self.server.place(**{**plain, "client_order_id": name, **body})

    def fills(self, name=ENTRY):
        return [
            (one.quantity, one.price, one.cumulative, one.done)
            for one in self.posted.all(OrderFilled)
            if one.client_order_id == name
        ]

    async def filled(self, total, name=ENTRY):
        await self.posted.until(lambda: any(one[2] == total for one in self.fills(name)))


@pytest.mark.parametrize("alpaca_options", [{"trade_frames": "text"}, {"trade_frames": "binary"}])
async def test_an_order_is_told_from_its_acceptance_to_its_fill_in_text_and_binary_frames(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        await alpaca.fill(order, 100, 4)
        await alpaca.fill(order, 99.5, 6)
        await desk.filled(10)
    assert [one.client_order_id for one in desk.posted.all(OrderAccepted)] == [ENTRY]
    assert desk.fills() == [(4, 100.0, 4, False), (6, 99.5, 10, True)]
    assert [one.position for one in desk.posted.all(OrderFilled)] == [4, 10]
    assert {source for source, _ in desk.posted.inputs} == {"broker"}


async def test_it_says_not_ready_until_the_catch_up_is_told(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        kinds = [type(one) for _, one in desk.posted.inputs]
        assert kinds.index(BrokerAccount) < kinds.index(BrokerSnapshot)
        assert kinds[-1] is BrokerStreamChanged
    assert desk.states == [(False, "connecting"), (False, "catching up"), (True, "")]
    assert desk.posted.all(BrokerSnapshot)[0].reason == "start"
    listened = alpaca.history.frames("trades", "listen")[0].number
    assert all(one.number > listened for one in alpaca.history.requests("GET"))


@pytest.mark.parametrize(("form", "action"), [("auth", "auth"), ("authenticate", "authenticate")])
async def test_both_forms_of_the_keys_are_taken(alpaca, form, action):
    desk = Stream(alpaca, form=form)
    async with desk.running():
        pass
    assert [one.what for one in alpaca.history.frames("trades", "auth")] == [action]


async def test_keys_refused_in_one_form_are_sent_in_the_other(alpaca):
    alpaca.faults.add("unauthorized")
    desk = Stream(alpaca)
    async with desk.running():
        pass
    assert [one.what for one in alpaca.history.frames("trades", "auth")] == ["auth", "authenticate"]


async def test_keys_refused_in_both_forms_stop_it_and_a_person_is_told(alpaca):
    alpaca.faults.add("unauthorized", times=None)
    desk = Stream(alpaca)
    async with desk.running(ready=False):
        await desk.not_ready("ALPACA_API_KEY")
        await eventually(lambda: desk.gateway.figures.state == "refused")
        desk.real.advance(desk.real.now() + 3600 * SECOND)
        await turns(200)
        assert alpaca.trades.connects == 1


@pytest.mark.parametrize(
    ("switch", "words"),
    [({"kind": "silent_auth"}, "did not answer"),
     ({"kind": "no_ack", "on": "trades listen"}, "did not answer"),
     ({"kind": "rate_limited_bare", "on": "GET /stream"}, "HTTP 429"),
     ({"kind": "refuse", "on": "GET /stream", "status": 503, "code": 0, "message": ""}, "HTTP 503")],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)  # fmt: skip
async def test_what_passes_by_itself_is_tried_again(alpaca, switch, words):
    alpaca.faults.add(switch.pop("kind"), **switch)
    desk = Stream(alpaca)
    async with desk.running(ready=False):
        if words == "did not answer":
            await alpaca.until(lambda: alpaca.faults.fired)
            await eventually(lambda: desk.real.next_due() is not None)
            desk.real.advance(desk.real.now() + 10 * SECOND)
        await desk.not_ready(words)
        await desk.wait_over()
        await desk.ready()
    assert alpaca.trades.connects == 2


async def test_fills_missed_while_it_was_down_are_told_after_it_came_back(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        order, other = await desk.buy(), await desk.buy(OTHER)
        await alpaca.fill(order, 100, 4)
        await desk.filled(4)
        alpaca.trades.connections[0].abort()
        await desk.not_ready("broke off")
        await alpaca.until(lambda: not alpaca.trades.connections)
        await alpaca.fill(order, 99, 3)
        await alpaca.fill(order, 98, 3)
        await alpaca.fill(other, 97, 10)
        await desk.wait_over()
        await desk.ready(2)
    assert desk.fills() == [(4, 100.0, 4, False), (3, 99.0, 7, False), (3, 98.0, 10, True)]
    assert desk.fills(OTHER) == [(10, 97.0, 10, True)]


async def test_a_cancellation_missed_while_it_was_down_is_told(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        await desk.posted.until(lambda: desk.posted.all(OrderAccepted))
        alpaca.trades.connections[0].abort()
        await desk.not_ready()
        await alpaca.until(lambda: not alpaca.trades.connections)
        await alpaca.act(lambda broker: broker.cancel(order.id))
        await desk.wait_over()
        await desk.ready(2)
    assert [one.client_order_id for one in desk.posted.all(OrderCanceled)] == [ENTRY]


async def test_events_that_come_during_the_catch_up_are_told_after_it_and_once(alpaca):
    desk = Stream(alpaca)
    stalled = alpaca.faults.add("stall_after", "GET /v2/account")
    async with desk.running(ready=False):
        await eventually(lambda: stalled.hits)
        order = await desk.buy()
        await alpaca.fill(order, 100, 4)
        await eventually(lambda: desk.gateway.figures.events >= 2)
        assert desk.fills() == []
        stalled.release()
        await desk.ready()
        await desk.filled(4)
        await alpaca.fill(order, 100, 6)
        await desk.filled(10)
    assert desk.fills() == [(4, 100.0, 4, False), (6, 100.0, 10, True)]


async def test_it_is_not_ready_while_rest_does_not_answer(alpaca):
    alpaca.faults.add("server_error_before", "GET /v2/orders", times=2)
    desk = Stream(alpaca)
    async with desk.running(ready=False):
        for _ in range(2):
            await desk.wait_over("catching up")
        await desk.ready()
    assert desk.gateway.figures.catch_ups == 3
    assert [up for up, _ in desk.states] == [False, False, True]


async def test_a_duplicate_event_is_told_once(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        alpaca.faults.add("duplicate_frame", "trades event *", times=None, copies=3)
        order = await desk.buy()
        await alpaca.fill(order, 100, 4)
        await alpaca.fill(order, 100, 6)
        await desk.filled(10)
        await eventually(lambda: desk.gateway.figures.events >= 9)
    assert desk.fills() == [(4, 100.0, 4, False), (6, 100.0, 10, True)]
    assert len(desk.posted.all(OrderAccepted)) == 1


async def test_an_event_that_was_swallowed_is_read_by_rest_when_the_next_one_shows_the_gap(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        alpaca.faults.add("drop_frame", "trades event partial_fill")
        await alpaca.fill(order, 100, 4)
        await alpaca.fill(order, 99, 3)
        await alpaca.fill(order, 98, 3)
        await desk.filled(10)
    assert [(quantity, price) for quantity, price, *_ in desk.fills()] == [(4, 100.0), (3, 99.0), (3, 98.0)]


async def test_events_out_of_order_tell_every_share_once(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        alpaca.faults.add("reorder_frame", "trades event partial_fill")
        await alpaca.fill(order, 100, 4)
        await alpaca.fill(order, 99, 6)
        await desk.filled(10)
        await eventually(lambda: desk.gateway.figures.lookups >= 1)
    assert [(quantity, price) for quantity, price, *_ in desk.fills()] == [(4, 100.0), (6, 99.0)]


@pytest.mark.parametrize(
    ("kind", "event"), [("unknown_event", "fill"), ("unknown_event", "new"), ("unknown_status", "fill")]
)
async def test_what_it_does_not_know_is_read_by_rest(alpaca, kind, event):
    desk = Stream(alpaca)
    async with desk.running():
        alpaca.faults.add(kind, f"trades event {event}", name="levitated")
        order = await desk.buy()
        await alpaca.fill(order, 100, 10)
        await desk.filled(10)
        await desk.posted.until(lambda: desk.posted.all(OrderAccepted))
    assert desk.fills() == [(10, 100.0, 10, True)]


async def test_an_event_that_cannot_be_read_but_names_its_order_is_read_by_rest(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        broken = lambda m: {**m, "data": {**m["data"], "price": {"a": 1}}}  # noqa: E731
        alpaca.faults.add("edit_frame", "trades event fill", change=broken)
        await alpaca.fill(order, 100, 10)
        await desk.filled(10)
    assert desk.gateway.figures.unreadable == 1
    assert [up for up, _ in desk.states] == [False, False, True]


@pytest.mark.parametrize("data", [b"\x00\xc1garbage", "text garbage \x1b[2J"])
async def test_garbage_means_catching_up_again_on_the_same_connection(alpaca, data):
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        await desk.posted.until(lambda: desk.posted.all(OrderAccepted))
        alpaca.faults.add("garbage_frame", "trades event fill", data=data)
        alpaca.faults.add("drop_frame", "trades event fill", nth=2)
        await alpaca.fill(order, 100, 10)
        await desk.ready(2)
        await desk.filled(10)
    assert alpaca.trades.connects == 1
    assert desk.fills() == [(10, 100.0, 10, True)]
    assert desk.states[3] == (False, "an event could not be read")


async def test_busts_and_corrections_are_told(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        await alpaca.fill(order, 100, 4)
        await desk.filled(4)
        first = alpaca.broker.executions[0].id
        await alpaca.act(lambda broker: broker.correct(first, 99))
        await desk.posted.until(lambda: len(desk.posted.all(FillCorrected)) == 1)
        await alpaca.act(lambda broker: broker.bust(first))
        await desk.posted.until(lambda: len(desk.posted.all(FillCorrected)) == 2)
    corrected, busted = desk.posted.all(FillCorrected)
    assert (corrected.quantity, corrected.price, corrected.price_before) == (4, 99.0, 100.0)
    assert (busted.quantity, busted.cumulative) == (0, 0)


async def test_orders_of_others_do_not_disturb(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        await alpaca.place(symbol="SPY", qty="3", side="buy", type="limit", limit_price="100")
        order = await desk.buy()
        await alpaca.fill(order, 100, 10)
        await desk.filled(10)
        await eventually(lambda: desk.gateway.figures.external >= 1)
    assert [one.client_order_id for one in desk.posted.all(OrderAccepted)] == [ENTRY]


async def test_rest_that_lags_behind_the_stream_is_asked_again_and_nothing_is_lost(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        await desk.posted.until(lambda: desk.posted.all(OrderAccepted))
        alpaca.faults.add("drop_frame", "trades event partial_fill")
        stale = lambda body: {**body, "filled_qty": "0", "status": "new", "filled_avg_price": None}  # noqa: E731
        alpaca.faults.add("edit", "GET /v2/orders/*", change=stale, times=2)
        await alpaca.fill(order, 100, 4)
        await alpaca.fill(order, 99, 6)
        for _ in range(2):
            await desk.wait_over("ready")
        await desk.filled(10)
    assert [(quantity, price) for quantity, price, *_ in desk.fills()] == [(4, 100.0), (6, 99.0)]


async def test_an_order_that_cannot_be_read_makes_it_not_ready_until_it_can(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        order = await desk.buy()
        await desk.posted.until(lambda: desk.posted.all(OrderAccepted))
        alpaca.faults.add("server_error_before", "GET /v2/orders/*", times=3)
        alpaca.faults.add("unknown_event", "trades event fill")
        await alpaca.fill(order, 100, 10)
        for _ in range(2):
            await desk.wait_over("ready")
        await desk.not_ready("cannot be read")
        await desk.wait_over("ready")
        await desk.ready(2)
    assert desk.fills() == [(10, 100.0, 10, True)]


async def test_fills_are_asked_for_from_a_little_before_the_last_one_told(alpaca):
    told = alpaca.clock.now()
    desk = Stream(alpaca, told_until=told)
    async with desk.running():
        pass
    (asked,) = alpaca.history.requests("GET /v2/account/activities/FILL")
    assert asked.query["after"] == rfc3339(told - 2 * SECOND)


def test_times_are_written_to_the_nanosecond():
    assert rfc3339(1_764_000_000_123_456_789) == "2025-11-24T16:00:00.123456789Z"


async def test_a_peer_that_answers_no_pings_is_dead(alpaca):
    desk = Stream(alpaca, limits=PINGING)
    async with desk.running():
        alpaca.trades.connections[0].freeze()
        await desk.not_ready("did not answer a ping")


async def test_a_server_that_drops_every_connection_is_not_stormed(alpaca):
    alpaca.faults.add("rate_limited_bare", "GET /stream", times=None)
    desk = Stream(alpaca)
    times = []
    async with desk.running(ready=False):
        for _ in range(8):
            await desk.wait_over()
            times.append(desk.real.now())
            await eventually(lambda: desk.gateway.figures.state == "connecting")
    gaps = [(b - a) / SECOND for a, b in itertools.pairwise(times)]
    assert min(gaps) >= 8
    assert gaps[-1] > 40


async def test_stopping_closes_with_a_close_frame(alpaca):
    desk = Stream(alpaca)
    async with desk.running():
        connection = alpaca.trades.connections[0]
    await alpaca.until(lambda: not alpaca.trades.connections)
    assert not connection.died


async def test_without_keys_nothing_is_sent(alpaca):
    desk = Stream(alpaca)
    desk.secrets = Secrets(api_key=Secret("only half"))
    desk.gateway = desk.build()
    async with desk.running(ready=False):
        await desk.not_ready("no keys")
    assert alpaca.history.frames("trades", "auth") == []


SPOILS = (
    ("close", "*"), ("abort", "*"), ("drop_frame", "partial_fill"), ("duplicate_frame", "*"),
    ("reorder_frame", "*"), ("unknown_event", "*"), ("unknown_status", "*"), ("garbage_frame", "*"),
    ("truncated_frame", "*"),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_every_share_is_told_once_and_every_end(alpaca, seed):
    """Orders filled in parts or cancelled under random faults; a last reconnection tells what is left."""
    luck = random.Random(seed)
    desk = Stream(alpaca)
    names = [f"gap_fill-20261120-{n}:e1" for n in range(8)]
    async with desk.running():
        orders = [await desk.buy(name) for name in names]
        for _ in range(24):
            if luck.random() < 0.5:
                kind, event = luck.choice(SPOILS)
                alpaca.faults.add(kind, f"trades event {event}")
            order = luck.choice(orders)
            if order.remaining and order.status != "canceled":
                if luck.random() < 0.8:
                    shares = min(luck.randrange(1, 6), int(order.remaining))
                    await alpaca.fill(order, 100 + luck.randrange(5), shares)
                else:
                    await alpaca.act(lambda broker, id=order.id: broker.cancel(id))
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
    for name, order in zip(names, orders, strict=True):
        fills = desk.fills(name)
        assert sum(quantity for quantity, *_ in fills) == order.filled_qty
        totals = [total for _, _, total, _ in fills]
        assert totals == sorted(set(totals))
        ends = [one for one in desk.posted.all(OrderCanceled) if one.client_order_id == name]
        assert len(ends) == (order.status == "canceled")


def _hurried(desk):
    """Let whatever back-off there is pass, unless it is the time-out of a handshake."""
    due = desk.real.next_due()
    if due is not None and desk.gateway.figures.state != "connecting":
        desk.real.advance(due)
    return True


async def test_no_key_reaches_anything_but_the_frame_that_authenticates(alpaca, capfd):
    desk = Stream(alpaca)
    async with desk.running():
        alpaca.faults.add("garbage_frame", "trades event new")
        await desk.buy()
        await desk.ready(2)
        alpaca.trades.connections[0].abort()
        await desk.not_ready()
    said = "".join(capfd.readouterr()) + repr(desk.posted.inputs) + repr(desk.gateway.figures)
    for secret in (alpaca.options.key, alpaca.options.secret):
        assert secret not in said
        assert alpaca.history.leaks(secret) == []


@pytest.mark.parametrize(
    ("alpaca_options", "before"),
    [({"replacement": "carried"}, 0), ({"replacement": "carried"}, 4), ({"replacement": "fresh"}, 0)],
)
async def test_an_order_that_was_replaced_and_traded_while_nobody_listened_is_told_by_what_took_its_place(
    alpaca, before
):
    """No fill of the session says since when to ask for fills: the order itself leads to its successors."""
    desk = Stream(alpaca)
    old = await desk.buy()
    desk.directory.add(ENTRY, "SPY", broker_order_id=old.id, is_accepted=True)
    if before:
        await alpaca.fill(old, 100, before)
    latest = old.id
    for price in ("99.5", "99"):
        latest = (await desk.rest.replace(latest, {"limit_price": price})).id
    await alpaca.fill(next(one for one in alpaca.orders if one.id == latest), 99, 10 - before)
    async with desk.running():
        assert [one[2:] for one in desk.fills()][-1] == (10, True)
        assert sum(one[0] for one in desk.fills()) == 10
