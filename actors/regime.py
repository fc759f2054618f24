"""Knows the VIX regime and says it: at the session's start, and when a close changes it."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.market import tasks
from actors.risk import regime as rules
from actors.risk.regime import Reading, RegimeState
from config.trading import Regime as RegimeSettings
from runtime.kernel.actor import Actor
from runtime.messages.machine import SessionStarted
from runtime.messages.market import VixClose
from runtime.messages.risk import Noted, Regime, RegimeChanged, TaskDone, TaskDue
from runtime.messages.session import SessionHeader

_INDEX = "SPY"
_ADJ_CLOSE = 5


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the detector that crosses a session.

    Attributes:
        state: After the last official close; None if there never was one.
        said: The FAST regime last told.
    """

    state: RegimeState | None
    said: Regime


class RegimeDetector(Actor):
    """Turns official VIX closes into the account's scalar."""

    def __init__(
        self,
        settings: RegimeSettings,
        header: SessionHeader,
        panels: Mapping[str, NDArray[np.generic]],
        carried: Carried | None,
    ) -> None:
        self._began = carried
        self._settings = settings
        self._header = header
        self._panels = panels
        self._was_carried = carried is not None and carried.state is not None
        self._state = carried.state if carried else None
        self._said: Regime = carried.said if carried else "normal"
        self._reading = rules.read(None, 0, settings)
        self._vix, self._age = 0.0, 0

    def on_session_started(self, started: SessionStarted) -> Iterator[RegimeChanged | Noted]:
        if started.part > 1:
            yield self._changed("resumed")
            return
        sessions, closes = self._panels.get("vix_sessions"), self._panels.get("vix")
        if sessions is not None and closes is not None:
            self._state = rules.run(self._state, np.asarray(sessions), np.asarray(closes), self._settings)
        state = self._state
        if state is not None:
            self._vix, self._age = state.vix, self._sessions_since(state.session)
            self._reading = rules.read(state, self._age, self._settings)
        else:
            yield from self._guess()
        yield self._changed("loaded" if self._was_carried else "start")
        if self._state is not None and self._age > self._settings.stale_keep_sessions:
            level: Literal["WARNING", "ERROR"] = (
                "ERROR" if self._age > self._settings.stale_max_sessions else "WARNING"
            )
            text = f"the last VIX close is {self._age} sessions old: regime {self._reading.fast}"
            yield Noted(ts_event=self.now, cause=self.seq, level=level, component="regime", text=text)

    def on_vix_close(self, close: VixClose) -> Iterator[RegimeChanged | Noted]:
        session = int(close.session.replace("-", ""))
        if not rules.is_usable(close.level):
            text = f"VIX close {close.level} of {close.session} was not used"
            yield Noted(ts_event=self.now, cause=self.seq, level="WARNING", component="regime", text=text)
            return
        if self._state is not None and session <= self._state.session:
            return
        before = self._reading
        self._state = rules.step(self._state, session, close.level, self._settings)
        self._vix = close.level
        # A close of this very session has age 0; one that comes late is as old as it is.
        today = int(self._header.session.replace("-", ""))
        self._age = 0 if session >= today else self._sessions_since(session)
        self._reading = rules.read(self._state, self._age, self._settings)
        if self._reading != before:
            yield self._changed(f"scalar {before.scalar:g} to {self._reading.scalar:g}")

    def on_task_due(self, task: TaskDue) -> Iterator[TaskDone]:
        if task.task != "load_regime_detector":
            return
        reading = self._reading
        detail = (
            f"{reading.fast} (slow {reading.slow}), scalar {reading.scalar:g}, "
            f"{reading.source} {self._vix:.2f}, {self._age} sessions old"
        )
        yield tasks.done(task, detail, self.now, self.seq)

    def standing(self) -> Carried | None:
        """As it began the day: in another part of the session it hears the day's closes again."""
        return self._began

    def carry(self) -> Carried:
        return Carried(state=self._state, said=self._said)

    def _guess(self) -> Iterator[Noted]:
        """Without any VIX: the index's own volatility, else the regime is taken to be high."""
        estimates = rules.estimate(self._index_closes())
        guessed: RegimeState | None = None
        for vix in estimates.tolist():
            guessed = rules.step(guessed, 0, vix, self._settings)
        if guessed is None:
            text = "no VIX and no index history: regime high"
        else:
            self._vix = guessed.vix
            self._reading = rules.read(guessed, 0, self._settings, source="ESTIMATED")
            text = f"no VIX: estimated {guessed.vix:.2f} from {_INDEX}, regime {self._reading.fast}"
        yield Noted(ts_event=self.now, cause=self.seq, level="ERROR", component="regime", text=text)

    def _index_closes(self) -> NDArray[np.float64]:
        daily = self._panels.get("daily")
        if daily is None or _INDEX not in self._header.symbols:
            return np.empty(0)
        closes: NDArray[np.float64] = np.asarray(daily)[_ADJ_CLOSE, self._header.symbols.index(_INDEX)]
        return closes

    def _sessions_since(self, session: int) -> int:
        """Age of a datum in sessions: the previous session's close is 1 old.

        Counted on the history's calendar; where that does not reach, every weekday counts, which can
        only make the datum older.
        """
        previous = int(self._header.previous.replace("-", ""))
        if session >= previous:
            return 1
        known = self._panels.get("daily_sessions")
        if known is not None and len(known) and known[0] <= session and known[-1] == previous:
            return 1 + int(np.count_nonzero(np.asarray(known) > session))
        text = str(session)
        datum = np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:]}", "D")
        return int(np.busday_count(datum, np.datetime64(self._header.session, "D")))

    def _changed(self, action: str) -> RegimeChanged:
        reading: Reading = self._reading
        previous, self._said = self._said, reading.fast
        return RegimeChanged(
            ts_event=self.now,
            cause=self.seq,
            fast=reading.fast,
            slow=reading.slow,
            scalar=reading.scalar,
            vix=self._vix,
            previous=previous,
            source=reading.source,
            age=self._age,
            action=action,
        )
