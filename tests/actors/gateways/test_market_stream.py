"""The market stream against the loopback service: every switch of the fault matrix that concerns it."""

import itertools
import random

import anyio
import pytest

from actors.broker.market_feed import Hours, StreamSymbols
from actors.broker.right_of_way import MOST, RightOfWay
from config.secrets import Secrets
from runtime.kernel.clock import ReplayClock
from runtime.kernel.host import LaneFull
from runtime.messages.market import Bars, BarsQuarantined, BarsRevised, TradingStatus
from storage.loaders import quarantine
from tests.actors.gateways.streaming import MINUTE, PINGING, SECOND, Desk, eventually, turns
from tests.alpaca_server import AlpacaServer

WAIT = 250_000_000
BARS = "GET /v2/stocks/bars"


def closes(desk, kind=Bars):
    """[(minute, {symbol: close})], minutes counted from the server's first."""
    return [
        (
            one.ts_event,
            {desk.symbols[at]: c for at, c in zip(one.ids.tolist(), one.close.tolist(), strict=True)},
        )
        for one in desk.posted.all(kind)
    ]


async def lost(desk, words):
    """Wait until the stream is down for a reason that says these words; the reason."""
    await desk.posted.until(lambda: any(not up and words in reason for up, reason in desk.feed))
    return next(reason for up, reason in desk.feed if not up and words in reason)


# ---- the plain way ------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_minutes_come_as_bars_in_either_encoding(alpaca, encoding):
    desk = Desk(alpaca, encoding=encoding)
    async with desk.running():
        first = await desk.minute(AAPL=150.25, SPY=400.5)
        second = await desk.minute(AAPL=150.5, SPY=401.0)
        await desk.posted.until(lambda: len(desk.posted.all(Bars)) == 2)
    assert closes(desk) == [
        (first, {"AAPL": 150.25, "SPY": 400.5}), (second, {"AAPL": 150.5, "SPY": 401.0}),
    ]  # fmt: skip
    assert desk.feed == [(False, "connecting"), (True, "")]
    assert {source for source, _ in desk.posted.inputs} == {"market"}
    assert desk.gateway.daily["SPY"].c == 401.0
    asked = alpaca.history.frames("market", "open")[0].headers["content-type"]
    assert asked == f"application/{encoding}"


async def test_what_comes_behind_a_minute_is_read_once_its_orders_have_left_and_none_of_it_is_lost(alpaca):
    way = RightOfWay(clock := ReplayClock(1))
    desk = Desk(alpaca, way=way)

    async def push(price: float) -> int:
        begins = alpaca.clock.now() // MINUTE * MINUTE
        desk.advance(begins + MINUTE + 30_000_000)
        await alpaca.push_minute(dict.fromkeys(desk.symbols, (price,) * 4), t=begins)
        return begins

    async with desk.running():
        first = await push(150.0)
        await desk.posted.until(lambda: closes(desk))
        second = await push(151.0)
        await turns(200)
        assert closes(desk) == [(first, {"AAPL": 150.0, "SPY": 150.0})]
        assert desk.gateway.daily == {}  # the running days come behind every minute
        way.observe(1, 0, desk.posted.all(Bars)[0], ())
        await desk.posted.until(lambda: len(closes(desk)) == 2)
        assert closes(desk)[1] == (second, {"AAPL": 151.0, "SPY": 151.0})
        assert desk.gateway.daily["SPY"].c == 150.0
        clock.advance(1 + MOST)  # nobody is waited for longer than that
        await eventually(lambda: desk.gateway.daily["SPY"].c == 151.0)


async def test_the_subscription_goes_in_pieces_and_covers_every_channel(alpaca):
    symbols = tuple(f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(650))
    desk = Desk(alpaca, symbols)
    async with desk.running():
        sent = [one.json for one in alpaca.history.frames("market", "subscribe")]
        assert [len(one["bars"]) for one in sent] == [300, 300, 50]
        for channel in ("bars", "updatedBars", "statuses", "dailyBars"):
            assert alpaca.stream.subscribed(channel) == sorted(symbols)


