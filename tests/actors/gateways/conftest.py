"""The loopback broker."""

from tests.alpaca_server.fixture import alpaca, alpaca_options, hosted_alpaca

__all__ = ["alpaca", "alpaca_options", "hosted_alpaca"]
