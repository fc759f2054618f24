"""The market-data stream against alpaca.md 1."""

import json

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.alpaca_server.clients import PACKED, Socket, keys, market, subscribed
from tests.alpaca_server.market_stream import ERRORS

MINUTE = "2026-11-20T14:30:00Z"


async def error_of(socket, message):
    (error,) = await socket.ask(message)
    assert (error["T"], error["msg"]) == ("error", ERRORS[error["code"]])
    return error["code"]


async def test_a_bar_reaches_its_subscriber_after_the_whole_opening(alpaca):
    async with market(alpaca) as socket:
        ack = await subscribed(socket, alpaca, bars=["SPY", "AAPL"], statuses=["SPY"])
        assert ack == {
            "T": "subscription", "trades": [], "quotes": [], "bars": ["SPY", "AAPL"], "updatedBars": [],
            "dailyBars": [], "statuses": ["SPY"], "lulds": [], "corrections": [], "cancelErrors": [],
        }  # fmt: skip
        await alpaca.push_bar("SPY", 388.985, 389.13, 388.975, 389.12, 49378, 461, 389.06)
        frame = await socket.raw()
        assert frame == (
            '[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,'
            f'"t":"{MINUTE}","n":461,"vw":389.06}}]'
        )


async def test_time_moves_to_the_end_of_the_bar_before_it_is_sent(alpaca):
    await alpaca.push_bar("SPY", 1, 1, 1, 1)
    assert alpaca.clock.now() == 1_795_185_060 * 10**9  # 2026-11-20T14:31:00Z


async def test_a_msgpack_client_gets_binary_frames_with_timestamps(alpaca):
    async with market(alpaca, Content_Type="application/msgpack") as socket:
        await subscribed(socket, alpaca, bars=["SPY"])
        await alpaca.push_bar("SPY", 1, 2, 1, 2)
        frame = await socket.raw()
        assert isinstance(frame, bytes)
        ((bar,)) = msgpack.unpackb(frame)
        assert next(iter(bar)) == "T"
        assert bar["t"] == msgpack.Timestamp(1_795_185_000)
        assert msgpack.unpackb(frame, timestamp=3)[0]["t"].isoformat() == "2026-11-20T14:30:00+00:00"


async def test_headers_authenticate_in_place_of_a_message(alpaca):
    headers = alpaca.headers | PACKED
    async with Socket(alpaca.urls.data_stream, headers) as socket:
        assert await socket.hear() == [{"T": "success", "msg": "connected"}]
        assert await socket.hear() == [{"T": "success", "msg": "authenticated"}]


async def test_subscriptions_add_up_and_every_answer_has_the_whole_set(alpaca):
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["SPY"])
        (ack,) = await socket.ask({"action": "subscribe", "bars": ["AAPL", "SPY"], "trades": ["IBM"]})
        assert (ack["bars"], ack["trades"]) == (["SPY", "AAPL"], ["IBM"])
        assert ack["corrections"] == ack["cancelErrors"] == ["IBM"]
        (ack,) = await socket.ask({"action": "unsubscribe", "bars": ["SPY"]})
        assert (ack["bars"], ack["trades"]) == (["AAPL"], ["IBM"])
        await alpaca.push_minute({"SPY": (1, 1, 1, 1), "AAPL": (2, 2, 2, 2)})
        assert [item["S"] for item in await socket.hear()] == ["AAPL"]


async def test_a_star_is_every_symbol_and_long_minutes_come_in_batches(alpaca):
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["*"])
        await alpaca.push_minute({f"S{n}": (1, 1, 1, 1) for n in range(1_200)})
        assert [len(await socket.hear()) for _ in range(3)] == [500, 500, 200]