async def test_a_minute_some_symbols_did_not_trade_in_is_told_a_quarter_of_a_second_later(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        begins = await desk.minute(AAPL=150.0)
        await eventually(lambda: desk.join.due() is not None)
        desk.advance(begins + MINUTE + WAIT - 1)
        await turns()
        assert closes(desk) == []
        desk.advance(begins + MINUTE + WAIT)
        await desk.posted.until(lambda: closes(desk))
    assert closes(desk) == [(begins, {"AAPL": 150.0})]


async def test_late_and_updated_bars_are_revisions(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        begins = await desk.minute(AAPL=150.0, SPY=400.0)
        late = await desk.minute(after=WAIT + 1, AAPL=151.0)
        await alpaca.push_update("SPY", 400.0, 400.5, 400.0, 400.25, t=begins)
        await desk.posted.until(lambda: len(desk.posted.all(BarsRevised)) == 2)
    assert [(one.ts_event, one.reason) for one in desk.posted.all(BarsRevised)] == [
        (late, "late"), (begins, "updated"),
    ]  # fmt: skip
    assert closes(desk) == [(begins, {"AAPL": 150.0, "SPY": 400.0})]


async def test_halts_and_resumptions_are_told_other_notices_are_not(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        await alpaca.push_status("AAPL", "H", "Trading Halt", "T12", "Halted for information")
        await alpaca.push_status("AAPL", "Q", "Quotation Resumption", "T3")
        await alpaca.push_status("AAPL", "T", "Trading Resumption", "T3")
        await desk.posted.until(lambda: len(desk.posted.all(TradingStatus)) == 2)
    assert [(one.symbol, one.halted, one.code) for one in desk.posted.all(TradingStatus)] == [
        ("AAPL", True, "T12"), ("AAPL", False, "T3"),
    ]  # fmt: skip


async def test_trades_after_a_halt_whose_end_was_missed_end_it(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        await alpaca.push_status("AAPL", "H", "Trading Halt", "T1")
        await desk.posted.until(lambda: desk.posted.all(TradingStatus))
        await desk.minute(SPY=400.0)
        await desk.minute(SPY=400.0, AAPL=150.0)
        await desk.posted.until(lambda: len(desk.posted.all(TradingStatus)) == 2)
    resumed = desk.posted.all(TradingStatus)[-1]
    assert (resumed.halted, resumed.reason) == (
        False,
        "trades again; the notice of its resumption was missed",
    )


async def test_what_is_streamed_can_change_while_it_runs(alpaca):
    desk = Desk(alpaca, ("AAPL", "SPY", "QQQ"))
    async with desk.running():
        desk.inbox.offer(StreamSymbols(ts_event=0, symbols=("SPY", "QQQ")))
        await alpaca.until(lambda: alpaca.stream.subscribed("bars") == ["QQQ", "SPY"])
        begins = await desk.minute(QQQ=300.0, SPY=400.0, AAPL=150.0)
        await desk.posted.until(lambda: closes(desk))
    assert closes(desk) == [(begins, {"SPY": 400.0, "QQQ": 300.0})]


async def test_stopping_closes_with_a_close_frame_and_tells_what_it_refused(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        alpaca.faults.add("garbage_frame")
        await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: closes(desk))
        connection = alpaca.stream.connections[0]
    await alpaca.until(lambda: not alpaca.stream.connections)
    assert not connection.died
    assert [one.count for one in desk.posted.all(BarsQuarantined)] == [1]


# ---- bad frames ---------------------------------------------------------------------------------


async def test_one_bad_item_of_a_batch_costs_the_others_nothing(alpaca):
    symbols = tuple(f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(499))
    desk = Desk(alpaca, symbols)
    async with desk.running():
        alpaca.faults.add("bad_item")
        await desk.minute(**dict.fromkeys(symbols, 10.0))
        await desk.posted.until(lambda: closes(desk))
        desk.advance(desk.clock.now() + 2 * SECOND)
        await desk.posted.until(lambda: desk.posted.all(BarsQuarantined))
    assert len(closes(desk)[0][1]) == 499
    (refused,) = desk.posted.all(BarsQuarantined)
    assert (refused.reason, refused.count, refused.source) == (quarantine.MALFORMED, 1, "market stream")


@pytest.mark.parametrize(
    "switch",
    [("unknown_type", {}), ("bare_bars", {}), ("text_frame", {}), ("padded_frame", {}),
     ("garbage_frame", {}), ("garbage_frame", {"data": "text \x1b[2J garbage"})],
    ids=lambda switch: switch[0],
)  # fmt: skip
async def test_odd_frames_do_not_disturb_the_minute(alpaca, switch):
    desk = Desk(alpaca)
    async with desk.running():
        alpaca.faults.add(switch[0], times=2, **switch[1])
        begins = await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: closes(desk))
        assert closes(desk) == [(begins, {"AAPL": 150.0, "SPY": 400.0})]
    assert desk.gateway.figures.connections == 1


async def test_bars_in_a_frame_nobody_can_read_are_read_by_rest(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        alpaca.faults.add("truncated_frame")
        begins = await desk.minute(AAPL=150.0, SPY=400.0)
        desk.advance(begins + MINUTE + 10 * SECOND)
        await desk.posted.until(lambda: desk.posted.all(BarsRevised))
    assert closes(desk) == []
    assert closes(desk, BarsRevised) == [(begins, {"AAPL": 150.0, "SPY": 400.0})]
    assert desk.gateway.figures.connections == 1


async def test_a_duplicate_frame_tells_nothing_twice(alpaca):
    desk = Desk(alpaca, channels=("bars",))
    async with desk.running():
        alpaca.faults.add("duplicate_frame")
        await desk.minute(AAPL=150.0, SPY=400.0)
        await eventually(lambda: desk.refused.total == 2)
    assert len(closes(desk)) == 1
    assert [(one.reason, one.count) for one in desk.posted.all(BarsQuarantined)] == [
        (quarantine.DUPLICATE, 2)
    ]


async def test_a_storm_of_bad_items_is_one_message_a_second(alpaca):
    desk = Desk(alpaca, channels=("bars",))
    async with desk.running():
        alpaca.faults.add("bad_item", times=None)
        for _ in range(5):
            await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: len(closes(desk)) == 5)
    assert sum(one.count for one in desk.posted.all(BarsQuarantined)) == 5


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switch", "given", "words"),
    [
        ("unauthorized", {}, "402"), ("insufficient_subscription", {}, "409"), ("symbol_limit", {}, "405"),
        ("market_error", {"on": "market subscribe", "code": 410}, "410"),
    ],
)  # fmt: skip
async def test_what_a_person_must_mend_is_said_plainly_and_not_tried_again(alpaca, switch, given, words):
    alpaca.faults.add(switch, times=None, **given)
    desk = Desk(alpaca)
    async with desk.running(live=False):
        await lost(desk, words)
        await eventually(lambda: desk.gateway.figures.state == "refused")
        desk.real.advance(desk.real.now() + 3600 * SECOND)
        await turns(200)
        assert alpaca.stream.connects == 1
        assert desk.gateway.figures.state == "refused"


async def test_fewer_symbols_mend_a_refusal_for_too_many():
    async with AlpacaServer(symbol_limit=1) as server:
        desk = Desk(server)
        async with desk.running(live=False):
            assert "lower the symbol limit" in await lost(desk, "405")
            desk.inbox.offer(StreamSymbols(ts_event=0, symbols=("SPY",)))
            await desk.up()
            assert server.stream.subscribed("bars") == ["SPY"]


async def test_a_taken_place_is_waited_for_slowly(alpaca):
    alpaca.faults.add("connection_limit", times=3)
    desk = Desk(alpaca)
    async with desk.running(live=False):
        waits = []
        for _ in range(3):
            await eventually(lambda: desk.gateway.figures.state == "waiting")
            await eventually(lambda: desk.real.next_due() is not None)
            waits.append((desk.real.next_due() - desk.real.now()) / SECOND)
            connects = alpaca.stream.connects
            desk.real.advance(desk.real.next_due())
            await alpaca.until(lambda before=connects: alpaca.stream.connects > before)
        await desk.up()
    assert [pytest.approx(wait, rel=0.21) for wait in (5, 10, 20)] == waits
    assert alpaca.stream.connects == 4


@pytest.mark.parametrize(
    ("switch", "words"),
    [({"kind": "rate_limited_bare", "on": "GET /v2/iex"}, "HTTP 429"),
     ({"kind": "refuse", "on": "GET /v2/iex", "status": 503, "code": 0, "message": ""}, "HTTP 503"),
     ({"kind": "silent_auth"}, "no answer while authenticating"),
     ({"kind": "no_ack", "on": "market subscribe"}, "no answer while subscribing"),
     ({"kind": "market_error", "on": "market auth", "code": 404}, "404"),
     ({"kind": "market_error", "on": "market auth", "code": 500}, "500")],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)  # fmt: skip
async def test_what_passes_by_itself_is_tried_again(alpaca, switch, words):
    alpaca.faults.add(switch.pop("kind"), **switch)
    desk = Desk(alpaca)
    async with desk.running(live=False):
        if words.startswith("no answer"):
            await eventually(lambda: desk.gateway.figures.connections == 1)
            await eventually(lambda: desk.real.next_due() is not None)
            await alpaca.until(lambda: alpaca.history.frames("market", words.split()[-1][:4]))
            desk.real.advance(desk.real.now() + 15 * SECOND)
        await lost(desk, words)
        await desk.wait_over()
        await desk.up()
    assert alpaca.stream.connects == 2


async def test_symbols_the_server_leaves_out_are_asked_for_again(alpaca):
    alpaca.faults.add("partial_ack", missing=["SPY"])
    desk = Desk(alpaca)
    async with desk.running():
        assert alpaca.stream.subscribed("bars") == ["AAPL", "SPY"]
    assert desk.feed[-1] == (True, "")


async def test_symbols_the_server_never_acknowledges_are_named(alpaca):
    alpaca.faults.add("partial_ack", missing=["SPY"], times=None)
    desk = Desk(alpaca)
    async with desk.running():
        begins = await desk.minute(AAPL=150.0)
        desk.advance(begins + MINUTE + WAIT)
        await desk.posted.until(lambda: closes(desk))
    assert desk.feed[-1] == (True, "without SPY")
    assert desk.gateway.figures.missing == ("SPY",)


async def test_without_keys_nothing_is_asked(alpaca):
    desk = Desk(alpaca)
    desk.secrets = Secrets()
    desk.gateway = desk.build()
    async with desk.running(live=False):
        assert "ALPACA_API_KEY" in await lost(desk, "no keys")


# ---- lost connections ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switch", "given", "words"),
    [
        ("close", {"code": 1000}, "1000"),
        ("close", {"code": 1001}, "1001"),
        ("close", {"code": 1011}, "1011"),
        ("abort", {}, "broke off"),
        ("slow_client", {}, "407"),
        ("broken_protocol", {}, "broken frame"),
    ],
    ids=lambda value: str(value.get("code", "")) if isinstance(value, dict) else value,
)  # fmt: skip
async def test_after_a_lost_connection_it_connects_again_and_reads_the_gap(alpaca, switch, given, words):
    desk = Desk(alpaca)
    async with desk.running():
        first = await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: closes(desk))
        alpaca.faults.add(switch, **given)
        gap = await desk.minute(AAPL=151.0, SPY=401.0)
        await lost(desk, words)
        await alpaca.until(lambda: not alpaca.stream.connections)
        more = await desk.minute(AAPL=152.0, SPY=402.0)
        await desk.wait_over()
        await desk.up()
        last = await desk.minute(AAPL=153.0, SPY=403.0)
        await desk.posted.until(lambda: len(closes(desk)) == 2)
    assert closes(desk) == [
        (first, {"AAPL": 150.0, "SPY": 400.0}), (last, {"AAPL": 153.0, "SPY": 403.0}),
    ]  # fmt: skip
    assert closes(desk, BarsRevised) == [
        (gap, {"AAPL": 151.0, "SPY": 401.0}), (more, {"AAPL": 152.0, "SPY": 402.0}),
    ]  # fmt: skip
    assert {one.reason for one in desk.posted.all(BarsRevised)} == {"backfill"}
    assert desk.refused.total == 0


