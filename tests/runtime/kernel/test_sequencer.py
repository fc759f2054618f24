"""The order in which one input flows, and what is released of it."""

from collections.abc import Iterable
from typing import ClassVar

import pytest

from runtime.kernel.actor import Actor
from runtime.kernel.flow import CascadeTooLong
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Decision, Message
from runtime.messages.machine import ActorCrashed, SetTimer, TimerFired
from tests.runtime.kernel.parts import (
    SECOND,
    Answered,
    Broker,
    Fill,
    Log,
    Mixer,
    Order,
    Said,
    Tape,
    Teller,
    Tick,
    cancel_timer,
    set_timer,
    spec,
)


def said(actor: Actor, n: int = 0) -> Said:
    return Said(ts_event=actor.now, cause=actor.seq, who=actor.name, n=n)


def test_the_lowest_ranked_actor_with_mail_runs_next() -> None:
    heard: list[str] = []
    high = spec("high", 30, lambda: Teller(heard, lambda a, m: [said(a)] if type(m) is Tick else []))
    sequencer = Sequencer(
        [high, spec("mid", 20, lambda: Teller(heard)), spec("low", 10, lambda: Teller(heard))]
    )
    sequencer.post("market", Tick(ts_event=0), 0)
    assert heard == ["low:Tick0", "mid:Tick0", "high:Tick0", "low:Said0", "mid:Said0", "high:Said0"]


def test_what_a_low_rank_says_reaches_a_higher_one_after_the_input_itself() -> None:
    heard: list[str] = []
    low = spec("low", 10, lambda: Teller(heard, lambda a, m: [said(a)] if type(m) is Tick else []))
    sequencer = Sequencer([low, spec("high", 20, lambda: Teller(heard))])
    sequencer.post("market", Tick(ts_event=0), 0)
    assert heard == ["low:Tick0", "low:Said0", "high:Tick0", "high:Said0"]


def test_settle_runs_when_the_inbox_is_dry_and_every_lower_rank_is_silent() -> None:
    heard: list[str] = []

    class Ensemble(Teller):
        def settle(self) -> Iterable[Message]:
            heard.append("settle")
            return ()

    tells = lambda a, m: [said(a)] if type(m) is Tick else []  # noqa: E731
    sequencer = Sequencer(
        [
            spec("s1", 1, lambda: Teller(heard, tells)),
            spec("s2", 2, lambda: Teller(heard, tells)),
            spec("ensemble", 3, lambda: Ensemble(heard)),
        ]
    )
    sequencer.post("market", Tick(ts_event=0), 0)
    # The two saids reach both strategies first; the ensemble then drains its three messages and settles once.
    assert heard[-4:] == ["ensemble:Tick0", "ensemble:Said0", "ensemble:Said0", "settle"]
    assert heard.count("settle") == 1


def test_an_actor_that_knows_of_nothing_to_settle_is_not_asked() -> None:
    heard: list[str] = []

    class Settler(Teller):
        unsettled = False

        def on_tick(self, tick: Tick) -> Iterable[Message]:
            self.unsettled = tick.n == 1
            return super().on_tick(tick) or ()

        def settle(self) -> Iterable[Message]:
            heard.append("settle")
            self.unsettled = False
            return ()

    for tells in (None, lambda a, m: [said(a)] if type(m) is Tick else []):
        heard.clear()
        other = spec("low", 1, lambda tells=tells: Teller(heard, tells))
        sequencer = Sequencer([other, spec("high", 2, lambda: Settler(heard))])
        for n in (0, 1, 2):
            sequencer.post("market", Tick(ts_event=n, n=n), n)
        assert heard.count("settle") == 1
        assert heard.index("high:Tick1") < heard.index("settle") < heard.index("low:Tick2")


