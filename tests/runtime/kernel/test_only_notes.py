"""Who sends mail that is only noted goes on with its own; nobody but the one who notes can tell."""

from runtime.kernel.actor import Actor, only_notes
from runtime.kernel.cell import ActorSpec
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Message
from tests.runtime.kernel.parts import Answered, Log, Said, Tick


class Sender(Actor):
    """Says three things, each of which comes back to `Echo`."""

    def on_tick(self, _: Tick) -> list[Message]:
        return [Said(ts_event=self.now, cause=self.seq, who="sender", n=n) for n in (1, 2, 3)]


class Echo(Actor):
    """Answers what was said, one by one."""

    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    def on_said(self, said: Said) -> tuple[Answered]:
        self.heard.append(f"echo {said.n}")
        return (Answered(ts_event=self.now, cause=self.seq, who="echo", n=said.n),)


class Noter(Actor):
    """Ranked below both: would run after every answer."""

    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    def on_answered(self, answered: Answered) -> None:
        self.heard.append(f"noted {answered.n}")


class QuietNoter(Noter):
    @only_notes
    def on_answered(self, answered: Answered) -> None:
        self.heard.append(f"noted {answered.n}")


def played(noter: type[Noter]) -> tuple[list[str], list[Message], bytes]:
    heard: list[str] = []
    log = Log()
    specs = [
        ActorSpec(name="noter", rank=1, build=lambda _: noter(heard)),
        ActorSpec(name="sender", rank=2, build=lambda _: Sender()),
        ActorSpec(name="echo", rank=3, build=lambda _: Echo(heard)),
    ]
    sequencer = Sequencer(specs, observers=[log])
    sequencer.post("market", Tick(ts_event=0), 0)
    return heard, log.caused, sequencer.decisions_hash.digest()


def test_a_lower_ranked_actor_runs_before_the_next_message_of_a_higher_one() -> None:
    assert played(Noter)[0] == ["echo 1", "noted 1", "echo 2", "noted 2", "echo 3", "noted 3"]


def test_what_is_only_noted_is_noted_in_one_go() -> None:
    assert played(QuietNoter)[0] == ["echo 1", "echo 2", "echo 3", "noted 1", "noted 2", "noted 3"]


def test_nobody_else_can_tell_the_difference() -> None:
    assert played(Noter)[1:] == played(QuietNoter)[1:]
