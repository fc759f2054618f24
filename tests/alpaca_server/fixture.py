"""Fixtures: put `from tests.alpaca_server.fixture import *` into a conftest, or import the one you need.

`alpaca` is a server on the test's own loop, `hosted_alpaca` one in a thread; a test changes options by
`@pytest.mark.parametrize("alpaca_options", [{"fills": "quote"}])`.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.alpaca_server.server import AlpacaServer

__all__ = ["alpaca", "alpaca_options", "hosted_alpaca"]


@pytest.fixture
def alpaca_options() -> dict[str, Any]:
    """Keywords of the server."""
    return {}


@pytest_asyncio.fixture
async def alpaca(alpaca_options: dict[str, Any]) -> AsyncIterator[AlpacaServer]:
    """A server on the loop of the test."""
    async with AlpacaServer(**alpaca_options) as server:
        yield server


@pytest.fixture
def hosted_alpaca(alpaca_options: dict[str, Any]) -> Iterator[HostedAlpacaServer]:
    """A server in a thread, for clients that block."""
    with HostedAlpacaServer(**alpaca_options) as server:
        yield server