def test_an_actor_stops_in_its_mail_as_soon_as_what_it_says_reaches_a_lower_rank() -> None:
    heard: list[str] = []

    class Listener(Teller):
        def on_answered(self, answered: Answered) -> Iterable[Message]:
            return self.hear(answered)

    twice = lambda a, m: [said(a, 1), said(a, 2)] if type(m) is Tick else []  # noqa: E731
    echo = lambda a, m: (  # noqa: E731
        [Answered(ts_event=a.now, cause=a.seq, who=a.name, n=m.n)] if type(m) is Said else []
    )
    sequencer = Sequencer(
        [
            spec("lowest", 1, lambda: Listener(heard)),
            spec("low", 2, lambda: Teller(heard, twice)),
            spec("high", 3, lambda: Teller(heard, echo)),
        ]
    )
    sequencer.post("market", Tick(ts_event=0), 0)
    answers = [one for one in heard if one.startswith(("high:Said", "lowest:Answered"))]
    assert answers == ["high:Said1", "lowest:Answered1", "high:Said2", "lowest:Answered2"]


def test_an_actor_settles_before_a_higher_ranked_one_sees_the_same_input() -> None:
    heard: list[str] = []

    class Settler(Teller):
        def settle(self) -> Iterable[Message]:
            heard.append("settle")
            yield said(self, 7)

    sequencer = Sequencer([spec("low", 1, lambda: Settler(heard)), spec("high", 2, lambda: Teller(heard))])
    with pytest.raises(CascadeTooLong):  # it hears its own word and settles again, for ever: a cycle
        sequencer.post("market", Tick(ts_event=0), 0)
    assert heard[:4] == ["low:Tick0", "settle", "low:Said7", "settle"]


@pytest.mark.parametrize("raises_after", [0, 1, 2])
def test_nothing_is_released_if_the_handler_raises_midway(raises_after: int) -> None:
    heard: list[str] = []

    def say(actor: Teller, message: Message) -> Iterable[Message]:
        for n in range(raises_after):
            yield set_timer(actor, f"t{n}", 5)
        raise RuntimeError("midway")

    log = Log()
    sequencer = Sequencer([spec("a", 1, lambda: Teller(heard, say))], observers=[log])
    sequencer.post("market", Tick(ts_event=0), 0)
    assert log.of(SetTimer) == []
    assert sequencer.timers.next_due() is None
    assert sequencer.messages == 0
    assert len(log.of(ActorCrashed)) == 1


def test_a_word_that_cannot_be_encoded_is_its_actors_crash_and_not_the_machines() -> None:
    heard: list[str] = []

    def say(actor: Teller, message: Message) -> Iterable[Message]:
        if type(message) is Tick:
            yield said(actor, 1)
            yield Said(ts_event=actor.now, cause=actor.seq, who="x", n=object())  # type: ignore[arg-type]

    log = Log()
    sequencer = Sequencer(
        [spec("a", 1, lambda: Teller(heard, say)), spec("b", 2, lambda: Teller(heard))], observers=[log]
    )
    sequencer.post("market", Tick(ts_event=0), 0)
    assert [type(m).__name__ for m in log.caused] == ["ActorCrashed", "ActorRestarted"]
    assert sequencer.decisions_hash.hexdigest() == Sequencer([]).decisions_hash.hexdigest()


def test_an_input_emitted_by_a_decision_actor_is_its_crash() -> None:
    log = Log()
    sequencer = Sequencer(
        [spec("a", 1, lambda: Teller([], lambda a, m: [Fill(ts_event=0)]))], observers=[log]
    )
    sequencer.post("market", Tick(ts_event=0), 0)
    assert [type(m).__name__ for m in log.caused] == ["ActorCrashed", "ActorRestarted"]