@pytest.mark.parametrize("alpaca_options", [{"dead_slot_s": None}])
async def test_the_place_of_a_session_that_died_is_waited_for_and_then_the_gap_is_read(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: closes(desk))
        alpaca.faults.add("abort")
        gap = await desk.minute(AAPL=151.0, SPY=401.0)
        await lost(desk, "broke off")
        await desk.wait_over()
        await lost(desk, "406")
        await desk.wait_over()
        await eventually(lambda: alpaca.stream.connects == 3)
        await eventually(lambda: desk.gateway.figures.state == "waiting")
        alpaca.stream.slots.release()
        await desk.wait_over()
        await desk.up()
        last = await desk.minute(AAPL=152.0, SPY=402.0)
        await desk.posted.until(lambda: len(closes(desk)) == 2)
    assert closes(desk)[-1] == (last, {"AAPL": 152.0, "SPY": 402.0})
    assert closes(desk, BarsRevised) == [(gap, {"AAPL": 151.0, "SPY": 401.0})]
    assert alpaca.stream.connects == 4


async def test_a_peer_that_answers_no_pings_is_dead(alpaca):
    desk = Desk(alpaca, limits=PINGING)
    async with desk.running():
        alpaca.stream.connections[0].freeze()
        await lost(desk, "did not answer a ping")
        await desk.wait_over()  # its place is still taken by the dead connection
        assert "another connection" in await lost(desk, "406")
        alpaca.stream.connections[0].thaw()
        await alpaca.until(lambda: not alpaca.stream.connections)
        await desk.wait_over()
        await desk.up()


