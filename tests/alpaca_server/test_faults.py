"""Every switch does what it says, at the request or frame it is put on."""

import asyncio
import json
import re
from pathlib import Path

import aiohttp
import msgpack
import pytest
from websockets.exceptions import ConnectionClosed

from tests.alpaca_server.clients import PACKED, Rest, Socket, events, keys, listening, market, subscribed
from tests.alpaca_server.faults import KINDS, MALFORMED, Faults
from tests.alpaca_server.server import AlpacaServer

POST = "POST /v2/orders"
GONE = (aiohttp.ClientError, ConnectionError)


def names(alpaca):
    return [order.client_order_id for order in alpaca.orders]


# -- the table itself --------------------------------------------------------------------------------


def test_every_switch_is_under_test():
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [kind for kind in KINDS if not re.search(rf'"{kind}"', sources)] == []


def test_a_switch_fires_at_the_nth_site_that_fits_and_as_often_as_told():
    faults = Faults()
    fault = faults.add("drop_before", POST, nth=2, times=2)
    fired = [faults.take(site, "drop_before") is fault for site in [POST, "GET /v2/orders", POST, POST, POST]]
    assert fired == [False, False, True, True, False]
    assert faults.fired == [("drop_before", POST)] * 2


def test_by_chance_the_same_seed_fires_at_the_same_sites():
    def run(seed):
        faults = Faults(seed)
        faults.add("drop_before", POST, times=None, chance=0.3)
        return [faults.take(POST, "drop_before") is not None for _ in range(50)]

    assert run(1) == run(1) != run(2)


def test_a_misspelt_switch_is_told():
    with pytest.raises(ValueError, match="did you mean 'drop_before'"):
        Faults().add("drop_befor")


# -- REST --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "html", "there"),
    [
        ("gateway_timeout_before", 504, True, False),
        ("gateway_timeout_after", 504, True, True),
        ("server_error_before", 500, False, False),
        ("server_error_after", 500, False, True),
    ],
)
async def test_an_error_says_nothing_about_the_order(alpaca, rest, kind, status, html, there):
    alpaca.faults.add(kind, POST)
    answer = await rest.raw("POST", "/v2/orders", order("a"))
    assert (answer[0], answer[1][:6] == b"<html>") == (status, html)
    assert names(alpaca) == (["a"] if there else [])
    assert alpaca.history.requests(POST)[0].applied is there


def order(name, **fields):
    return {
        "symbol": "SPY", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day",
        "client_order_id": name, **fields,
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "there"), [("drop_before", False), ("drop_after", True)])
async def test_a_dropped_connection(alpaca, rest, kind, there):
    alpaca.faults.add(kind, POST)
    with pytest.raises(GONE):
        await rest.raw("POST", "/v2/orders", order("a"))
    assert names(alpaca) == (["a"] if there else [])
    assert alpaca.history.requests(POST)[0].status == -1


async def test_a_stalled_request_may_still_take_effect_when_nobody_waits_any_more(alpaca, rest):
    fault = alpaca.faults.add("stall_before", POST)
    post = asyncio.ensure_future(rest.raw("POST", "/v2/orders", order("a")))
    await alpaca.until(lambda: fault.hits)
    post.cancel()
    with pytest.raises(asyncio.CancelledError):
        await post
    assert names(alpaca) == []
    fault.release()
    await alpaca.until(lambda: names(alpaca) == ["a"])


async def test_a_stalled_answer_comes_when_released_but_its_updates_come_at_once(alpaca, rest):
    fault = alpaca.faults.add("stall_after", POST)
    async with Socket(alpaca.urls.trading_stream) as socket, asyncio.TaskGroup() as tasks:
        await listening(socket, alpaca)
        post = tasks.create_task(rest.raw("POST", "/v2/orders", order("a")))
        assert await events(socket, 2) == [("pending_new", "a"), ("new", "a")]
        assert not post.done()
        fault.release()
        assert (await post)[0] == 200


