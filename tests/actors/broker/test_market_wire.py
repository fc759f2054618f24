"""Frames of the market stream: read in either encoding, never raising, nothing lost unseen."""

import math
from datetime import UTC, datetime

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker import market_wire
from actors.broker.market_wire import DailyBar, MinuteBar, Refused, Status, Subscribed, Success, UpdatedBar
from runtime.messages.market import TradingStatus
from storage.loaders import quarantine
from tests.actors.broker.market_samples import MINUTE, OPEN, bar, item, json_text, moment, packed

STATUS = {
    "T": "s",
    "S": "AAPL",
    "sc": "H",
    "sm": "Trading Halt",
    "rc": "T12",
    "rm": "Trading Halted",
    "z": "C",
}


@pytest.mark.parametrize("write", [packed, json_text], ids=["msgpack", "json"])
def test_both_encodings_say_the_same(write):
    frame = market_wire.decode(write(item("b"), item("u"), item("d"), STATUS | {"t": moment(OPEN)}))
    assert [type(one) for one in frame.items] == [MinuteBar, UpdatedBar, DailyBar, Status]
    first = frame.items[0]
    assert (first.S, first.ts, first.o, first.h, first.l, first.c, first.v) == (
        "AAA", OPEN, 10.0, 10.5, 9.5, 10.25, 100.0,
    )  # fmt: skip
    assert (frame.bad, frame.ignored) == ([], 0)


def test_the_documented_frames_are_read():
    """alpaca.md 1.1 and 1.3, word for word."""
    bars = (
        '[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,'
        '"t":"2021-02-22T19:15:00Z","n":461,"vw":389.06}]'
    )
    (one,) = market_wire.decode(bars).items
    assert (one.c, one.v, one.n, one.vw, one.ts) == (
        389.12,
        49378.0,
        461.0,
        389.06,
        1_614_021_300_000_000_000,
    )
    assert market_wire.decode('[{"T":"success","msg":"connected"}]').items == [Success(msg="connected")]
    assert market_wire.decode('[{"T":"error","code":402,"msg":"auth failed"}]').items == [
        Refused(code=402, msg="auth failed")
    ]
    ack = '[{"T":"subscription","trades":[],"bars":["AAPL"],"updatedBars":["AAPL"],"corrections":[]}]'
    assert market_wire.decode(ack).items == [Subscribed(bars=["AAPL"], updated_bars=["AAPL"])]


def test_bars_without_trade_count_and_average_price_are_bars():
    plain = {key: value for key, value in item().items() if key not in ("n", "vw")}
    (one,) = market_wire.decode(packed(plain)).items
    assert (one.n, one.vw) == (None, None)


def test_a_text_frame_on_a_msgpack_socket_is_read():
    text = json_text(item())
    assert market_wire.decode(text.encode()).items == market_wire.decode(text).items


def test_a_written_time_on_a_msgpack_socket_is_read():
    frame = msgpack.packb([item() | {"t": "2025-11-20T14:30:00Z"}], datetime=True)
    assert market_wire.decode(frame).items[0].ts == OPEN


@pytest.mark.parametrize("write", [packed, json_text], ids=["msgpack", "json"])
@pytest.mark.parametrize(
    "broken",
    [
        {"o": "ten"}, {"t": None}, {"S": None}, {"v": [1]}, {"t": "2025-11-20T14:30:00"}, {"c": {"d": 1}},
    ],
    ids=lambda broken: next(iter(broken)),
)  # fmt: skip
def test_one_bad_item_of_five_hundred_costs_the_others_nothing(write, broken):
    items = [item(symbol=f"S{chr(65 + n % 26)}{chr(65 + n // 26)}") for n in range(499)]
    frame = market_wire.decode(write(*items[:250], item() | broken, *items[250:]))
    assert len(frame.items) == 499
    assert [one.reason for one in frame.bad] == [quarantine.MALFORMED]


def test_kinds_nobody_asked_for_are_ignored_and_counted():
    frame = market_wire.decode(packed(item(), {"T": "n", "headline": "x"}, {"T": "z"}, item("u")))
    assert (len(frame.items), frame.bad, frame.ignored) == (2, [], 2)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00", b"\xff\xfe", b"[", b"[{", b"null", b"{}", b"[[]]", b"[1]", b"\x91\x81\xa1T\xa1\xff",
     b"[" * 5000, b"\x91" * 5000, b"\xdd\xff\xff\xff\xff", b"[\xff]", "not json", "\ud800"],
)  # fmt: skip
def test_garbage_is_one_bad_thing_and_shown_without_control_characters(garbage):
    frame = market_wire.decode(garbage)
    assert len(frame.bad) == 1
    assert frame.bad[0].example.isprintable()
    assert len(frame.bad[0].example) < 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
mutated = st.builds(
    lambda base, changes: {**base, **changes},
    st.sampled_from([item("b"), item("u"), item("d"), STATUS | {"t": moment(OPEN)}, {"T": "l", "S": "A"}]),
    st.dictionaries(
        st.sampled_from(["T", "S", "o", "h", "l", "c", "v", "t", "n", "vw", "sc", "x"]),
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=6),
        max_size=3,
    ),
)