class Private(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    address: ClassVar[str] = "who"

    who: str


def test_an_addressed_message_reaches_its_addressee_and_open_listeners_but_no_private_one() -> None:
    heard: list[str] = []

    class Listener(Actor):
        def on_private(self, message: Private) -> None:
            heard.append(self.name)

    class Source(Actor):
        def on_tick(self, tick: Tick) -> list[Message]:
            return [Private(ts_event=0, cause=self.seq, who="mine")]

    sequencer = Sequencer(
        [
            spec("source", 0, Source),
            spec("mine", 1, Listener, private=True),
            spec("other", 2, Listener, private=True),
            spec("books", 3, Listener),
        ]
    )
    sequencer.post("market", Tick(ts_event=0), 0)
    assert heard == ["mine", "books"]


def test_a_timer_is_heard_by_its_owner_alone() -> None:
    heard: list[str] = []
    arm = lambda a, m: [set_timer(a, "k", 5)] if type(m) is Tick and a.name == "a" else []  # noqa: E731
    sequencer = Sequencer([spec(name, i, lambda: Teller(heard, arm)) for i, name in enumerate("abc")])
    sequencer.post("market", Tick(ts_event=0), 0)
    sequencer.advance(10)
    assert heard[3:] == ["a:k@5"]


def test_a_port_fills_before_anybody_else_sees_the_frame() -> None:
    heard: list[str] = []

    def say(actor: Teller, message: Message) -> Iterable[Message]:
        if type(message) is Tick and message.n == 1:
            yield Order(ts_event=actor.now, cause=actor.seq, n=42)

    log, tape = Log(), Tape()
    sequencer = Sequencer(
        [spec("broker", 0, Broker, port=True), spec("trader", 1, lambda: Teller(heard, say))],
        observers=[log],
        recorder=tape,
    )
    for n in (1, 2, 3):
        sequencer.post("market", Tick(ts_event=n * SECOND, n=n), n * SECOND)
    assert heard == ["trader:Tick1", "trader:Fill42", "trader:Tick2", "trader:Tick3"]
    assert [source for _, _, source, _ in tape.inputs] == ["market", "broker", "market", "market"]
    assert [seq for seq, _, _, _ in tape.inputs] == [1, 2, 3, 4]
    assert [(seq, command.ts_event) for seq, command in tape.commands] == [(1, SECOND)]


def test_a_ports_crash_is_seen_within_the_input_that_caused_it_and_heard_by_no_actor() -> None:
    heard: list[str] = []

    class Breaks(Actor):
        def on_tick(self, tick: Tick) -> list[Message]:
            raise RuntimeError("frame")

        def on_order(self, order: Order) -> list[Message]:
            raise RuntimeError("order")

    class Trader(Actor):
        def on_tick(self, tick: Tick) -> list[Message]:
            return [Order(ts_event=self.now, cause=self.seq)]

        def on_crash(self, crash: ActorCrashed) -> list[Message]:
            heard.append(f"{crash.message_type} {crash.error}".strip())
            return []

    log = Log()
    sequencer = Sequencer([spec("broker", 0, Breaks, port=True), spec("trader", 1, Trader)], observers=[log])
    sequencer.post("market", Tick(ts_event=0), 0)
    assert heard == []  # a tape is verified without the port: nothing may depend on its crashes
    assert [type(m).__name__ for m in log.caused] == [
        "ActorCrashed", "ActorRestarted", "Order", "ActorCrashed", "ActorRestarted",
    ]  # fmt: skip


def test_a_port_that_emits_no_input_crashes_itself_only() -> None:
    class Wrong(Actor):
        def on_tick(self, tick: Tick) -> list[Message]:
            return [Order(ts_event=0, cause=0)]

    log = Log()
    sequencer = Sequencer([spec("broker", 0, Wrong, port=True)], observers=[log])
    sequencer.post("market", Tick(ts_event=0), 0)
    assert [type(m).__name__ for m in log.caused] == ["ActorCrashed", "ActorRestarted"]


def test_due_timers_fire_before_the_input_at_their_own_time() -> None:
    heard: list[str] = []

    def say(actor: Teller, message: Message) -> Iterable[Message]:
        if type(message) is Tick and message.n == 0:
            yield set_timer(actor, "late", 30)
            yield set_timer(actor, "early", 10)
            yield set_timer(actor, "never", 31)

    sequencer = Sequencer([spec("a", 1, lambda: Teller(heard, say))])
    sequencer.post("market", Tick(ts_event=0, n=0), 0)
    sequencer.post("market", Tick(ts_event=30, n=1), 30)
    assert heard == ["a:Tick0", "a:early@10", "a:late@30", "a:Tick1"]


def test_a_lone_timer_due_at_the_very_time_of_an_input_fires_before_it() -> None:
    heard: list[str] = []
    arm = lambda a, m: [set_timer(a, "k", 30)] if type(m) is Tick and m.n == 0 else []  # noqa: E731
    sequencer = Sequencer([spec("a", 1, lambda: Teller(heard, arm))])
    sequencer.post("market", Tick(ts_event=0), 0)
    sequencer.post("market", Tick(ts_event=0, n=1), 29)
    sequencer.post("market", Tick(ts_event=0, n=2), 30)
    assert heard == ["a:Tick0", "a:Tick1", "a:k@30", "a:Tick2"]


def test_a_timer_set_between_two_fills_of_one_moment_and_due_then_fires_before_the_second() -> None:
    heard: list[str] = []

    def say(actor: Actor, message: Message) -> Iterable[Message]:
        if type(message) is Tick and message.n == 0:
            yield from [Order(ts_event=actor.now, cause=actor.seq, n=n) for n in (1, 2)]
        if type(message) is Fill and message.n == 1:
            yield set_timer(actor, "k", actor.now)

    sequencer = Sequencer([spec("broker", 0, Broker, port=True), spec("a", 1, lambda: Teller(heard, say))])
    sequencer.post("market", Tick(ts_event=0), 0)
    sequencer.post("market", Tick(ts_event=30, n=3), 30)
    assert heard == ["a:Tick0", "a:Fill1", "a:k@30", "a:Fill2", "a:Tick3"]


def test_timers_due_together_fire_in_the_order_they_were_set() -> None:
    heard: list[str] = []
    keys = ["e", "b", "a", "d", "c"]

    def say(actor: Teller, message: Message) -> Iterable[Message]:
        if type(message) is Tick:
            yield from [set_timer(actor, key, 5) for key in keys]
            yield set_timer(actor, "b", 5)  # set again: it goes to the end
            yield cancel_timer(actor, "d")

    sequencer = Sequencer([spec("a", 1, lambda: Teller(heard, say))])
    sequencer.post("market", Tick(ts_event=0), 0)
    sequencer.advance(5)
    assert heard[1:] == ["a:e@5", "a:a@5", "a:c@5", "a:b@5"]


def test_without_virtual_time_only_recorded_firings_count() -> None:
    heard: list[str] = []
    arm = lambda a, m: [set_timer(a, "k", 5)] if type(m) is Tick and m.n == 0 else []  # noqa: E731
    sequencer = Sequencer([spec("a", 1, lambda: Teller(heard, arm))], virtual_time=False)
    sequencer.post("market", Tick(ts_event=0, n=0), 0)
    sequencer.post("market", Tick(ts_event=9, n=1), 9)
    sequencer.post("timer", TimerFired(ts_event=5, actor="a", key="k"), 9)
    assert heard == ["a:Tick0", "a:Tick1", "a:k@9"]
    assert sequencer.timers.next_due() is None


def test_time_never_goes_back() -> None:
    log = Log()
    sequencer = Sequencer([], observers=[log])
    for at in (5, 3, 7):
        sequencer.post("market", Tick(ts_event=at), at)
    assert [at for _, at, _ in log.inputs] == [5, 5, 7]


def test_figures_count_what_went_through_each_actor() -> None:
    heard: list[str] = []
    tells = lambda a, m: [said(a, n) for n in range(3)] if type(m) is Tick else []  # noqa: E731
    sequencer = Sequencer([spec("a", 1, lambda: Teller(heard)), spec("b", 2, lambda: Teller(heard, tells))])
    sequencer.post("market", Tick(ts_event=0), 0)
    figures = sequencer.figures()
    assert (figures["a"].handled, figures["a"].high_water, figures["a"].depth) == (4, 3, 0)
    assert (figures["b"].handled, figures["b"].high_water, figures["b"].drops) == (4, 3, 0)


def test_two_actors_may_not_share_a_rank_or_a_name() -> None:
    with pytest.raises(ValueError, match="rank"):
        Sequencer([spec("a", 1, lambda: Mixer(1)), spec("b", 1, lambda: Mixer(1))])
    with pytest.raises(ValueError, match="name"):
        Sequencer([spec("a", 1, lambda: Mixer(1)), spec("a", 2, lambda: Mixer(1))])


def test_a_second_handler_for_a_type_or_one_without_annotation_is_refused() -> None:
    class Twice(Actor):
        def on_a(self, tick: Tick) -> None: ...

        def on_b(self, tick: Tick | Fill) -> None: ...

    class NoMessage(Actor):
        def on_a(self, tick: int) -> None: ...

    for wrong in (Twice, NoMessage):
        with pytest.raises(TypeError):
            Sequencer([spec("a", 1, wrong)])
