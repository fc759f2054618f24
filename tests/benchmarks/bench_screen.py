"""What a screen costs the engine: decision CPU with and without one, the loop's longest step, frames.

    python -m tests.benchmarks.bench_screen [--quick | --loop SECONDS]

Prints one JSON object. CPU is the thread's own, so other processes do not count.

`decision`: CPU of the sequencer per input over one made-up session through the whole chain: without a feed,
with one that nobody looks at, and with a screen attached (its folding and framing between the inputs is
`screen_us_per_input`, not part of the decision). Five rounds that take turns; medians and the rounds.
`loop`: an event loop with host, feed, socket, one client that reads (a process of its own) and one that
never does, at 2,000 messages a second and 500 positions that all move four times a second.
`frame`: a whole frame and one of changes at 500 positions.
"""

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
import numpy as np

from actors import system
from actors.gateways.replay_feed import MadeSession
from actors.gateways.ui_server import UiServer
from actors.market.calendar import session_times
from actors.paced_session import read_session
from actors.screen.feed import Feed
from actors.screen.frames import Frames, Lag, Looks
from actors.screen.seed import Past, seed
from actors.screen.state import ScreenState
from config.load import load
from config.schema import Settings
from runtime import control_socket
from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.kernel.clock import LiveClock
from runtime.kernel.gateway import Inbox
from runtime.kernel.host import Host
from runtime.kernel.sequencer import Sequencer
from runtime.messages.broker import OrderAccepted, OrderChanged
from runtime.messages.machine import SessionEnded, SessionStarted
from runtime.messages.market import Bars
from runtime.messages.risk import EquityMarked
from runtime.messages.screen_wire import Answer, Ask, Wire, pack
from runtime.messages.session import SessionHeader
from runtime.messages.trading import LotChanged
from storage.loaders.synthetic import synthetic_sessions
from storage.projection import Projection

ROUNDS = 5
POSITIONS = 500
RATE = 2_000
"""Messages a second: half inputs, half what they cause."""
SECONDS = 10.0
BETWEEN_FRAMES = 12
"""Inputs between two frames of an attached screen: a session's inputs in a minute, four frames a second."""
READER = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
line.sendall(b'{"command": "attach"}\\n')
while line.recv(1 << 16):
    pass
"""


def cpu() -> int:
    """This thread's CPU time, ns."""
    return time.thread_time_ns()


# ---- decisions ------------------------------------------------------------------------------


class Round:
    """One session through the chain.

    Args:
        with_feed: Whether a feed stands beside it. attached: whether frames are made of it.
    """

    def __init__(self, settings: Settings, *, with_feed: bool, attached: bool) -> None:
        self._settings = settings
        self._with_feed, self._attached = with_feed, attached
        self.decision = self.screen = self.inputs = 0

    def play(self, made: Any) -> str:
        recording = read_session(MadeSession(made), self._settings, {}, "replay:benchmark")
        header = recording.header
        projection = Projection(header.session, header.symbols)
        feed, frames = made_frames(header, self._settings, lambda: sequencer)
        has_feed = self._with_feed

        def books(*seen: Any) -> None:
            rows = projection.rows(*seen)
            if has_feed and rows:
                feed.rows(rows)

        sequencer = Sequencer(
            system.build(self._settings, header, recording.panels, simulated=True),
            observers=[books, feed] if has_feed else [books],
        )
        gc.collect()
        begun = SessionStarted(ts_event=header.starts, session=header.session)
        ended = SessionEnded(ts_event=header.ends, session=header.session)
        inputs = [(header.starts, "machine", begun), *recording.inputs, (header.ends, "machine", ended)]
        for count, (at, source, message) in enumerate(inputs):
            before = cpu()
            sequencer.post(source, message, at)
            self.decision += cpu() - before
            if self._attached and count % BETWEEN_FRAMES == 0:
                before = cpu()
                while frames.fold():
                    pass
                pack(Wire(frame=frames.changes()))
                self.screen += cpu() - before
        self.inputs = sequencer.inputs
        return sequencer.decisions_hash.hexdigest()


