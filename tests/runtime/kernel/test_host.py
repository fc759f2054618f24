"""A live run: nothing is lost, the system lane overtakes, and its tape replays to the same words."""

import itertools
import random
import threading
from collections.abc import Iterable

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.kernel.flow import CascadeTooLong
from runtime.kernel.host import SLICE_INPUTS, Host, HostStopped, LaneFull
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Input, Message
from runtime.messages.machine import Source, TimerFired
from tests.runtime.kernel.parts import (
    SECOND,
    Fill,
    Halt,
    Log,
    Mixer,
    Said,
    Tape,
    Teller,
    Tick,
    set_timer,
    spec,
)
from tests.runtime.kernel.test_crashes import recorded


def mixers(booms: dict[str, int] | None = None) -> list[object]:
    def boom(name: str) -> object:
        divisor = (booms or {}).get(name)
        return None if divisor is None else (lambda n: n % divisor == 0)

    return [
        spec(name, i, lambda name=name, i=i: Mixer(i, None, boom(name))) for i, name in enumerate("abc", 1)
    ]


def live(tape: Tape | None = None, booms: dict[str, int] | None = None, **options: object) -> Sequencer:
    return Sequencer(mixers(booms), recorder=tape, virtual_time=False, **options)  # type: ignore[arg-type]


async def settle(times: int = 20) -> None:
    for _ in range(times):
        await anyio.lowlevel.checkpoint()


async def run_out(host: Host) -> None:
    """Stop and handle what waits."""
    host.stop()
    await host.run()


async def test_the_system_lane_overtakes_everything_that_waits() -> None:
    tape = Tape()
    host = Host(live(tape), ReplayClock())
    for n in range(5):
        host.post("market", Tick(ts_event=0, n=n))
    host.post("operator", Halt(ts_event=0))
    host.post("market", Halt(ts_event=0), system=True)
    await run_out(host)
    assert [type(m).__name__ for _, _, _, m in tape.inputs] == ["Halt", "Halt", *["Tick"] * 5]
    assert (host.figures.handled, host.figures.high_water, host.depth()) == (7, 7, 0)


async def test_a_full_normal_lane_refuses_in_the_posters_face_but_the_system_lane_never_does() -> None:
    tape = Tape()
    host = Host(live(tape), ReplayClock(), capacity=2)
    host.post("market", Tick(ts_event=0))
    host.post("market", Tick(ts_event=0))
    with pytest.raises(LaneFull):
        host.post("market", Tick(ts_event=0))
    host.post("operator", Halt(ts_event=0))
    await run_out(host)
    assert len(tape.inputs) == 3
    assert host.figures.refused == 1
    with pytest.raises(HostStopped):
        host.post("operator", Halt(ts_event=0))


async def test_timers_fire_at_their_time_on_the_hosts_clock() -> None:
    heard: list[str] = []

    def say(actor: Teller, message: Message) -> Iterable[Message]:
        if type(message) is Tick and message.n == 0:
            yield set_timer(actor, "late", 30)
            yield set_timer(actor, "early", 10)

    clock = ReplayClock()
    sequencer = Sequencer([spec("a", 1, lambda: Teller(heard, say))], virtual_time=False)
    host = Host(sequencer, clock)
    async with anyio.create_task_group() as group:
        group.start_soon(host.run)
        host.post("market", Tick(ts_event=0))
        await settle()
        for at in (9, 10, 29, 30):
            clock.advance(at)
            await settle()
            heard.append(f"-{at}-")
        host.stop()
    assert heard == ["a:Tick0", "-9-", "a:early@10", "-10-", "-29-", "a:late@30", "-30-"]
    assert host.figures.timers == 2
    assert clock.next_due() is None


async def test_an_urgent_halt_overtakes_timers_that_are_due() -> None:
    tape, clock = Tape(), ReplayClock()
    heard: list[str] = []
    arm = lambda a, m: [set_timer(a, "k", 5)] if type(m) is Tick else []  # noqa: E731
    sequencer = Sequencer([spec("a", 1, lambda: Teller(heard, arm))], recorder=tape, virtual_time=False)
    host = Host(sequencer, clock)
    async with anyio.create_task_group() as group:
        group.start_soon(host.run)
        host.post("market", Tick(ts_event=0))
        await settle()
        clock.advance(5)
        host.post("operator", Halt(ts_event=5))
        await settle()
        host.stop()
    assert [source for _, _, source, _ in tape.inputs] == ["market", "operator", "timer"]


