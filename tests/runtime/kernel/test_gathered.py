"""What a port says at once is one input of several parts, each handled as if it had come alone."""

from collections.abc import Callable, Iterable
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.kernel.recording import Recorded
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Input, Message
from runtime.messages.machine import ActorCrashed
from tests.runtime.kernel.parts import Fill, Log, Order, Said, Tape, Tick

AT = 100


class Fills(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    parts: ClassVar[str] = "fills"

    fills: tuple[Fill, ...]


def gather(at: int, fills: tuple[Fill, ...]) -> Fills:
    return Fills(ts_event=at, fills=fills)


class Market(Actor):
    """Fills every frame twice: in its middle and at its end."""

    def on_tick(self, _: Tick) -> list[Fill]:
        return [Fill(ts_event=self.now - 50, n=1), Fill(ts_event=self.now, n=2)]


class Clerk(Actor):
    """Says every fill, and stumbles over some."""

    def __init__(self, heard: list[str], stumbles: bool) -> None:
        self.heard, self.stumbles = heard, stumbles

    def on_fill(self, fill: Fill) -> Iterable[Said]:
        if self.stumbles and fill.n == 1:
            raise RuntimeError("stumbled")
        self.heard.append(f"clerk {fill.n}")
        return (Said(ts_event=self.now, cause=self.seq, who="clerk", n=fill.n),)

    def on_tick(self, _: Tick) -> None:
        self.heard.append("clerk tick")


class Reader(Actor):
    """Hears fills and what the clerk says of them."""

    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    def on_message(self, message: Fill | Said) -> None:
        self.heard.append(f"reader {type(message).__name__} {message.n}")


def build(
    heard: list[str],
    *,
    simulated: bool = True,
    stumbles: bool = False,
    gathers: Callable[[int, tuple[Fill, ...]], Fills] | None = gather,
    **more: object,
) -> Sequencer:
    specs = [
        ActorSpec(name="clerk", rank=1, build=lambda _: Clerk(heard, stumbles)),
        ActorSpec(name="reader", rank=2, build=lambda _: Reader(heard)),
    ]
    if simulated:
        specs.append(ActorSpec(name="m", rank=0, build=lambda _: Market(), port=True, gather=gathers))
    return Sequencer(specs, **more)  # type: ignore[arg-type]


def test_what_a_port_says_of_a_frame_is_one_input_before_the_frame() -> None:
    tape = Tape()
    build([], recorder=tape).post("market", Tick(ts_event=0), AT)
    assert [(at, message) for _, at, _, message in tape.inputs] == [
        (AT, Fills(ts_event=AT, fills=(Fill(ts_event=50, n=1), Fill(ts_event=AT, n=2)))),
        (AT, Tick(ts_event=0)),
    ]
    assert [count for _, count, _ in tape.accounts] == [2, 0]


def test_a_port_that_cannot_put_it_so_says_one_input_at_a_time() -> None:
    tape = Tape()
    build([], recorder=tape, gathers=None).post("market", Tick(ts_event=0), AT)
    assert [type(message) for *_, message in tape.inputs] == [Fill, Fill, Tick]


def test_each_actor_handles_all_parts_in_order_before_the_next_actor_runs() -> None:
    heard: list[str] = []
    build(heard).post("market", Tick(ts_event=0), AT)
    assert heard == [
        "clerk 1", "clerk 2", "reader Fill 1", "reader Fill 2", "reader Said 1", "reader Said 2",
        "clerk tick",
    ]  # fmt: skip


def test_answers_to_several_commands_are_one_input() -> None:
    class Broker(Actor):
        def on_order(self, order: Order) -> tuple[Fill]:
            return (Fill(ts_event=self.now, n=order.n),)

    class Trader(Actor):
        def on_tick(self, _: Tick) -> list[Message]:
            return [Order(ts_event=self.now, cause=self.seq, n=n) for n in (1, 2, 3)]

    log = Log()
    specs = [
        ActorSpec(name="broker", rank=0, build=lambda _: Broker(), port=True, gather=gather),
        ActorSpec(name="trader", rank=1, build=lambda _: Trader()),
    ]
    Sequencer(specs, observers=[log]).post("market", Tick(ts_event=0), AT)
    assert [message for *_, message in log.inputs] == [
        Tick(ts_event=0),
        Fills(ts_event=AT, fills=tuple(Fill(ts_event=AT, n=n) for n in (1, 2, 3))),
    ]


def test_a_tape_of_such_inputs_causes_the_same_again_without_the_port() -> None:
    first, second = Tape(), Tape()
    simulated = build([], recorder=first)
    simulated.post("market", Tick(ts_event=0), AT)
    fed = build([], simulated=False, recorder=second, virtual_time=False)
    first.feed(fed)
    assert second.inputs == first.inputs
    assert second.accounts == first.accounts
    assert fed.decisions_hash.digest() == simulated.decisions_hash.digest()


def test_a_crash_over_one_part_leaves_the_others_and_replay_skips_the_same_part() -> None:
    heard: list[str] = []
    tape, again = Tape(), Tape()
    log = Log()
    build(heard, stumbles=True, recorder=tape, observers=[log]).post("market", Tick(ts_event=0), AT)
    assert [crash.message_type for crash in tape.crashes] == ["Fill"]
    assert "clerk 1" not in heard
    assert [said.n for said in log.of(Said)] == [2]  # type: ignore[attr-defined]
    assert len(log.of(ActorCrashed)) == 1

    recorded = [Recorded(c.actor, c.ordinal, c.message_digest) for c in tape.crashes]
    tape.feed(build([], simulated=False, recorder=again, virtual_time=False, recorded=recorded))
    assert again.accounts == tape.accounts


class Counter(Actor):
    """Says how many fills it has heard of; of one it says what no tape can hold, or fails at once."""

    def __init__(self, bad: int, fails: bool) -> None:
        self.bad, self.fails, self.heard = bad, fails, 0

    def on_fill(self, fill: Fill) -> tuple[Said]:
        if self.fails and fill.n == self.bad:
            raise RuntimeError("failed")
        self.heard += 1
        who = object() if fill.n == self.bad else "counter"
        return (Said(ts_event=self.now, cause=self.seq, who=who, n=self.heard),)  # type: ignore[arg-type]


@given(count=st.integers(1, 20), bad=st.integers(0, 20))
def test_an_answer_that_cannot_be_encoded_is_the_crash_of_its_own_message_alone(count: int, bad: int) -> None:
    def played(fails: bool) -> tuple[list[Message], Tape, int]:
        log, tape = Log(), Tape()
        specs = [ActorSpec(name="counter", rank=1, build=lambda _: Counter(bad, fails))]
        sequencer = Sequencer(specs, observers=[log], recorder=tape)
        fills = tuple(Fill(ts_event=AT, n=n) for n in range(count))
        sequencer.post("broker", Fills(ts_event=AT, fills=fills), AT)
        return log.of(Said), tape, sequencer.figures()["counter"].handled

    said, tape, handled = played(fails=False)
    assert len(said) == count - (bad < count)
    wanted, told, as_many = played(fails=True)
    assert (said, tape.accounts, handled) == (wanted, told.accounts, as_many)
    assert [(one.ordinal, one.poison) for one in tape.crashes] == [
        (one.ordinal, one.poison) for one in told.crashes
    ]
