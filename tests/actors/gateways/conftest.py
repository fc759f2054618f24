"""The loopback service for the gateways that speak to it."""

from tests.alpaca_server.fixture import *  # noqa: F403
