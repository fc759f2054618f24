"""A loopback Alpaca for tests."""

from tests.alpaca_server.faults import KINDS, Fault, Faults
from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.alpaca_server.options import Options
from tests.alpaca_server.server import AlpacaServer, Urls

__all__ = ["KINDS", "AlpacaServer", "Fault", "Faults", "HostedAlpacaServer", "Options", "Urls"]
