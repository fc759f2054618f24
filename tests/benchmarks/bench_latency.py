"""From the frame that completes a minute to the bytes of the order it causes, on loopback, ms of wall time.

    python -m tests.benchmarks.bench_latency [--symbols 500] [--minutes 390] [--orders 1]

The broker is a process of its own. Every minute comes as one frame of all symbols after its end, a strategy
buys with stop and target, and nothing of the engine is left out: the input is on the tape before it is
handled, the tape is synced to the disk before the order leaves, the HALT file is looked at in between.
`total` goes from the moment before the broker packs and sends the frame to the moment it has the last byte
of the order; `ours`, of the first order of a minute and without the broker's part, from when the kernel hands
us the bytes that complete the minute to when it has taken the order's last byte. Prints one JSON object:
percentiles, the share of each step of the first order of a minute, and beside them bare fsyncs of as many
bytes, taken in the same run between the minutes.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
import msgspec

from actors.engine import Engine, Plan
from actors.live_session import Start
from actors.market.calendar import session_times
from config.live_money import Addresses
from config.schema import Settings, StrategySettings
from config.secrets import Secret, Secrets
from config.snapshot import settings_hash, snapshot
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.messages.base import Message
from runtime.messages.broker import BrokerStreamChanged, OrderAccepted, OrderRejected, SubmitOrder
from runtime.messages.market import Bars, FeedChanged
from runtime.messages.session import SessionHeader
from storage.environment import environment
from storage.loaders.sessions import day_fields
from tests.benchmarks import made_market
from tests.benchmarks.rotation import Rotation
from tests.benchmarks.stopwatch import STEPS, Stopwatch
from tui.commands.serving import teller

SESSION = "2018-02-16"
BOOKS = "paper:PA3LOOPBACK1"
MINUTE = 60_000_000_000
REPOSITORY = Path(__file__).resolve().parents[2]
PAUSE_S = 0.15
"""Between the end of one minute and the next: the books are written, nothing of it is measured."""


def settings(orders: int) -> Settings:
    """Nothing in the way of the rotation's orders."""
    plain = made_market.settings(0.0)
    rotation = StrategySettings(
        name=Rotation.name,
        class_path=f"{Rotation.__module__}:{Rotation.__name__}",
        allocation=1.0,
        max_positions=1_000,
        params={"orders": orders},
    )
    account = msgspec.structs.replace(plain.account, max_positions=1_000)
    # The account's 200 requests a minute of real time would stretch the session, not the latency.
    requests = msgspec.structs.replace(plain.requests, per_minute=10_000)
    data = msgspec.structs.replace(plain.data, stream_symbols=0)
    return msgspec.structs.replace(
        plain, account=account, data=data, requests=requests, strategies=(rotation,)
    )


def start(chosen: Settings, symbols: int, session: str = SESSION) -> Start:
    """A session of made-up stocks with twenty days of history."""
    (columns,) = made_market.prices(symbols, 1, 1)
    header = SessionHeader(
        **day_fields(session, session_times),
        symbols=tuple(f"S{place:05d}" for place in range(symbols)),
        sectors=("",) * symbols,
        settings=snapshot(chosen),
        settings_hash=settings_hash(chosen),
        books=BOOKS,
        origin="benchmark",
        **msgspec.structs.asdict(environment()),
    )
    return Start(header=header, panels=made_market._panels(columns, session))


