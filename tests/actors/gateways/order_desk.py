"""An order gateway running against the loopback broker, and what it told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import msgspec

from actors.broker import translate, wire
from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.order_line import Patience
from actors.broker.rest import Rest, Timeouts
from actors.broker.sweep import Sweeper
from actors.gateways.order_gateway import OrderGateway
from config.secrets import Secret, Secrets
from runtime.kernel.clock import LiveClock
from runtime.kernel.gateway import Inbox
from runtime.messages.base import Input, Message
from runtime.messages.broker import CancelOrder, ReplaceOrder, SubmitOrder
from runtime.messages.machine import Source
from tests.alpaca_server.orders import rest_json
from tests.alpaca_server.server import AlpacaServer
from tests.alpaca_server.waiting import until
from tests.walls import WALL_S

ENTRY, EXIT = "mr-20261120-1:e1", "mr-20261120-1:x1"
LOT = "mr-20261120-1"

HASTE = Patience(
    lookups=5, absent=0.3, first=0.01, most=0.1, entry=WALL_S, confirm=0.2, late=0.2, resends=3, at_once=50
)
"""The waits of real trading, some twenty times shorter, but for an entry's: none is too late by chance."""

UNHURRIED = Timeouts(connect=WALL_S, read=WALL_S, total=WALL_S)
"""For requests that are answered: a slow machine's answer is none that was lost."""
HASTY = Timeouts(connect=WALL_S, read=1.5, total=2.0)
"""For requests that nobody answers: what is waited for has to pass in real time."""

Kind = TypeVar("Kind", bound=Input)


def keys(server: AlpacaServer) -> Secrets:
    """The server's own keys."""
    return Secrets(api_key=Secret(server.options.key), secret_key=Secret(server.options.secret))


def buy(name: str = ENTRY, **fields: Any) -> SubmitOrder:
    """An entry of ten SPY, altered."""
    plain: dict[str, Any] = {
        "ts_event": 0, "cause": 1, "client_order_id": name, "lot_id": LOT, "strategy": "mr", "symbol": "SPY",
        "side": "buy", "quantity": 10, "type": "limit", "order_class": "simple", "time_in_force": "day",
        "limit_price": 100.0,
    }  # fmt: skip
    return SubmitOrder(**{**plain, **fields})


def sell(name: str = EXIT, **fields: Any) -> SubmitOrder:
    """An order that only reduces."""
    plain: dict[str, Any] = {"side": "sell", "adds_exposure": False, "role": "exit", "limit_price": 120.0}
    return buy(name, **{**plain, **fields})


def cancel(name: str = ENTRY, broker_order_id: str = "") -> CancelOrder:
    return CancelOrder(
        ts_event=0, cause=1, client_order_id=name, broker_order_id=broker_order_id, lot_id=LOT, symbol="SPY"
    )


def replace(name: str = ENTRY, **prices: float) -> ReplaceOrder:
    return ReplaceOrder(
        ts_event=0, cause=1, client_order_id=name, broker_order_id="", lot_id=LOT, symbol="SPY", **prices
    )


class Running:
    """A gateway in its task, its commands and what it posted."""

    def __init__(
        self, server: AlpacaServer, *, timeouts: Timeouts, patience: Patience, per_minute: int
    ) -> None:
        self.server = server
        self.wall = LiveClock()
        self.rest = Rest(
            server.urls.trading, keys(server), self.wall, timeouts=timeouts, requests_per_minute=per_minute
        )
        self.desk = Desk(Directory())
        self.sweeper = Sweeper(
            self.rest, self.desk, self.wall, post=lambda said: self.post("broker", said), clock=self.wall
        )
        self.inbox = Inbox()
        self.told: list[Input] = []
        self.syncs: list[str] = []
        self.halt = ""
        self.looks = 0
        self._changed = asyncio.Event()
        self._patience = patience
        self.gateway = self.build()

    def build(self) -> OrderGateway:
        """Another instance around the same desk, as after a crash."""
        return OrderGateway(
            self.inbox, self.post, self.rest, self.desk, clock=self.wall, wall=self.wall,
            sync=lambda: self.sync(), halted=lambda: self.look(),  # noqa: PLW0108 - tests put others in
            patience=self._patience,
        )  # fmt: skip

    def post(self, source: Source, message: Input, /) -> None:
        assert source == "broker"
        self.told.append(message)
        self._changed.set()

    def sync(self) -> None:
        self.syncs.append("asked")

    def look(self) -> str:
        self.looks += 1
        return self.halt

    def send(self, *commands: Message) -> None:
        for command in commands:
            self.inbox.offer(command)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """What it told of one kind."""
        return [one for one in self.told if type(one) is kind]

    async def until(self, holds: Callable[[], Any], within: float = WALL_S) -> None:
        """Wait until something told, or something at the server, makes it hold."""
        await until(holds, self._changed, self.server, within)

    async def wait_for(self, kind: type[Kind], count: int = 1) -> Kind:
        """The first of a kind, once so many were told."""
        await self.until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[0]

    def event(self, name: str) -> None:
        """What the trade stream would tell of an order as the server has it now."""
        order = self.server.broker.by_client_id(name)
        whole = msgspec.convert(rest_json(order), wire.Order)
        for one in translate.order_told(whole, self.desk.directory, self.wall.now()).inputs:
            self.post("broker", one)

    def posts(self) -> list[Any]:
        """The POSTs of orders that reached the server."""
        return self.server.history.requests("POST /v2/orders")


@asynccontextmanager
async def running(
    server: AlpacaServer,
    *,
    timeouts: Timeouts = UNHURRIED,
    patience: Patience = HASTE,
    per_minute: int = 200,
    before: Callable[[Running], None] = lambda desk: None,
) -> AsyncIterator[Running]:
    """Run a gateway until the block ends."""
    desk = Running(server, timeouts=timeouts, patience=patience, per_minute=per_minute)
    before(desk)
    async with anyio.create_task_group() as group:
        group.start_soon(desk.gateway.run)
        yield desk
        group.cancel_scope.cancel()
    await desk.rest.aclose()
