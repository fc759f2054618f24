"""The loopback broker and a client of it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from actors.broker.rest import Rest, Timeouts
from runtime.kernel.clock import LiveClock
from tests.actors.gateways.order_desk import UNHURRIED, keys
from tests.alpaca_server.fixture import alpaca, alpaca_options
from tests.alpaca_server.server import AlpacaServer

__all__ = ["alpaca", "alpaca_options"]


@pytest_asyncio.fixture
async def rest(alpaca: AlpacaServer, request: pytest.FixtureRequest) -> AsyncIterator[Rest]:
    """A client whose requests may take their time; its parameter: other time-outs."""
    timeouts: Timeouts = getattr(request, "param", UNHURRIED)
    client = Rest(alpaca.urls.trading, keys(alpaca), LiveClock(), timeouts=timeouts)
    yield client
    await client.aclose()
