"""Order gateway and trade stream under the contract: sockets, threads and all, over the loopback server.

One event loop lives as long as the broker; every call runs it until everything that happened was told.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio.lowlevel

from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.rest import Rest, Timeouts
from actors.broker.stream_faults import BackOff
from actors.broker.trade_socket import TradeSocket
from actors.broker.websocket import SocketLimits
from actors.gateways.broker_stream import BrokerStream
from actors.gateways.order_gateway import OrderGateway
from runtime.kernel.clock import LiveClock
from runtime.kernel.gateway import Inbox
from runtime.messages.base import Input, Message
from runtime.messages.machine import Source
from tests.actors.gateways.order_desk import HASTE
from tests.actors.gateways.streaming import keys, turns
from tests.actors.trading_floor import cancel, replace, submit
from tests.alpaca_server.options import Options
from tests.alpaca_server.server import AlpacaServer

Result = TypeVar("Result")


class Gatewayed:
    """A paper account without margin behind our gateways."""

    is_gateway = True

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._told: list[Input] = []
        self._tasks: list[asyncio.Future[None]] = []
        self._run(self._start())
        self.minute(AAA=(100, 100, 100, 100), BBB=(50, 50, 50, 50))

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        async def within() -> Result:
            async with asyncio.timeout(10):
                return await work

        return self._runner.run(within())

    async def _start(self) -> None:
        self._server = server = AlpacaServer(Options(multiplier=1), symbols=("AAA", "BBB"))
        await server.start()
        wall = LiveClock()
        self._desk = Desk(Directory())
        self._inbox = Inbox()
        self._rest = Rest(server.urls.trading, keys(server), wall, timeouts=Timeouts(read=1.0, total=2.0))
        limits = SocketLimits(ping_s=20.0, pong_s=20.0, close_s=0.5)
        self._stream = BrokerStream(
            "broker_stream", Inbox(), self._post, directory=self._desk.directory, rest=self._rest,
            source=TradeSocket(server.urls.trading_stream, keys(server), wall, limits=limits),
            clock=wall, real=wall, waits=BackOff("broker_stream"),
        )  # fmt: skip
        self._gateway = OrderGateway(
            self._inbox, self._post, self._rest, self._desk, clock=wall, wall=wall,
            sync=lambda: None, halted=str, patience=HASTE,
        )  # fmt: skip
        self._tasks = [
            asyncio.ensure_future(self._stream.run()), asyncio.ensure_future(self._gateway.run())
        ]  # fmt: skip
        while not self._stream.is_ready:
            await anyio.lowlevel.checkpoint()
        (self._connection,) = server.trades.connections
        self._before = self._connection.sent
        """Frames of the handshake."""

    def end(self) -> None:
        """Stop everything."""
        self._run(self._end())
        self._runner.close()

    async def _end(self) -> None:
        for one in (self._stream, self._gateway):
            one.request_stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._rest.aclose()
        await self._server.stop()

    def _post(self, source: Source, message: Input, /) -> None:
        if type(message).__name__.startswith(("Order", "Cancel")):
            self._told.append(message)

    async def _after(self, command: Message | None = None) -> list[Input]:
        """What is told until everything has been."""
        if command is not None:
            self._inbox.offer(command)
            while len(self._inbox):
                await anyio.lowlevel.checkpoint()
            await turns()
            while self._gateway._under_way:
                await anyio.lowlevel.checkpoint()
        await self._server.trades.settled()
        frames = self._connection.sent - self._before
        while self._stream.figures.events < frames or self._stream._behind:
            await anyio.lowlevel.checkpoint()
        told, self._told = self._told, []
        return told

    # ---- the contract -----------------------------------------------------------------------

    def submit(self, name: str, side: str, quantity: int, **fields: Any) -> list[Input]:
        return self._run(self._after(submit(name, side, quantity, **fields)(0, 1)))

    def cancel(self, name: str) -> list[Input]:
        return self._run(self._after(cancel(name)(0, 1)))

    def replace(self, name: str, **prices: float) -> list[Input]:
        return self._run(self._after(replace(name, **prices)(0, 1)))

    def minute(self, **rows: tuple[float, ...]) -> list[Input]:
        async def pass_minute() -> list[Input]:
            await self._server.push_minute(rows)
            return await self._after()

        return self._run(pass_minute())

    def close(self) -> list[Input]:
        async def pass_close() -> list[Input]:
            broker = self._server.broker
            await self._server.move_to(broker.hours.next_close(self._server.clock.now()))
            return await self._after()

        return self._run(pass_close())
