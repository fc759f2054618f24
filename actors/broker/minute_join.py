"""Joins the items of one minute into one `Bars`; what comes after it was told becomes `BarsRevised`.

A minute is told when every subscribed symbol has reported, or a short wait after its end, whichever is
first, but never before its end: no decision may know a bar earlier than a replay would give it. A minute
without a trade has no bar, so nobody waits for one. Nothing is dropped or merged away: a bar is told, or it
is refused and counted.
Source: architecture 8; alpaca.md 1.4; faults G.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from math import isnan, nan

from actors.broker.market_wire import MINUTE, Bad, MinuteBar, WireBar, described, refusal
from actors.broker.minute_batch import plain_minute
from actors.broker.minute_state import Levels, Minute, Reason, Row, columns
from runtime.messages.base import Input
from runtime.messages.market import CLOSE, HIGH, LOW, Bars, BarsQuarantined, BarsRevised, Columns
from storage.loaders import quarantine

NOT_SUBSCRIBED = "symbol not subscribed"
OTHER_SESSION = "bar of another session"
UNCONFIRMED = "price jumped and has not stayed yet"

_REMEMBERED = 10
"""Minutes whose bars are remembered with their values, to tell a repetition from a correction."""


class Quarantine:
    """What was refused since it was last told, one message a reason."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._counts: dict[str, int] = {}
        self._examples: dict[str, str] = {}
        self.total = 0
        """Refused since the start."""

    def add(self, reason: str, example: str, count: int = 1) -> None:
        """Refuse something."""
        self.total += count
        self._counts[reason] = self._counts.get(reason, 0) + count
        self._examples.setdefault(reason, example)

    def take(self, bad: Iterable[Bad]) -> None:
        """Refuse what could not be read."""
        for one in bad:
            self.add(one.reason, one.example)

    @property
    def waiting(self) -> bool:
        """Whether something has not been told yet."""
        return bool(self._counts)

    def tell(self, now: int) -> list[BarsQuarantined]:
        """What has not been told yet, in the order the reasons were first met."""
        told = [
            BarsQuarantined(
                ts_event=now, source=self._source, reason=reason, count=count, example=self._examples[reason]
            )
            for reason, count in self._counts.items()
        ]
        self._counts, self._examples = {}, {}
        return told


