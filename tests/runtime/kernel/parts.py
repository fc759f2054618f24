"""Toy messages and actors: the kernel knows nothing of trading, so its tests need none."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Command, Decision, Input, Message
from runtime.messages.machine import ActorCrashed, CancelTimer, SetTimer, Source, TimerFired

SECOND = 1_000_000_000


class Tick(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    n: int = 0


class Halt(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    pass


class Fill(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    n: int = 0


class Said(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    who: str
    n: int = 0


class Answered(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    who: str
    n: int = 0


class Order(Command, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    n: int = 0


class Log:
    """An observer that keeps everything, in order."""

    def __init__(self) -> None:
        self.inputs: list[tuple[int, int, Message]] = []
        self.caused: list[Message] = []

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self.inputs.append((seq, at, message))
        self.caused.extend(caused)

    def of(self, kind: type[Message]) -> list[Message]:
        return [m for m in self.caused if type(m) is kind]


class Tape:
    """A recorder in memory, and the feeding of what it holds to another sequencer."""

    def __init__(self) -> None:
        self.inputs: list[tuple[int, int, Source, Input]] = []
        self.commands: list[tuple[int, Command]] = []
        self.crashes: list[ActorCrashed] = []
        self.accounts: list[tuple[int, int, bytes]] = []

    def input(self, seq: int, at: int, source: Source, message: Input) -> None:
        self.inputs.append((seq, at, source, message))

    def command(self, seq: int, message: Command) -> None:
        self.commands.append((seq, message))

    def crash(self, crash: ActorCrashed) -> None:
        self.crashes.append(crash)

    def caused(self, seq: int, count: int, digest: bytes) -> None:
        self.accounts.append((seq, count, digest))

    def feed(self, sequencer: Sequencer) -> None:
        for _, at, source, message in self.inputs:
            sequencer.post(source, message, at)


class Carried(msgspec.Struct, frozen=True):
    total: int


def spec(
    name: str, rank: int, build: Callable[[], Actor], *, port: bool = False, private: bool = False
) -> ActorSpec:
    return ActorSpec(name=name, rank=rank, build=lambda carried: build(), port=port, private=private)


def set_timer(actor: Actor, key: str, due: int) -> SetTimer:
    return SetTimer(ts_event=actor.now, cause=actor.seq, actor=actor.name, key=key, due=due)


def cancel_timer(actor: Actor, key: str) -> CancelTimer:
    return CancelTimer(ts_event=actor.now, cause=actor.seq, actor=actor.name, key=key)


class Teller(Actor):
    """Writes down what it handles; speaks as it is told by a function."""

    def __init__(self, heard: list[str], say: Callable[["Teller", Message], Iterable[Message]] | None = None):
        self.heard = heard
        self.say = say

    def hear(self, message: Message) -> Iterable[Message]:
        number = getattr(message, "n", "")
        self.heard.append(f"{self.name}:{type(message).__name__}{number}")
        if self.say is not None:
            yield from self.say(self, message)

    def on_tick(self, tick: Tick) -> Iterable[Message]:
        return self.hear(tick)

    def on_fill(self, fill: Fill) -> Iterable[Message]:
        return self.hear(fill)

    def on_said(self, said: Said) -> Iterable[Message]:
        return self.hear(said)

    def on_timer(self, fired: TimerFired) -> Iterable[Message]:
        self.heard.append(f"{self.name}:{fired.key}@{self.now}")
        return ()


class Mixer(Actor):
    """State that depends on the order of everything it saw; crashes, arms timers and talks by arithmetic."""

    def __init__(self, seed: int, carried: bytes | None = None, boom: Callable[[int], bool] | None = None):
        self.seed = seed
        self.total = msgspec.msgpack.decode(carried, type=Carried).total if carried else seed
        self.boom = boom

    def carry(self) -> Carried:
        return Carried(self.total)

    def mix(self, n: int) -> None:
        self.total = (self.total * 31 + n + self.now // SECOND + self.seed) % 1_000_003

    def on_tick(self, tick: Tick) -> Iterable[Message]:
        if self.boom is not None and self.boom(tick.n):
            self.total = -1  # a half-done change that a restart must undo
            raise ValueError(f"tick {tick.n} at {id(self):#x}")
        self.mix(tick.n)
        yield Said(ts_event=self.now, cause=self.seq, who=self.name, n=self.total)
        if self.total % 3 == 0:
            yield set_timer(self, f"k{self.total % 4}", self.now + (self.total % 7) * SECOND)
        if self.total % 11 == 0:
            yield cancel_timer(self, "k1")
        if self.total % 5 == 0:
            yield Order(ts_event=self.now, cause=self.seq, n=self.total)

    def on_said(self, said: Said) -> Iterable[Message]:
        if said.who != self.name:
            self.mix(said.n)
            if self.total % 4 == 0:
                yield Answered(ts_event=self.now, cause=self.seq, who=self.name, n=self.total)

    def on_timer(self, fired: TimerFired) -> Iterable[Message]:
        self.mix(int(fired.key[1:]))
        yield Answered(ts_event=self.now, cause=self.seq, who=self.name, n=self.total)

    def on_halt(self, halt: Halt) -> Iterable[Message]:
        self.mix(999)
        yield Said(ts_event=self.now, cause=self.seq, who=self.name, n=self.total)


class Broker(Actor):
    """A port: fills each order at the next tick, before anybody else sees that tick."""

    def __init__(self) -> None:
        self.open: list[int] = []

    def on_order(self, order: Order) -> None:
        self.open.append(order.n)

    def on_tick(self, tick: Tick) -> Iterable[Message]:
        fills = [Fill(ts_event=tick.ts_event, n=n) for n in self.open]
        self.open.clear()
        return fills
