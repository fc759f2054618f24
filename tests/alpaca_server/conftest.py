"""The fixtures that tests of clients use, and a REST client."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.alpaca_server.clients import Rest
from tests.alpaca_server.fixture import alpaca, alpaca_options, hosted_alpaca
from tests.alpaca_server.server import AlpacaServer

__all__ = ["alpaca", "alpaca_options", "hosted_alpaca"]


@pytest_asyncio.fixture
async def rest(alpaca: AlpacaServer) -> AsyncIterator[Rest]:
    """A REST client of the server under test."""
    async with Rest(alpaca) as client:
        yield client
