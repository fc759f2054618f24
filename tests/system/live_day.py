"""A made-up day of SPY and a loopback account: a small gap down, an entry at minute 5, a target, or none."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from actors.engine import Engine, Plan
from actors.live_session import make_start
from actors.market.calendar import session_times, sessions_between
from config.live_money import Addresses
from config.load import load
from config.schema import Settings
from runtime.error_sink import ErrorSink
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.messages.base import Input, Message
from runtime.messages.broker import BrokerStreamChanged
from runtime.messages.codec import encode
from runtime.messages.market import Bars
from tests.actors.gateways.streaming import keys
from tests.alpaca_server.server import AlpacaServer
from tests.storage.loaders.made import daily_rows, write
from tests.walls import WALL_S

SESSION = "2026-11-20"
MINUTE = 60_000_000_000
BOOKS = "paper:PA3LOOPBACK1"
OPEN = session_times(SESSION).open
PREVIOUS = 100.0
FLAT = (99.6, 99.7, 99.5, 99.6, 50_000)
"""A minute after an opening 0.4 % below the last close: no price that fills the gap, none at the stop."""
UP = (99.6, 100.2, 99.6, 100.1, 50_000)
"""A minute that reaches the target, three quarters of the gap: 99.6 + 0.75 * 0.4 = 99.9."""

ONE_STRATEGY = (
    *(
        f"strategies.{name}.enabled=false"
        for name in (
            *("mean_reversion", "relative_volume_breakout", "vol_managed_momentum", "vix_regime_rotation"),
            *("pairs_trading", "quality_smallcap_value", "factor_momentum", "orb", "vwap_reversion"),
        )
    ),
    'strategies.gap_fill.params.gate="open"',
)


SETTINGS = load(None, environ={}, overrides=ONE_STRATEGY).settings
"""Nothing but gap_fill, whatever its paper record says."""


def lay_files(root: Path) -> None:
    """Sixty sessions of daily history and VIX, and one sector file, where a live session looks for them."""
    before = sessions_between("2026-08-01", "2026-11-19")[-60:]
    base = root / "data" / "historical"
    for folder in (base / "daily", base / "vix", root / "data" / "reference"):
        folder.mkdir(parents=True)
    ones = [1.0] * len(before)
    write(
        base / "daily" / "spy.parquet",
        daily_rows("SPY", before, [PREVIOUS] * len(before)),
        price_factor=ones,
        split_factor=ones,
    )
    write(base / "vix" / "vix.parquet", daily_rows("VIX", before, [18.0] * len(before)))
    (root / "data" / "reference" / "constituents.csv").write_text("Symbol,Sector\nAAA,Energy\n")


class Live:
    """One engine against one server; market time moves only when told."""

    def __init__(
        self, server: AlpacaServer, root: Path, chosen: Settings | None = None, session: str = SESSION
    ) -> None:
        self.server, self.root = server, root
        self.settings = chosen or SETTINGS
        self.clock, self.real = ReplayClock(server.clock.now()), LiveClock()
        self.errors = ErrorSink()
        self.inputs: list[Input] = []
        self.caused: list[Message] = []
        self.told: list[tuple[bytes, list[bytes]]] = []
        """Every input with what it caused, as bytes."""
        self._changed = asyncio.Event()
        self.engine = Engine(
            self.plan_of(session),
            clock=self.clock,
            real=self.real,
            errors=self.errors,
            observers=[self._see],
        )

    def plan_of(self, session: str) -> Plan:
        """What the engine is told of a session."""
        urls = self.server.urls
        return Plan(
            root=self.root,
            session=session,
            books=BOOKS,
            settings=self.settings,
            addresses=Addresses(urls.trading, urls.data, urls.trading_stream, urls.data_stream),
            secrets=keys(self.server),
            make=lambda: make_start(self.root, session, self.settings, books=BOOKS, now=self.clock.now()),
        )

    def _see(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self.inputs.append(message)
        self.caused += caused
        self.told.append((encode(message), [encode(one) for one in caused]))
        self._changed.set()

    def of(self, kind: type[Any]) -> list[Any]:
        return [one for one in (*self.inputs, *self.caused) if type(one) is kind]

    async def until(self, holds: Callable[[], Any], within: float = WALL_S) -> None:
        """Wait until an input makes it hold."""
        with anyio.fail_after(within):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def ready(self) -> None:
        """Until both streams are up and the kill switch was looked at."""
        await self.until(lambda: self.of(BrokerStreamChanged) and self.of(BrokerStreamChanged)[-1].ready)
        await self.server.until(lambda: self.server.stream.subscribed("bars"))

    async def minute(self, number: int, row: Sequence[float]) -> None:
        """Let a minute of SPY pass, and the engine do what it does because of it."""
        begins = OPEN + number * MINUTE
        await self.server.push_minute({"SPY": row}, t=begins)
        self.clock.advance(begins + MINUTE)
        await self.until(lambda: any(one.ts_event == begins for one in self.of(Bars)))
        with anyio.fail_after(WALL_S):
            await self.engine.desk.settled.wait()


@asynccontextmanager
async def running(live: Live, *, crash: bool = False) -> AsyncIterator[Live]:
    """Run an engine for the block; then stop it in order, or as a crash does."""
    async with anyio.create_task_group() as group:
        group.start_soon(live.engine.run)
        await live.ready()
        yield live
        if crash:
            group.cancel_scope.cancel()
        else:
            live.engine.stop()