async def test_rate_limits_with_and_without_headers(alpaca, rest):
    alpaca.faults.add("rate_limited", retry_after=7)
    status, body, headers = await rest.raw("GET", "/v2/account")
    assert (status, json.loads(body)["code"], headers["Retry-After"]) == (429, 42910000, "7")
    assert "X-RateLimit-Reset" in headers
    alpaca.faults.add("rate_limited_bare")
    status, body, headers = await rest.raw("GET", "/v2/account")
    assert (status, body) == (429, b"too many requests.")
    assert not any(name.startswith("X-RateLimit") for name in headers)


async def test_a_refusal_says_what_it_is_told_to(alpaca, rest):
    alpaca.faults.add("refuse", POST, code=40310000, message="insufficient buying power",
                      extra={"buying_power": "1"})  # fmt: skip
    assert await rest("POST", "/v2/orders", order("a")) == (
        403, {"code": 40310000, "message": "insufficient buying power", "buying_power": "1"},
    )  # fmt: skip
    alpaca.faults.add("refuse", POST, status=401, html=True)
    assert (await rest.raw("POST", "/v2/orders", order("a")))[1][:6] == b"<html>"


@pytest.mark.parametrize("how", MALFORMED)
async def test_a_malformed_answer_hides_an_order_that_is_there(alpaca, rest, how):
    alpaca.faults.add("malformed", POST, how=how)
    status, body, _ = await rest.raw("POST", "/v2/orders", order("a"))
    assert (status, names(alpaca)) == (200, ["a"])
    try:
        decoded = json.loads(body)
    except ValueError:
        assert how in ("html", "truncated", "empty")
    else:
        whole = decoded and "id" in decoded and decoded["qty"] and decoded["client_order_id"] == "a"
        assert not whole


@pytest.mark.parametrize("how", ["missing_id", "other_client_order_id", "null_qty"])
async def test_an_answer_without_a_body_has_no_fields_to_spoil_and_a_list_is_spoilt_item_by_item(
    alpaca, rest, how
):
    assert (await rest("POST", "/v2/orders", order("a")))[0] == 200
    alpaca.faults.add("malformed", "* /*", how=how, times=2)
    status, items = await rest("GET", "/v2/orders?status=open")
    assert status == 200
    (one,) = items
    assert not ("id" in one and one["qty"] and one["client_order_id"] == "a")
    assert await rest("DELETE", f"/v2/orders/{alpaca.orders[0].id}") == (204, None)
    assert len(alpaca.faults.fired) == 2


async def test_any_answer_can_be_edited(alpaca, rest):
    alpaca.faults.add("edit", "GET /v2/account", change=lambda body: body | {"status": "ON_HOLIDAY"})
    assert (await rest("GET", "/v2/account"))[1]["status"] == "ON_HOLIDAY"
    assert (await rest("GET", "/v2/account"))[1]["status"] == "ACTIVE"


async def test_an_order_may_appear_late(alpaca, rest):
    await rest.submit("a", "buy", 1, type="limit", limit_price="50")
    alpaca.faults.add("lag", times=3)
    by_id = "/v2/orders:by_client_order_id?client_order_id=a"
    assert [(await rest("GET", by_id))[0] for _ in range(2)] == [404, 404]
    assert (await rest("GET", "/v2/orders"))[1] == []
    assert (await rest("GET", by_id))[0] == 200
    assert len((await rest("GET", "/v2/orders"))[1]) == 1


async def test_part_of_a_207_fails(alpaca, rest):
    for name in ("a", "b", "c"):
        await rest.submit(name, "buy", 1, type="limit", limit_price="50")
    alpaca.faults.add("partial_207", count=2)
    status, items = await rest("DELETE", "/v2/orders")
    assert (status, [item["status"] for item in items]) == (207, [500, 500, 200])
    assert [one.client_order_id for one in alpaca.broker.live] == ["a", "b"]
    alpaca.hold("AAPL", 5, 100)
    alpaca.faults.add("partial_207", "DELETE /v2/positions")
    assert (await rest("DELETE", "/v2/positions"))[1][0]["status"] == 500


