"""One actor's place in the machine: inbox, history, figures, and its restart."""

import hashlib
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec

from runtime.kernel.actor import Actor, Moment
from runtime.kernel.speech import DECISIONS, INPUTS, check_decision, check_input
from runtime.messages.base import Input, Message
from runtime.messages.codec import encode, encode_each_into
from runtime.messages.machine import ActorCrashed

POISON_LIMIT = 4096

Emitted = list[Message] | tuple[Message, ...]
Gather = Callable[[int, tuple[Any, ...]], Input]
"""Makes one input of several things that a port has said; the first argument is the time, ns UTC."""


class ActorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How to make an actor and what to do when it keeps failing.

    Attributes:
        rank: Its place in the order in which one input flows; unique within a sequencer.
        build: Makes a new instance from what it carried (None: it starts from nothing).
        port: A deterministic stand-in for the outside (the simulated broker): sees each input first, and
            what it emits are inputs.
        intensity, period: More than `intensity` crashes within `period` ns stop it for the session.
    """

    name: str
    rank: int
    build: Callable[[bytes | None], Actor]
    port: bool = False
    gather: Gather | None = None
    """Of a port; None: each thing that it says is an input of its own."""
    private: bool = False
    """Gets addressed messages only when they are for it (a strategy sees its own fills alone)."""
    intensity: int = 3
    period: int = 60_000_000_000
    expendable: bool = False
    """Whether the others go on without it when it cannot be made or carried over; else that is raised."""
    most_crashes: int = 10
    """In one session; a minute bar comes once a period, so what fails on each is not caught by intensity."""
    most_said: int = 100_000
    """Messages that one message may be answered with; more is a crash."""


class Figures(msgspec.Struct):
    """What an actor did, for the screen and the benchmarks."""

    handled: int = 0
    depth: int = 0
    high_water: int = 0
    drops: int = 0
    crashes: int = 0
    restarts: int = 0
    busy_ns: int = 0
    """CPU-free wall time in handlers, sampled on one input in 16 and scaled up."""


class Cell:
    """Runs one actor's messages and rebuilds it when a handler raises.

    Args:
        said: Where every decision is encoded for the hash, all cells of a sequencer into the same.
    """

    __slots__ = (
        "actor",
        "bit",
        "calm",
        "carried",
        "crash_times",
        "dated",
        "dated_seq",
        "failed_start",
        "figures",
        "handlers",
        "high_water",
        "history",
        "inbox",
        "is_port",
        "lost",
        "moment",
        "noted",
        "ordinal",
        "said",
        "settle",
        "skips",
        "spec",
        "stopped",
    )  # fmt: skip

    def __init__(
        self, spec: ActorSpec, index: int, moment: Moment, carried: bytes | None, said: bytearray
    ) -> None:
        self.said = said
        self.spec = spec
        self.is_port = spec.port
        self.bit = 1 << index
        self.moment = moment
        self.carried = carried
        self.inbox: deque[Message] = deque()
        self.high_water = 0
        self.history: list[Message | tuple[int, int] | None] = []
        """What it handled (None: `settle`), in order, after the (sequence number, time) of its input."""
        self.dated = -1, -1
        self.dated_seq = -1
        self.calm: set[type[Message]] = set()
        """What it may say without a lower-ranked actor having to run at once, as far as known."""
        self.figures = Figures()
        self.ordinal = 0
        """Of the message handed over last: how many there have been. A slot here, which is set faster than a
        field of a struct."""
        self.crash_times: deque[int] = deque()
        self.skips: dict[int, str] = {}
        self.stopped = False
        self.lost = False
        self.failed_start: BaseException | None = None
        self.handlers: dict[type[Message], Callable[[Any], Iterable[Message] | None]] = {}
        self.noted: frozenset[type[Message]] = frozenset()
        self.settle: Callable[[], Iterable[Message] | None] | None = None
        try:
            self._install()
        except (Exception, SystemExit) as error:
            if not spec.expendable:
                raise
            self.failed_start = error
            self.stopped = self.lost = True

    def start_crash(self) -> ActorCrashed:
        """What to tell of an actor that could not even be made."""
        return self._told_crash("start", self.failed_start)

    def _told_crash(self, when: str, error: BaseException | None) -> ActorCrashed:
        """A failure outside any message."""
        file, line, text = _where(error)
        self.figures.crashes += 1
        return ActorCrashed(
            ts_event=self.moment.now,
            cause=self.moment.seq,
            actor=self.spec.name,
            ordinal=0,
            message_type=when,
            message_digest="",
            error="" if error is None else f"{type(error).__name__}: {_plain(error)}",
            traceback=text,
            source_file=file,
            line_number=line,
            crashes=1,
        )

    def _install(self) -> None:
        self.actor = self.spec.build(self.carried)
        self.actor.attach(self.spec.name, self.moment)
        self.handlers = self.actor.bound_handlers()
        self.noted = self.actor.noted_kinds()
        self.settle = getattr(self.actor, "settle", None)

    def run(self, message: Message | None) -> Emitted | ActorCrashed:
        """Hand over one message (None: settle); what it emitted, or the crash."""
        self.ordinal += 1
        if self.skips and self.ordinal in self.skips and self._is_recorded_crash(message):
            return self.crash(message, None)
        moment = self.moment
        try:
            if moment.seq & 15:
                # `_call`, written out: this line is what every message costs.
                emitted = self.settle() if message is None else self.handlers[type(message)](message)  # type: ignore[misc]
            else:
                begun = time.perf_counter_ns()
                emitted = self._call(message)
                self.figures.busy_ns += (time.perf_counter_ns() - begun) << 4
            if emitted:
                if type(emitted) is not tuple:
                    emitted = self.bounded(emitted)
                self._check(emitted)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the supervisor's edge: failures become records
            return self.crash(message, error)
        if moment.seq != self.dated_seq or self.is_port:
            self.date_history()
        self.history.append(message)
        return emitted or ()  # type: ignore[return-value]  # bounded above

    def answer(self, said: deque[Input]) -> ActorCrashed | None:
        """`run` for a port: hand over the inbox, in order, until it is empty or a message crashes it.

        Args:
            said: gets what the port says, which are inputs.
        """
        self.date_history()
        handlers, mail = self.handlers, list(self.inbox)
        self.inbox.clear()
        rest = iter(mail)
        for message in rest:
            try:
                emitted = handlers[type(message)](message)
                if emitted:
                    emitted = emitted if type(emitted) is tuple else self.bounded(emitted)
                    for one in emitted:
                        if type(one) not in INPUTS:
                            check_input(one)
                    said.extend(emitted)  # type: ignore[arg-type]  # inputs, as just checked
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the supervisor's edge, as in `run`
                return self.handled(mail, list(rest), (message, error))
        return self.handled(mail)

    def handled(
        self,
        mail: list[Message],
        left: Sequence[Message] = (),
        failed: tuple[Message, BaseException] | None = None,
    ) -> ActorCrashed | None:
        """Account for mail that was taken out of the inbox and handed over.

        Args:
            left: What of it was not; it goes back. failed: what was handed over last, if that raised.
        """
        if left:
            del mail[-len(left) :]
            self.inbox.extendleft(reversed(left))
        self.ordinal += len(mail)
        if failed is not None:
            mail.pop()
        self.history += mail
        return None if failed is None else self.crash(*failed)

    def _call(self, message: Message | None) -> Emitted:
        if message is None:
            assert self.settle is not None
            emitted = self.settle()
        else:
            emitted = self.handlers[type(message)](message)
        return self.bounded(emitted) if emitted else ()

    def bounded(self, emitted: Iterable[Message]) -> Emitted:
        """Everything a handler says: if that never ends it is its failure, not the machine's."""
        most = self.spec.most_said
        said = emitted if type(emitted) is list or type(emitted) is tuple else list(islice(emitted, most + 1))
        if len(said) > most:
            raise RuntimeError(f"said more than {most} messages to one")
        return said

    def date_history(self) -> None:
        """Note which input the next messages of the history belong to."""
        dated = self.moment.seq, self.moment.now
        if dated != self.dated:
            self.dated, self.dated_seq = dated, dated[0]
            self.history.append(dated)

    def _check(self, emitted: Emitted) -> None:
        """Encode decisions; what cannot be hashed is the actor's failure, not the machine's."""
        if self.is_port:
            for message in emitted:
                if type(message) not in INPUTS:
                    check_input(message)
            return
        for message in emitted:
            if type(message) not in DECISIONS:
                check_decision(message)
        said = self.said
        before = len(said)
        try:
            encode_each_into(emitted, said)
        except Exception:
            del said[before:]
            raise

    def _is_recorded_crash(self, message: Message | None) -> bool:
        return self.skips[self.ordinal] == digest_of(message)

    def crash(self, message: Message | None, error: BaseException | None) -> ActorCrashed:
        """What to tell of a failure over a message (None: settle); no error: a recorded one."""
        now = self.moment.now
        self.figures.crashes += 1
        self.crash_times.append(now)
        while self.crash_times and self.crash_times[0] <= now - self.spec.period:
            self.crash_times.popleft()
        file, line, text = _where(error)
        return ActorCrashed(
            ts_event=now,
            cause=self.moment.seq,
            actor=self.spec.name,
            ordinal=self.ordinal,
            message_type="settle" if message is None else type(message).__name__,
            message_digest=digest_of(message),
            poison=b"" if message is None else encode(message)[:POISON_LIMIT],
            error="as recorded" if error is None else f"{type(error).__name__}: {_plain(error)}",
            traceback=text,
            source_file=file,
            line_number=line,
            crashes=len(self.crash_times),
        )

    @property
    def remembered(self) -> int:
        """How many messages it would be fed again."""
        return sum(type(event) is not tuple for event in self.history)

    @property
    def exceeded(self) -> bool:
        """Whether it crashed more often than its intensity allows, or too often in one session."""
        return len(self.crash_times) > self.spec.intensity or self.figures.crashes > self.spec.most_crashes

    @property
    def too_often(self) -> str:
        """Why it is given up, in words."""
        if len(self.crash_times) > self.spec.intensity:
            return f"more than {self.spec.intensity} crashes in {self.spec.period} ns"
        return f"more than {self.spec.most_crashes} crashes in one session"

    def restart(self) -> None:
        """Replace the instance: carried state, the trading day's messages re-fed, output discarded.

        Raises:
            Exception: whatever the re-feeding raised; the actor is then beyond repair.
        """
        moment = self.moment
        seq, now = moment.seq, moment.now
        self.lost = True
        try:
            self._install()
            for event in self.history:
                if type(event) is tuple:
                    moment.seq, moment.now = event
                else:
                    self._call(event)  # type: ignore[arg-type]  # no tuple, as just seen
            self.lost = False
        finally:
            moment.seq, moment.now = seq, now

    def learn(self, history: Sequence[Message | tuple[int, int] | None]) -> None:
        """Hear what another instance heard before the first input; what it says to that is discarded."""
        self.history = list(history)
        try:
            self.restart()
        except (Exception, SystemExit) as error:
            if not self.spec.expendable:
                raise
            self.failed_start = error
            self.stopped = self.lost = True

    def standing(self) -> bytes | None:
        """Where it stands now; of an actor beyond repair what it began the session with."""
        if self.lost:
            return self.carried
        state = self.actor.standing()
        return None if state is None else msgspec.msgpack.encode(state)

    def carry(self) -> bytes | ActorCrashed | None:
        """What crosses the session's end; of an actor beyond repair what it began the session with."""
        if self.lost:
            return self.carried
        try:
            state = self.actor.carry()
            return None if state is None else msgspec.msgpack.encode(state)
        except (Exception, SystemExit) as error:
            if not self.spec.expendable:
                raise
            self.lost = True
            return self._told_crash("carry", error)

    def drop(self, message: Message) -> None:
        """Count a message that a stopped actor does not get."""
        self.figures.drops += 1

    def stop(self) -> None:
        """Take no more messages until the next trading day."""
        self.stopped = True
        self.figures.drops += len(self.inbox)
        self.inbox.clear()


def digest_of(message: Message | None) -> str:
    """First 16 bytes (hex) of the SHA-256 of an encoded message."""
    return "" if message is None else hashlib.sha256(encode(message)).hexdigest()[:32]


def _plain(error: BaseException) -> str:
    """The error's text, on one line and of bounded length."""
    return " ".join(str(error).split())[:500]


def _where(error: BaseException | None) -> tuple[str, int, str]:
    if error is None:
        return "", 0, ""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    text = "".join(traceback.format_exception(error))
    return (last.filename if last else "", (last.lineno or 0) if last else 0, text)