async def test_a_timer_that_rearms_itself_in_the_past_cannot_starve_the_market() -> None:
    heard: list[str] = []

    class Rearms(Teller):
        def on_timer(self, fired: TimerFired) -> Iterable[Message]:
            return [set_timer(self, "again", self.now)]

    def build() -> Teller:
        return Rearms(heard, lambda a, m: [set_timer(a, "again", 0)] if m.n == 0 else [])  # type: ignore[attr-defined]

    host = Host(Sequencer([spec("a", 1, build)], virtual_time=False), ReplayClock())
    async with anyio.create_task_group() as group:
        group.start_soon(host.run)
        for n in range(10):
            host.post("market", Tick(ts_event=0, n=n))
        await settle(5)
        host.post("operator", Halt(ts_event=0))
        host.stop()
    assert heard == [f"a:Tick{n}" for n in range(10)]


async def test_other_tasks_run_between_slices_but_never_inside_a_cascade() -> None:
    class Steps(ReplayClock):
        """Every look at it costs a tenth of a millisecond."""

        def now(self) -> int:
            self.advance(super().now() + 100_000)
            return super().now()

    log = Log()
    host = Host(live(observers=[log]), Steps())
    for n in range(200):
        host.post("market", Tick(ts_event=0, n=n))
    seen: list[int] = []

    async def other() -> None:
        while host.depth():
            seen.append(host.figures.handled)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        group.start_soon(run_out, host)
    steps = [b - a for a, b in itertools.pairwise(seen)]
    assert max(steps) <= 20  # 2 ms at 0.1 ms an input
    assert len(seen) >= 10


async def test_a_clock_that_stands_still_does_not_stop_the_sharing() -> None:
    host = Host(live(), ReplayClock())
    for n in range(4 * SLICE_INPUTS):
        host.post("market", Tick(ts_event=0, n=n))
    await run_out(host)
    assert host.figures.slices >= 4


async def test_a_stop_with_a_deadline_counts_what_it_leaves_behind() -> None:
    class Steps(ReplayClock):
        def now(self) -> int:
            self.advance(super().now() + 1)
            return super().now()

    host = Host(live(), Steps())
    for n in range(100):
        host.post("market", Tick(ts_event=0, n=n))
    host.stop(deadline=150)
    await host.run()
    assert 0 < host.figures.handled < 100
    assert host.figures.handled + host.figures.abandoned == 100


async def test_what_the_sequencer_raises_ends_the_run_and_closes_the_lanes() -> None:
    def forever(actor: Teller, message: Message) -> Iterable[Message]:
        yield Said(ts_event=0, cause=0, who="a")

    host = Host(Sequencer([spec("a", 1, lambda: Teller([], forever))], virtual_time=False), ReplayClock())
    host.post("market", Tick(ts_event=0))
    host.post("market", Tick(ts_event=0))
    with pytest.raises(CascadeTooLong):
        await host.run()
    with pytest.raises(HostStopped):
        host.post_threadsafe("broker", Fill(ts_event=0))
    assert host.figures.abandoned == 1


async def test_cancelling_the_run_takes_effect_between_inputs_and_is_not_swallowed() -> None:
    tape = Tape()
    host = Host(live(tape), ReplayClock())
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(host.run)
            host.post("market", Tick(ts_event=0))
            await settle()
            scope.cancel()
    assert scope.cancelled_caught
    assert len(tape.inputs) == len(tape.accounts) > 0


async def test_no_wake_up_from_a_thread_is_lost() -> None:
    tape = Tape()
    host = Host(live(tape), LiveClock())
    counts = 4, 300

    def shout(thread: int) -> None:
        for n in range(counts[1]):
            host.post_threadsafe("broker", Fill(ts_event=thread, n=n))

    async with anyio.create_task_group() as group:
        group.start_soon(host.run)
        await settle()
        async with anyio.create_task_group() as threads:
            for thread in range(counts[0]):
                threads.start_soon(anyio.to_thread.run_sync, shout, thread)
        # Nobody posts any more: whatever is missing now would be missing for ever.
        with anyio.fail_after(200):
            while host.figures.handled < counts[0] * counts[1]:
                await anyio.lowlevel.checkpoint()
        host.stop()
    for thread in range(counts[0]):
        numbers = [m.n for _, _, _, m in tape.inputs if m.ts_event == thread]  # type: ignore[attr-defined]
        assert numbers == list(range(counts[1]))  # and in each sender's order


