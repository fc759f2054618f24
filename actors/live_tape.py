"""Opens the tape of a live session: a new one, or one that goes on; in a worker thread, before anything runs.

A new session starts from what the last tape ends with. One that has a tape already is fed again, and its rows
are written as far as the books lack them. Changed settings or code are refused, or accepted by a person.
Source: architecture 1, 2 and 9.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors import system
from actors.accepted_change import begin_part
from actors.gateways.replay_feed import BLOBS, TapeSession
from actors.live_outlet import Outlet
from actors.live_plan import Plan
from actors.live_session import Panels
from actors.refeed import Memory, carried_from, changes, check_unchanged, recall, refeed, was_halted
from runtime import kill_switch
from runtime.errors import DataError
from runtime.kernel.recording import Observer
from runtime.kernel.sequencer import Sequencer
from runtime.messages.session import SessionHeader
from storage.books import Books
from storage.panels import PanelStore
from storage.tape import TapeReader, TapeWriter, part_name, parts_in, tapes_in
from storage.tape.format import COMPRESSED


class OpenTape(NamedTuple):
    """A session whose tape is open and whose actors stand where it ends.

    Attributes:
        resumed: Inputs that were fed again.
    """

    tape: TapeWriter
    header: SessionHeader
    sequencer: Sequencer
    panels: Panels
    resumed: int = 0


def open_tape(
    plan: Plan,
    memory: Memory,
    outlet: Outlet,
    observers: Callable[[SessionHeader], Sequence[Observer]],
) -> OpenTape:
    """Begin the session's tape, or go on with it.

    Args:
        memory: Told whether the session before was left halted. outlet: knows the books meanwhile.
        observers: Who is told of every input, given the header, in order.

    Raises:
        BooksRefused: The session began with other settings, code or account, or its tape no longer causes
            what it caused.
        DataError: The files or the tape cannot be used. OSError: a new root cannot be written to.
    """
    if parts := parts_in(plan.tapes, plan.session):
        path = parts[-1]
        if path.name.endswith(COMPRESSED):
            raise DataError(f"the session {plan.session} is over: its tape is compressed")
        header = TapeReader(path).header
        found = changes(header, plan.books, plan.settings)
        if found and plan.accept is not None:
            path = begin_part(plan, path, found)
        else:
            check_unchanged(header, plan.books, plan.settings)
        return _go_on(plan, path, memory, outlet, observers)
    earlier = [each for each in tapes_in(plan.tapes) if each.name[: len(plan.session)] < plan.session]
    if not earlier:
        # Before the first tape: a root that has a tape and no such directory has lost it, which is a halt.
        kill_switch.prepare(plan.root)
    carried = carried_from(earlier[-1]) if earlier else {}
    return _begin(plan, carried, memory, observers)


def _begin(
    plan: Plan,
    carried: dict[str, bytes],
    memory: Memory,
    observers: Callable[[SessionHeader], Sequence[Observer]],
) -> OpenTape:
    start = plan.make()
    store = PanelStore(plan.tapes / BLOBS)
    refs = {name: store.put(panel) for name, panel in start.panels.items()}
    header = msgspec.structs.replace(start.header, panels=refs, carried=carried, books=plan.books)
    panels = {name: store.get(ref) for name, ref in refs.items()}
    specs = system.build(plan.settings, header, panels, simulated=False)
    memory.is_halted = was_halted(header)
    told = observers(header)
    tape = TapeWriter(plan.tapes / part_name(plan.session, 1), header, durable=True)
    sequencer = Sequencer(
        specs,
        carried=header.carried,
        recorder=tape,
        observers=told,
        virtual_time=False,
        decisions=hashlib.sha256(),
    )
    return OpenTape(tape, header, sequencer, panels)


def _go_on(
    plan: Plan,
    path: Path,
    memory: Memory,
    outlet: Outlet,
    observers: Callable[[SessionHeader], Sequence[Observer]],
) -> OpenTape:
    tape = TapeWriter.resume(path)
    try:
        session = TapeSession(path)
        header = session.header
        recall(session, memory)
        told = observers(header)
        with Books(plan.root, plan.books, "durable") as books, outlet.writing(books):
            sequencer = refeed(session, tape, told)
        if memory.is_over:
            raise DataError(f"the session {header.session} is over: its tape says so")
    except BaseException:
        tape.abandon()
        raise
    return OpenTape(tape, header, sequencer, session.panels, resumed=sequencer.inputs)
