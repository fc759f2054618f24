"""A loopback Alpaca: the trading and data REST and both websockets on one port of 127.0.0.1.

Nothing in it sleeps or polls: a test moves market time by pushing bars, and waits for what clients do with
`until`. Source: alpaca.md, whose marks [I] are switches in `Options` and whose section 6 is `faults.KINDS`.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple, Self, TypeVar

from aiohttp import web

from tests.alpaca_server import corporate
from tests.alpaca_server.calls import Answer, Call
from tests.alpaca_server.clock import MINUTE, MarketClock, ns
from tests.alpaca_server.faults import Faults
from tests.alpaca_server.gate import Gate
from tests.alpaca_server.market import Bar, Market
from tests.alpaca_server.market_stream import FEEDS, MarketStream
from tests.alpaca_server.options import Options
from tests.alpaca_server.orders import Order
from tests.alpaca_server.paper import PaperBroker
from tests.alpaca_server.recording import History
from tests.alpaca_server.refusals import not_found
from tests.alpaca_server.rest_data import DataApi
from tests.alpaca_server.rest_trading import TradingApi
from tests.alpaca_server.tap import Tap
from tests.alpaca_server.trade_stream import TradeStream
from tests.walls import WALL_S

HOST = "127.0.0.1"
FRIDAY_OPEN = "2026-11-20T09:30:00-05:00"
_GRACE_S = 0.05

Number = float | int | str | Decimal
Row = Sequence[Number]
"""Open, high, low, close, and if wanted volume, trade count and vwap."""

Result = TypeVar("Result")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Urls(NamedTuple):
    """Where clients find the four services."""

    trading: str
    data: str
    trading_stream: str
    data_stream: str

    def feed(self, name: str) -> str:
        """The market stream of another feed."""
        return f"{self.data_stream.rpartition('/')[0]}/{name}"

    def environment(self) -> dict[str, str]:
        """The variables by which a process is sent here."""
        return {
            "ALPACA_TRADING_URL": self.trading,
            "ALPACA_DATA_URL": self.data,
            "ALPACA_TRADING_STREAM_URL": self.trading_stream,
            "ALPACA_DATA_STREAM_URL": self.data_stream,
        }


class AlpacaServer:
    """The emulated service.

    Args:
        options: What account and service it is; None: the defaults, changed by keywords.
        start: Market time it begins at, ISO with offset. speed: Market seconds a real second; 0: it stands
            until bars are pushed or `move_to` is called.
        symbols: Assets to begin with; pushing a bar of another one adds it.
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        start: str = FRIDAY_OPEN,
        speed: float = 0.0,
        symbols: Sequence[str] = ("AAPL", "SPY"),
        **changes: Any,
    ) -> None:
        self.options = options or Options(**changes)
        self.clock = MarketClock(start, speed)
        self.market = Market()
        self.history = History()
        self.faults = Faults(self.options.seed)
        self.broker = PaperBroker(self.options, self.clock, self.market, self.faults)
        for symbol in symbols:
            self.broker.assets.put(symbol)
        self.stream = MarketStream(self.options, self.faults, self.history, self.clock.now)
        self.trades = TradeStream(self.options, self.faults, self.history, self.clock.now)
        self._gate = Gate(self.options, self.broker, self.faults, self.history, self.trades)
        self.port = 0
        self.crashes: list[Exception] = []
        """What failed inside the server itself; `stop` raises it."""
        self._open: set[Tap] = set()
        self._kept: socket.socket | None = None
        """Holds the port while nobody listens there."""
        self._ends = contextlib.AsyncExitStack()

    # -- life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; a second time on the same port as the first."""
        self._gate.closing = False
        kept, self._kept = self._kept, None
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=_GRACE_S)
        await runner.setup()
        self._ends.push_async_callback(runner.cleanup)
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(partial(self._tapped, runner), HOST, self.port)
        self.port = listening.sockets[0].getsockname()[1]
        if kept is not None:
            kept.close()
        pump = loop.create_task(self._watched(self.trades.pump()))
        self.broker.on_due = self._wake
        self._ends.push_async_callback(self._end, listening, pump)

    async def stop(self, *, keep_port: bool = False) -> None:
        """Be gone: connections are reset, as when the host dies. What it knows stays.

        Args:
            keep_port: Whether nobody else gets the port until the next `start` or `stop`; connections to it
                are refused.

        Raises:
            ExceptionGroup: The server itself failed at something.
        """
        self._gate.closing = True
        self.faults.clear()
        await self._ends.aclose()
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if keep_port:
            self._kept = socket.socket()
            self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._kept.bind((HOST, self.port))
        crashes, self.crashes = self.crashes, []
        if crashes:
            raise ExceptionGroup("the loopback server failed", crashes)

    async def _watched(self, work: Awaitable[Result]) -> Result:
        """Keep what fails in here, for `stop`; a client that went away is no failure."""
        try:
            return await work
        except (ConnectionError, web.HTTPException):
            raise
        except Exception as error:
            self.crashes.append(error)
            raise

    def _wake(self, moment: int) -> None:
        """With a running clock, do at its time what only the clock brings about."""
        if not self.clock.stands:
            wait = self.clock.real_seconds_to(moment)
            asyncio.get_running_loop().call_later(wait, self._due, moment)

    def _due(self, moment: int) -> None:
        if self.clock.now() < moment:  # a timer may fire a nanosecond early
            self._wake(moment)
            return
        self.broker.catch_up()
        self.trades.publish(self.broker.teller, None)

    async def _end(self, listening: asyncio.Server, pump: "asyncio.Task[None]") -> None:
        listening.close()
        pump.cancel()
        for connection in (*self.stream.connections, *self.trades.connections):
            connection.thaw()
        for tap in list(self._open):
            tap.abort()
        await asyncio.gather(pump, return_exceptions=True)

    def _tapped(self, runner: web.AppRunner) -> Tap:
        assert runner.server is not None
        number = len(self.history.raw)
        self.history.raw[number] = bytearray()
        return Tap(runner.server(), self.history.raw[number], self._open)

    def _application(self) -> web.Application:
        @web.middleware
        async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._watched(handler(request))

        app = web.Application(client_max_size=64 * 1024 * 1024, middlewares=[watched])
        feeds = "|".join(FEEDS)
        app.router.add_get("/stream", partial(self._upgrade, self.trades))
        app.router.add_get(f"/v2/{{feed:{feeds}}}", partial(self._upgrade, self.stream))
        for api in (TradingApi(self.broker), DataApi(self.broker)):
            for method, path, act in api.routes():
                app.router.add_route(method, path, partial(self._gate.serve, act))
        app.router.add_route("*", "/{tail:.*}", partial(self._gate.serve, _no_endpoint))
        return app

    async def _upgrade(self, stream: MarketStream | TradeStream, request: web.Request) -> web.StreamResponse:
        stream.connects += 1
        kept_out = await self._gate.upgrade(request)
        return kept_out or await stream.serve(request)

    # -- for clients -----------------------------------------------------------------------------

    @property
    def urls(self) -> Urls:
        """Base addresses, as the settings of a client want them."""
        http, socket = f"http://{HOST}:{self.port}", f"ws://{HOST}:{self.port}"
        return Urls(http, http, f"{socket}/stream", f"{socket}/v2/iex")

    @property
    def headers(self) -> dict[str, str]:
        """The two headers that authenticate."""
        return {"APCA-API-KEY-ID": self.options.key, "APCA-API-SECRET-KEY": self.options.secret}

    # -- the market ------------------------------------------------------------------------------

    async def push_minute(
        self, rows: Mapping[str, Row], *, t: int | str | None = None, stream: bool = True, trade: bool = True
    ) -> list[Bar]:
        """Let a minute pass in which these symbols traded: orders trade, then the bars are sent.

        Args:
            rows: Bars by symbol.
            t: Start of the minute; None: the minute market time is in.
            stream: Whether the bars are sent; REST has them all the same (a gap on the stream).
            trade: Whether they trade resting orders.
        """
        begins = self.clock.now() // MINUTE * MINUTE if t is None else ns(t) if isinstance(t, str) else t
        bars = [made_bar(symbol, row, begins) for symbol, row in rows.items()]
        self.broker.move_to(begins)
        for bar in bars:
            if bar.symbol not in self.broker.assets:
                self.broker.assets.put(bar.symbol)
        if trade:
            self.broker.on_bars(bars)
        for bar in bars:
            self.market.put(bar)
        self.broker.move_to(begins + MINUTE)
        await self._told()
        if stream:
            await self.stream.send_bars("b", bars)
            if self.stream.subscribed("dailyBars"):
                days = [self.market.day_so_far(bar.symbol, begins) for bar in bars]
                await self.stream.send_bars("d", [day for day in days if day is not None])
        self.history.touch()
        return bars

    async def push_bar(self, symbol: str, *row: Number, t: int | str | None = None) -> Bar:
        """Let a minute pass in which one symbol traded."""
        return (await self.push_minute({symbol: row}, t=t))[0]

    async def push_update(self, symbol: str, *row: Number, t: int | str) -> None:
        """Correct a bar of the past, as half a minute after it; told on updatedBars."""
        bar = made_bar(symbol, row, ns(t) if isinstance(t, str) else t)
        self.market.put(bar)
        await self.stream.send_bars("u", [bar])

    async def push_status(self, symbol: str, code: str, message: str, reason: str, remark: str = "") -> None:
        """Tell of a halt or resumption, on `statuses`."""
        await self.stream.send(
            [{"T": "s", "S": symbol, "sc": code, "sm": message, "rc": reason, "rm": remark,
              "t": self.clock.told(), "z": "C"}]
        )  # fmt: skip

    def lay_in(self, symbol: str, rows: Mapping[str | int, Row], timeframe: str = "1Min") -> None:
        """Put bars of the past where REST finds them, by their start."""
        self.broker.assets.put(symbol)
        for t, row in rows.items():
            self.market.put(made_bar(symbol, row, ns(t) if isinstance(t, str) else t), timeframe)

    async def move_to(self, moment: str | int) -> None:
        """Let time pass without trading: openings, closes and expiries happen on the way."""
        await self.act(lambda broker: broker.move_to(ns(moment) if isinstance(moment, str) else moment))

    # -- the account -----------------------------------------------------------------------------

    @property
    def orders(self) -> list[Order]:
        """Every order the broker took, oldest first, legs included."""
        return self.broker.orders

    async def act(self, deed: Callable[[PaperBroker], Result]) -> Result:
        """Do something at the broker and tell of it before returning."""
        done = deed(self.broker)
        await self._told()
        return done

    async def place(self, **body: Any) -> Order:
        """Place an order from elsewhere, as a person on the dashboard does."""

        def deed(broker: PaperBroker) -> Order:
            order = broker.submit({"time_in_force": "day", "type": "market", **body})
            broker.acknowledge(order)
            return order

        return await self.act(deed)

    async def fill(
        self, order: str | Order, price: Number, quantity: Number | None = None, *, force: bool = False
    ) -> None:
        """Trade an order by hand; a text is its client id."""
        found = self.broker.by_client_id(order) if isinstance(order, str) else order
        shares = found.remaining if quantity is None else Decimal(str(quantity))
        await self.act(lambda broker: broker.trade(found, shares, Decimal(str(price)), force=force))

    def hold(self, symbol: str, quantity: Number, average: Number) -> None:
        """Put a position into the account that nobody traded here."""
        self.broker.assets.put(symbol)
        self.broker.account.hold(symbol, Decimal(str(quantity)), Decimal(str(average)))

    async def split(self, symbol: str, new: int, old: int, **how: Any) -> None:
        """Split a position and do to its orders what is said, as overnight; `corporate.split` knows how."""
        await self.act(lambda broker: corporate.split(broker, symbol, Fraction(new, old), **how))

    @property
    def positions(self) -> dict[str, Decimal]:
        """Signed shares by symbol."""
        return {one.symbol: one.qty for one in self.broker.account.positions.values()}

    async def _told(self) -> None:
        self.trades.publish(self.broker.teller, None)
        await self.trades.settled()

    async def until(self, holds: Callable[[], Any], within: float = WALL_S) -> None:
        """Wait until a condition holds; looked at whenever a client does something.

        Raises:
            TimeoutError: It did not within that many real seconds.
        """
        await self.history.until(holds, within)


def made_bar(symbol: str, row: Row, t: int) -> Bar:
    """A bar of open, high, low, close, and if given volume, trade count and vwap."""
    prices = [Decimal(str(one)) for one in row[:4]]
    volume = int(row[4]) if len(row) > 4 else 1_000
    count = int(row[5]) if len(row) > 5 else 10
    vwap = Decimal(str(row[6])) if len(row) > 6 else None
    return Bar(
        symbol=symbol, t=t, o=prices[0], h=prices[1], l=prices[2], c=prices[3], v=volume, n=count, vw=vwap
    )


def _no_endpoint(call: Call) -> Answer:
    raise not_found("endpoint not found")
