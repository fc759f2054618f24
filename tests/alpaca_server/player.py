"""Plays recorded minutes through the loopback server, each at its time.

With a clock that stands the minutes follow one another as fast as `after` lets them; with one that runs, a
minute's bars leave shortly after its end, as the service's do (20 to 100 ms; alpaca.md 1.4).
"""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from tests.alpaca_server.clock import MINUTE, ns
from tests.alpaca_server.server import AlpacaServer, Row

LAG_NS = 20_000_000


class Minute(NamedTuple):
    """What traded in one minute: its start in ns UTC and bars by symbol."""

    t: int
    rows: dict[str, Row]


def recorded(path: Path, first: str = "", last: str = "") -> list[Minute]:
    """Minutes of a recorded session: bar frames, one a line, ordered by time.

    Args:
        first, last: Only minutes that start from one to the other, both included; ISO with offset.
    """
    begin, end = ns(first) if first else 0, ns(last) if last else 1 << 63
    with gzip.open(path, "rt") as lines:
        items = [json.loads(line) for line in lines]
    bars = [item for item in items if item.get("T") == "b"]
    minutes = [
        Minute(ns(t), {item["S"]: _row(item) for item in group})
        for t, group in groupby(bars, key=lambda item: item["t"])
    ]
    return [one for one in minutes if begin <= one.t <= end]


def _row(item: dict[str, Any]) -> Row:
    row = [item["o"], item["h"], item["l"], item["c"], int(item["v"])]
    return [*row, item["n"], item["vw"]] if "n" in item and "vw" in item else row


async def play(
    server: AlpacaServer,
    minutes: Iterable[Minute],
    *,
    lag_ns: int = LAG_NS,
    after: Callable[[Minute], Awaitable[None]] | None = None,
) -> int:
    """Let minutes pass and return how many did.

    Args:
        lag_ns: Market time from a minute's end to its bars.
        after: Awaited when a minute's bars are out: where a test waits for its client.
    """
    count = 0
    for minute in minutes:
        await arrive(server, minute.t + MINUTE + lag_ns)
        await server.push_minute(minute.rows, t=minute.t)
        count += 1
        if after is not None:
            await after(minute)
    return count


async def arrive(server: AlpacaServer, moment: int) -> None:
    """Wait until a running clock shows a moment; at once if time stands."""
    loop = asyncio.get_running_loop()
    wait = server.clock.real_seconds_to(moment)
    if wait > 0:
        reached = loop.create_future()
        timer = loop.call_later(wait, reached.set_result, None)
        try:
            await reached
        finally:
            timer.cancel()
