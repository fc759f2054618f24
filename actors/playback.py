"""Plays recorded or made-up sessions through the same actors that trade live.

The core needs no event loop: `Playback.run` is a plain loop over inputs. Time is the tape's; the simulated
broker stands in for the real one. What every input caused is projected into the books in batches.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress
from typing import Any, Protocol

import msgspec
from numpy.typing import NDArray

from actors import system
from config.schema import Settings
from config.snapshot import settings_hash, snapshot
from runtime.kernel.cell import Figures
from runtime.kernel.recording import Observer, Recorded, Recorder
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Input, Message, parts_of
from runtime.messages.broker import OrderFilled, SubmitOrder
from runtime.messages.machine import ActorCrashed, SessionEnded, SessionStarted, Source
from runtime.messages.market import Bars
from runtime.messages.reports import OrdersReported
from runtime.messages.risk import BreakerTripped, EquityMarked, Noted, RegimeChanged
from runtime.messages.session import SessionHeader
from runtime.messages.trading import LotChanged, SignalRaised
from storage.environment import environment


class Session(Protocol):
    """One session to play: what it starts from and what came from outside."""

    header: SessionHeader
    panels: dict[str, NDArray[Any]]

    def inputs(self) -> Iterator[tuple[int, Source, Input]]:
        """(known at ns, source, message) in order of time, without SessionStarted and SessionEnded."""

    def recorded(self) -> Sequence[Recorded]:
        """Crashes the recording tells of, met since the last call."""


class Summary(msgspec.Struct):
    """What a run did; `decisions_sha256` covers every message a decision actor emitted, in order."""

    sessions: int = 0
    inputs: int = 0
    bars: int = 0
    messages: int = 0
    signals: int = 0
    orders: int = 0
    fills: int = 0
    trades_closed: int = 0
    equity_start: float = 0.0
    equity_end: float = 0.0
    breaker_trips: int = 0
    errors: int = 0
    decisions_sha256: str = ""
    regimes_seen: list[str] = []


class Tally:
    """Observer that counts what the summary reports."""

    def __init__(self) -> None:
        self._summary = Summary(regimes_seen=[])
        self._seen: Counter[type[Message]] = Counter()
        self._first = True
        self._folds: dict[type[Message], Callable[[Any], None]] = {
            LotChanged: self._trade_closed,
            EquityMarked: self._equity,
            RegimeChanged: self._regime,
        }

    @property
    def summary(self) -> Summary:
        """What has been counted so far."""
        summary, seen = self._summary, self._seen
        summary.signals, summary.orders, summary.fills = (
            seen[kind] for kind in (SignalRaised, SubmitOrder, OrderFilled)
        )
        summary.breaker_trips = seen[BreakerTripped]
        summary.errors = seen[Noted] + seen[ActorCrashed]
        return summary

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        kind = type(message)
        if kind is Bars:
            self._summary.bars += len(message.ids)  # type: ignore[attr-defined]
        elif kind is OrderFilled or kind is OrdersReported:
            self._seen.update(map(type, parts_of(message)))
        if not caused:
            return
        # Counted and sifted without a line of Python a message: this sees every message of a run.
        kinds: list[type[Message]] = list(map(type, caused))
        self._seen.update(kinds)
        folds = self._folds
        for said in compress(caused, map(folds.__contains__, kinds)):
            # Not even a call for what there is one of for each fill: a lot that changed and is still open.
            if type(said) is not LotChanged or said.state == "closed":
                folds[type(said)](said)

    def _trade_closed(self, _: LotChanged) -> None:
        self._summary.trades_closed += 1

    def _equity(self, mark: EquityMarked) -> None:
        if self._first:
            self._first = False
            self._summary.equity_start = mark.equity
        self._summary.equity_end = mark.equity

    def _regime(self, change: RegimeChanged) -> None:
        if change.fast not in self._summary.regimes_seen:
            self._summary.regimes_seen.append(change.fast)


class Projection(Protocol):
    """Where the books are kept (storage/books.py)."""

    def begin(self, header: SessionHeader) -> None:
        """A session starts; sequence numbers begin again at 1."""

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None: ...

    def end(self) -> None:
        """The session is over: commit what is left."""


class Playback:
    """Runs sessions one after the other; state crosses from one to the next only as `carried`.

    Args:
        settings: What every session runs under.
        projection: The books, or None to keep none.
        record: Makes the tape of a session, given its header; None: no recording.
        observers: Called after each input.
        books: Whose books these are, for the headers.
        progress: Called with (session, share of it done) now and then.

    Attributes:
        carried: What the last session handed over, by actor; None before the first.
        figures: What each actor did in the last session.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        projection: Projection | None = None,
        record: Callable[[SessionHeader], "ClosableRecorder"] | None = None,
        observers: Sequence[Observer] = (),
        books: str = "",
        progress: Callable[[str, float], None] | None = None,
    ) -> None:
        self._settings = settings
        self._snapshot = snapshot(settings)
        self._hash = settings_hash(settings)
        self._projection = projection
        self._record = record
        self._observers = tuple(observers)
        self._books = books
        self._progress = progress
        self._environment = msgspec.structs.asdict(environment())
        self._decisions = hashlib.sha256()
        self._tally = Tally()
        self.carried: dict[str, bytes] | None = None
        self.figures: dict[str, Figures] = {}

    def run(self, sessions: Iterable[Session]) -> Summary:
        """Play the sessions in the order given; the first header's carried state counts."""
        for session in sessions:
            self.play(session)
        summary = self._tally.summary
        summary.decisions_sha256 = self._decisions.hexdigest()
        return summary

    def play(self, session: Session) -> None:
        """Play one session to its end and keep what it carries."""
        carried = dict(session.header.carried) if self.carried is None else self.carried
        header = msgspec.structs.replace(
            session.header,
            settings=self._snapshot,
            settings_hash=self._hash,
            carried=carried,
            books=self._books or session.header.books,
            **self._environment,
        )
        recorder = self._record(header) if self._record is not None else None
        projection = self._projection
        if projection is not None:
            projection.begin(header)
        observers: list[Observer] = [
            self._tally,
            *([projection] if projection is not None else []),
            *self._observers,
        ]
        sequencer = Sequencer(
            system.build(self._settings, header, session.panels, simulated=True),
            carried=carried,
            recorder=recorder,
            observers=observers,
            decisions=self._decisions,
        )
        self._feed(sequencer, session, header)
        if recorder is not None:
            recorder.close()
        if projection is not None:
            projection.end()
        self.carried = sequencer.carry()
        summary = self._tally.summary
        summary.sessions += 1
        summary.inputs += sequencer.inputs
        summary.messages += sequencer.messages
        self.figures = sequencer.figures()

    def _feed(self, sequencer: Sequencer, session: Session, header: SessionHeader) -> None:
        post = sequencer.post
        begin, end = header.starts, header.ends
        inputs = session.inputs()
        # Looked for first: what a recording tells of crashes before it is known before the session starts.
        first = next(inputs, None)
        sequencer.expect(session.recorded())
        post("machine", SessionStarted(ts_event=begin, session=header.session), begin)
        for count, (at, source, message) in enumerate(chain(() if first is None else (first,), inputs)):
            sequencer.expect(session.recorded())
            post(source, message, at)
            if self._progress is not None and not count & 63:
                self._progress(header.session, (at - begin) / (end - begin))
        post("machine", SessionEnded(ts_event=end, session=header.session), end)
        if self._progress is not None:
            self._progress(header.session, 1.0)


class ClosableRecorder(Recorder, Protocol):
    """A tape being written."""

    def close(self) -> None:
        """Write the footer."""
