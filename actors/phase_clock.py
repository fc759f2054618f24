"""Tells everybody the time of day, phase by phase, and asks for the tasks of each."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from actors.market.tasks import BROKER, CLOSE_INTRADAY, LATE_NS, TASK_REGISTRY, Task
from runtime.kernel.actor import Actor
from runtime.messages.base import Message
from runtime.messages.machine import SessionStarted, SetTimer, TimerFired
from runtime.messages.risk import (
    HaltLifted,
    HaltThrown,
    Noted,
    Phase,
    PhaseChanged,
    TaskAnswered,
    TaskDone,
    TaskDue,
)
from runtime.messages.session import SessionHeader

_OPEN_PHASES: tuple[Phase, ...] = ("MARKET_OPEN", "TRADING", "MARKET_CLOSE")
"""When the market takes orders that fill."""
_WHEN_HALTED = (CLOSE_INTRADAY, "calculate_daily_pnl")
"""What is done while the kill switch is thrown."""


class Today(msgspec.Struct, frozen=True, kw_only=True):
    """What is of one session only.

    Attributes:
        place: Of the present phase in the day's table; -1: none was entered. is_first: whether the books
            began with it. asked: tasks that the broker has not answered, with their phases.
        withheld: Tasks that wait for the kill switch, with the places of their phases.
    """

    place: int
    is_first: bool
    owes_close: bool
    close_asked: bool
    asked: dict[str, Phase]
    withheld: list[tuple[str, int]]


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the clock that crosses a session; in the middle of one also what is of today.

    Attributes:
        phase: The last phase entered.
        close_intraday_missed: Whether the last session ended without asking for its intraday positions
            to be closed.
        is_halted: Whether the kill switch is thrown.
    """

    phase: Phase
    close_intraday_missed: bool
    is_halted: bool = False
    today: Today | None = None