async def test_a_mute_connection_in_market_hours_is_given_up(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: closes(desk))
        alpaca.stream.connections[0].mute = True
        heard = desk.clock.now()
        desk.advance(heard + 90 * SECOND - 1)
        await turns(100)
        assert desk.feed[-1][0]
        desk.advance(heard + 90 * SECOND)
        await lost(desk, "connected but mute for 90 s")
        await desk.wait_over()
        await desk.up()


async def test_silence_outside_market_hours_is_no_fault(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        desk.advance(
            desk.clock.now() + 390 * MINUTE - 30 * SECOND
        )  # only silence near the close proves nothing
        await desk.down()
        await desk.wait_over()
        await desk.up()
        ups = len(desk.feed)
        desk.advance(desk.clock.now() + 6 * 60 * MINUTE)
        await turns(100)
        assert len(desk.feed) == ups


def test_silence_counts_from_the_first_bar_after_the_open_to_the_close():
    hours = Hours(open=1_000 * MINUTE, close=1_390 * MINUTE)
    silence = 90 * SECOND
    assert hours.mute_at(0, silence) == 1_001 * MINUTE + silence
    assert hours.mute_at(1_100 * MINUTE, silence) == 1_100 * MINUTE + silence
    assert hours.mute_at(1_389 * MINUTE, silence) is None


async def test_a_server_that_drops_every_connection_is_not_stormed(alpaca):
    alpaca.faults.add("market_error", "market auth", code=500, times=None)
    desk = Desk(alpaca)
    times = []
    async with desk.running(live=False):
        for _ in range(12):
            await desk.wait_over()
            times.append(desk.real.now())
            connects = alpaca.stream.connects
            await alpaca.until(lambda before=connects: alpaca.stream.connects > before)
    gaps = [(b - a) / SECOND for a, b in itertools.pairwise(times)]
    assert gaps[-1] > 20
    assert sum(1 for at in times if at >= times[-1] - 60 * SECOND) <= 10


async def test_a_gap_is_asked_for_again_while_rest_does_not_answer(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: closes(desk))
        alpaca.faults.add("server_error_before", "GET /v2/stocks/bars", times=2)
        alpaca.faults.add("abort")
        gap = await desk.minute(AAPL=151.0, SPY=401.0)
        await desk.down()
        await desk.wait_over()
        for tries in (1, 2):
            await eventually(lambda tries=tries: len(alpaca.history.requests(BARS)) == tries)
            await eventually(lambda: desk.real.next_due() is not None)
            assert not desk.feed[-1][0]
            desk.real.advance(desk.real.now() + 40 * SECOND)
        await desk.up()
        desk.advance(gap + MINUTE + WAIT)
        await desk.posted.until(lambda: desk.posted.all(BarsRevised))
    assert closes(desk, BarsRevised) == [(gap, {"AAPL": 151.0, "SPY": 401.0})]


async def test_a_plan_without_history_leaves_the_gap_and_streams_on(alpaca):
    desk = Desk(alpaca, gap_from=alpaca.clock.now() - 5 * MINUTE)
    alpaca.faults.add("refuse", BARS, status=403, code=42210000, message="subscription does not permit it")
    async with desk.running():
        await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: closes(desk))


