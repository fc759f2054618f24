"""A quarter of an hour of the busy session in this process, with a switch on; then everything is compared.

The engine is the whole one, at the loopback broker; only its waits are those of `HASTE`: some twenty times
shorter than in trading, as real seconds are what a fault costs. What a peer that works may take is not
shortened: a slow machine would time it out. A day whose fault is silence shortens that one time-out itself.
"""

import io
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from config.load import load
from config.schema import Settings
from runtime.log import configure, release
from runtime.messages.broker import BrokerStreamChanged
from runtime.messages.market import Bars, BarsRevised, FeedChanged
from tests.alpaca_server.server import AlpacaServer
from tests.faults import busy
from tests.faults.history import check_history
from tests.system.live_day import Live
from tests.walls import WALL_S

SECOND = 1_000_000_000


HASTE = (
    *("requests.absent_s=0.3", "requests.pause_first_s=0.01", "requests.pause_max_s=0.1"),
    *("requests.late_s=0.2", "requests.per_minute=10000", "orders.cancel_confirm_s=0.2"),
    *("streams.close_s=0.2", "streams.retry_first_s=0.05", "streams.retry_max_s=1.0"),
    *("streams.slow_first_s=0.2", "streams.slow_max_s=1.0"),
)
"""Pauses of a twentieth."""

UNHURRIED = tuple(
    f"{name}={WALL_S}"
    for name in (
        *("requests.connect_s", "requests.read_s", "requests.total_s", "requests.entry_s"),
        *("streams.open_s", "streams.handshake_s", "streams.ping_s", "streams.pong_s"),
    )
)
NO_ANSWER = ("requests.read_s=3.0", "requests.total_s=4.0")
NO_HANDSHAKE = ("streams.handshake_s=3.0",)
NO_PONG = ("streams.ping_s=0.3", "streams.pong_s=3.0")
"""Of a day in which that does not come."""


LOSING = frozenset(
    ("close", "abort", "broken_protocol", "slow_client", "drop_frame", "reorder_frame", "truncated_frame")
)
"""Switches after which a minute's frame does not come, or not now."""


def _settings(*waits: str) -> Settings:
    overrides = [*busy.overrides(entries=120, closes=150), *HASTE, *UNHURRIED, *waits]
    return load(None, environ={}, overrides=overrides).settings


SETTINGS = {waits: _settings(*waits) for waits in ((), NO_ANSWER, NO_HANDSHAKE, NO_PONG)}
"""Of a day, by the time-outs that it is about; read here, as a test's event loop may not wait for a file."""


class Day(Live):
    """An engine, its broker and the minutes of the busy session.

    Attributes:
        number: The next minute.
    """

    def __init__(self, server: AlpacaServer, root: Path, waits: tuple[str, ...] = ()) -> None:
        super().__init__(server, root, SETTINGS[waits])
        self._minutes = list(busy.minutes())
        self.number = 0
        self._last = dict(busy.SYMBOLS)

    async def pass_minute(self, *, heard: bool = True) -> None:
        """Let a minute pass, in which everybody trades.

        Args:
            heard: Wait until the engine has it, by stream or by REST; else only a little.
        """
        minute = self._minutes[self.number]
        self.number += 1
        rows = {name: (price, price, price, price, 5_000) for name, price in self._last.items()} | minute.rows
        self._last |= {name: row[3] for name, row in rows.items()}
        fired, sent = len(self.server.faults.fired), self._frames_sent()
        await self.server.push_minute(rows, t=minute.t)
        is_coming = self._frames_sent() > sent and not any(
            kind in LOSING and site.startswith("market") for kind, site in self.server.faults.fired[fired:]
        )
        self.clock.advance(minute.t + busy.MINUTE)
        with anyio.move_on_after(WALL_S if is_coming else 0.25):
            await self.until(lambda: self._has(minute.t))
        if not self._has(minute.t):
            self.clock.advance(minute.t + busy.MINUTE + 10 * SECOND)
            if heard:
                await self.until(lambda: self._has(minute.t))
        await self.at_rest()

    def _frames_sent(self) -> int:
        """Of the market's, on the connections that are open."""
        return sum(one.sent for one in self.server.stream.connections)

    def _has(self, t: int) -> bool:
        return any(one.ts_event == t for one in (*self.of(Bars), *self.of(BarsRevised)))

    async def at_rest(self) -> None:
        """Until nothing is under way to the broker."""
        with anyio.fail_after(WALL_S):
            await self.engine.desk.settled.wait()

    def up(self) -> bool:
        """Whether both streams are."""
        feed, orders = self.of(FeedChanged), self.of(BrokerStreamChanged)
        return bool(feed and feed[-1].up and orders and orders[-1].ready)

    async def calm(self) -> None:
        """Faults are over: both streams up, what is open looked at once more."""
        self.server.faults.clear()
        await self.until(self.up)
        await self.pass_minute()
        await self.until(lambda: self._agrees() and self._ends_are_told())

    def _agrees(self) -> bool:
        """Whether what the broker holds is what the portfolio holds."""
        held: Counter[str] = Counter()
        for lot in self.engine.sequencer.actor("portfolio").carry().lots:
            held[lot.symbol] += lot.quantity
        mine = {symbol: shares for symbol, shares in held.items() if shares}
        return mine == {symbol: int(shares) for symbol, shares in self.server.positions.items() if shares}

    def _ends_are_told(self) -> bool:
        """Whether no order that is over at the broker works on here: its last event may be to come."""
        over = {
            name
            for one in self.server.orders
            if not one.is_live and one.status != "replaced"
            for name in (one.client_order_id, one.id)
        }
        lots = self.engine.sequencer.actor("executor")._lots.values()
        working = [one for lot in lots for one in lot.live]
        return not any(one.client_order_id in over or one.broker_order_id in over for one in working)

    def rows(self) -> Counter[str]:
        """Messages of `error_log`, each with how many rows it has."""
        link = sqlite3.connect(f"file:{self.root / 'db' / 'performance.db'}?mode=ro", uri=True)
        try:
            return Counter(row[0] for row in link.execute("SELECT message FROM error_log"))
        finally:
            link.close()

    async def wrong(self, **how: Any) -> list[str]:
        """What does not hold, after the engine has stopped."""
        tape = self.engine.tape_path
        return await anyio.to_thread.run_sync(lambda: check_history(self.server, self.root, tape, **how))


@asynccontextmanager
async def faulted_day(
    root: Path,
    *,
    before: Callable[[AlpacaServer], object] = lambda server: None,
    ready: bool = True,
    waits: tuple[str, ...] = (),
    **options: Any,
) -> AsyncIterator[Day]:
    """A day whose engine runs for the block and is then stopped in order.

    Args:
        before: What is put on before the engine starts. ready: Whether to wait until both streams are up.
        waits: The time-outs that the day is about, a key of `SETTINGS`.
        options: Of the server.
    """
    busy.lay_files(root)
    given = {"rate_limit": 0, "partial_chance": 0.4, "cash": Decimal(100_000), "seed": 3} | options
    async with AlpacaServer(
        symbols=tuple(busy.SYMBOLS), start="2026-11-20T09:29:00-05:00", **given
    ) as server:
        before(server)
        day = Day(server, root, waits)
        configure(
            io.StringIO(),
            clock=day.real.now,
            level="WARNING",
            sink=day.errors,
            secrets=[server.options.secret],
        )
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(day.engine.run)
                if ready:
                    await day.until(day.up)
                yield day
                day.engine.stop()
        finally:
            release()