def made_frames(header: SessionHeader, settings: Settings, sequencer: Any) -> tuple[Feed, Frames]:
    """A feed and its frames, as the engine makes them."""
    state = ScreenState(header, settings)
    seed(state, Past())
    feed = Feed(state)
    real = LiveClock()
    looks = Looks(
        now=real.now,
        real=real.now,
        actors=lambda: sequencer().figures(),
        gauges=lambda: sequencer().actor("breaker").gauges(),
        lag=Lag,
    )
    return feed, Frames(feed, looks, mode="PAPER", account="paper:benchmark", root="/", pid=1)


def decisions(rounds: int) -> dict[str, Any]:
    """The three ways, in turn."""
    settings = load(None, environ={}).settings
    made = synthetic_sessions(times=session_times)[0]
    ways = {"without": (False, False), "nobody_attached": (True, False), "attached": (True, True)}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    screen: list[float] = []
    hashes, inputs = set(), 0
    for number in range(rounds + 1):
        for name, (with_feed, attached) in ways.items():
            one = Round(settings, with_feed=with_feed, attached=attached)
            hashes.add(one.play(made))
            inputs = one.inputs
            if number:  # the first warms everything up
                taken[name].append(one.decision / one.inputs / 1_000)
                if attached:
                    screen.append(one.screen / one.inputs / 1_000)
    if len(hashes) != 1:
        raise AssertionError("a screen has changed a decision")
    medians = {name: round(statistics.median(each), 3) for name, each in taken.items()}
    return {
        "inputs": inputs,
        "us_per_input": medians,
        "rounds_us_per_input": {name: [round(one, 3) for one in each] for name, each in taken.items()},
        "nobody_attached_adds_us": round(medians["nobody_attached"] - medians["without"], 3),
        "attached_adds_us": round(medians["attached"] - medians["without"], 3),
        "screen_us_per_input": round(statistics.median(screen), 3),
        "append_alone_us": round(append_alone(settings, made), 3),
    }


def append_alone(settings: Settings, made: Any) -> float:
    """µs of the feed's own part in one input."""
    recording = read_session(MadeSession(made), settings, {}, "replay:benchmark")
    feed, _ = made_frames(recording.header, settings, lambda: None)
    message = recording.inputs[0][2]
    calls = 15_000
    begun = cpu()
    for number in range(calls):
        feed(number, number, message, ())
    return (cpu() - begun) / calls / 1_000


# ---- the loop -------------------------------------------------------------------------------


class Echo(Actor):
    """Answers each order event with the order's state, each minute with a mark."""

    def on_bars(self, bars: Bars) -> tuple[EquityMarked]:
        mark = EquityMarked(
            ts_event=self.now, cause=self.seq, equity=1e6 + self.seq, cash=1e5, gross=9e5, positions=POSITIONS
        )
        return (mark,)

    def on_order_accepted(self, event: OrderAccepted) -> tuple[OrderChanged]:
        return (order_of(event, self.seq),)


def order_of(event: OrderAccepted, seq: int) -> OrderChanged:
    return OrderChanged(
        ts_event=event.ts_event,
        cause=seq,
        client_order_id=event.client_order_id,
        broker_order_id=event.broker_order_id,
        lot_id=event.client_order_id,
        strategy="mean_reversion",
        symbol=event.symbol,
        side="buy",
        role="entry",
        type="limit",
        status="accepted",
        quantity=100,
        filled=seq % 100,
        limit_price=100.0,
    )