async def test_what_rest_did_not_have_yet_is_read_a_little_later(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: closes(desk))
        alpaca.faults.add("abort")
        gap = await desk.minute(after=SECOND, AAPL=151.0)
        await desk.down()
        await desk.wait_over()
        await desk.up()
        alpaca.lay_in("SPY", {gap: (401.0,) * 4})
        desk.advance(desk.clock.now() + 75 * SECOND)
        await desk.posted.until(lambda: len(desk.posted.all(BarsRevised)) == 2)
    assert closes(desk, BarsRevised) == [(gap, {"AAPL": 151.0}), (gap, {"SPY": 401.0})]


async def test_a_start_in_the_middle_of_the_day_reads_what_was_missed(alpaca):
    begins = alpaca.clock.now()
    for minute in range(3):
        alpaca.lay_in("SPY", {begins + minute * MINUTE: (400.0 + minute,) * 4})
    await alpaca.move_to(begins + 3 * MINUTE)
    desk = Desk(alpaca, gap_from=begins)
    desk.advance(begins + 3 * MINUTE + SECOND)
    async with desk.running():
        pass
    assert closes(desk, BarsRevised) == [(begins + n * MINUTE, {"SPY": 400.0 + n}) for n in range(3)]


async def test_minutes_before_a_brokers_clock_that_was_ahead_of_ours_are_read_not_lost(alpaca):
    begins = alpaca.clock.now()
    for minute in range(3):
        alpaca.lay_in("SPY", {begins + minute * MINUTE: (400.0 + minute,) * 4})

    class Ahead:
        """Sets our clock, once, to the broker's."""

        async def agree(self) -> bool:
            desk.clock.advance(alpaca.clock.now())
            return True

        def is_odd(self, ts: int, now: int) -> bool:
            return False

    desk = Desk(alpaca, market_time=Ahead(), silence_s=600.0)
    await alpaca.move_to(begins + 3 * MINUTE + SECOND)
    async with desk.running():
        pass
    assert closes(desk, BarsRevised) == [(begins + n * MINUTE, {"SPY": 400.0 + n}) for n in range(3)]