async def test_a_thread_that_posts_while_the_host_stops_either_is_heard_or_is_told() -> None:
    for _ in range(20):
        tape = Tape()
        host = Host(live(tape), LiveClock())
        told: list[int] = []
        posted: list[int] = []

        def shout(host: Host = host, told: list[int] = told, posted: list[int] = posted) -> None:
            for n in range(10_000):
                try:
                    host.post_threadsafe("broker", Fill(ts_event=0, n=n))
                    posted.append(n)
                except HostStopped:
                    told.append(n)
                    return

        thread = threading.Thread(target=shout)
        async with anyio.create_task_group() as group:
            group.start_soon(host.run)
            await settle(3)
            thread.start()
            await settle(2)
            host.stop()
        await anyio.to_thread.run_sync(thread.join)
        assert [m.n for _, _, _, m in tape.inputs] == posted  # type: ignore[attr-defined]
        assert len(told) == 1 or len(posted) == 10_000


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_a_live_run_of_any_interleaving_replays_identically(seed: int) -> None:
    """Soak: random bursts, halts, time steps, timers and crashes, with other tasks in between."""
    luck = random.Random(seed)
    tape, clock = Tape(), ReplayClock()
    booms = {"b": luck.randrange(5, 40)}
    sequencer = live(tape, booms)
    host = Host(sequencer, clock)

    def post(source: Source, message: Input) -> None:
        host.post(source, message)

    async def gateway(number: int) -> None:
        for _ in range(luck.randrange(30)):
            for _ in range(luck.randrange(4)):
                post("market", Tick(ts_event=clock.now(), n=luck.randrange(1, 200)))
            if luck.random() < 0.1:
                post("operator", Halt(ts_event=clock.now()))
            if luck.random() < 0.5:
                clock.advance(clock.now() + luck.randrange(4 * SECOND))
            await settle(luck.randrange(3))

    async def day() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(host.run)
            async with anyio.create_task_group() as gateways:
                for number in range(3):
                    gateways.start_soon(gateway, number)
            host.stop()

    anyio.run(day)
    check_replay(tape, sequencer)


def test_the_comparison_with_a_replay_can_fail() -> None:
    lost = Tape()
    good = live(lost)
    for n in range(4):
        good.post("market", Tick(ts_event=0, n=n), n)
    check_replay(lost, good)
    del lost.inputs[2]  # one input lost
    with pytest.raises(AssertionError):
        check_replay(lost, good)


async def test_a_live_run_with_real_time_and_threads_replays_identically() -> None:
    for seed in range(5):
        luck = random.Random(seed)
        tape = Tape()
        sequencer = Sequencer(
            [spec("hasty", 9, Hasty), *mixers({"a": 23})],  # type: ignore[list-item]
            recorder=tape,
            virtual_time=False,
        )
        host = Host(sequencer, LiveClock())

        def shout(luck: random.Random = luck, host: Host = host) -> None:
            for _ in range(60):
                host.post_threadsafe("broker", Tick(ts_event=0, n=luck.randrange(1, 99)))

        async with anyio.create_task_group() as group:
            group.start_soon(host.run)
            async with anyio.create_task_group() as threads:
                threads.start_soon(anyio.to_thread.run_sync, shout)
                threads.start_soon(anyio.to_thread.run_sync, shout)
                for _ in range(30):
                    host.post("market", Tick(ts_event=0, n=luck.randrange(1, 99)))
                    if luck.random() < 0.2:
                        host.post("operator", Halt(ts_event=0))
                    await settle(luck.randrange(5))
            host.stop()
        assert "timer" in {source for _, _, source, _ in tape.inputs}
        check_replay(tape, sequencer, [spec("hasty", 9, Hasty)])


class Hasty(Teller):
    """Arms timers that are due within microseconds, so that they race the inputs."""

    def __init__(self) -> None:
        super().__init__([], self.arm)

    def arm(self, actor: Teller, message: Message) -> Iterable[Message]:
        if type(message) is Tick:
            yield set_timer(self, f"k{message.n % 5}", self.now + message.n * 500)


def check_replay(tape: Tape, sequencer: Sequencer, extra: list[object] | None = None) -> None:
    """Without any reason to crash, clock or thread, the tape alone gives the same again."""
    again = Tape()
    replayed = Sequencer(
        [*(extra or []), *mixers()],  # type: ignore[list-item]
        recorder=again,
        virtual_time=False,
        recorded=recorded(tape),
    )
    tape.feed(replayed)
    assert again.accounts == tape.accounts
    assert [inputs[:3] for inputs in again.inputs] == [inputs[:3] for inputs in tape.inputs]
    assert replayed.decisions_hash.digest() == sequencer.decisions_hash.digest()
    assert replayed.carry() == sequencer.carry()
    ats = [at for _, at, _, _ in tape.inputs]
    assert ats == sorted(ats)