def lots(symbols: tuple[str, ...]) -> Iterator[LotChanged]:
    """One open lot in every symbol."""
    for number, symbol in enumerate(symbols):
        yield LotChanged(
            ts_event=number,
            cause=1,
            lot_id=f"mean_reversion-20180216-{number}",
            signal_id=f"mean_reversion-20180216-{number}",
            strategy="mean_reversion",
            symbol=symbol,
            direction="long",
            state="open",
            quantity=100,
            entry_quantity=100,
            entry_price=100.0,
            entry_ts=1_518_791_400_000_000_000,
            stop_loss=95.0,
            take_profit=110.0,
            intraday=False,
            fill_quantity=100,
            fill_price=100.0,
            execution_id=f"x-{number}",
            client_order_id=f"mean_reversion-20180216-{number}:e1",
            role="entry",
            realised=0.0,
            commission=0.0,
            slippage=0.0,
        )


def big_header(settings: Settings) -> SessionHeader:
    """A session of 500 symbols."""
    made = MadeSession(synthetic_sessions(times=session_times)[0])
    symbols = tuple(f"SYM{number:03}" for number in range(POSITIONS))
    header = read_session(made, settings, {}, "paper:benchmark").header
    return msgspec.structs.replace(header, symbols=symbols, sectors=("XLK",) * POSITIONS)


class Steps:
    """CPU of every step of the loop, the longest of them kept."""

    def __init__(self) -> None:
        self.longest: list[int] = []
        self.total = self.count = 0
        self._plain = asyncio.events.Handle._run

    def __enter__(self) -> "Steps":
        plain, steps = self._plain, self

        def run(handle: Any) -> None:
            before = cpu()
            plain(handle)
            took = cpu() - before
            steps.total += took
            steps.count += 1
            steps.longest.append(took)
            if len(steps.longest) > 2_000:
                steps.longest = sorted(steps.longest)[-20:]

        asyncio.events.Handle._run = run  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.events.Handle._run = self._plain  # type: ignore[method-assign]


