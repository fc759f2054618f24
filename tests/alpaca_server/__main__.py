"""The loopback Alpaca as a process of its own: `python -m tests.alpaca_server --session FILE --speed 60`.

The first line of its output is the environment a client needs, as JSON; the last, after the session, SIGINT
or SIGTERM, what happened at the broker.
"""

import argparse
import asyncio
import contextlib
import json
import signal
from pathlib import Path

from tests.alpaca_server.player import Minute, play, recorded
from tests.alpaca_server.server import FRIDAY_OPEN, AlpacaServer
from tests.alpaca_server.summary import summary

_PATIENCE_S = 600.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.alpaca_server", description=__doc__)
    parser.add_argument("--session", type=Path, help="recorded bars to play, .jsonl.gz")
    parser.add_argument("--start", default=FRIDAY_OPEN, help="market time it begins at, ISO with offset")
    parser.add_argument("--speed", type=float, default=1.0, help="market seconds a real second")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--rate-limit", type=int, default=200, help="requests a minute of real time")
    parser.add_argument("--fills", choices=("next_bar", "quote"), default="next_bar")
    parser.add_argument("--seed", type=int, default=0, help="of what happens by chance")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="KIND[=SHARE]", help="a switch that fires by chance"
    )
    parser.add_argument("--hold", action="store_true", help="time stands until a client asks for the clock")
    parser.add_argument("--stay", action="store_true", help="go on after the session until a signal comes")
    return parser.parse_args()


async def _played(server: AlpacaServer, minutes: list[Minute]) -> None:
    """Play the session once market time runs."""
    await server.until(lambda: not server.clock.held, within=_PATIENCE_S)
    await play(server, minutes)


async def _run(given: argparse.Namespace) -> None:
    server = AlpacaServer(
        start=given.start, speed=given.speed, seed=given.seed, rate_limit=given.rate_limit, fills=given.fills
    )
    server.port = given.port
    server.clock.held = given.hold
    for fault in given.fault:
        kind, _, share = fault.partition("=")
        server.faults.add(kind, times=None, chance=float(share or 0.05))
    minutes = recorded(given.session, first=given.start) if given.session else []
    for symbol in sorted({symbol for minute in minutes for symbol in minute.rows}):
        server.broker.assets.put(symbol)
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, asked.set)
    async with server:
        keys = {"ALPACA_API_KEY": server.options.key, "ALPACA_SECRET_KEY": server.options.secret}
        print(json.dumps(server.urls.environment() | keys), flush=True)
        playing = loop.create_task(_played(server, minutes))
        stopped = loop.create_task(asked.wait())
        await asyncio.wait({playing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done() and (given.stay or not minutes):
            await stopped
        for task in (playing, stopped):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        print(json.dumps(summary(server)), flush=True)


if __name__ == "__main__":
    asyncio.run(_run(_arguments()))
