"""Executor and portfolio on a loopback account, through the real gateways: orders by hand, market by hand.

What decides to trade is left out: a desk says which orders are approved. Market time moves only when told.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import msgspec

from actors.breaker import Breaker
from actors.breaker import Carried as BreakerCarried
from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.order_line import Patience
from actors.broker.rest import Rest, Timeouts
from actors.broker.stream_faults import BackOff
from actors.broker.trade_socket import TradeSocket
from actors.execution.split_watch import DayFacts
from actors.executor import Executor, ExecutorCarried
from actors.gateways.broker_stream import BrokerStream
from actors.gateways.order_gateway import OrderGateway
from actors.live_gateways import know_splits
from actors.portfolio import Carried, Portfolio
from config.load import load
from config.schema import Orders
from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.kernel.gateway import Inbox
from runtime.kernel.host import Host
from runtime.kernel.sequencer import Sequencer
from runtime.messages.account import Reconciled
from runtime.messages.base import Command, Decision, Input, Message
from runtime.messages.broker import BrokerStreamChanged, OrderChanged, OrderEnded
from runtime.messages.machine import SessionStarted
from runtime.messages.market import FeedChanged
from runtime.messages.risk import Noted, Phase, PhaseChanged
from runtime.messages.session import PhaseStart, SessionHeader
from tests.actors.gateways.order_desk import HASTE, UNHURRIED
from tests.actors.gateways.streaming import UNHURRIED_SOCKET, keys, turns
from tests.actors.trading_floor import Desk as Script
from tests.actors.trading_floor import approve
from tests.alpaca_server.server import AlpacaServer
from tests.alpaca_server.waiting import until
from tests.walls import WALL_S

MINUTE, SECOND = 60_000_000_000, 1_000_000_000
SYMBOLS = ("AAPL", "SPY")
SETTINGS = load(None, environ={}).settings
LOT = "mr-20261120-1"
ENTRY = f"{LOT}:e1"

Kind = TypeVar("Kind", bound=Message)


def header(server: AlpacaServer, session: str = "2026-11-20") -> SessionHeader:
    now = server.clock.now()
    return SessionHeader(
        session=session, previous="2026-11-19", next="2026-11-23", starts=now, open=now,
        close=now + 390 * MINUTE, ends=now + 540 * MINUTE, early_close=False,
        phases=(PhaseStart(phase="TRADING", ts=now),), settings={}, settings_hash="", symbols=SYMBOLS,
        sectors=("",) * len(SYMBOLS),
    )  # fmt: skip


class LiveOrders:
    """One process: actors, gateways, and everything that was said."""

    def __init__(
        self,
        server: AlpacaServer,
        *,
        carried: dict[str, bytes] | None = None,
        patience: Patience = HASTE,
        timeouts: Timeouts = UNHURRIED,
        orders: Orders = Orders(),  # noqa: B008 - frozen
        recalled: Sequence[Any] = (),
        told_until: int = 0,
        session: str = "2026-11-20",
        day: DayFacts | None = None,
    ) -> None:
        self.server = server
        self.header = header(server, session)
        self._day = day
        self.clock, self.wall = ReplayClock(server.clock.now()), LiveClock()
        self.inputs: list[Input] = []
        self.caused: list[Message] = []
        self.steps: list[tuple[Input, Sequence[Message]]] = []
        """Every input with what it caused."""
        self.script: dict[str, list[Callable[[int, int], Decision]]] = {}
        self._changed = asyncio.Event()
        self.desk = Desk(Directory())
        self.rest = Rest(server.urls.trading, keys(server), self.wall, timeouts=timeouts)
        self.inbox = Inbox()
        self.machine = Sequencer(
            self._specs(orders), carried=carried, observers=[self._see, self.desk.directory.observe],
            virtual_time=False,
        )  # fmt: skip
        self.host = Host(self.machine, self.clock)
        state = (carried or {}).get("executor")
        if state is not None:
            for lot in msgspec.msgpack.decode(state, type=ExecutorCarried).lots:
                self.desk.directory.seed(lot.orders.values())
        know_splits(self.desk.directory, msgspec.structs.replace(self.header, carried=carried or {}))
        self.desk.directory.recall(recalled)
        self.orders = OrderGateway(
            self.inbox, self.host.post, self.rest, self.desk, clock=self.clock, wall=self.wall,
            sync=lambda: None, halted=str, patience=patience, symbols=SYMBOLS,
        )  # fmt: skip
        limits = UNHURRIED_SOCKET
        source = TradeSocket(server.urls.trading_stream, keys(server), self.wall, limits=limits)
        waits = BackOff("broker_stream", first=SECOND // 50, most=SECOND // 20)
        self.stream = BrokerStream(
            "broker_stream", Inbox(), self.host.post, source=source, rest=self.rest,
            directory=self.desk.directory, clock=self.clock, real=self.wall, waits=waits,
            told_until=told_until,
        )  # fmt: skip

    def _specs(self, orders: Orders) -> list[ActorSpec]:
        def executor(raw: bytes | None) -> Actor:
            kept = None if raw is None else msgspec.msgpack.decode(raw, type=ExecutorCarried)
            return Executor(orders, kept, reconciles=True, day=self._day)

        def portfolio(raw: bytes | None) -> Actor:
            kept = None if raw is None else msgspec.msgpack.decode(raw, type=Carried)
            return Portfolio(SETTINGS.account, SETTINGS.strategies, self.header, kept)

        def breaker(raw: bytes | None) -> Actor:
            kept = None if raw is None else msgspec.msgpack.decode(raw, type=BreakerCarried)
            return Breaker(
                SETTINGS.breakers, SETTINGS.limits, SETTINGS.strategies, header=self.header, panels={},
                carried=kept,
            )  # fmt: skip

        return [
            ActorSpec(name="portfolio", rank=20, build=portfolio),
            ActorSpec(name="breaker", rank=30, build=breaker),
            ActorSpec(name="script", rank=500, build=lambda _: Script(self.script)),
            ActorSpec(name="executor", rank=600, build=executor),
        ]

    def _see(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self.inputs.append(message)
        self.caused += caused
        self.steps.append((message, caused))
        for said in caused:
            if isinstance(said, Command):
                self.inbox.offer(said)
        self._changed.set()

    # ---- looking ----------------------------------------------------------------------------

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [one for one in (*self.inputs, *self.caused) if type(one) is kind]

    def notes(self, level: str = "CRITICAL") -> list[str]:
        return [one.text for one in self.of(Noted) if one.level == level]

    def states(self) -> dict[str, str]:
        """Status of every order that was told of."""
        told = [one for one in self.caused if type(one) in (OrderChanged, OrderEnded)]
        return {one.client_order_id: one.status for one in told}  # type: ignore[attr-defined]

    async def until(self, holds: Callable[[], Any], within: float = WALL_S) -> None:
        """Wait until an input, or something at the server, makes it hold."""
        await until(holds, self._changed, self.server, within)

    async def wait_for(self, kind: type[Kind], count: int = 1) -> list[Kind]:
        await self.until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)

    async def compared(self) -> Reconciled:
        """Let the next scheduled comparison come due, and be over; one under way does not count."""
        with anyio.fail_after(WALL_S):
            await turns()
            while len(self.inbox) or self.orders._is_reading or self.host.depth():
                await turns()
        seen = len(self.of(Reconciled))
        self.pass_time(91)  # to the middle of a minute, which may be the next one's
        return (await self.wait_for(Reconciled, seen + 1))[-1]

    # ---- doing ------------------------------------------------------------------------------

    def say(self, *makers: Callable[[int, int], Decision]) -> None:
        name = f"call {len(self.script)}"
        self.script[name] = list(makers)
        self.host.post("machine", FeedChanged(ts_event=self.clock.now(), stream=name, up=True))

    def enter(self, lot: str = LOT, side: str = "buy", quantity: int = 10, **fields: Any) -> None:
        """An approved entry of SPY, a bracket at 95 and 105 unless told otherwise."""
        plain = {"symbol": "SPY", "stop_loss": 95.0, "take_profit": 105.0}
        self.say(approve(lot, side, quantity, **(plain | fields)))

    def leave(self, lot: str = LOT, side: str = "sell", quantity: int = 10) -> None:
        self.say(approve(lot, side, quantity, intent="exit", symbol="SPY", reason="time"))

    def phase(self, name: Phase) -> None:
        self.say(lambda now, seq: PhaseChanged(ts_event=now, cause=seq, phase=name, previous="PRE_MARKET"))

    def pass_time(self, seconds: float) -> None:
        """Move market time, ours only."""
        self.clock.advance(self.clock.now() + round(seconds * SECOND))

    async def minute(self, *row: float, symbol: str = "SPY") -> None:
        """Let a minute trade at the broker, and our time follow."""
        await self.server.push_minute({symbol: row or (100.0, 100.0, 100.0, 100.0)})
        self.clock.advance(max(self.clock.now() + SECOND, self.server.clock.now()))

    async def ready(self) -> None:
        await self.until(lambda: self.of(BrokerStreamChanged) and self.of(BrokerStreamChanged)[-1].ready)


@asynccontextmanager
async def trading(server: AlpacaServer, *, ready: bool = True, **options: Any) -> AsyncIterator[LiveOrders]:
    """A running process, ready to trade unless told otherwise."""
    live = LiveOrders(server, **options)
    async with anyio.create_task_group() as group:
        group.start_soon(live.host.run)
        begun = SessionStarted(ts_event=live.clock.now(), session=live.header.session)
        live.host.post("machine", begun, system=True)
        group.start_soon(live.orders.run)
        group.start_soon(live.stream.run)
        if ready:
            await live.ready()
        yield live
        group.cancel_scope.cancel()
    await live.rest.aclose()