async def loop_of(seconds: float, *, attached: bool) -> dict[str, Any]:
    """Feed the host at the rate; the loop's steps, with or without clients."""
    settings = load(None, environ={}).settings
    header = await anyio.to_thread.run_sync(big_header, settings)
    real = LiveClock()
    state = ScreenState(header, settings)
    feed = Feed(state)
    for lot in lots(header.symbols):
        state.take(lot)
    sequencer = Sequencer(
        [ActorSpec(name="echo", rank=1, build=lambda _: Echo())], observers=[feed], virtual_time=False
    )
    host = Host(sequencer, real)
    looks = Looks(
        now=real.now,
        real=real.now,
        actors=sequencer.figures,
        gauges=list,
        lag=lambda: Lag(host.waits, host.figures.worst_lag),
    )
    frames = Frames(feed, looks, mode="PAPER", account="paper:benchmark", root="/", pid=1)
    with tempfile.TemporaryDirectory() as name:
        root, ready = Path(name), asyncio.Event()

        async def answer(_: Ask) -> Answer:
            return Answer(ok=True)

        server = UiServer(
            Inbox(),
            lambda *_: None,
            listen=lambda: control_socket.listen(root),
            leave=lambda: control_socket.remove(root),
            source=frames,
            answer=answer,
            real=real,
            ready=ready.set,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(host.run)
            group.start_soon(server.run)
            await ready.wait()
            clients = await anyio.to_thread.run_sync(_clients, root) if attached else None
            try:
                if attached:
                    with anyio.fail_after(120):
                        while frames.clients < 2:
                            await anyio.lowlevel.checkpoint()
                await _feed(host, real, 0.5)  # warm
                gc.collect()
                gc.freeze()  # as the engine does once it is ready
                before, handled = server._number, host.figures.handled
                with Steps() as steps:
                    await _feed(host, real, seconds)
                found = {
                    "seconds": seconds,
                    "messages_per_second": round(2 * (host.figures.handled - handled) / seconds),
                    "longest_step_ms": round(max(steps.longest) / 1e6, 3),
                    "next_longest_ms": [round(one / 1e6, 3) for one in sorted(steps.longest)[-5:-1]],
                    "steps": steps.count,
                    "cpu_share": round(steps.total / seconds / 1e9, 4),
                    "frames": server._number - before,
                    "dropped": server.dropped,
                    "p99_wait_us": round(sorted(host.waits)[len(host.waits) * 99 // 100] / 1_000, 1),
                }
            finally:
                gc.unfreeze()
                if clients is not None:
                    await anyio.to_thread.run_sync(_end, clients)
            server.request_stop()
            host.stop()
    return found


def _clients(root: Path) -> tuple[Any, Any]:
    reading = subprocess.Popen([sys.executable, "-c", READER, control_socket.place(root)])
    deaf = control_socket.connect(root)
    deaf.sendall(b'{"command": "attach"}\n')
    return reading, deaf


def _end(clients: tuple[Any, Any]) -> None:
    reading, deaf = clients
    deaf.close()
    reading.kill()
    reading.wait()


async def _feed(host: Host, real: LiveClock, seconds: float) -> None:
    """Half the rate as inputs, in bursts every hundredth of a second; four times a second all prices move."""
    burst = RATE // 2 // 100
    ids = np.arange(POSITIONS, dtype=np.int32)
    begun, number, bursts = real.now(), 0, 0
    while real.now() - begun < seconds * 1e9:
        for _ in range(burst):
            number += 1
            name = f"o-{number % 400}"
            event = OrderAccepted(
                ts_event=real.now(), client_order_id=name, broker_order_id=name, symbol="SYM001"
            )
            host.post("broker", event)
        if bursts % 25 == 0:
            prices = np.full((5, POSITIONS), 100.0 + bursts % 7 / 100)
            host.post("market", Bars.of(ids, prices, ts_event=real.now()))
        bursts += 1
        await anyio.sleep(max(0.0, (begun + bursts * 10_000_000 - real.now()) / 1e9))


# ---- frames ---------------------------------------------------------------------------------


def frame(repeats: int) -> dict[str, Any]:
    """Size and price of frames at 500 positions that have all moved."""
    settings = load(None, environ={}).settings
    header = big_header(settings)
    state = ScreenState(header, settings)
    feed = Feed(state)
    real = LiveClock()
    looks = Looks(now=real.now, real=real.now, actors=dict, gauges=list)
    frames = Frames(feed, looks, mode="PAPER", account="paper:benchmark", root="/", pid=1)
    for lot in lots(header.symbols):
        state.take(lot)
    ids = np.arange(POSITIONS, dtype=np.int32)
    changed, whole, sizes = [], [], (0, 0)
    for number in range(repeats):
        bars = Bars.of(ids, np.full((5, POSITIONS), 100.0 + number), ts_event=number)
        feed(number, number, bars, ())
        begun = cpu()
        while frames.fold():
            pass
        small = pack(Wire(frame=frames.changes()))
        changed.append(cpu() - begun)
        begun = cpu()
        large = pack(Wire(frame=frames.whole()))
        whole.append(cpu() - begun)
        sizes = len(small), len(large)
    return {
        "positions": POSITIONS,
        "all_moved": {"bytes": sizes[0], "ms": round(statistics.median(changed) / 1e6, 3)},
        "whole": {"bytes": sizes[1], "ms": round(statistics.median(whole) / 1e6, 3)},
    }


def measure(*, quick: bool) -> dict[str, Any]:
    """Everything, as plain data."""
    seconds = 0.5 if quick else SECONDS
    return {
        "goals": {"longest_step_ms": 5.0},
        "decision": decisions(1 if quick else ROUNDS),
        "loop": {
            "without_clients": anyio.run(lambda: loop_of(seconds, attached=False)),
            "one_reads_one_does_not": anyio.run(lambda: loop_of(seconds, attached=True)),
        },
        "frame": frame(5 if quick else 50),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a screen costs the engine.")
    parser.add_argument("--quick", action="store_true", help="short, once: does it run at all")
    parser.add_argument("--loop", type=float, metavar="SECONDS", help="only the loop, with both clients")
    arguments = parser.parse_args()
    if arguments.loop:
        found = anyio.run(lambda: loop_of(arguments.loop, attached=True))
    else:
        found = measure(quick=arguments.quick)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
