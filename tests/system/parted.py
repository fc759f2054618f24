"""Cuts a recorded session anywhere, and goes on with it in another part as an accepted change does."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors import system
from actors.gateways.replay_feed import TapeSession, recorded
from actors.session_parts import first_seq, learned
from config.schema import Settings
from config.snapshot import from_snapshot, settings_hash, snapshot
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Decision, Input, Message
from runtime.messages.codec import encode
from runtime.messages.machine import CancelTimer, SessionParted, SessionStarted, SetTimer
from runtime.messages.session import TapePart
from runtime.messages.trading import OrderApproved
from storage.tape import Entry, TapeWriter, part_name


class Heard:
    """Observer: what each input caused, without what says only which input it was."""

    def __init__(self) -> None:
        self.decisions: list[tuple[str, list[bytes]]] = []

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        made = [one for one in caused if isinstance(one, Decision)]
        said = [_bare(one) for one in made if not isinstance(one, SetTimer | CancelTimer)]
        self.decisions.append((f"{at} {type(message).__name__}", said))


def _bare(message: Message) -> bytes:
    bare: dict[str, Any] = {"cause": 0}
    if isinstance(message, OrderApproved):
        bare["order"] = msgspec.structs.replace(message.order, cause=0)
    return encode(msgspec.structs.replace(message, **bare))


def machine(session: TapeSession, recorder: Any = None, heard: Heard | None = None) -> Sequencer:
    """The actors of a tape before its first input."""
    header = session.header
    return Sequencer(
        system.build(from_snapshot(header.settings), header, session.panels, simulated=False),
        carried=header.carried,
        recorder=recorder,
        observers=[heard] if heard is not None else [],
        virtual_time=False,
        first_seq=first_seq(header),
        decisions=hashlib.sha256(),
        learned=learned(session),
    )


def feed(sequencer: Sequencer, entries: Sequence[Entry], *, crashes: bool = True) -> None:
    """Post recorded inputs."""
    for entry in entries:
        if crashes:
            sequencer.expect(recorded(entry))
        sequencer.post(entry.source, entry.message, entry.at)


def cut(
    session: TapeSession, entries: Sequence[Entry], folder: Path, chosen: Settings | None = None
) -> tuple[Sequencer, Path]:
    """Play a session's first inputs onto a tape in a folder and begin the next part there.

    Returns:
        Where the first part ended, and the path of the second.
    """
    header = session.header
    with TapeWriter(folder / part_name(header.session, header.part), header, durable=False) as tape:
        sequencer = machine(session, tape)
        feed(sequencer, entries)
        standing = sequencer.standing()
        at = sequencer.moment.now
        said = SessionParted(ts_event=at, session=header.session, part=header.part + 1, changed="a test")
        sequencer.post("machine", said, at)
    part = TapePart(name=tape.path.name, last_seq=tape.seq, chain=tape.chain.hex())
    changed = chosen or from_snapshot(header.settings)
    after = msgspec.structs.replace(
        header,
        carried=standing,
        parts=(*header.parts, part),
        settings=snapshot(changed),
        settings_hash=settings_hash(changed),
    )
    path = folder / part_name(header.session, after.part)
    TapeWriter(path, after, durable=False).close()
    return sequencer, path


def begin(sequencer: Sequencer, session: TapeSession, at: int) -> None:
    """Tell the actors of another part that it has begun."""
    header = session.header
    begun = SessionStarted(ts_event=header.starts, session=header.session, part=header.part)
    sequencer.post("machine", begun, at)
