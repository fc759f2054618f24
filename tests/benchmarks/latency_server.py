"""The loopback broker of the latency benchmark, a process of its own: minutes out when told, orders timed.

A line on stdin is a command: `push N` lets minute N pass and answers with the moment right before its bars
were handed to the kernel; `report` answers with the moments at which whole orders had come in. Moments are
the machine's monotonic clock, ns, which all processes share.
"""

import argparse
import asyncio
import json
import sys
import time
from decimal import Decimal
from functools import partial
from typing import Any

from tests.alpaca_server.market_stream import _stamped
from tests.alpaca_server.server import AlpacaServer
from tests.alpaca_server.tap import Tap
from tests.benchmarks.made_market import prices

MINUTE = 60_000_000_000
SETTLE_S = 0.1
"""Between the fills that a minute brought and its bars."""


class TimedTap(Tap):
    """Notes when the last byte of each posted order came."""

    came: dict[str, int]
    _order = bytearray()

    def data_received(self, data: bytes) -> None:
        at = time.monotonic_ns()
        self._order = bytearray(data) if data.startswith(b"POST /v2/orders") else self._order + data
        head, found, body = bytes(self._order).partition(b"\r\n\r\n")
        if found and head.startswith(b"POST /v2/orders"):
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            if len(body) >= length:
                self.came[json.loads(body)["client_order_id"]] = at
                self._order = bytearray()
        super().data_received(data)


class TimedServer(AlpacaServer):
    """Remembers when orders came."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.came: dict[str, int] = {}

    def _tapped(self, runner: Any) -> Tap:
        self.history.raw[number := len(self.history.raw)] = bytearray()
        tap = TimedTap(runner.server(), self.history.raw[number], self._open)
        tap.came = self.came
        return tap


async def _send(server: TimedServer, minute: int, rows: dict[str, Any], begins: int) -> int:
    """Let a minute pass; then everything is made ready before the first byte leaves, and the moment is noted.

    Bars are followed by the running days, as the service has it.
    """
    t = begins + minute * MINUTE
    bars = await server.push_minute(rows, t=t, stream=False)
    days = [day for bar in bars if (day := server.market.day_so_far(bar.symbol, t)) is not None]
    (client,) = server.stream.subscribers
    frames = [
        client.connection.encoded(
            [_stamped(bar.json(kind=kind, t=bar.t), client.connection.packs) for bar in some]
        )
        for kind, some in (("b", bars), ("d", days))
    ]
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, SETTLE_S)
    left = time.monotonic_ns()
    for frame in frames:
        await client.connection.send(frame)
    return left


async def serve(symbols: int, minutes: int, start: str, begins: int, seed: int) -> None:
    """Serve until stdin ends."""
    (columns,) = prices(symbols, 1, minutes, seed)
    names = [f"S{place:05d}" for place in range(symbols)]
    server = TimedServer(start=start, symbols=names, rate_limit=0, cash=Decimal(10**9))
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        partial(asyncio.StreamReaderProtocol, commands), sys.stdin
    )
    async with server:
        keys = {"ALPACA_API_KEY": server.options.key, "ALPACA_SECRET_KEY": server.options.secret}
        print(json.dumps(server.urls.environment() | keys), flush=True)
        while line := await commands.readline():
            word, _, number = line.decode().strip().partition(" ")
            if word == "push":
                minute = int(number)
                # Five numbers, not NumPy's: prices are cents, volumes whole.
                rows = dict(zip(names, columns[:5, minute].T.tolist(), strict=True))
                print(json.dumps({"left": await _send(server, minute, rows, begins)}), flush=True)
            else:
                print(json.dumps(server.came), flush=True)
                server.came.clear()
            server.history.exchanges.clear()
            for raw in server.history.raw.values():
                raw.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--symbols", type=int, required=True)
    parser.add_argument("--minutes", type=int, required=True)
    parser.add_argument("--start", required=True, help="market time it begins at, ISO with offset")
    parser.add_argument("--begins", type=int, required=True, help="start of the first minute, ns UTC")
    parser.add_argument("--seed", type=int, default=2018)
    given = parser.parse_args()
    asyncio.run(serve(given.symbols, given.minutes, given.start, given.begins, given.seed))


if __name__ == "__main__":
    main()
