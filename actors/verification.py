"""Is what happened what the code does? Re-feeds a tape and compares what each input caused."""

import hashlib
import math
from pathlib import Path

import msgspec

from actors import system
from actors.gateways.replay_feed import TapeSession, recorded
from actors.session_parts import first_seq, learned
from config.snapshot import from_snapshot
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Command, Input
from runtime.messages.machine import ActorCrashed, Source
from storage.environment import environment
from storage.tape import Entry

TOLERANCE = 1e-9
"""Relative, for floats of commands on another CPU level or NumPy."""


class Verdict(msgspec.Struct, kw_only=True):
    """Whether a tape replays identically, and where it first does not.

    Attributes:
        seq: The first input whose messages differ; 0: none.
        expected, found: (number of messages, digest) of that input.
        input: What it was, in words. first_message: the first that it caused as replayed.
        warnings: What about this machine is not as it was; what of the tape's end is missing.
    """

    tape: str
    session: str
    inputs: int = 0
    identical: bool = True
    seq: int = 0
    input: str = ""
    expected: tuple[int, str] = (0, "")
    found: tuple[int, str] = (0, "")
    first_message: str = ""
    warnings: list[str] = []

    def text(self) -> str:
        """The verdict for people."""
        notes = "".join(f"\n  note: {warning}" for warning in self.warnings)
        if self.identical:
            return f"{self.tape}: identical, {self.inputs:,} inputs{notes}"
        return (
            f"{self.tape}: input {self.seq} ({self.input}) caused {self.found[0]} messages "
            f"({self.found[1]}), the tape says {self.expected[0]} ({self.expected[1]})\n"
            f"  first message as replayed: {self.first_message or 'none'}{notes}"
        )


class _Catcher:
    """Recorder that keeps only what the last input caused."""

    def __init__(self) -> None:
        self.count, self.digest = 0, b""
        self.commands: list[Command] = []

    def input(self, seq: int, at: int, source: Source, message: Input) -> None:
        """A new input: forget the last one's commands."""
        self.commands = []

    def command(self, seq: int, message: Command) -> None:
        """Keep it for the comparison."""
        self.commands.append(message)

    def crash(self, crash: ActorCrashed) -> None:
        """Nothing to keep."""

    def caused(self, seq: int, count: int, digest: bytes) -> None:
        """Keep it for the comparison."""
        self.count, self.digest = count, digest

    def add_strangers(self, crashes: int) -> None:
        """Count crashes of the simulated broker, which is not run here, each with what became of it."""
        self.count += 2 * crashes
        self.digest = self.digest or hashlib.sha256().digest()[:16]


def verify(path: Path) -> Verdict:
    """Feed a tape's every input to the actors of its own header and compare.

    Raises:
        TapeDamaged: A record cannot be trusted. DataError: a panel is missing.
    """
    session = TapeSession(path)
    header = session.header
    verdict = Verdict(tape=str(path), session=header.session, warnings=_differences(header))
    settings = from_snapshot(header.settings)
    catcher = _Catcher()
    last: list[object] = []
    sequencer = Sequencer(
        system.build(settings, header, session.panels, simulated=False),
        carried=header.carried,
        recorder=catcher,
        observers=[lambda seq, at, message, caused: last.__setitem__(slice(None), caused)],
        virtual_time=False,
        first_seq=first_seq(header),
        decisions=hashlib.sha256(),
        learned=learned(session),
    )
    present = sequencer.figures()
    foreign = any(warning.startswith(("numpy", "cpu")) for warning in verdict.warnings)
    for entry in session.reader:
        if entry.count is None:
            # The engine died while it handled this input, or the rest of it was torn off.
            verdict.warnings.append(f"input {entry.seq}, the last one, is not compared: its end is missing")
            break
        sequencer.expect(recorded(entry))
        sequencer.post(entry.source, entry.message, entry.at)
        verdict.inputs += 1
        if strangers := sum(crash.actor not in present for crash in entry.crashes):
            catcher.add_strangers(strangers)
        exact = (catcher.count, catcher.digest) == (entry.count, entry.digest)
        if not exact and not (foreign and _nearly(catcher, entry)):
            verdict.identical = False
            verdict.seq = entry.seq
            verdict.input = f"{type(entry.message).__name__} from {entry.source}"
            verdict.expected = (entry.count, entry.digest.hex())
            verdict.found = (catcher.count, catcher.digest.hex())
            verdict.first_message = repr(last[0])[:500] if last else ""
            break
    if session.reader.torn is not None:
        verdict.warnings.append(f"{session.reader.torn}; compared up to it")
    return verdict


def _nearly(catcher: _Catcher, entry: Entry) -> bool:
    """On another CPU or NumPy: as many messages, and the same commands but for the last digits of floats."""
    if catcher.count != entry.count or len(catcher.commands) != len(entry.commands):
        return False
    return all(
        type(mine) is type(theirs) and _close(msgspec.structs.astuple(mine), msgspec.structs.astuple(theirs))
        for mine, theirs in zip(catcher.commands, entry.commands, strict=True)
    )


def _close(mine: tuple[object, ...], theirs: tuple[object, ...]) -> bool:
    return all(
        math.isclose(a, b, rel_tol=TOLERANCE) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(mine, theirs, strict=True)
    )


def _differences(header: object) -> list[str]:
    """What this machine has otherwise than the one that wrote the header."""
    here = environment()
    names = ("code_version", "python", "numpy", "cpu")
    return [
        f"{name} was {getattr(header, name)}, is {getattr(here, name)}"
        for name in names
        if getattr(header, name) and getattr(header, name) != getattr(here, name)
    ]