class MinuteJoin:
    """The minutes of one session as they come in.

    Survives reconnections and restarts of the gateway, so that no minute is told twice as new.

    Args:
        symbols: The session's symbol table.
        starts, ends: The session, ns UTC.
        refused: Where refused bars are counted.
        wait: How long after a minute's end its bars are awaited, ns of market time.
        early: How far the broker's clock may be ahead of ours, ns of market time.
        told: Start of the last minute that is already on the tape, ns UTC; 0: none.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        starts: int,
        ends: int,
        refused: Quarantine,
        wait: int = 250_000_000,
        early: int = 2_000_000_000,
        told: int = 0,
    ) -> None:
        self._ids = {name: place for place, name in enumerate(symbols)}
        self._wanted: frozenset[int] = frozenset()
        self._starts, self._ends = starts, ends
        self._refused = refused
        self._wait, self._early = wait, early
        self._told = told
        self.owed: deque[Input] = deque()
        """What was told and has not found its way yet; it survives the gateway that could not post it."""
        self._minutes: dict[int, Minute] = {}
        self._past: dict[int, int] = {}
        """Who was told in older minutes, a bit per symbol: their values would fill the memory."""
        self._levels = Levels(len(self._ids))

    def revise_owed(self) -> None:
        """Minutes still owed are old by now: they mend, they trigger nothing any more."""
        self.owed = deque(
            BarsRevised.of(one.ids, one.values, ts_event=one.ts_event, reason="late")
            if isinstance(one, Bars)
            else one
            for one in self.owed
        )

    # ---- what is awaited --------------------------------------------------------------------

    def add_symbol(self, symbol: str) -> int:
        """Take a symbol into the table (it has one place for good); its id."""
        place = self._ids.setdefault(symbol, len(self._ids))
        self._levels.grow(len(self._ids))
        return place

    def await_symbols(self, symbols: Iterable[str]) -> None:
        """The symbols whose bars complete a minute; the others' are used when they come."""
        self._wanted = frozenset(self._ids[name] for name in symbols if name in self._ids)

    def knows(self, symbol: str) -> bool:
        """Whether the symbol is in the table."""
        return symbol in self._ids

    @property
    def last_told(self) -> int:
        """Start of the latest minute that was told, ns UTC; 0: none."""
        return self._told

    def due(self) -> int | None:
        """When the earliest untold minute must be told, ns UTC; None if none waits."""
        waiting = [self._due(ts, minute) for ts, minute in self._minutes.items() if not minute.is_told]
        return min(waiting, default=None)

    def _due(self, ts: int, minute: Minute) -> int:
        end = ts + MINUTE
        is_whole = bool(self._wanted) and minute.has_reported(self._wanted)
        return end if is_whole else end + self._wait

    # ---- what comes -------------------------------------------------------------------------

    def take(self, bars: Iterable[WireBar], now: int) -> list[Columns]:
        """Take in bars of one frame; returns what can be told now, in order.

        Args:
            bars: Minute bars and updated bars, as they came. now: ns UTC.
        """
        revised: dict[tuple[int, Reason], dict[int, Row]] = {}
        came = list(bars)
        for bar in () if self._take_plain(came, now) else came:
            self._sort(bar, now, "late" if type(bar) is MinuteBar else "updated", revised)
        return [*self.tell(now), *_revisions(revised)]

    def _take_plain(self, bars: list[WireBar], now: int) -> bool:
        """Take in a frame that is one minute with nothing odd about it, at once; whether it was."""
        batch = plain_minute(bars, self._ids)
        if batch is None or not self._starts <= batch.ts < self._ends:
            return False
        ts, ids, members, values = batch
        if ts > now - MINUTE + self._early or ts in self._past or self._is_past(ts, now):
            return False
        minute = self._minutes.get(ts)
        if minute is not None and (minute.is_told or minute.spoilt or not minute.has_none_of(members)):
            return False
        levels, limits = self._levels, quarantine.MINUTES
        before = levels.close[ids]
        if ((values[HIGH] > before * limits.up) | (values[LOW] < before * limits.down)).any():
            return False
        levels.close[ids] = values[CLOSE]
        levels.pending[ids] = 0
        if minute is None:
            minute = self._minutes[ts] = Minute()
        minute.add(batch)
        return True

    def backfill(self, bars: Iterable[WireBar], now: int) -> list[Columns]:
        """Take in bars read by REST; what is known already is not told again."""
        revised: dict[tuple[int, Reason], dict[int, Row]] = {}
        for bar in bars:
            self._sort(bar, now, "backfill", revised)
        return [*self.tell(now), *_revisions(revised)]

    def tell(self, now: int) -> list[Columns]:
        """The minutes that are due by now, oldest first, each followed by corrections that overtook it."""
        told: list[Columns] = []
        for ts in sorted(self._minutes):
            minute = self._minutes[ts]
            if minute.is_told or self._due(ts, minute) > now:
                continue
            minute.is_told = True
            self._told = max(self._told, ts)
            if (bars := minute.bars(ts)) is not None:
                told.append(bars)
            for reason, rows in minute.after.items():
                new = {one: row for one, row in rows.items() if not _same(minute.rows.get(one, ()), row)}
                if new:
                    told.append(columns(BarsRevised, ts, new, reason=reason))
                    minute.rows.update(new)
        for ts in [ts for ts in self._minutes if ts < self._told - _REMEMBERED * MINUTE]:
            self._past[ts] = self._past.get(ts, 0) | self._minutes.pop(ts).symbols()
        return told

    def _sort(
        self, bar: WireBar, now: int, reason: Reason, revised: dict[tuple[int, Reason], dict[int, Row]]
    ) -> None:
        """Put one bar where it belongs, or refuse it."""
        ts = bar.ts
        symbol = self._ids.get(bar.S)
        fault = self._fault(bar, ts, symbol, now, reason)
        if fault or symbol is None:
            self._refused.add(fault, described(bar))
            return
        if reason != "updated" and self._past.get(ts, 0) >> symbol & 1:
            if reason == "late":
                self._refused.add(quarantine.DUPLICATE, described(bar))
            return
        row = _row(bar)
        minute = self._minutes.get(ts)
        if minute is None:
            minute = self._minutes[ts] = Minute(is_told=self._is_past(ts, now))
        known = minute.rows.get(symbol)
        if known is not None and _same(known, row):
            if reason != "backfill":  # REST tells again what the stream has told: no fault
                self._refused.add(quarantine.DUPLICATE, described(bar))
        elif reason == "late" and (known is not None or symbol in minute.spoilt):
            self._contradicted(minute, symbol, bar)
        elif minute.is_told:
            minute.rows[symbol] = row
            revised.setdefault((ts, reason), {})[symbol] = row
        elif reason == "late":
            minute.rows[symbol] = row
        else:
            minute.after.setdefault(reason, {})[symbol] = row

    def _contradicted(self, minute: Minute, symbol: int, bar: WireBar) -> None:
        """Refuse a second, different bar; while the minute waits nobody knows which is right: both go."""
        count = 1
        if not minute.is_told:
            minute.spoilt.add(symbol)
            count += minute.rows.pop(symbol, None) is not None
        self._refused.add(quarantine.CONTRADICTING, described(bar), count)

    def _is_past(self, ts: int, now: int) -> bool:
        """Whether a minute nobody has reported for may no longer be told as new."""
        return ts <= self._told or now > ts + MINUTE + self._wait

    def _fault(self, bar: WireBar, ts: int, symbol: int | None, now: int, reason: Reason) -> str:
        """Why a bar is refused, or nothing."""
        fault = refusal(bar, ts, now - MINUTE + self._early, symbol is not None)
        if fault:
            return fault
        if not self._starts <= ts < self._ends:
            return OTHER_SESSION
        if symbol is None:
            return NOT_SUBSCRIBED
        return self._jump(symbol, bar, reason)

    def _jump(self, symbol: int, bar: WireBar, reason: Reason) -> str:
        """Refuse bars far from the close before until as many as confirm a new level have come.

        A file is judged with what came after the jump, a stream cannot be: the bars that make the
        confirmation are refused here.
        """
        levels, limits = self._levels, quarantine.MINUTES
        close = float(levels.close[symbol])
        if isnan(close):
            levels.close[symbol] = bar.c
            return ""
        is_far = bar.h > close * limits.up or bar.l < close * limits.down
        if reason != "late":  # older than what the level comes from
            return UNCONFIRMED if is_far else ""
        if is_far and levels.pending[symbol] + 1 < quarantine.JUMP_BARS:
            levels.pending[symbol] += 1
            return UNCONFIRMED
        levels.close[symbol], levels.pending[symbol] = bar.c, 0
        return ""


def _row(bar: WireBar) -> Row:
    """A bar as a column; an impossible count or average price is an unknown one."""
    n, vw = bar.n, bar.vw
    return (
        bar.o,
        bar.h,
        bar.l,
        bar.c,
        bar.v,
        n if n is not None and 0.0 < n < quarantine.MAX_VOLUME else nan,
        vw if vw is not None and 0.0 < vw <= quarantine.MINUTES.most else nan,
    )


def _same(one: Row | tuple[()], other: Row) -> bool:
    return len(one) == len(other) and all(
        a == b or (isnan(a) and isnan(b)) for a, b in zip(one, other, strict=True)
    )


def _revisions(revised: dict[tuple[int, Reason], dict[int, Row]]) -> list[Columns]:
    return [columns(BarsRevised, ts, rows, reason=reason) for (ts, reason), rows in sorted(revised.items())]