async def test_updates_may_leave_before_the_answer(alpaca, rest):
    alpaca.faults.add("events_first", POST)
    async with Socket(alpaca.urls.trading_stream) as socket:
        await listening(socket, alpaca)
        sent = []
        alpaca.trades.listeners[0].spoiler._seen = lambda: sent.append(alpaca.history.exchanges[-1].status)
        await rest.submit("a", "buy", 1)
        await events(socket, 2)
        assert sent == [0, 0]  # no answer had been given yet


async def test_faults_meet_one_request_of_many(alpaca, rest):
    alpaca.faults.add("server_error_before", POST, nth=2)
    assert [(await rest.submit(name, "buy", 1))[0] for name in "abc"] == [200, 500, 200]


# -- market data -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("unauthorized", {}, 402),
        ("connection_limit", {}, 406),
        ("insufficient_subscription", {}, 409),
        ("market_error", {"code": 411}, 411),
    ],
)
async def test_authentication_is_refused(alpaca, kind, given, code):
    alpaca.faults.add(kind, "market auth", **given)
    async with market(alpaca) as socket:
        await socket.hear()
        assert (await socket.ask(keys(alpaca)))[0]["code"] == code
        if code in (406, 411):  # the socket stays open and the next try is let in
            assert await socket.ask(keys(alpaca)) == [{"T": "success", "msg": "authenticated"}]


async def test_authentication_may_meet_silence(alpaca):
    fault = alpaca.faults.add("silent_auth", "market auth")
    async with market(alpaca) as socket:
        await socket.hear()
        await socket.say(keys(alpaca))
        await alpaca.until(lambda: fault.hits)
        await (await socket.socket.ping())  # silent, not dead
        fault.release()
        assert await socket.hear() == [{"T": "success", "msg": "authenticated"}]
    await alpaca.until(lambda: not alpaca.stream.subscribers)
    alpaca.faults.add("silent_auth", "market auth")
    async with market(alpaca) as socket:
        await socket.hear()
        await socket.say(keys(alpaca))
        assert await socket.ask(keys(alpaca)) == [{"T": "success", "msg": "authenticated"}]


async def test_subscriptions_may_be_refused_or_answered_in_part_or_not_at_all(alpaca):
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["A"])
        alpaca.faults.add("symbol_limit")
        assert (await socket.ask({"action": "subscribe", "bars": ["B"]}))[0]["code"] == 405
        alpaca.faults.add("partial_ack", missing=1)
        (ack,) = await socket.ask({"action": "subscribe", "bars": ["B", "C"]})
        assert ack["bars"] == ["A", "C"]
        alpaca.faults.add("partial_ack", missing=["D"])
        (ack,) = await socket.ask({"action": "subscribe", "bars": ["D", "E"]})
        assert ack["bars"] == ["A", "C", "E"]
        alpaca.faults.add("no_ack", "market subscribe")
        await socket.say({"action": "subscribe", "bars": ["F"]})
        await alpaca.until(lambda: alpaca.stream.subscribed("bars") == ["A", "C", "E", "F"])


@pytest.fixture
async def bars(alpaca):
    """A subscribed client and a way to push the bar that opens at a price."""
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["SPY", "AAPL"])

        async def push(*opens):
            for price in opens:
                await alpaca.push_bar("SPY", price, price, price, price)

        yield socket, push


async def test_frames_get_lost_doubled_and_out_of_order(alpaca, bars):
    socket, push = bars
    alpaca.faults.add("drop_frame")
    await push(1, 2)
    assert (await socket.hear())[0]["o"] == 2
    alpaca.faults.add("duplicate_frame", copies=3)
    await push(3)
    assert [(await socket.hear())[0]["o"] for _ in range(3)] == [3, 3, 3]
    alpaca.faults.add("reorder_frame")
    await push(4, 5)
    assert [(await socket.hear())[0]["o"] for _ in range(2)] == [5, 4]


