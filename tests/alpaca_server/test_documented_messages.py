"""The server says what Alpaca's documents and captures say, and takes what their clients sent.

The frames are in the shared data, each with its source; none is copied here.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.alpaca_server.clients import Socket, events, keys, listening, market, subscribed
from tests.alpaca_server.market_stream import ERRORS

_FILE = Path(__file__).parents[3] / "shared/data/alpaca_messages/alpaca_ws_messages.json"
pytestmark = pytest.mark.skipif(not _FILE.exists(), reason="the shared data is not here")


def frames(stream: str, direction: str, recorded: str = "") -> list[Any]:
    messages = json.loads(_FILE.read_text())
    return [
        one["frame"]
        for one in messages
        if (one["stream"], one["direction"]) == (stream, direction) and one["kind"].startswith(recorded)
    ]


def items(kind: str) -> list[dict[str, Any]]:
    found = [item for frame in frames("market_data", "server") for item in frame if item["T"] == kind]
    assert found
    return found


def test_errors_have_the_documented_words():
    assert {one["code"]: one["msg"] for one in items("error")}.items() <= ERRORS.items()


async def test_every_documented_subscription_is_taken(alpaca):
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca)
        asked = [one for one in frames("market_data", "client") if one["action"] != "auth"]
        assert asked
        for message in asked:
            (ack,) = await socket.ask(message)
            assert ack["T"] == "subscription"


async def test_bars_and_days_have_documented_fields_in_their_order(alpaca):
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["SPY"], dailyBars=["SPY"], updatedBars=["SPY"])
        await alpaca.push_bar("SPY", 388.985, 389.13, 388.975, 389.12, 49378)
        await alpaca.push_update("SPY", 1, 2, 1, 2, t="2026-11-20T14:30:00Z")
        for kind in ("b", "d", "u"):
            (said,) = await socket.hear()
            for example in items(kind):
                assert set(example) <= set(said)
                assert next(iter(said)) == next(iter(example)) == "T"


@pytest.mark.parametrize("kind", ["t", "q", "s", "x"])
async def test_documented_items_pass_through_as_they_are(alpaca, kind):
    channel = {"t": "trades", "q": "quotes", "s": "statuses", "x": "trades"}[kind]
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, **{channel: ["*"]})
        for item in items(kind):
            await alpaca.stream.send([item])
            assert await socket.hear() == [item]


async def test_every_documented_trading_message_is_answered_as_documented(alpaca):
    placeholders = (("key_id", alpaca.options.key), ("secret_key", alpaca.options.secret))
    said = frames("trading", "server")
    async with Socket(alpaca.urls.trading_stream) as socket:
        for message in sorted(frames("trading", "client"), key=lambda one: one["action"]):
            data = message["data"]
            sent = data | {name: real for name, real in placeholders if name in data}
            answer = await socket.ask(message | {"data": sent})
            assert answer in said


async def test_recorded_updates_have_our_fields(alpaca, rest):
    recorded = {
        frame["data"]["event"]: frame["data"]
        for frame in frames("trading", "server", "recorded")
        if frame.get("stream") == "trade_updates" and "event_id" in frame["data"]
    }
    assert set(recorded) == {"pending_new", "new", "fill"}
    async with Socket(alpaca.urls.trading_stream) as socket:
        await listening(socket, alpaca)
        await rest.submit("a", "buy", 1)
        await alpaca.push_bar("SPY", 1, 1, 1, 1)
        for _ in range(3):
            said = (await socket.hear())["data"]
            example = recorded[said["event"]]
            example.pop("swap_rate", None)  # of crypto
            assert list(said) == list(example)
            assert list(said["order"]) == list(example["order"])
            text = [name for name, value in example["order"].items() if isinstance(value, str)]
            assert all(isinstance(said["order"][name], str) for name in text)


async def test_the_keys_are_asked_for_in_the_documented_form(alpaca):
    documented = next(one for one in frames("market_data", "client") if one["action"] == "auth")
    assert set(keys(alpaca)) == set(documented)
    async with Socket(alpaca.urls.trading_stream) as socket:
        await listening(socket, alpaca)
        await alpaca.place(symbol="SPY", qty="1", side="buy", client_order_id="x")
        assert await events(socket, 1) == [("pending_new", "x")]
