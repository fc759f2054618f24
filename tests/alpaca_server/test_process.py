"""The server as a process of its own, and the summary it leaves."""

import json
import signal
import subprocess
import sys
import urllib.request

from tests.alpaca_server.summary import summary
from tests.walls import WALL_S


def test_it_says_where_it_is_and_what_happened():
    command = [sys.executable, "-m", "tests.alpaca_server", "--fault", "rate_limited=0.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        request = urllib.request.Request(
            told["ALPACA_TRADING_URL"] + "/v2/account",
            headers={
                "APCA-API-KEY-ID": told["ALPACA_API_KEY"],
                "APCA-API-SECRET-KEY": told["ALPACA_SECRET_KEY"],
            },
        )
        with urllib.request.urlopen(request, timeout=WALL_S) as answer:
            assert json.load(answer)["status"] == "ACTIVE"
        process.send_signal(signal.SIGTERM)
        left = json.loads(process.stdout.readline())
        assert process.wait(WALL_S) == 0
    assert left["requests"] == {"GET /v2/account": 1}
    assert (left["orders"], left["leaks"]) == (0, [])


async def test_the_summary_adds_up(alpaca, rest):
    alpaca.faults.add("server_error_after", "POST /v2/orders")
    await rest.submit("a", "buy", 2)
    await rest.submit("a", "buy", 2)
    await alpaca.push_bar("SPY", 100, 100, 100, 100)
    left = summary(alpaca)
    assert (left["orders"], left["twice"], left["duplicates"]) == (1, [], {"a": 2})
    assert (left["positions"], left["cash"], left["statuses"]) == ({"SPY": "2"}, "99800", {"filled": 1})
    assert left["faults"] == {"server_error_after at POST /v2/orders": 1}
    assert [fill["qty"] for fill in left["fills"]] == ["2"]
