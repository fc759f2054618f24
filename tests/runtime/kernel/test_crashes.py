"""A crash costs the actor one message and nobody anything else; a replay tells the same story."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec, digest_of
from runtime.kernel.recording import Recorded
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Message
from runtime.messages.codec import encode
from runtime.messages.machine import (
    ActorCrashed,
    ActorRestarted,
    ActorStopped,
    SessionEnded,
    SessionStarted,
)
from runtime.messages.risk import TaskDone
from tests.runtime.kernel.parts import SECOND, Broker, Fill, Halt, Log, Mixer, Said, Tape, Tick


class Skipper(Mixer):
    """The model: what a restarted `Mixer` must be like is one that never heard the poisonous message."""

    def on_tick(self, tick: Tick) -> list[Message]:
        if self.boom is not None and self.boom(tick.n):
            return []
        return list(super().on_tick(tick))


def machine(kind: type[Mixer], crashes: dict[str, int], *, intensity: int = 10**6) -> Sequencer:
    """Three mixers and a broker; mixer `name` crashes on ticks divisible by `crashes[name]`."""

    def build(name: str, seed: int) -> ActorSpec:
        divisor = crashes.get(name, 0)
        boom = (lambda n: n % divisor == 0) if divisor else None
        return ActorSpec(
            name=name,
            rank=seed,
            build=lambda carried: kind(seed, carried, boom),
            intensity=intensity,
            most_crashes=1_000_000,
        )

    broker = ActorSpec(name="broker", rank=0, build=lambda carried: Broker(), port=True)
    return Sequencer([broker, build("a", 1), build("b", 2), build("c", 3)])


class CrashesChangeNothing(RuleBasedStateMachine):
    """Feeds a crashing machine and its model alike."""

    def __init__(self) -> None:
        super().__init__()
        crashes = {"a": 5, "c": 3}
        self.real, self.model = machine(Mixer, crashes), machine(Skipper, crashes)
        self.at = 0

    @rule(n=st.integers(1, 1000), gap=st.integers(0, 9))
    def tick(self, n: int, gap: int) -> None:
        self.at += gap * SECOND
        for sequencer in (self.real, self.model):
            sequencer.post("market", Tick(ts_event=self.at, n=n), self.at)

    @rule()
    def halt(self) -> None:
        for sequencer in (self.real, self.model):
            sequencer.post("operator", Halt(ts_event=self.at), self.at)

    @rule(gap=st.integers(1, 20))
    def wait(self, gap: int) -> None:
        self.at += gap * SECOND
        self.real.advance(self.at)
        self.model.advance(self.at)

    @invariant()
    def same(self) -> None:
        assert self.real.carry() == self.model.carry()
        assert self.real.decisions_hash.digest() == self.model.decisions_hash.digest()
        assert self.real.timers.next_due() == self.model.timers.next_due()
        assert self.real.seq == self.model.seq


TestCrashesChangeNothing = CrashesChangeNothing.TestCase
TestCrashesChangeNothing.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


class Ignorer(Actor):
    """Looks at fills and does nothing with them; a test hook makes it crash there."""

    def __init__(self, hook: set[int]) -> None:
        self.hook = hook
        self.ticks = 0

    def on_tick(self, tick: Tick) -> list[Message]:
        self.ticks += 1
        return [Said(ts_event=self.now, cause=self.seq, who=self.name, n=self.ticks)]

    def on_fill(self, fill: Fill) -> None:
        if fill.n in self.hook:
            raise RuntimeError(f"told to at {id(self):#x}")


def ignorer(hook: set[int], **options: object) -> Sequencer:
    return Sequencer(
        [
            ActorSpec(name="i", rank=1, build=lambda carried: Ignorer(hook)),
            ActorSpec(name="m", rank=2, build=lambda carried: Mixer(2)),
        ],
        **options,  # type: ignore[arg-type]
    )


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.data())
def test_a_crash_on_an_ignored_message_leaves_the_decisions_as_they_were(
    fills: list[bool], data: st.DataObject
) -> None:
    hook = data.draw(st.sets(st.integers(0, len(fills) - 1), max_size=3))

    def run(hook: set[int], **options: object) -> Sequencer:
        sequencer = ignorer(hook, **options)
        for n, is_fill in enumerate(fills):
            message = Fill(ts_event=n, n=n) if is_fill else Tick(ts_event=n, n=n)
            sequencer.post("broker" if is_fill else "market", message, n * SECOND)
        return sequencer

    plain, tape = run(set()), Tape()
    crashed = run(hook, recorder=tape)
    assert crashed.decisions_hash.digest() == plain.decisions_hash.digest()
    assert len(tape.crashes) == sum(fills[n] for n in hook)

    # The replay's actor has no reason to crash, yet skips the same messages and accounts for the same.
    again = Tape()
    replayed = ignorer(set(), recorder=again, recorded=recorded(tape), virtual_time=False)
    tape.feed(replayed)
    assert replayed.decisions_hash.digest() == crashed.decisions_hash.digest()
    assert again.accounts == tape.accounts
    assert [c.ordinal for c in again.crashes] == [c.ordinal for c in tape.crashes]


def recorded(tape: Tape) -> list[Recorded]:
    return [Recorded(c.actor, c.ordinal, c.message_digest) for c in tape.crashes]


@given(st.lists(st.integers(1, 60), max_size=40), st.sets(st.integers(1, 60), max_size=6))
def test_a_crash_that_does_not_come_again_is_still_skipped_in_replay(
    ticks: list[int], flaky: set[int]
) -> None:
    def build(boom: set[int], **options: object) -> Sequencer:
        spec = ActorSpec(name="m", rank=1, build=lambda carried: Mixer(1, carried, boom.__contains__))
        return Sequencer(
            [spec, ActorSpec(name="n", rank=2, build=lambda carried: Mixer(2, carried))],
            virtual_time=False,
            **options,  # type: ignore[arg-type]
        )

    tape, again = Tape(), Tape()
    live = build(flaky, recorder=tape)
    for i, n in enumerate(ticks):
        live.post("market", Tick(ts_event=i, n=n), i * SECOND)
    replayed = build(set(), recorder=again, recorded=recorded(tape))
    tape.feed(replayed)
    assert again.accounts == tape.accounts  # also when the actor was stopped for good on the way
    assert replayed.carry() == live.carry()


def test_actors_hear_of_a_crash_only_what_a_replay_knows_too() -> None:
    class Gossip(Actor):
        def on_crash(self, crash: ActorCrashed) -> list[Message]:
            return [
                Said(ts_event=self.now, cause=self.seq, who=crash.error + crash.traceback, n=crash.ordinal)
            ]

    def build(hook: set[int], **options: object) -> Sequencer:
        return Sequencer(
            [
                ActorSpec(name="i", rank=1, build=lambda carried: Ignorer(hook)),
                ActorSpec(name="g", rank=2, build=lambda carried: Gossip()),
            ],
            **options,  # type: ignore[arg-type]
        )

    tape, log = Tape(), Log()
    live = build({1}, recorder=tape, observers=[log])
    live.post("broker", Fill(ts_event=0, n=1), 0)
    replayed = build(set(), recorded=recorded(tape), virtual_time=False)
    tape.feed(replayed)
    assert replayed.decisions_hash.digest() == live.decisions_hash.digest()
    (crash,) = log.of(ActorCrashed)
    assert "told to" in crash.error and "Ignorer" not in crash.error  # type: ignore[attr-defined]


def test_the_poisonous_message_is_kept_with_the_error_and_never_redelivered() -> None:
    tape, log = Tape(), Log()
    sequencer = ignorer({7}, recorder=tape, observers=[log])
    poison = Fill(ts_event=3, n=7)
    sequencer.post("market", Tick(ts_event=1), 1)
    sequencer.post("broker", poison, 3)
    (crash,) = tape.crashes
    assert (crash.actor, crash.ordinal, crash.message_type, crash.crashes) == ("i", 2, "Fill", 1)
    assert crash.poison == encode(poison)
    assert crash.message_digest == digest_of(poison)
    assert crash.error.startswith("RuntimeError: told to")
    assert crash.source_file.endswith("test_crashes.py") and crash.line_number > 0
    (restarted,) = log.of(ActorRestarted)
    assert restarted.refed == 1  # type: ignore[attr-defined]
    assert sequencer.actor("i").ticks == 1


def test_more_crashes_than_its_intensity_stop_an_actor_and_the_rest_go_on() -> None:
    log = Log()
    sequencer = ignorer({1, 2, 3, 4}, observers=[log])
    for n in (1, 2, 3, 4):
        sequencer.post("broker", Fill(ts_event=n, n=n), n * SECOND)
    assert [c.crashes for c in log.of(ActorCrashed)] == [1, 2, 3, 4]  # type: ignore[attr-defined]
    assert len(log.of(ActorRestarted)) == 3
    (stopped,) = log.of(ActorStopped)
    assert stopped.actor == "i"  # type: ignore[attr-defined]
    sequencer.post("market", Tick(ts_event=9, n=9), 9 * SECOND)
    figures = sequencer.figures()
    assert (figures["i"].drops, figures["i"].crashes, figures["i"].restarts) == (1, 4, 3)
    assert figures["m"].handled == 2  # the tick and its own word about it


def test_crashes_further_apart_than_the_period_never_add_up() -> None:
    log = Log()
    sequencer = ignorer(set(range(1, 9)), observers=[log])
    for n in range(1, 9):
        sequencer.post("broker", Fill(ts_event=n, n=n), n * 20 * SECOND)  # 3 in any 60 s
    assert log.of(ActorStopped) == []
    assert len(log.of(ActorRestarted)) == 8


def test_an_actor_that_cannot_be_rebuilt_is_stopped_not_the_machine() -> None:
    built: list[int] = []

    def build(carried: bytes | None) -> Actor:
        built.append(1)
        if len(built) > 1:
            raise OSError("gone")
        return Ignorer({1})

    log = Log()
    sequencer = Sequencer([ActorSpec(name="i", rank=1, build=build)], observers=[log])
    sequencer.post("broker", Fill(ts_event=1, n=1), 1)
    sequencer.post("broker", Fill(ts_event=2, n=2), 2)
    (stopped,) = log.of(ActorStopped)
    assert "could not be rebuilt: OSError" in stopped.reason  # type: ignore[attr-defined]
    assert sequencer.figures()["i"].drops == 1


def test_an_actor_stopped_for_good_carries_no_half_done_work() -> None:
    def build(boom: set[int], carried: dict[str, bytes] | None = None) -> Sequencer:
        def make(state: bytes | None) -> Actor:
            return Mixer(1, state, boom.__contains__)

        return Sequencer([ActorSpec(name="m", rank=1, build=make, intensity=0)], carried=carried)

    stopped, well = build({5}), build(set())
    for sequencer in (stopped, well):
        sequencer.post("market", Tick(ts_event=0, n=3), 0)
    stopped.post("market", Tick(ts_event=1, n=5), 1)
    assert stopped.figures()["m"].drops == 0
    assert stopped.carry() == well.carry()


def test_an_actor_beyond_repair_carries_what_it_began_with() -> None:
    built: list[int] = []

    def make(state: bytes | None) -> Actor:
        built.append(1)
        if len(built) == 2:
            raise OSError("gone")
        return Mixer(1, state, {5}.__contains__)

    before = {"m": msgspec.msgpack.encode({"total": 77})}
    sequencer = Sequencer([ActorSpec(name="m", rank=1, build=make)], carried=before)
    sequencer.post("market", Tick(ts_event=0, n=3), 0)
    sequencer.post("market", Tick(ts_event=1, n=5), 1)
    assert sequencer.carry() == before


def test_a_restart_begins_from_what_was_carried() -> None:
    boom = {5}.__contains__
    spec = ActorSpec(name="m", rank=1, build=lambda carried: Mixer(1, carried, boom))
    before = Sequencer([spec])
    before.post("market", Tick(ts_event=0, n=3), 0)
    carried = before.carry()
    sequencer = Sequencer([spec], carried=carried)
    sequencer.post("market", Tick(ts_event=1, n=5), 1)
    assert sequencer.carry() == carried
    assert msgspec.msgpack.decode(carried["m"])["total"] == 1 * 31 + 3 + 0 + 1


class Carried(msgspec.Struct):
    n: int


class Fragile(Actor):
    """Fails where it is told to: when made, on a tick, or when it hands on."""

    def __init__(self, fails: str) -> None:
        self.fails = fails
        if fails == "start":
            raise ValueError("no start today")

    def on_tick(self, tick: Tick) -> Iterator[Message]:
        if self.fails == "tick":
            raise ValueError("never")
        if self.fails == "exit":
            raise SystemExit(0)
        while self.fails == "endless":
            yield from super_said(self)
        yield from super_said(self)

    def carry(self) -> Carried:
        if self.fails == "carry":
            raise ValueError("nothing to hand on")
        return Carried(7)


def super_said(actor: Actor) -> list[Message]:
    return [TaskDone(ts_event=actor.now, cause=actor.seq, task="t", phase="TRADING", status="done")]


def fragile(fails: str, *, expendable: bool = True, heard: list[Message]) -> Sequencer:
    spec = ActorSpec(
        name="fragile", rank=1, build=lambda _: Fragile(fails), expendable=expendable, most_said=50
    )
    return Sequencer(
        [spec],
        carried={"fragile": b"before"},
        observers=[lambda seq, at, message, caused: heard.extend(caused)],
    )


def a_day(sequencer: Sequencer, ticks: int = 30) -> None:
    """A session whose ticks are as far apart as minute bars."""
    minute = 60_000_000_000
    sequencer.post("machine", SessionStarted(ts_event=0, session="2020-01-02"), 0)
    for n in range(1, ticks):
        sequencer.post("market", Tick(ts_event=n * minute, n=n), n * minute)
    sequencer.post("machine", SessionEnded(ts_event=ticks * minute, session="2020-01-02"), ticks * minute)


@pytest.mark.parametrize("fails", ["tick", "exit", "endless"])
def test_what_fails_on_every_minute_is_given_up_within_the_session(fails: str) -> None:
    heard: list[Message] = []
    sequencer = fragile(fails, heard=heard)
    a_day(sequencer)
    crashes = [m for m in heard if isinstance(m, ActorCrashed)]
    (stopped,) = [m for m in heard if isinstance(m, ActorStopped)]
    assert len(crashes) == 11
    assert stopped.reason == "more than 10 crashes in one session"
    assert not any(isinstance(m, TaskDone) for m in heard)


@pytest.mark.parametrize(("fails", "reason"), [("start", "could not be started"), ("carry", "could not be")])
def test_an_expendable_actor_that_cannot_start_or_hand_on_is_told_and_keeps_what_it_had(
    fails: str, reason: str
) -> None:
    heard: list[Message] = []
    sequencer = fragile(fails, heard=heard)
    a_day(sequencer)
    (crash,) = [m for m in heard if isinstance(m, ActorCrashed)]
    (stopped,) = [m for m in heard if isinstance(m, ActorStopped)]
    assert crash.message_type == fails
    assert stopped.reason.startswith(reason)
    assert sequencer.carry() == {"fragile": b"before"}


@pytest.mark.parametrize("fails", ["start", "carry"])
def test_without_one_that_matters_nothing_goes_on(fails: str) -> None:
    with pytest.raises(ValueError, match=r"start|hand on"):
        a_day(fragile(fails, expendable=False, heard=[]))


def test_a_healthy_actor_hands_on_what_it_has_at_the_sessions_end() -> None:
    sequencer = fragile("", heard=[])
    a_day(sequencer)
    assert sequencer.carry() == {"fragile": msgspec.msgpack.encode(Carried(7))}
