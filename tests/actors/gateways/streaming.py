"""A market stream on the loopback service: virtual time for us, the server's market time beside it."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec

from actors.broker.bar_history import BarHistory
from actors.broker.market_feed import Hours, MarketStreamSettings
from actors.broker.market_time import MarketTime
from actors.broker.minute_join import MinuteJoin, Quarantine
from actors.broker.right_of_way import RightOfWay
from actors.broker.websocket import SocketLimits
from actors.gateways.market_stream import MarketStream
from config.secrets import Secret, Secrets
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.kernel.gateway import Inbox
from runtime.messages.base import Input
from runtime.messages.machine import Source
from tests.alpaca_server import AlpacaServer
from tests.walls import WALL_S

MINUTE = 60_000_000_000
SECOND = 1_000_000_000
HOUR = 60 * MINUTE
UNHURRIED_SOCKET = SocketLimits(open_s=WALL_S, ping_s=WALL_S, pong_s=WALL_S, close_s=0.5)
"""For peers that answer: a slow machine's pong is none that did not come."""
PINGING = SocketLimits(open_s=WALL_S, ping_s=0.3, pong_s=1.0, close_s=0.1)
"""For a peer that is silent: in real time, as long as a live one may need to answer."""


class Posted:
    """A port that keeps what is posted and lets a test wait for it."""

    def __init__(self) -> None:
        self.inputs: list[tuple[Source, Input]] = []
        self._changed = asyncio.Event()
        self.refuse: Exception | None = None

    def __call__(self, source: Source, message: Input, /) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.inputs.append((source, message))
        self._changed.set()

    def all(self, kind: type[Any]) -> list[Any]:
        return [message for _, message in self.inputs if type(message) is kind]

    async def until(self, holds: Callable[[], Any], within: float = WALL_S) -> None:
        """Wait until a condition holds; looked at at every input."""
        async with asyncio.timeout(within):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


async def turns(count: int = 20) -> None:
    """Let every task run that can."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


async def eventually(holds: Callable[[], Any], within: float = WALL_S) -> None:
    """Let tasks and sockets run until a condition holds that no event tells of."""
    async with asyncio.timeout(within):
        while not holds():
            await anyio.lowlevel.checkpoint()


def keys(server: AlpacaServer) -> Secrets:
    return Secrets(api_key=Secret(server.options.key), secret_key=Secret(server.options.secret))


class Desk:
    """One market stream, its clocks and what it posted.

    `clock` is market time, `real` the time of waits and time-outs; both move only when told.
    """

    def __init__(
        self,
        server: AlpacaServer,
        symbols=("AAPL", "SPY"),
        *,
        told: int = 0,
        gap_from: int = 0,
        way: RightOfWay | None = None,
        market_time: MarketTime | None = None,
        **changes: Any,
    ) -> None:
        self.server = server
        self.symbols = symbols
        begin = server.clock.now()
        self.clock, self.real = ReplayClock(begin), ReplayClock(begin)
        self.posted = Posted()
        self.refused = Quarantine("market stream")
        self.join = MinuteJoin(
            symbols, starts=begin - 16 * HOUR, ends=begin + 8 * HOUR, refused=self.refused, told=told
        )
        self.rest = BarHistory(server.urls.data, keys(server), LiveClock())
        self.inbox = Inbox(100)
        limits = changes.pop("limits", UNHURRIED_SOCKET)
        self.settings = MarketStreamSettings(url=server.urls.data_stream, limits=limits)
        self.settings = msgspec.structs.replace(self.settings, **changes)
        self.secrets = keys(server)
        self.gap_from = gap_from
        self.way = way
        self.market_time = market_time
        self.gateway = self.build()

    def build(self) -> MarketStream:
        begin = self.server.clock.now() // MINUTE * MINUTE
        return MarketStream(
            "market",
            self.inbox,
            self.posted,
            settings=self.settings,
            secrets=self.secrets,
            symbols=self.symbols,
            hours=Hours(open=begin, close=begin + 390 * MINUTE),
            join=self.join,
            refused=self.refused,
            history=self.rest,
            clock=self.clock,
            real=self.real,
            way=self.way,
            gap_from=self.gap_from,
            market_time=self.market_time,
        )

    @asynccontextmanager
    async def running(self, *, live: bool = True):
        """The gateway's task; with `live` from the moment it is up."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.gateway.run)
            if live:
                await self.up()
            yield self
            self.gateway.request_stop()
        await self.rest.aclose()

    async def up(self) -> None:
        await self.posted.until(lambda: self.feed and self.feed[-1][0])

    async def down(self) -> None:
        await self.posted.until(lambda: self.feed and not self.feed[-1][0])

    @property
    def feed(self) -> list[tuple[bool, str]]:
        from runtime.messages.market import FeedChanged

        return [(one.up, one.reason) for one in self.posted.all(FeedChanged)]

    async def minute(self, after: int = 30_000_000, **rows: float | tuple[float, ...]) -> int:
        """Let a minute pass in which symbols traded; its start. We hear of it `after` ns past its end."""
        begins = self.server.clock.now() // MINUTE * MINUTE
        self.advance(begins + MINUTE + after)
        figures, connections = self.gateway.figures, self.server.stream.connections
        read, sent = figures.frames, sum(one.sent for one in connections)
        await self.server.push_minute(
            {name: row if isinstance(row, tuple) else (row,) * 4 for name, row in rows.items()}, t=begins
        )
        # Virtual time must not run away from frames that are still in the socket.
        more = sum(one.sent for one in connections) - sent
        await eventually(lambda: figures.frames >= read + more or figures.state != "live")
        return begins

    def advance(self, to: int) -> None:
        """Move market time, ours only."""
        self.clock.advance(to)

    async def wait_over(self) -> None:
        """Let the back-off pass, in no time."""
        await eventually(lambda: self.gateway.figures.state == "waiting")
        await eventually(lambda: self.real.next_due() is not None)
        self.real.advance(self.real.next_due())
