"""An order's request leaves whole, in one piece, and is otherwise the one that `requests` would make."""

import http.client
import json
from typing import Any

import anyio.to_thread
import pytest
import requests

from actors.broker.order_session import OrderSession
from tests.alpaca_server.server import AlpacaServer

BODY = {
    "symbol": "SPY",
    "qty": "1",
    "side": "buy",
    "type": "market",
    "time_in_force": "day",
    "client_order_id": "a-1",
}
NOTED = ("host", "user-agent", "accept", "accept-encoding", "connection", "content-type", "apca-api-key-id")


async def posted(session: requests.Session, alpaca: AlpacaServer, name: str) -> dict[str, Any]:
    """What the broker got of an order, as far as it does not differ from order to order."""
    headers = {
        "APCA-API-KEY-ID": alpaca.options.key,
        "APCA-API-SECRET-KEY": alpaca.options.secret,
        "User-Agent": "test",
    }

    def send() -> requests.Response:
        return session.request(
            "POST",
            f"{alpaca.urls.trading}/v2/orders",
            headers=headers,
            allow_redirects=False,
            json={**BODY, "client_order_id": name},
        )

    answer = await anyio.to_thread.run_sync(send)
    assert answer.status_code == 200
    assert answer.json()["client_order_id"] == name
    (raw,) = (bytes(one) for one in alpaca.history.raw.values() if name.encode() in one)
    head, _, body = raw.rpartition(b"POST /v2/orders ")[2].partition(b"\r\n\r\n")
    found = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    lowered = {key.lower(): value for key, value in found.items()}
    assert int(lowered["content-length"]) == len(body)
    assert json.loads(body) == {**BODY, "client_order_id": name}
    return {key: lowered.get(key) for key in NOTED}


async def test_the_short_way_asks_for_what_the_long_one_does(alpaca: AlpacaServer) -> None:
    short, long = OrderSession((3.0, 5.0)), requests.Session()
    long.trust_env = False
    with short, long:
        assert await posted(short, alpaca, "by-us") == await posted(long, alpaca, "by-requests")


async def test_head_and_body_leave_in_one_write(
    alpaca: AlpacaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []
    send = http.client.HTTPConnection.send

    def noted(this: http.client.HTTPConnection, data: Any) -> None:
        writes.append(bytes(data))
        send(this, data)

    monkeypatch.setattr(http.client.HTTPConnection, "send", noted)
    with OrderSession((3.0, 5.0)) as session:
        await posted(session, alpaca, "one")
        await posted(session, alpaca, "two")
    assert [one.startswith(b"POST ") and one.endswith(b"}") for one in writes] == [True, True]