class PhaseClock(Actor):
    """Walks through the day's phase table and its tasks, each phase once.

    While the kill switch is thrown only closing and the day's P&L are asked for; what was withheld and may
    run late is asked for when a person resumes.

    Args:
        asks_broker: Whether there is a broker to ask; a replay has none.
    """

    def __init__(self, header: SessionHeader, carried: Carried | None, *, asks_broker: bool = False) -> None:
        self._asks_broker = asks_broker
        self._asked: dict[str, Phase] = {}
        self._phases = header.phases
        self._session = header.session
        self._phase: Phase = carried.phase if carried else "OVERNIGHT"
        self._is_first = carried is None
        self._owes_close = carried is not None and carried.close_intraday_missed
        self._close_asked = False
        self._place = -1
        self._is_halted = carried is not None and carried.is_halted
        self._withheld: list[tuple[Task, int]] = []
        if carried is not None and carried.today is not None:
            self._go_on(carried.today)

    def _go_on(self, today: Today) -> None:
        """Stand where another part of the session ended."""
        self._place, self._is_first, self._asked = today.place, today.is_first, dict(today.asked)
        self._owes_close, self._close_asked = today.owes_close, today.close_asked
        for name, place in today.withheld:
            tasks = TASK_REGISTRY[self._phases[place].phase]
            self._withheld += [(task, place) for task in tasks if task.name == name]

    def on_session_started(self, started: SessionStarted) -> Iterator[Message]:
        for place, start in enumerate(self._phases):
            if start.ts > self.now:
                yield SetTimer(
                    ts_event=self.now, cause=self.seq, actor=self.name, key=f"phase {place}", due=start.ts
                )
        if self._owes_close and started.part == 1:
            yield self._critical("the session before never asked for it: its positions close at this open")
        yield from self._catch_up()

    def on_timer_fired(self, _: TimerFired) -> Iterator[Message]:
        yield from self._catch_up()

    def on_task_answered(self, answer: TaskAnswered) -> Iterator[Message]:
        phase = self._asked.pop(answer.task, None)
        if phase is None:
            return
        yield self._done(answer.task, phase, answer.status, answer.detail)
        if answer.status == "failed":
            text = f"{answer.task}: {answer.detail}"
            yield Noted(ts_event=self.now, cause=self.seq, level="ERROR", component=self.name, text=text)

    def on_halt_thrown(self, _: HaltThrown) -> None:
        self._is_halted = True

    def on_halt_lifted(self, _: HaltLifted) -> Iterator[Message]:
        self._is_halted = False
        withheld, self._withheld = self._withheld, []
        for task, place in withheld:
            start = self._phases[place]
            late = self.now - start.ts > LATE_NS
            if not late or task.when_late == "run" or (task.when_late != "skip" and place == self._place):
                yield self._begin(task, place, late)

    def standing(self) -> Carried:
        today = Today(
            place=self._place,
            is_first=self._is_first,
            owes_close=self._owes_close,
            close_asked=self._close_asked,
            asked=self._asked,
            withheld=[(task.name, place) for task, place in self._withheld],
        )
        return msgspec.structs.replace(self.carry(), today=today)

    def carry(self) -> Carried:
        return Carried(
            phase=self._phase,
            close_intraday_missed=self._owes_close or not self._close_asked,
            is_halted=self._is_halted,
        )

    def _catch_up(self) -> Iterator[Message]:
        """Enter the phase that the time belongs to, after seeing to the ones that went by unseen."""
        current = sum(start.ts <= self.now for start in self._phases) - 1
        for place in range(self._place + 1, current):
            if not self._goes_on(place):
                yield from self._see_to_missed(place)
        if current > self._place:
            yield from self._enter(current)

    def _enter(self, place: int) -> Iterator[Message]:
        start, goes_on = self._phases[place], self._goes_on(place)
        late = self.now - start.ts > LATE_NS
        previous, self._phase, self._place = self._phase, start.phase, place
        yield PhaseChanged(ts_event=self.now, cause=self.seq, phase=start.phase, previous=previous, late=late)
        if goes_on:
            return
        if self._owes_close and start.phase in _OPEN_PHASES:
            self._owes_close = False
            yield self._due(CLOSE_INTRADAY, start.phase, late=True)
        for task in TASK_REGISTRY[start.phase]:
            if late and task.when_late == "skip":
                yield self._done(task.name, start.phase, "skipped", "late")
                continue
            if task.name == CLOSE_INTRADAY:
                self._close_asked = True
            yield self._begin(task, place, late)

    def _goes_on(self, place: int) -> bool:
        """Whether it is the very phase that the session before ended in (after an early close)."""
        return place == 0 and not self._is_first and self._phase == self._phases[0].phase

    def _see_to_missed(self, place: int) -> Iterator[Message]:
        """Decide on each task of a phase that is over."""
        phase = self._phases[place].phase
        for task in TASK_REGISTRY[phase]:
            if task.when_late == "run" or not task.owner:
                yield self._begin(task, place, late=True)
            elif task.name != CLOSE_INTRADAY:
                yield self._done(task.name, phase, "skipped", "late")
            elif self._is_first and self._place < 0:
                # The first start ever was after it: there is nothing that could have been held.
                self._close_asked = True
                yield self._done(task.name, phase, "skipped", "late, and nothing was held before")
            else:
                self._owes_close = True
                yield self._done(task.name, phase, "skipped", "missed: closes at the next open")
                yield self._critical(
                    f"its phase of {self._session} went by: positions close at the next open"
                )

    def _begin(self, task: Task, place: int, late: bool) -> TaskDue | TaskDone:
        phase = self._phases[place].phase
        if not task.owner or (task.owner == BROKER and not self._asks_broker):
            return self._done(task.name, phase, "skipped", "not available")
        if self._is_halted and task.name not in _WHEN_HALTED:
            self._withheld.append((task, place))
            return self._done(task.name, phase, "skipped", "halted")
        if task.owner == self.name:
            return self._done(task.name, phase, "done", "the tape holds every input and what was carried")
        if task.owner == BROKER:
            self._asked[task.name] = phase
        return self._due(task.name, phase, late)

    def _due(self, task: str, phase: Phase, late: bool) -> TaskDue:
        return TaskDue(ts_event=self.now, cause=self.seq, task=task, phase=phase, late=late)

    def _done(
        self, task: str, phase: Phase, status: Literal["done", "skipped", "failed"], detail: str
    ) -> TaskDone:
        return TaskDone(
            ts_event=self.now, cause=self.seq, task=task, phase=phase, status=status, detail=detail
        )

    def _critical(self, text: str) -> Noted:
        return Noted(
            ts_event=self.now,
            cause=self.seq,
            level="CRITICAL",
            component=self.name,
            text=f"{CLOSE_INTRADAY}: {text}",
        )