class Bench:
    """One engine in this process, one broker in another, one minute at a time."""

    def __init__(self, root: Path, symbols: int, minutes: int, orders: int) -> None:
        self.root, self.symbols, self.minutes = root, symbols, minutes
        self.open = session_times(SESSION).open
        self.clock = ReplayClock(self.open - MINUTE)
        self.settings = settings(orders)
        self.watch = Stopwatch()
        self.handled, self.answered = asyncio.Event(), asyncio.Event()
        self.asked: set[str] = set()
        self.ready = asyncio.Event()
        self.up: dict[type[Message], bool] = {FeedChanged: False, BrokerStreamChanged: False}
        self.bare: list[float] = []
        self._bare_file = os.open(root / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def run(self) -> dict[str, Any]:
        """Every figure."""
        words = [
            *("-m", "tests.benchmarks.latency_server", "--symbols", self.symbols, "--minutes", self.minutes),
            *("--start", "2018-02-16T09:29:00-05:00", "--begins", self.open),
        ]
        self.broker = await asyncio.create_subprocess_exec(
            sys.executable, *map(str, words), cwd=REPOSITORY, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, limit=1 << 24,
        )  # fmt: skip
        try:
            engine = self._engine(await self._heard())
            with self.watch.installed():
                async with anyio.create_task_group() as group:
                    group.start_soon(engine.run)
                    await self.ready.wait()
                    for minute in range(self.minutes):
                        await self._minute(engine, minute)
                    engine.stop()
        finally:
            assert self.broker.stdin is not None
            self.broker.stdin.close()
            await self.broker.wait()
            os.close(self._bare_file)
        return self._figures()

    def _engine(self, told: dict[str, str]) -> Engine:
        urls = (told[f"ALPACA_{name}_URL"] for name in ("TRADING", "DATA", "TRADING_STREAM", "DATA_STREAM"))
        plan = Plan(
            root=self.root,
            session=SESSION,
            books=BOOKS,
            settings=self.settings,
            addresses=Addresses(*urls),
            secrets=Secrets(
                api_key=Secret(told["ALPACA_API_KEY"]), secret_key=Secret(told["ALPACA_SECRET_KEY"])
            ),
            make=lambda: start(self.settings, self.symbols),
        )
        return Engine(plan, clock=self.clock, real=LiveClock(), observers=[self._see], listening=teller(None))

    def _see(self, seq: int, at: int, message: Message, caused: Any, /) -> None:
        if type(message) is Bars:
            self.asked = {one.client_order_id for one in caused if type(one) is SubmitOrder}
            self.handled.set()
        elif isinstance(message, OrderAccepted | OrderRejected):
            self.asked.discard(message.client_order_id)
            self.answered.set()
        elif isinstance(message, FeedChanged | BrokerStreamChanged):
            self.up[type(message)] = message.up if isinstance(message, FeedChanged) else message.ready
            if all(self.up.values()):
                self.ready.set()

    async def _minute(self, engine: Engine, minute: int) -> None:
        """Let one minute pass; everything that is measured happens between the two answers."""
        self.clock.advance(self.open + (minute + 1) * MINUTE)
        await _rest(PAUSE_S)
        self.handled.clear()
        before = engine.tape_path.stat().st_size
        self.watch.begin()
        left = (await self._ask(f"push {minute}"))["left"]
        with anyio.fail_after(200):
            await self.handled.wait()
            while self.asked:
                self.answered.clear()
                await self.answered.wait()
            await engine.desk.settled.wait()  # the stream may tell before the sender is back
        came = await self._ask("report")
        self.watch.end(left, came)
        await _rest(PAUSE_S)
        self._bare_sync(engine.tape_path.stat().st_size - before)

    def _bare_sync(self, size: int) -> None:
        os.write(self._bare_file, bytes(size))
        begun = time.monotonic_ns()
        os.fsync(self._bare_file)
        self.bare.append((time.monotonic_ns() - begun) / 1e6)

    async def _ask(self, words: str) -> dict[str, Any]:
        assert self.broker.stdin is not None
        self.broker.stdin.write(f"{words}\n".encode())
        return await self._heard()

    async def _heard(self) -> dict[str, Any]:
        assert self.broker.stdout is not None
        told: dict[str, Any] = json.loads(await self.broker.stdout.readline())
        return told

    def _figures(self) -> dict[str, Any]:
        watch = self.watch
        firsts = [sum(steps.values()) for steps in watch.steps]
        mean = sum(firsts) / len(firsts)
        return {
            "symbols": self.symbols,
            "minutes": self.minutes,
            "orders": len(watch.totals),
            "total_ms": percentiles(watch.totals),
            "ours_ms": percentiles(watch.ours),
            "steps": {
                name: percentiles([each[name] for each in watch.steps])
                | {"share": round(sum(each[name] for each in watch.steps) / len(firsts) / mean, 3)}
                for name in STEPS
            },
            "bare_fsync_ms": percentiles(self.bare),
            "without_fsync_ms": percentiles([sum(each.values()) - each["fsync"] for each in watch.steps]),
            "load_average": [round(each, 2) for each in os.getloadavg()],
        }


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p99 and the most."""
    ordered = sorted(values)
    at = {"p50": 0.50, "p99": 0.99}
    found = {
        name: round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 3) for name, part in at.items()
    }
    return found | {"max": round(ordered[-1], 3)}


async def _rest(seconds: float) -> None:
    """Let everything that is still to be done be done."""
    await anyio.sleep(seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--minutes", type=int, default=390)
    parser.add_argument("--orders", type=int, default=1, help="orders a minute")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        print(json.dumps(anyio.run(Bench(Path(name), given.symbols, given.minutes, given.orders).run)))


if __name__ == "__main__":
    main()