@given(st.lists(mutated | st.just(item()), max_size=12))
def test_every_item_of_a_frame_is_delivered_refused_or_of_no_interest(items):
    frame = market_wire.decode(msgpack.packb(items, datetime=True))
    assert len(frame.items) + len(frame.bad) + frame.ignored == len(items)


def _fits(value) -> bool:
    try:
        msgpack.packb(value)
    except (OverflowError, ValueError, UnicodeEncodeError):
        return False
    return True


def _is_empty_list(data) -> bool:
    return data == b"\x90" or "".join(str(data).split()) in ("[]", "b'[]'")


@given(st.binary(max_size=60) | st.text(max_size=40) | json_values.filter(_fits).map(msgpack.packb))
def test_no_bytes_whatever_raise_or_vanish(data):
    frame = market_wire.decode(data)
    assert frame.items or frame.bad or frame.ignored or _is_empty_list(data)


@given(st.data())
def test_flipped_bits_never_raise(data):
    whole = bytearray(packed(item(), item("u"), STATUS | {"t": moment(OPEN)}))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for one in market_wire.decode(bytes(whole)).items:
        if isinstance(one, market_wire.WireBar):
            assert market_wire.described(one).isprintable()
            market_wire.refusal(one, one.ts, OPEN)


prices = st.sampled_from([10.0, 10.5, 9.5, 0.0, -1.0, math.nan, math.inf, -math.inf, 2e6, 1e308])
volumes = st.sampled_from([0.0, 1.0, 1.5, -1.0, math.nan, math.inf, 2.0**53, 2.0**53 - 1])
names = st.sampled_from(["AAA", "BRK.B", "", "aaa", "TOOLONG", "A\x00", "../x", "A B"])
times = st.sampled_from([OPEN, OPEN + 1, OPEN - MINUTE, OPEN + MINUTE, 0, -MINUTE, OPEN + 60 * MINUTE])


@given(names, times, st.tuples(prices, prices, prices, prices), volumes)
def test_the_stream_refuses_a_bar_for_the_same_reason_as_a_file(name, ts, four, volume):
    """Row by row the rules are those of `quarantine.admit`, which works on whole columns."""
    o, h, low, c = four
    one = MinuteBar(S=name, o=o, h=h, l=low, c=c, v=volume, t=datetime(2025, 1, 1, tzinfo=UTC))
    refusals = quarantine.Refusals("file")
    raw = quarantine.RawRows(
        names=[name],
        codes=np.zeros(1, dtype=np.int32),
        ts=np.array([ts], dtype=np.int64),
        values=np.array([[o], [h], [low], [c], [volume], [1.0], [1.0]]),
    )
    quarantine.admit(raw, refusals, now=OPEN, limits=quarantine.MINUTES)
    expected = refusals.rows[0].reason if refusals.rows else ""
    assert market_wire.refusal(one, ts, OPEN) == expected


@pytest.mark.parametrize(
    ("code", "reason", "halted"),
    [
        ("2", "T1", True), ("H", "T12", True), ("P", "LUDP", True), ("F", "M", True), ("3", "", False),
        ("T", "", False), ("F", "", None), ("Q", "", None), ("E", "", None), ("5", "", None),
        ("zzz", "", None),
    ],
)  # fmt: skip
def test_only_halts_and_resumptions_of_trading_are_told(code, reason, halted):
    told = market_wire.trading_status(Status(S="AAPL", sc=code, rc=reason, t=moment(OPEN)), OPEN)
    assert (None if told is None else told.halted) == halted


def test_a_halt_is_told_with_its_reason_made_harmless():
    status = Status(S="AAPL", sc="H", rc="T12", rm="Halted\x1b]0;evil\x07\n", t=moment(OPEN))
    assert market_wire.trading_status(status, OPEN + 1) == TradingStatus(
        ts_event=OPEN, symbol="AAPL", halted=True, code="T12", reason="Halted\\x1b]0;evil\\x07\\n"
    )


def test_an_example_of_a_bar_is_one_harmless_line():
    hostile = msgspec.structs.replace(bar(), S="A\x1b[2J\u202e")
    assert market_wire.described(hostile).isprintable()


def test_a_halt_without_a_time_happened_now():
    (status,) = market_wire.decode(packed(STATUS)).items
    told = market_wire.trading_status(status, OPEN + 7)
    assert told is not None
    assert (told.halted, told.ts_event) == (True, OPEN + 7)