async def test_all_kinds_of_data_go_to_their_channels(alpaca):
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["SPY"], updatedBars=["SPY"], dailyBars=["SPY"], statuses=["*"])
        await alpaca.push_bar("SPY", 1, 3, 1, 2, 100)
        await alpaca.push_bar("SPY", 2, 2, 0.5, 1, 50)
        assert [(await socket.hear())[0]["T"] for _ in range(3)] == ["b", "d", "b"]
        (day,) = await socket.hear()
        assert {key: day[key] for key in "ohlcv"} == {"o": 1, "h": 3, "l": 0.5, "c": 1, "v": 150}
        assert day["t"] == "2026-11-20T05:00:00Z"  # midnight in New York
        await alpaca.push_update("SPY", 1, 3, 1, 2.5, 120, t=MINUTE)
        (update,) = await socket.hear()
        assert (update["T"], update["c"], update["t"]) == ("u", 2.5, MINUTE)
        await alpaca.push_status("AAPL", "H", "Trading Halt", "T12", "For information requested by NASDAQ")
        (status,) = await socket.hear()
        assert list(status) == ["T", "S", "sc", "sm", "rc", "rm", "t", "z"]


async def test_the_test_feed_names_three_channels(alpaca):
    async with market(alpaca, "test") as socket:
        ack = await subscribed(socket, alpaca, bars=["FAKEPACA"])
        assert ack == {"T": "subscription", "trades": [], "quotes": [], "bars": ["FAKEPACA"]}
        assert await error_of(socket, {"action": "subscribe", "statuses": ["FAKEPACA"]}) == 410


async def test_errors_before_and_after_authentication(alpaca):
    async with market(alpaca) as socket:
        await socket.hear()
        assert await error_of(socket, {"action": "subscribe", "bars": ["SPY"]}) == 401
        assert await error_of(socket, {"action": "dance"}) == 400
        await socket.ask(keys(alpaca))
        assert await error_of(socket, keys(alpaca)) == 403
        assert await error_of(socket, {"action": "subscribe", "bars": ["no symbol!"]}) == 400
        assert await error_of(socket, {"action": "subscribe", "orderbooks": ["SPY"]}) == 410
        await socket.socket.send("{not json")
        assert (await socket.hear())[0]["code"] == 400


async def test_a_wrong_key_is_told_and_shown_out(alpaca):
    async with market(alpaca) as socket:
        await socket.hear()
        assert await error_of(socket, {"action": "auth", "key": "PK1", "secret": "wrong"}) == 402
        with pytest.raises(ConnectionClosed):
            await socket.hear()


@pytest.mark.parametrize("alpaca_options", [{"close_after_fatal": False}])
async def test_a_wrong_key_may_be_followed_by_the_right_one(alpaca):
    async with market(alpaca) as socket:
        await socket.hear()
        assert await error_of(socket, {"action": "auth", "key": "PK1", "secret": "wrong"}) == 402
        assert await socket.ask(keys(alpaca)) == [{"T": "success", "msg": "authenticated"}]


@pytest.mark.parametrize("alpaca_options", [{"auth_timeout_s": 0.01}])
async def test_who_does_not_authenticate_in_time_is_shown_out(alpaca):
    async with market(alpaca) as socket:
        await socket.hear()
        assert await socket.hear() == [{"T": "error", "code": 404, "msg": "auth timeout"}]
        with pytest.raises(ConnectionClosed):
            await socket.hear()


@pytest.mark.parametrize("alpaca_options", [{"symbol_limit": 2}])
async def test_one_symbol_too_many_leaves_everything_as_it_was(alpaca):
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["SPY", "AAPL"])
        assert await error_of(socket, {"action": "subscribe", "bars": ["IBM"]}) == 405
        (ack,) = await socket.ask({"action": "subscribe", "updatedBars": ["SPY"]})
        assert (ack["bars"], ack["updatedBars"]) == (["SPY", "AAPL"], ["SPY"])


@pytest.mark.parametrize("alpaca_options", [{"sip": False}])
async def test_sip_needs_its_plan(alpaca):
    async with market(alpaca, "sip") as socket:
        await socket.hear()
        assert await error_of(socket, keys(alpaca)) == 409


