"""One session, event by event, with a person's commands in between: what a paced playback steps through.

The decisions are those of a playback at full speed: the same inputs and timers in the same order. A session
that is begun again gets the commands again that it was given before, at the same places.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from numpy.typing import NDArray

from actors import system
from actors.playback import Session
from config.schema import Settings
from config.snapshot import settings_hash, snapshot
from runtime.kernel.recording import Observer, Recorded, Recorder
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Input, Message
from runtime.messages.broker import SubmitOrder
from runtime.messages.machine import SessionEnded, SessionStarted, Source
from runtime.messages.session import SessionHeader
from storage.environment import environment


class Recording(NamedTuple):
    """A session read to its end, so that playing it needs no file.

    Attributes:
        header: As it is played. crashes: that it tells of.
    """

    header: SessionHeader
    panels: dict[str, NDArray[Any]]
    inputs: list[tuple[int, Source, Input]]
    crashes: list[Recorded]


class Given(NamedTuple):
    """A command and its place.

    Attributes:
        place: Inputs of the recording handled before it. at: market time, ns.
    """

    place: int
    at: int
    message: Input


def read_session(session: Session, settings: Settings, carried: Mapping[str, bytes], books: str) -> Recording:
    """Read a session that is to be played under these settings; in a worker thread.

    Args:
        carried: What the session before handed on; empty: what its own header says.
    """
    header = msgspec.structs.replace(
        session.header,
        settings=snapshot(settings),
        settings_hash=settings_hash(settings),
        carried=dict(carried or session.header.carried),
        books=books,
        **msgspec.structs.asdict(environment()),
    )
    return Recording(header, session.panels, list(session.inputs()), list(session.recorded()))


class PacedSession:
    """A session that stands between two events.

    Args:
        recording: What is played. given: commands that come again at their places.

    Attributes:
        at: Market time of the last event, or of the last command, ns UTC.
        orders: Sent so far. is_over: whether its last event has been handled.
    """

    def __init__(
        self,
        recording: Recording,
        settings: Settings,
        *,
        recorder: Recorder | None = None,
        observers: Sequence[Observer] = (),
        given: Sequence[Given] = (),
    ) -> None:
        self.header = header = recording.header
        self.at = header.starts
        self.orders = 0
        self.is_over = False
        self.given = list(given)
        self._again = deque(given)
        self._inputs = recording.inputs
        self._place = 0
        self.sequencer = Sequencer(
            system.build(settings, header, recording.panels, simulated=True),
            carried=header.carried,
            recorder=recorder,
            observers=[*observers, self._count],
            recorded=recording.crashes,
        )
        begun = SessionStarted(ts_event=header.starts, session=header.session)
        self.sequencer.post("machine", begun, header.starts)

    def _count(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self.orders += sum(type(said) is SubmitOrder for said in caused)

    def due(self) -> int:
        """When the next event happens, ns UTC; of a session that is over its end."""
        if self.is_over:
            return self.header.ends
        is_left = self._place < len(self._inputs)
        known = self._inputs[self._place][0] if is_left else self.header.ends
        if self._again and self._again[0].place == self._place:
            known = self._again[0].at
        timer = self.sequencer.timers.next_due()
        return max(self.at, known if timer is None else min(timer, known))

    def step(self) -> None:
        """Let the next event happen: a timer, a command given before, an input, or the end."""
        if self.is_over:
            return
        sequencer, now = self.sequencer, self.due()
        timer = sequencer.timers.next_due()
        self.at = now
        if timer is not None and timer <= now:
            sequencer.advance(now)
        elif self._again and self._again[0].place == self._place:
            sequencer.post("operator", self._again.popleft().message, now)
        elif self._place < len(self._inputs):
            at, source, message = self._inputs[self._place]
            sequencer.post(source, message, at)
            self._place += 1
        else:
            ended = SessionEnded(ts_event=self.header.ends, session=self.header.session)
            sequencer.post("machine", ended, self.header.ends)
            self.is_over = True

    def step_on(self) -> None:
        """Let everything happen up to the recording's next input, that one included: a minute, mostly."""
        place = self._place
        while self._place == place and not self.is_over:
            self.step()

    def give(self, message: Input, at: int) -> None:
        """Hand over a person's command now.

        Args:
            at: Market time, at or after the last event's and before the next one's, ns.
        """
        self.at = max(self.at, at)
        self.given.append(Given(self._place, self.at, message))
        self.sequencer.post("operator", message, self.at)
