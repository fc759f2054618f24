"""Frames of the real service and of its documentation are read without a loss."""

import json
from pathlib import Path

import msgpack
import pytest

from actors.broker import market_wire, trade_wire, wire

FRAMES = Path(__file__).resolve().parents[3].parent / "shared/data/alpaca_messages/alpaca_ws_messages.json"
pytestmark = pytest.mark.skipif(not FRAMES.exists(), reason="no recorded frames beside the checkout")


def frames(stream):
    entries = json.loads(FRAMES.read_text()) if FRAMES.exists() else []
    return [one["frame"] for one in entries if one["stream"] == stream and one["direction"] == "server"]


@pytest.mark.parametrize("write", [json.dumps, msgpack.packb], ids=["json", "msgpack"])
def test_every_item_of_the_data_service_is_read_or_of_no_interest(write):
    seen = 0
    for frame in frames("market_data"):
        items = frame if isinstance(frame, list) else [frame]
        read = market_wire.decode(write(items))
        lost_time = [
            one for one in items if one["T"] in "bud" and one["t"] is None
        ]  # by whoever wrote it down
        assert len(read.bad) == len(lost_time)
        assert len(read.items) + len(read.bad) + read.ignored == len(items)
        seen += len(read.items)
    assert seen > 5


def test_every_frame_of_the_trade_stream_is_read():
    events = 0
    for frame in frames("trading"):
        for message in trade_wire.decode(json.dumps(frame).encode()):
            assert not isinstance(message, trade_wire.Unreadable), message
            events += isinstance(message, wire.TradeUpdate)
    assert events > 3