async def test_a_second_connection_waits_until_the_first_has_left(alpaca):
    async with market(alpaca) as first, market(alpaca) as second, market(alpaca, "sip") as other:
        await subscribed(first, alpaca, bars=["SPY"])
        await second.hear()
        assert await error_of(second, keys(alpaca)) == 406
        await subscribed(other, alpaca, bars=["SPY"])  # another feed is another place
        await first.socket.close()
        await alpaca.until(lambda: len(alpaca.stream.subscribers) == 2)
        assert await second.ask(keys(alpaca)) == [{"T": "success", "msg": "authenticated"}]


@pytest.mark.parametrize("alpaca_options", [{"dead_slot_s": None}])
async def test_a_dead_session_keeps_its_place_until_it_is_released(alpaca):
    async with market(alpaca) as first:
        await subscribed(first, alpaca, bars=["SPY"])
        first.socket.transport.abort()
        await alpaca.until(lambda: not alpaca.stream.subscribers)
    async with market(alpaca) as second:
        await second.hear()
        assert await error_of(second, keys(alpaca)) == 406
        alpaca.stream.slots.release()
        assert await second.ask(keys(alpaca)) == [{"T": "success", "msg": "authenticated"}]


async def test_refused_upgrades(alpaca):
    alpaca.faults.add("refuse", "GET /v2/iex", status=503, html=True)
    alpaca.faults.add("rate_limited", "GET /v2/iex")
    for _ in range(2):
        with pytest.raises(InvalidStatus) as refused:
            await market(alpaca).__aenter__()
        assert refused.value.response.status_code in (429, 503)
    async with market(alpaca) as socket:
        await socket.hear()
    assert alpaca.stream.connects == 3


async def test_a_mute_socket_pongs_and_a_frozen_one_does_not(alpaca):
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["SPY"])
        (connection,) = alpaca.stream.connections
        connection.mute = True
        await alpaca.push_bar("SPY", 1, 1, 1, 1)
        await (await socket.socket.ping())  # the pong comes, the bar does not
        connection.mute = False
        connection.freeze()
        waiter = await socket.socket.ping()
        await alpaca.push_bar("SPY", 2, 2, 2, 2)
        assert not waiter.done()
        connection.thaw()
        await waiter
        await alpaca.push_bar("SPY", 3, 3, 3, 3)
        assert (await socket.hear())[0]["o"] == 3
        connection.answers_pings = False
        waiter = await socket.socket.ping()
        await alpaca.push_bar("SPY", 4, 4, 4, 4)
        assert (await socket.hear())[0]["o"] == 4
        assert not waiter.done()


@pytest.mark.parametrize("alpaca_options", [{"slow_client_s": 0.1, "compress": False}])
async def test_a_client_that_does_not_read_is_dropped_and_holds_nobody_up(alpaca):
    async with Socket(alpaca.urls.data_stream, max_queue=1, compression=None) as socket:
        await subscribed(socket, alpaca, bars=["SPY"])
        alpaca.faults.add("padded_frame", times=None, size=8 * 1024 * 1024)
        for _ in range(4):
            await alpaca.push_bar("SPY", 1, 1, 1, 1)
        await alpaca.until(lambda: not alpaca.stream.subscribers)
    assert alpaca.history.frames("market", "closed")


async def test_compression_is_accepted_and_recorded_frames_are_plain(alpaca):
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["SPY"])
        assert "permessage-deflate" in str(socket.socket.response.headers)
    await alpaca.until(lambda: alpaca.history.frames("market", "closed"))
    assert [one.what for one in alpaca.history.frames("market")] == ["open", "auth", "subscribe", "closed"]
    assert json.loads(alpaca.history.frames("market", "subscribe")[0].body)["bars"] == ["SPY"]
