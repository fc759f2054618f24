"""Reads sessions from tapes: the market's part for a replay, every record for a verification."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from runtime.kernel.recording import Recorded
from runtime.messages.base import Input
from runtime.messages.machine import ActorCrashed, Source
from runtime.messages.session import SessionHeader
from storage.loaders.sessions import SessionData
from storage.panels import PanelStore
from storage.tape import Entry, TapeReader

REPLAYED: tuple[Source, ...] = ("market", "operator", "research")
"""Sources a replay feeds again; broker and timers are the simulated broker's and the replay clock's."""

BLOBS = "blobs"


class TapeSession:
    """One tape as a session to play, or all parts of a session.

    Args:
        path: The tape; its panels lie in `blobs/` beside it.
        others: The parts that follow it, in order, to be played as one.

    Raises:
        TapeDamaged: The header cannot be read. DataError: a panel is missing or damaged.
    """

    def __init__(self, path: Path, *others: Path) -> None:
        self.path = path
        self.reader = TapeReader(path)
        self.readers = (self.reader, *(TapeReader(other) for other in others))
        self.header: SessionHeader = self.reader.header
        store = PanelStore(path.parent / BLOBS)
        self.panels: dict[str, NDArray[Any]] = {
            name: store.get(ref) for name, ref in self.header.panels.items()
        }
        self._crashes: list[Recorded] = []

    def inputs(self) -> Iterator[tuple[int, Source, Input]]:
        """The market's, the operator's and research's inputs in order, without the session's own marks.

        Each is handed out only when the next one has been reached, so that crashes recorded on what came
        between (fills, timers) are known before they happen again.
        """
        held: Entry | None = None
        for entry in chain.from_iterable(self.readers):
            self._crashes.extend(recorded(entry))
            if entry.source not in REPLAYED:
                continue
            if held is not None:
                yield held.at, held.source, held.message
            held = entry
        if held is not None:
            yield held.at, held.source, held.message

    def recorded(self) -> list[Recorded]:
        """Crashes met since the last call."""
        met, self._crashes = self._crashes, []
        return met


class MadeSession:
    """A session made in memory (from files, or synthetic) as a session to play.

    Args:
        made: What it starts from and its inputs.
        store: Where its panels are put, so that a tape recorded from it stands alone; None: nowhere.
    """

    def __init__(self, made: SessionData, store: PanelStore | None = None) -> None:
        self._made = made
        self.panels: dict[str, NDArray[Any]] = dict(made.panels)
        refs = {name: store.put(panel) for name, panel in made.panels.items()} if store else {}
        self.header = made.header(settings={}, settings_hash="", panels=refs)

    def inputs(self) -> Iterator[tuple[int, Source, Input]]:
        """Its inputs in order of time."""
        yield from self._made.inputs

    def recorded(self) -> list[Recorded]:
        """Nothing has crashed on it yet."""
        return []


def recorded(entry: Entry) -> list[Recorded]:
    """The crashes of one entry as the sequencer wants them."""
    return [_recorded(crash) for crash in entry.crashes]


def _recorded(crash: ActorCrashed) -> Recorded:
    return Recorded(crash.actor, crash.ordinal, crash.message_digest)