async def test_frames_are_garbage_or_cut_short(alpaca, bars):
    socket, push = bars
    alpaca.faults.add("garbage_frame", data=b"\x00\xff")
    await push(1)
    assert await socket.raw() == b"\x00\xff"
    assert (await socket.hear())[0]["o"] == 1
    alpaca.faults.add("truncated_frame")
    await push(2)
    with pytest.raises(ValueError):
        json.loads(await socket.raw())


async def test_items_are_bad_unknown_bare_or_huge(alpaca, bars):
    socket, _ = bars
    both = {"SPY": (1, 1, 1, 1), "AAPL": (1, 1, 1, 1)}
    alpaca.faults.add("bad_item")
    await alpaca.push_minute(both)
    assert [item["S"] for item in await socket.hear()] == ["SPY", 7, "AAPL"]
    alpaca.faults.add("unknown_type")
    await alpaca.push_minute(both)
    assert [item["T"] for item in await socket.hear()] == ["b", "b", "zz"]
    alpaca.faults.add("bare_bars")
    await alpaca.push_minute(both)
    assert all("n" not in item and "vw" not in item for item in await socket.hear())
    alpaca.faults.add("padded_frame")
    await alpaca.push_minute(both)
    assert len(await socket.raw()) > 2 * 1024 * 1024
    alpaca.faults.add("edit_frame", "market data", change=lambda items: items[:1])
    await alpaca.push_minute(both)
    assert len(await socket.hear()) == 1


async def test_a_text_frame_on_a_msgpack_socket(alpaca):
    async with Socket(alpaca.urls.data_stream, alpaca.headers | PACKED) as socket:
        await socket.hear()
        await socket.hear()
        await socket.ask({"action": "subscribe", "bars": ["SPY"]})
        alpaca.faults.add("text_frame")
        await alpaca.push_bar("SPY", 1, 1, 1, 1)
        assert json.loads(await socket.raw())[0]["t"] == "2026-11-20T14:30:00Z"
        await alpaca.push_bar("SPY", 2, 2, 2, 2)
        assert msgpack.unpackb(await socket.raw())[0]["o"] == 2


@pytest.mark.parametrize("code", [1000, 1001, 1011])
async def test_a_stream_is_closed_with_a_code(alpaca, bars, code):
    socket, push = bars
    alpaca.faults.add("close", code=code, reason="going away")
    await push(1)
    with pytest.raises(ConnectionClosed) as closed:
        await socket.hear()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "going away")


@pytest.mark.parametrize("kind", ["abort", "broken_protocol"])
async def test_a_stream_breaks_without_a_close_frame(alpaca, bars, kind):
    socket, push = bars
    alpaca.faults.add(kind)
    await push(1)
    with pytest.raises(ConnectionClosed) as closed:
        await socket.hear()
    assert closed.value.rcvd is None


async def test_a_slow_client_is_told_and_shown_out(alpaca, bars):
    socket, push = bars
    alpaca.faults.add("slow_client")
    await push(1)
    assert (await socket.hear())[0]["code"] == 407
    with pytest.raises(ConnectionClosed):
        await socket.hear()


async def test_an_error_in_mid_stream(alpaca, bars):
    socket, push = bars
    alpaca.faults.add("market_error", "market data", code=500)
    await push(1)
    assert await socket.hear() == [{"T": "error", "code": 500, "msg": "internal error"}]


# -- trade updates -----------------------------------------------------------------------------------


async def test_trade_updates_are_lost_doubled_late_or_unknown(alpaca, rest):
    async with Socket(alpaca.urls.trading_stream) as socket:
        await listening(socket, alpaca)
        alpaca.faults.add("drop_frame", "trades event pending_new")
        alpaca.faults.add("duplicate_frame", "trades event new")
        await rest.submit("a", "buy", 1)
        assert await events(socket, 2) == [("new", "a"), ("new", "a")]
        alpaca.faults.add("reorder_frame", "trades event pending_new")
        await rest.submit("b", "buy", 1)
        assert await events(socket, 2) == [("new", "b"), ("pending_new", "b")]
        alpaca.faults.add("unknown_event", "trades event new")
        alpaca.faults.add("unknown_status", "trades event pending_new")
        await rest.submit("c", "buy", 1)
        assert (await socket.hear())["data"]["order"]["status"] == "levitating"
        assert (await socket.hear())["data"]["event"] == "reshuffled"
        alpaca.faults.add("abort", "trades event *")
        await rest.submit("d", "buy", 1)
        with pytest.raises(ConnectionClosed):
            await socket.hear()


