"""Keeps a driven clock at the market time of a loopback broker: their clocks began at different moments.

The broker's own clock is asked at the start, at every connection of the market stream, and when a minute
comes at a moment when our clock says that it cannot; never on a schedule. A broker whose clock tells another
day has none that counts: then two minutes in a row that come early, or late, tell the time.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from actors.broker import wire
from actors.broker.websocket import until
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock
from runtime.kernel.paced_clock import PacedClock
from runtime.log import get_logger

MINUTE = 60_000_000_000
_SECOND = 1_000_000_000
_DAY = 24 * 60 * MINUTE
_PATIENCE = 2 * _SECOND
"""For an answer, ns of real time: a start shall not hang on it."""
_PAUSE = 5 * _SECOND
"""Between two questions because of minutes that come at odd moments, ns of real time; it doubles in vain."""
_STANDS = 15 * _SECOND
"""Most a clock waits for the broker's to begin, ns of real time."""
_BACK = 30 * _SECOND
"""A clock further ahead than can be made good by standing so long is not set by another, ns of real time."""

_log = get_logger(__name__)


class _Told(NamedTuple):
    """A reading of the broker's clock, ns UTC; asked and answered by the real clock."""

    shown: int
    asked: int
    answered: int

    @property
    def at(self) -> int:
        return (self.asked + self.answered) // 2


class MarketTime:
    """One driven clock and what is known of the broker's.

    Args:
        pace: Our market time. real: Time of waits. speed: Of both clocks.
        late, early: How far a minute may be off, ns of market time.

    Attributes:
        ask: The broker's clock; whoever has a connection sets it.
    """

    def __init__(self, pace: PacedClock, real: Clock, *, speed: float, late: int, early: int) -> None:
        self._pace, self._real = pace, real
        self._begins, self._speed = pace.begins, speed
        self._late, self._early = late, early
        self.ask: Callable[[], Awaitable[wire.ClockReading]] | None = None
        self._is_told, self._last = False, 0
        self._asked, self._pause = 0, _PAUSE
        self._odd = (0, 0)

    async def begin(self) -> None:
        """Agree at the start of the process; a broker's clock that has just begun may be waiting for us."""
        self._pace.stand(_STANDS)
        told = await self._ask()
        if told is None:
            self._pace.follow(self._begins, self._pace.made)
        elif told.shown > self._begins + 2 * _SECOND * self._speed:
            self._pace.follow(told.shown, told.at)

    async def agree(self) -> bool:
        """Ask the broker and set our clock if it cannot be right; whether it was set."""
        told = await self._ask()
        if told is None:
            return False
        # It was read somewhere between question and answer: what ours showed meanwhile is as good.
        if self._pace.runs(told.asked) <= told.shown <= self._pace.runs(told.answered):
            self._pause *= 2
            return False
        self._pause = _PAUSE
        behind = told.shown - self._pace.now()
        self._pace.follow(told.shown, told.at)
        _log.info("market time follows the broker's clock", behind_s=behind / _SECOND)
        return True

    async def _ask(self) -> _Told | None:
        """What the broker's clock showed, and when; None: nothing that is of use."""
        if self.ask is None:
            return None
        self._asked = asked = self._real.now()
        shown: int | None = None
        try:
            with until(self._real, asked + _PATIENCE):
                shown = wire.nanoseconds((await self.ask()).timestamp)
        except (BrokerUnavailable, BrokerRejected, KeysRefused) as error:
            _log.info("the broker's clock is not told", error=str(error))
        if shown is None:
            return None
        slack, now = round(_BACK * self._speed), self._pace.now()
        is_moving = shown != self._last or now <= shown + self._early
        self._is_told = is_moving and max(self._begins, now) - slack <= shown < self._begins + _DAY
        self._last = shown
        if not self._is_told:
            _log.info("the broker's clock stands, or tells another day; market time stays ours", shown=shown)
            return None
        return _Told(shown, asked, self._real.now())

    def is_odd(self, ts: int, now: int) -> bool:
        """Whether the broker should be asked: a minute came when it cannot have, by our clock.

        Args:
            ts: The minute's start, ns UTC. now: When it came.
        """
        off = now - ts - MINUTE
        if -self._early <= off <= self._late:
            self._odd = (0, 0)
            return False
        if self._is_told:
            is_time = self._real.now() >= self._asked + self._pause
            if is_time:
                self._asked = self._real.now()
            return is_time
        before, then = self._odd
        if ts - before == MINUTE and (off > 0) == (then > 0):
            self._pace.follow(ts + MINUTE, self._real.now())
            _log.warning(
                "market time follows the minutes: the broker's clock is of no use", behind_s=-off / _SECOND
            )
            self._odd = (0, 0)
        elif ts != before:
            self._odd = (ts, off)
        return False
