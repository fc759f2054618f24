"""A fixed long story told to the toy machine; prints its hash. Run by a test under many hash seeds."""

from runtime.kernel.cell import ActorSpec
from runtime.kernel.sequencer import Sequencer
from tests.runtime.kernel.parts import SECOND, Broker, Halt, Mixer, Tape, Tick


def tell() -> str:
    """The hash over decisions, then the recorded inputs' count and what is carried."""
    tape = Tape()
    specs = [
        ActorSpec(name=f"m{i}", rank=i, build=lambda c, i=i: Mixer(i, c, lambda n: n % 97 == i), intensity=99)
        for i in range(1, 6)
    ]
    broker = ActorSpec(name="broker", rank=0, build=lambda carried: Broker(), port=True)
    sequencer = Sequencer([*specs, broker], recorder=tape)
    for n in range(400):
        if n % 50 == 49:
            sequencer.post("operator", Halt(ts_event=n), n * SECOND)
        sequencer.post("market", Tick(ts_event=n * SECOND, n=n * 7919 % 1009), n * SECOND)
    carried = "".join(f"{name}={state.hex()} " for name, state in sequencer.carry().items())
    return f"{sequencer.decisions_hash.hexdigest()} {len(tape.inputs)} {len(tape.crashes)} {carried.strip()}"


if __name__ == "__main__":
    print(tell())