async def test_trade_updates_refuse_a_key_or_give_no_answer(alpaca):
    async with Socket(alpaca.urls.trading_stream) as socket:
        alpaca.faults.add("unauthorized", "trades auth")
        assert (await socket.ask(keys(alpaca)))["data"]["status"] == "unauthorized"
        alpaca.faults.add("silent_auth", "trades auth")
        await socket.say(keys(alpaca))
        assert (await socket.ask(keys(alpaca)))["data"]["status"] == "authorized"
        fault = alpaca.faults.add("no_ack", "trades listen")
        await socket.say({"action": "listen", "data": {"streams": ["trade_updates"]}})
        await alpaca.until(lambda: alpaca.trades.listeners[0].streams)
        fault.release()
        assert (await socket.hear())["stream"] == "listening"


@pytest.mark.parametrize("where", ["market", "trades"])
async def test_connections_that_break_right_after_the_upgrade(alpaca, where):
    alpaca.faults.add("abort", f"{where} connect", times=3)
    url = alpaca.urls.data_stream if where == "market" else alpaca.urls.trading_stream
    for _ in range(3):
        with pytest.raises(ConnectionClosed):
            async with Socket(url) as socket:
                await socket.ask(keys(alpaca))
                await socket.hear()
        await alpaca.until(lambda: not alpaca.stream.subscribers and not alpaca.trades.listeners)
    async with Socket(url) as socket:
        await socket.ask(keys(alpaca))


async def test_a_fill_may_come_after_the_cancel(alpaca, rest):
    async with Socket(alpaca.urls.trading_stream) as socket:
        await listening(socket, alpaca)
        order = (await rest.submit("a", "buy", 10, type="limit", limit_price="90"))[1]
        await rest("DELETE", f"/v2/orders/{order['id']}")
        await alpaca.fill("a", 90, 4)
        assert await events(socket, 4) == [
            ("pending_new", "a"), ("new", "a"), ("canceled", "a"), ("partial_fill", "a"),
        ]  # fmt: skip
        after = (await rest("GET", f"/v2/orders/{order['id']}"))[1]
        assert (after["status"], after["filled_qty"], alpaca.positions) == ("canceled", "4", {"SPY": 4})


async def test_what_fails_inside_the_server_fails_the_test_that_uses_it():
    def change(body):
        raise ZeroDivisionError

    server = AlpacaServer()
    async with Rest(server) as client:
        await server.start()
        server.faults.add("edit", "GET /v2/clock", change=change)
        assert (await client.raw("GET", "/v2/clock"))[0] == 500
        with pytest.raises(ExceptionGroup):
            await server.stop()


async def test_with_a_running_clock_the_fill_comes_by_itself():
    async with AlpacaServer(fills="quote", fill_latency_s=0.8, speed=20) as server, Rest(server) as client:
        await server.push_bar("SPY", 100, 100, 100, 100, t="2026-11-20T14:29:00Z")
        async with Socket(server.urls.trading_stream) as socket:
            await listening(socket, server)
            await client.submit("a", "buy", 1)
            assert await events(socket, 3) == [("pending_new", "a"), ("new", "a"), ("fill", "a")]


async def test_a_server_that_was_down_comes_back_on_its_port_and_knows_everything(alpaca, rest):
    await rest.submit("a", "buy", 1)
    port = alpaca.port
    await alpaca.stop(keep_port=True)
    with pytest.raises(GONE):
        await rest.raw("GET", "/v2/account")
    await alpaca.start()
    assert alpaca.port == port
    assert len((await rest("GET", "/v2/orders"))[1]) == 1
