"""Recorded minutes reach clients in order, at once or at their time."""

import gzip
import json
from pathlib import Path

import pytest

from tests.alpaca_server.clients import market, subscribed
from tests.alpaca_server.clock import MINUTE, ns
from tests.alpaca_server.player import Minute, play, recorded
from tests.alpaca_server.server import AlpacaServer

_SESSION = Path(__file__).parents[3] / "shared/data/sessions/bars_2013-10-10_lean_n_vw.jsonl.gz"


def test_frames_are_read_minute_by_minute(tmp_path):
    path = tmp_path / "session.jsonl.gz"
    bar = {"T": "b", "o": 1, "h": 2, "l": 1, "c": 2, "v": 5}
    with gzip.open(path, "wt") as out:
        for t, symbol, extra in [("30", "A", {}), ("30", "B", {"n": 3, "vw": 1.5}), ("31", "A", {})]:
            out.write(json.dumps(bar | {"S": symbol, "t": f"2018-03-01T14:{t}:00Z"} | extra) + "\n")
    first, second = recorded(path)
    assert first.t == ns("2018-03-01T14:30:00Z")
    assert first.rows == {"A": [1, 2, 1, 2, 5], "B": [1, 2, 1, 2, 5, 3, 1.5]}
    assert list(second.rows) == ["A"]
    assert recorded(path, first="2018-03-01T14:31:00Z") == [second]


async def test_a_clock_that_stands_is_moved_by_the_minutes(alpaca):
    begins = alpaca.clock.now()
    minutes = [Minute(begins + n * MINUTE, {"SPY": (n + 1,) * 4}) for n in range(5)]
    async with market(alpaca) as socket:
        await subscribed(socket, alpaca, bars=["SPY"])
        assert await play(alpaca, minutes) == 5
        assert [(await socket.hear())[0]["o"] for _ in range(5)] == [1, 2, 3, 4, 5]
    assert alpaca.clock.now() == begins + 5 * MINUTE


async def test_a_clock_that_runs_is_waited_for():
    async with AlpacaServer(speed=6_000) as server:  # a minute in 10 ms
        begins = server.clock.now()
        came = []

        async def note(minute):
            came.append(server.clock.now() - minute.t >= MINUTE)

        await play(server, [Minute(begins + n * MINUTE, {"SPY": (1,) * 4}) for n in range(4)], after=note)
        assert came == [True] * 4


@pytest.mark.skipif(not _SESSION.exists(), reason="the shared data is not here")
async def test_a_recorded_hour_passes():
    minutes = recorded(_SESSION, first="2013-10-10T09:30:00-04:00", last="2013-10-10T10:29:00-04:00")
    async with AlpacaServer(start="2013-10-10T09:30:00-04:00") as server, market(server) as socket:
        await subscribed(socket, server, bars=["*"])
        heard = 0

        async def hear(minute):
            nonlocal heard
            items = await socket.hear()
            assert {item["S"] for item in items} == set(minute.rows)
            heard += len(items)

        assert await play(server, minutes, after=hear) == 60
        assert heard == sum(len(minute.rows) for minute in minutes)
