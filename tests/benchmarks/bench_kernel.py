"""What the kernel itself costs: dispatches per CPU-second, and how fast an urgent halt gets through.

`python -m tests.benchmarks.bench_kernel` prints one JSON object. Rates are per second of process CPU time,
best of several rounds; each stands beside a bare chain of function calls in the same run.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable

import msgspec

from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.kernel.clock import LiveClock
from runtime.kernel.host import Host
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Decision, Input

POSTS = 40_000
ROUNDS = 5
BACKLOG = 10_000
HALTS = 5


class Beat(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """An input with nothing in it."""

    n: int = 0


class Stop(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The urgent one."""


STAGES: list[type[Decision]] = [
    msgspec.defstruct(
        f"Stage{n}",
        [("n", int)],
        bases=(Decision,),
        frozen=True,
        kw_only=True,
        gc=False,
        array_like=True,
        tag=True,
    )
    for n in range(8)
]


class Counter(Actor):
    """Takes a beat and says nothing."""

    def __init__(self) -> None:
        self.count = 0

    def on_beat(self, beat: Beat) -> None:
        self.count += 1


def stage(place: int) -> type[Actor]:
    """An actor class that hands the pipe's message on to the next stage."""
    takes: type = Beat if place == 0 else STAGES[place - 1]
    says = STAGES[place] if place < 7 else None

    class Stage(Actor):
        def on_message(self, message: takes) -> tuple[Decision, ...] | None:  # type: ignore[valid-type]
            if says is None:
                return None
            return (says(ts_event=self.now, cause=self.seq, n=message.n),)  # type: ignore[call-arg, attr-defined]

    return Stage


def best(setup: Callable[[], Callable[[Beat], object]]) -> tuple[float, float]:
    """CPU and wall seconds per post of the best round."""
    beats = [Beat(ts_event=n, n=n) for n in range(POSTS)]
    cpu, wall = [], []
    for _ in range(ROUNDS):
        post = setup()
        gc.collect()
        began = time.process_time(), time.perf_counter()
        for beat in beats:
            post(beat)
        cpu.append(time.process_time() - began[0])
        wall.append(time.perf_counter() - began[1])
    return min(cpu) / POSTS, min(wall) / POSTS


def through(classes: list[type[Actor]]) -> Callable[[], Callable[[Beat], object]]:
    """A sequencer of these actors, ready to be fed."""

    def setup() -> Callable[[Beat], object]:
        specs = [
            ActorSpec(name=f"a{n}", rank=n, build=lambda carried, kind=kind: kind())
            for n, kind in enumerate(classes)
        ]
        sequencer = Sequencer(specs)
        return lambda beat: sequencer.post("market", beat, beat.ts_event)

    return setup


def bare(kinds: list[type[Actor]]) -> Callable[[], Callable[[Beat], object]]:
    """The same handlers called by a plain loop: the ceiling."""

    def setup() -> Callable[[Beat], object]:
        moment = Sequencer([]).moment
        handlers = []
        for kind in kinds:
            actor = kind()
            actor.attach("bare", moment)
            handlers.append(next(iter(actor.bound_handlers().values())))

        def fan(beat: Beat) -> None:
            for handler in handlers:
                handler(beat)

        def pipe(beat: Beat) -> None:
            message: object = beat
            for handler in handlers:
                said = handler(message)
                if said:
                    message = said[0]  # type: ignore[index]

        return fan if kinds[0] is Counter else pipe

    return setup


def dispatch(kinds: list[type[Actor]]) -> dict[str, float]:
    """Figures of one shape."""
    cpu, wall = best(through(kinds))
    floor, _ = best(bare(kinds))
    return {
        "us_per_post": round(cpu * 1e6, 3),
        "dispatches_per_cpu_second": round(len(kinds) / cpu),
        "dispatches_per_second": round(len(kinds) / wall),
        "bare_us_per_post": round(floor * 1e6, 3),
        "times_bare": round(cpu / floor, 2),
    }


class Worker(Actor):
    """Ten microseconds of work per beat; notes when the stop arrived."""

    def __init__(self) -> None:
        self.stopped_at = 0

    def on_beat(self, beat: Beat) -> None:
        end = time.perf_counter_ns() + 10_000
        while time.perf_counter_ns() < end:
            pass

    def on_stop(self, stop: Stop) -> None:
        self.stopped_at = time.perf_counter_ns()


async def _halt() -> float:
    sequencer = Sequencer([ActorSpec(name="w", rank=1, build=lambda carried: Worker())], virtual_time=False)
    host = Host(sequencer, LiveClock(), capacity=BACKLOG)
    due = 0

    def outside() -> None:
        host.post("operator", Stop(ts_event=0))

    for n in range(BACKLOG):
        host.post("market", Beat(ts_event=n))
    loop = asyncio.get_running_loop()
    # The event is due 20 ms into the backlog; the latency counts from then, not from when the loop saw it.
    due = time.perf_counter_ns() + 20_000_000
    loop.call_later(0.02, outside)
    host.stop()
    await host.run()
    return (sequencer.actor("w").stopped_at - due) / 1e6


def halts() -> dict[str, float]:
    """Latency of an urgent stop behind the backlog, ms."""
    waits = sorted(asyncio.run(_halt()) for _ in range(HALTS))
    return {"backlog": BACKLOG, "max_ms": round(waits[-1], 2), "median_ms": round(waits[len(waits) // 2], 2)}


def measure() -> dict[str, object]:
    """Everything, as plain data."""
    return {
        "one_to_one": dispatch([Counter]),
        "one_to_eight": dispatch([Counter] * 8),
        "pipe_of_eight": dispatch([stage(n) for n in range(8)]),
        "urgent_halt": halts(),
    }


if __name__ == "__main__":
    if "--quick" in sys.argv[1:]:  # does it run at all
        POSTS, ROUNDS, BACKLOG, HALTS = 200, 1, 1_000, 1
    json.dump(measure(), sys.stdout, indent=2)
    sys.stdout.write("\n")
