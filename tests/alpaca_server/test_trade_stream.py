"""The trade updates stream against alpaca.md 2."""

import json

import pytest
from websockets.exceptions import InvalidStatus

from tests.alpaca_server.clients import Socket, events, keys, listening
from tests.alpaca_server.clock import ns

LISTEN = {"action": "listen", "data": {"streams": ["trade_updates", "account_updates"]}}


def stream(alpaca):
    return Socket(alpaca.urls.trading_stream)


async def test_both_forms_of_authentication(alpaca):
    async with stream(alpaca) as socket:
        assert await socket.ask(keys(alpaca)) == {
            "stream": "authorization", "data": {"status": "authorized", "action": "authenticate"},
        }  # fmt: skip
        old = {"key_id": alpaca.options.key, "secret_key": alpaca.options.secret}
        answer = await socket.ask({"action": "authenticate", "data": old})
        assert answer["data"]["status"] == "authorized"
        assert "deprecated" in answer["data"]["message"]


async def test_a_wrong_key_and_listening_too_early(alpaca):
    async with stream(alpaca) as socket:
        assert await socket.ask(LISTEN) == {
            "stream": "authorization", "data": {"status": "unauthorized", "action": "listen"},
        }  # fmt: skip
        answer = await socket.ask({"action": "auth", "key": "PK", "secret": "no"})
        assert answer["data"] == {
            "status": "unauthorized", "action": "authenticate", "message": "access key verification failed",
        }  # fmt: skip


async def test_listening_replaces_the_set_and_leaves_unknown_streams_out(alpaca):
    async with stream(alpaca) as socket:
        await socket.ask(keys(alpaca))
        assert (await socket.ask(LISTEN))["data"]["streams"] == ["trade_updates"]
        assert (await socket.ask({"action": "listen", "data": {"streams": []}}))["data"]["streams"] == []
        await alpaca.place(symbol="SPY", qty="1", side="buy")
        assert (await socket.ask(LISTEN))["stream"] == "listening"  # nothing was told in between


@pytest.mark.parametrize(
    ("alpaca_options", "kind"), [({}, bytes), ({"trade_frames": "text"}, str)], ids=["paper", "live"]
)
async def test_paper_speaks_in_binary_frames_and_live_in_text(alpaca, kind):
    async with stream(alpaca) as socket:
        await socket.say(keys(alpaca))
        frame = await socket.raw()
        assert type(frame) is kind
        assert json.loads(frame)["stream"] == "authorization"


async def test_msgpack_when_asked_for(alpaca):
    async with Socket(alpaca.urls.trading_stream, {"Content-Type": "application/msgpack"}) as socket:
        await listening(socket, alpaca)


async def test_a_second_connection_is_refused_at_the_upgrade(alpaca):
    async with stream(alpaca):
        with pytest.raises(InvalidStatus) as refused:
            await stream(alpaca).__aenter__()
        assert refused.value.response.status_code == 429
    await alpaca.until(lambda: not alpaca.trades.listeners)
    async with stream(alpaca) as socket:
        await socket.ask(keys(alpaca))


async def test_a_market_buy_is_told_as_in_the_capture(alpaca, rest):
    async with stream(alpaca) as socket:
        await listening(socket, alpaca)
        await rest.submit("manual:X", "buy", 1)
        pending, new = [(await socket.hear())["data"] for _ in range(2)]
        assert list(pending) == ["at", "event_id", "event", "timestamp", "order"]
        assert (pending["order"]["status"], new["order"]["status"]) == ("pending_new", "new")
        assert new["execution_id"]
        assert ns(new["order"]["submitted_at"]) > ns(pending["order"]["submitted_at"])
        await alpaca.push_bar("SPY", 737.91, 738, 737, 738)
        fill = (await socket.hear())["data"]
        assert (fill["event"], fill["price"], fill["qty"], fill["position_qty"]) == (
            "fill",
            "737.91",
            "1",
            "1",
        )
        assert fill["order"]["filled_avg_price"] == "737.91"
        assert fill["settle_date"] == "2026-11-23"
        assert pending["event_id"] < new["event_id"] < fill["event_id"]
        assert len(fill["event_id"]) == 26


async def test_nothing_is_replayed_after_a_disconnect(alpaca, rest):
    async with stream(alpaca) as socket:
        await listening(socket, alpaca)
    await alpaca.until(lambda: not alpaca.trades.listeners)
    await rest.submit("missed", "buy", 1)
    async with stream(alpaca) as socket:
        await listening(socket, alpaca)
        await rest.submit("seen", "buy", 1)
        assert await events(socket, 2) == [("pending_new", "seen"), ("new", "seen")]


async def test_an_order_from_elsewhere_is_told_too(alpaca):
    async with stream(alpaca) as socket:
        await listening(socket, alpaca)
        await alpaca.place(symbol="AAPL", qty="0.5", side="buy", client_order_id="dashboard")
        assert await events(socket, 2) == [("pending_new", "dashboard"), ("new", "dashboard")]


async def test_updates_leave_after_the_answer_they_belong_to(alpaca, rest):
    async with stream(alpaca) as socket:
        await listening(socket, alpaca)
        fault = alpaca.faults.add("edit", "POST /v2/orders", change=lambda body: body)
        seen = []
        alpaca.trades.listeners[0].spoiler._seen = lambda: seen.append(alpaca.history.exchanges[-1].status)
        await rest.submit("a", "buy", 1)
        await events(socket, 2)
        assert (fault.hits, seen) == (1, [200, 200])
