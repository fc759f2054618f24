"""The loopback broker and a client of it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from actors.broker.rest import Rest, Timeouts
from runtime.kernel.clock import LiveClock
from tests.actors.gateways.order_desk import keys
from tests.alpaca_server.fixture import alpaca, alpaca_options
from tests.alpaca_server.server import AlpacaServer

__all__ = ["alpaca", "alpaca_options"]


@pytest_asyncio.fixture
async def rest(alpaca: AlpacaServer) -> AsyncIterator[Rest]:
    """A client with short time-outs."""
    client = Rest(
        alpaca.urls.trading, keys(alpaca), LiveClock(), timeouts=Timeouts(connect=0.5, read=0.3, total=0.6)
    )
    yield client
    await client.aclose()