SPOILS = (
    ("close", {}), ("abort", {}), ("slow_client", {}), ("garbage_frame", {}), ("truncated_frame", {}),
    ("duplicate_frame", {}), ("reorder_frame", {}), ("text_frame", {}), ("bad_item", {}),
    ("unknown_type", {}),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_every_bar_is_told_once(alpaca, seed):
    """Twenty minutes of random faults; a last reconnection reads what was lost at the end."""
    luck = random.Random(seed)
    symbols = ("AAPL", "SPY", "QQQ", "IWM")
    desk = Desk(alpaca, symbols, channels=("bars",))
    pushed = {}
    async with desk.running():
        for number in range(20):
            kind, given = luck.choice(SPOILS)
            if luck.random() < 0.5 and number < 19:
                alpaca.faults.add(kind, **given)
            rows = {name: 100.0 + number for name in symbols if luck.random() < 0.8}
            begins = await desk.minute(after=luck.choice([30_000_000, WAIT + SECOND]), **rows)
            pushed |= {(begins, name): close for name, close in rows.items()}
            if luck.random() < 0.3:
                desk.advance(begins + MINUTE + 20 * SECOND)
            await turns(luck.randrange(40))
            if desk.gateway.figures.state == "waiting" and luck.random() < 0.7:
                await desk.wait_over()
                await desk.up()
        if desk.gateway.figures.state == "live":
            alpaca.faults.clear()
            alpaca.stream.connections[-1].abort()
        await desk.wait_over()
        await desk.up()
        desk.advance(desk.clock.now() + 100 * SECOND)
        await eventually(lambda: len(told_once(desk)) == len(pushed))
    assert told_once(desk) == pushed


def told_once(desk):
    """{(minute, symbol): close} of bars and revisions; a bar that was told twice fails."""
    seen = {}
    for begins, rows in (*closes(desk), *closes(desk, BarsRevised)):
        for name, close in rows.items():
            assert (begins, name) not in seen
            seen[begins, name] = close
    return seen


# ---- crashes ------------------------------------------------------------------------------------


async def test_bars_that_found_no_room_end_the_gateway_and_the_next_one_reads_them(alpaca):
    desk = Desk(alpaca)
    with pytest.raises(LaneFull):
        try:
            async with desk.running():
                await desk.minute(AAPL=150.0, SPY=400.0)
                await desk.posted.until(lambda: closes(desk))
                desk.posted.refuse = LaneFull("full")
                await desk.minute(AAPL=151.0, SPY=401.0)
                await anyio.sleep_forever()
        except ExceptionGroup as raised:
            raise raised.exceptions[0] from None
    await alpaca.until(lambda: not alpaca.stream.connections)
    desk.posted.refuse = None
    desk.gateway = desk.build()
    async with desk.running():
        pass
    assert len(closes(desk)) == 1
    assert closes(desk, BarsRevised) == [(desk.join.last_told, {"AAPL": 151.0, "SPY": 401.0})]


async def test_a_minute_of_which_nobody_told_on_a_living_connection_is_read_by_rest(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        first = await desk.minute(AAPL=150.0, SPY=400.0)
        alpaca.faults.add("drop_frame")
        await desk.minute(AAPL=151.0, SPY=401.0)
        third = await desk.minute(SPY=403.0)
        desk.advance(desk.clock.now() + 6 * SECOND)
        await desk.posted.until(lambda: closes(desk, BarsRevised))
    assert [begins for begins, _ in closes(desk)] == [first, third]
    assert closes(desk, BarsRevised) == [(first + MINUTE, {"AAPL": 151.0, "SPY": 401.0})]
    assert {one.reason for one in desk.posted.all(BarsRevised)} == {"backfill"}


async def test_the_sessions_first_minute_is_read_by_rest_if_nobody_told_of_it(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        alpaca.faults.add("drop_frame")
        first = await desk.minute(AAPL=150.0, SPY=400.0)
        second = await desk.minute(AAPL=151.0, SPY=401.0)
        desk.advance(desk.clock.now() + 6 * SECOND)
        await desk.posted.until(lambda: closes(desk, BarsRevised))
    assert closes(desk) == [(second, {"AAPL": 151.0, "SPY": 401.0})]
    assert closes(desk, BarsRevised) == [(first, {"AAPL": 150.0, "SPY": 400.0})]


async def test_minutes_that_follow_one_another_ask_rest_nothing(alpaca):
    desk = Desk(alpaca)
    async with desk.running():
        for _ in range(3):
            await desk.minute(SPY=400.0)
        desk.advance(desk.clock.now() + 6 * SECOND)
        await desk.posted.until(lambda: len(closes(desk)) == 3)
        asked = len(alpaca.history.requests("GET /v2/stocks/bars"))
        await desk.minute(SPY=400.0)
        desk.advance(desk.clock.now() + 6 * SECOND)
        await desk.posted.until(lambda: len(closes(desk)) == 4)
        assert len(alpaca.history.requests("GET /v2/stocks/bars")) == asked


async def test_no_key_reaches_anything_but_the_frame_that_authenticates(alpaca, capfd):
    desk = Desk(alpaca)
    async with desk.running():
        alpaca.faults.add("garbage_frame")
        await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.posted.until(lambda: closes(desk))
        alpaca.faults.add("abort")
        await desk.minute(AAPL=150.0, SPY=400.0)
        await desk.down()
    said = "".join(capfd.readouterr()) + repr(desk.posted.inputs) + repr(desk.gateway.figures)
    for secret in (alpaca.options.key, alpaca.options.secret):
        assert secret not in said
        assert alpaca.history.leaks(secret) == []
