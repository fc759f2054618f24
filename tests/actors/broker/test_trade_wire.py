"""Frames of the trade stream: events read tolerantly, what cannot be read names its order if it can."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker import trade_wire, wire
from actors.broker.trade_wire import Authorization, Elsewhere, Listening, Unreadable

ORDER = {"id": "b-1", "client_order_id": "x:e1", "symbol": "SPY", "status": "filled", "filled_qty": "1"}
FILL = {
    "event": "fill",
    "execution_id": "e-1",
    "price": "737.91",
    "qty": "1",
    "position_qty": "1",
    "order": ORDER,
}


def frame(data, stream="trade_updates"):
    return json.dumps({"stream": stream, "data": data}).encode()


def test_the_captured_fill_is_read():
    """alpaca.md 2.2, third frame."""
    (event,) = trade_wire.decode(
        frame({**FILL, "at": "2026-07-24T14:42:50.132734Z", "event_id": "01KYA98EMM"})
    )
    assert isinstance(event, wire.TradeUpdate)
    assert (event.event, event.execution_id, event.price, event.order.filled_qty) == (
        "fill", "e-1", "737.91", "1",
    )  # fmt: skip


def test_what_the_handshake_says_is_read():
    assert trade_wire.decode(
        b'{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}'
    ) == [Authorization(status="authorized", action="authenticate")]
    assert trade_wire.decode(b'{"stream":"listening","data":{"streams":["trade_updates"]}}') == [
        Listening(streams=["trade_updates"])
    ]
    assert trade_wire.decode(frame({}, "account_updates")) == [Elsewhere(stream="account_updates")]


@pytest.mark.parametrize(
    "change", [{"event": None}, {"event": 7}, {"price": {"a": 1}}, {"order": {**ORDER, "legs": 3}}]
)
def test_an_event_that_cannot_be_read_names_its_order(change):
    (event,) = trade_wire.decode(frame({**FILL, **change}))
    assert isinstance(event, Unreadable)
    assert event.order_id == "b-1"


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"{}", b"\xff\xfe", b"[", b"{" * 5000, b"[" * 5000, frame(None), frame({}),
     frame({"order": {}}), frame({"event": "fill", "order": {"id": ""}}),
     b'{"stream":"listening","data":{"streams":7}}'],
)  # fmt: skip
def test_what_nobody_can_read_is_never_dropped(data):
    (event,) = trade_wire.decode(data)
    assert isinstance(event, Unreadable)
    assert event.order_id == ""
    assert event.example.isprintable()


def test_unknown_events_and_statuses_are_read_as_they_come():
    (event,) = trade_wire.decode(frame({"event": "levitated", "order": {**ORDER, "status": "floating"}}))
    assert (event.event, event.order.status) == ("levitated", "floating")


def test_a_list_of_events_is_understood_too():
    both = b"[" + frame(FILL) + b"," + frame({"event": "x"}) + b"]"
    assert [type(one) for one in trade_wire.decode(both)] == [wire.TradeUpdate, Unreadable]


values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from([*FILL, "timestamp", "legs", "zz"]), values, max_size=5), values)
def test_every_frame_of_the_stream_becomes_exactly_one_thing(changes, order_id):
    data = {**FILL, **changes}
    if isinstance(data["order"], dict):
        data["order"] = {**data["order"], "id": order_id}
    (event,) = trade_wire.decode(frame(data))
    assert isinstance(event, wire.TradeUpdate | Unreadable)


@given(st.binary(max_size=80))
def test_no_bytes_whatever_raise(data):
    assert trade_wire.decode(data) or data.lstrip()[:1] == b"["
