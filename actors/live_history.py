"""Asks the broker for the daily bars that a root has no file of: many symbols a request, a group at a time.

What has come whole is kept though the rest has not; the next start asks for what is missing then.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import msgspec

from actors.broker.bar_history import BarHistory, daily_groups
from actors.market.calendar import midnight
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.log import get_logger
from runtime.text import few
from storage.loaders.first_days import QUIET_SESSIONS, DayBars, known_of, owed, write_history
from storage.loaders.own_minutes import Minutes
from storage.loaders.session_data import yyyymmdd

ADJUSTMENTS = ("raw", "split", "all")
LINES = 4
"""Groups that are read at once: an answer takes longer to come than to be read."""
TRIES = 3
"""Answers that fail one after the other before the host counts as not there."""
MOST_PARTED = 20
"""Groups that are parted to find symbols the broker cannot read; beyond that it is not about symbols."""
WITNESS = "SPY"
"""Asked for with any other: its newest bar says until when the broker has bars."""
_CANNOT_BE_READ = (400, 422)

_log = get_logger(__name__)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came.

    Attributes:
        told: Groups that are whole. why: in a few words, why others are missing; empty: none is.
    """

    told: tuple[DayBars, ...] = ()
    why: str = ""


FetchDays = Callable[[Sequence[str], int, int], Answer]
"""Of symbols, the first ones first, from one midnight to another, ns UTC, both included."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Daily history that a session starts from, as far as it is the broker's.

    Attributes:
        kept: Where it is kept. own: files of days the engine kept itself.
        names: Symbols, the most important first. sessions: ISO dates, ascending.
    """

    kept: Path
    own: tuple[Path, ...]
    names: tuple[str, ...]
    sessions: tuple[str, ...]

    @property
    def span(self) -> tuple[int, int]:
        """First and last midnight, ns UTC."""
        return midnight(self.sessions[0]), midnight(self.sessions[-1])

    def owed(self) -> list[str]:
        """What is to be asked for, in order; empty: nothing.

        Raises:
            DataError: A file cannot be read.
        """
        found = owed(self.kept, self.own, self.names, [yyyymmdd(day) for day in self.sessions])
        return [*dict.fromkeys((WITNESS, *found))] if found else []

    def keep(self, asked: Sequence[str], answer: Answer) -> list[str]:
        """Write down what came, and say what has not; the symbols of those.

        Raises:
            DataError: The earlier file is damaged. OSError: the disk does not take it.
        """
        came = {name for group in answer.told for name in group.asked}
        missing = [name for name in asked if name not in came]
        if not any(len(group.raw) for group in answer.told):
            return missing
        has_begun = self.kept.exists()
        known = known_of(self.kept) if has_begun else {}
        first, last = (yyyymmdd(self.sessions[at]) for at in (0, -1))
        write_history(self.kept.parent, answer.told, first, last)
        with_bars = {name for group in answer.told for name in group.raw.names}
        say = _log.info if has_begun else _log.warning
        say("daily history was read from the broker", file=self.kept.name, symbols=len(with_bars),
            asked=len(asked))  # fmt: skip
        nothing = [name for name in asked if name in came - with_bars]
        if nothing:
            is_news = any(name not in known or known[name].last for name in nothing)
            say = _log.warning if is_news else _log.info
            say("the broker has no daily bars of some symbols", symbols=few(nothing),
                again=f"asked after {QUIET_SESSIONS} sessions")  # fmt: skip
        return missing


async def fill(
    wanted: Callable[[], Wanted | None], make: Callable[[], BarHistory], seconds: float
) -> tuple[list[str], str]:
    """Read what a start left, one question after the other; the symbols still missing, and why.

    Raises:
        DataError: A file cannot be read. OSError: the disk does not take it.
    """

    def look() -> tuple[Wanted | None, list[str]]:
        found = wanted()
        return found, found.owed() if found is not None else []

    history, asked = await anyio.to_thread.run_sync(look)
    if history is None or not asked:
        return [], ""
    answer = await read_days(make(), asked, *history.span, seconds, lines=1)
    return await anyio.to_thread.run_sync(history.keep, asked, answer), answer.why


def day_fetcher(make: Callable[[], BarHistory], seconds: float) -> FetchDays:
    """What reads them from a worker thread of the running loop, as far as they come in time.

    Args:
        make: The broker's history; connections of its own, closed at the end. seconds: Real time.
    """

    async def read(symbols: Sequence[str], first: int, last: int) -> Answer:
        return await read_days(make(), symbols, first, last, seconds)

    return lambda symbols, first, last: anyio.from_thread.run(read, symbols, first, last)


async def read_days(
    history: BarHistory, symbols: Sequence[str], first: int, last: int, seconds: float, *, lines: int = LINES
) -> Answer:
    """Read what comes within so many seconds of real time; the history is closed at the end."""
    asking = _Asking(history, symbols, first, last)
    try:
        with anyio.move_on_after(seconds) as limit:
            await asking.run(lines)
    finally:
        await history.aclose()
    if asking.refused and not any(len(group.raw) for group in asking.told):
        return Answer(why=asking.why or asking.refused)  # it was not about symbols
    late = f"not in time ({seconds:g} s)" if limit.cancelled_caught and asking.left else ""
    return Answer(told=tuple(asking.told), why=asking.why or late)


class _Asking:
    """Groups of symbols, asked for several at a time until all have come or there is no point in it."""

    def __init__(self, history: BarHistory, symbols: Sequence[str], first: int, last: int) -> None:
        self._history, self._span = history, (first, last)
        self._waiting = deque(daily_groups(symbols, first, last))
        self.left = len(symbols)
        self.told: list[DayBars] = []
        self.why = self.refused = ""
        self._failures = self._parted = 0

    async def run(self, lines: int) -> None:
        async with anyio.create_task_group() as group:

            async def some() -> None:
                while self._waiting and not self.why:
                    await self._one(self._waiting.popleft())
                if self.why:
                    group.cancel_scope.cancel()

            for _ in range(lines):
                group.start_soon(some)

    async def _one(self, names: list[str]) -> None:
        try:
            raw, split, whole = [
                await self._history.daily_columns(names, *self._span, adjustment=each) for each in ADJUSTMENTS
            ]
        except BrokerUnavailable as error:
            self._failures += 1
            self._waiting.append(names)
            if self._failures >= TRIES:
                self.why = str(error)
        except BrokerRejected as error:
            self.refused = str(error)
            if error.status not in _CANNOT_BE_READ or not self._part(names, error.reason):
                self.why = str(error)
        except KeysRefused as error:
            self.why = str(error)
        else:
            self._failures = 0
            self._tell(DayBars(asked=tuple(names), raw=raw, split=split, whole=whole))

    def _part(self, names: list[str], words: str) -> bool:
        """Ask again without the symbols the broker cannot read; False: it is not about symbols.

        The broker names one, or it is looked for by halves.
        """
        bad = [name for name in names if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", words)]
        if not bad and len(names) > 1:
            self._parted += 1
            middle = len(names) // 2
            self._waiting.extendleft((names[middle:], names[:middle]))
            return self._parted <= MOST_PARTED
        if good := [name for name in names if name not in bad] if bad else []:
            self._waiting.appendleft(good)
        none = Minutes.joined(())
        self._tell(DayBars(asked=tuple(bad or names), raw=none, split=none, whole=none))
        return True

    def _tell(self, bars: DayBars) -> None:
        self.told.append(bars)
        self.left -= len(bars.asked)
