"""The engine of the soak: day after day in one process, its market time moved by lines on stdin.

`time NS` moves the time; `until NS` does too and answers once both streams are up again; `minute NS` answers
when the minute that began at NS is handled and what it caused has been answered; `figures` answers with what
the process holds. Answers are JSON, one a line.
"""

import asyncio
import gc
import json
import os
import resource
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from actors.live_days import LiveDays
from actors.live_plan import Plan
from config.live_money import Addresses
from config.secrets import Secret, Secrets
from runtime.error_sink import ErrorSink
from runtime.kernel.clock import LiveClock, ReplayClock, sleep_until
from runtime.log import configure
from runtime.messages.broker import BrokerStreamChanged
from runtime.messages.market import Bars, FeedChanged
from tests.benchmarks.bench_latency import BOOKS, start
from tests.faults.soak_market import settings
from tests.walls import WALL_S
from tui.commands.serving import teller

PATIENCE_S = 1.5 * WALL_S
DRAIN_S = 30.0


class Soaking:
    """Days, and who looks on."""

    def __init__(self, root: Path, symbols: int, begin: int) -> None:
        environ = os.environ
        self.symbols, self.root = symbols, root
        self.settings = settings()
        self.clock = ReplayClock(begin)
        self.addresses = Addresses(
            *(environ[f"ALPACA_{name}_URL"] for name in ("TRADING", "DATA", "TRADING_STREAM", "DATA_STREAM"))
        )
        self.secrets = Secrets(
            api_key=Secret(environ["ALPACA_API_KEY"]), secret_key=Secret(environ["ALPACA_SECRET_KEY"])
        )
        self.errors = ErrorSink()
        self.up = {FeedChanged: False, BrokerStreamChanged: False}
        self.last = 0
        self.inputs = self.orders = 0
        self._changed = asyncio.Event()
        self.days = LiveDays(
            self.plan, clock=self.clock, real=LiveClock(), errors=self.errors, observers=[self.see],
            listening=teller(None),
        )  # fmt: skip

    def plan(self, session: str) -> Plan:
        """One more session of the same stocks."""
        return Plan(
            root=self.root, session=session, books=BOOKS, settings=self.settings, addresses=self.addresses,
            secrets=self.secrets, make=lambda: start(self.settings, self.symbols, session),
        )  # fmt: skip

    def see(self, seq: int, at: int, message: Any, caused: Any, /) -> None:
        """Look on."""
        self.inputs += 1
        self.orders += sum(type(one).__name__ == "SubmitOrder" for one in caused)
        if isinstance(message, FeedChanged):
            self.up[FeedChanged] = message.up
        elif isinstance(message, BrokerStreamChanged):
            self.up[BrokerStreamChanged] = message.ready
        elif isinstance(message, Bars):
            self.last = message.ts_event
        self._changed.set()

    async def obey(self, word: str, moment: int) -> dict[str, Any]:
        """Carry out one line."""
        if word == "until":
            ended = self.days.engine.header.ends if moment >= self.days.engine.header.ends else 0
            self.clock.advance(moment)
            if ended:
                self.up = dict.fromkeys(self.up, False)
            await self._until(lambda: all(self.up.values()))
        elif word == "time":
            self.clock.advance(moment)
        elif word == "minute":
            await self._until(lambda: self.last >= moment)
            with anyio.fail_after(PATIENCE_S):
                await self.days.engine.desk.settled.wait()
        if word != "figures":
            return {"session": self.days.engine.session}
        await self._drained()
        return self.figures()

    async def _drained(self) -> None:
        """Give the writer of the books the time to finish what came last, but not for ever."""
        real = LiveClock()
        end = real.now() + round(DRAIN_S * 1e9)
        while any(self.waiting().values()) and real.now() < end:
            await sleep_until(real, real.now() + 20_000_000)

    async def _until(self, holds: Any) -> None:
        with anyio.fail_after(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def figures(self) -> dict[str, Any]:
        """What the process holds now; memory before and after the collector has run."""
        engine = self.days.engine
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        gc.collect()
        return {
            "session": engine.session,
            "rss_mb": round(pages * resource.getpagesize() / 1e6, 1),
            "objects": len(gc.get_objects()),
            "tasks": len(asyncio.all_tasks()),
            "files": len(os.listdir("/proc/self/fd")),
            "threads": len(os.listdir("/proc/self/task")),
            "inputs": self.inputs,
            "orders": self.orders,
            "waiting": self.waiting(),
            "high_water": {"host": engine.host.figures.high_water},
        }  # fmt: skip

    def waiting(self) -> dict[str, Any]:
        """What is in the inboxes, and what the broker has not answered."""
        engine = self.days.engine
        outlet = engine.outlet
        inboxes = {name: getattr(outlet, name).figures().depth for name in ("orders", "kills", "tasks")}
        mail = {name: one.depth for name, one in engine.sequencer.figures().items() if one.depth}
        return {
            "host": engine.host.depth(), "books": engine.db.depth, **inboxes, "actors": mail,
            "sendings": len(engine.desk.sendings), "cancels": len(engine.desk.cancels),
        }  # fmt: skip


async def main(root: Path, symbols: int, begin: int) -> None:
    """Serve until stdin ends."""
    soaking = Soaking(root, symbols, begin)
    # Answers alone go to stdout.
    configure(sys.stderr, clock=LiveClock().now, level="WARNING", sink=soaking.errors)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        partial(asyncio.StreamReaderProtocol, lines), sys.stdin
    )
    async with anyio.create_task_group() as group:
        group.start_soon(soaking.days.run)
        await soaking.days.engine.started.wait()
        while line := await lines.readline():
            word, _, moment = line.decode().strip().partition(" ")
            print(json.dumps(await soaking.obey(word, int(moment or 0))), flush=True)
        soaking.days.stop()
