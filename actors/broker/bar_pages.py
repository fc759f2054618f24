"""What a page of historical bars says: as columns where there are many, row by row where one of them is bad.

Source: alpaca.md 4.
"""

import json
from collections.abc import Iterable
from datetime import datetime

import msgspec
import numpy as np

from actors.broker.market_wire import MinuteBar, Moment, nanoseconds
from runtime.errors import BrokerUnavailable
from runtime.log import get_logger
from runtime.text import one_line
from storage.loaders.own_minutes import Minutes

_FIRST_YEAR, _LAST_YEAR = 1678, 2261

_log = get_logger(__name__)


class _Row(msgspec.Struct, gc=False):
    """A bar of a page, its time not looked at yet: many rows share one."""

    t: str
    o: float
    h: float
    l: float  # noqa: E741 - the broker's own key
    c: float
    v: float


class _Moments(dict[str, int]):
    """Times in words, ns UTC; each is read once."""

    def __missing__(self, words: str) -> int:
        moment = datetime.fromisoformat(words)
        if moment.tzinfo is None or not _is_countable(moment):
            raise ValueError("a time without a zone, or of another age")
        self[words] = found = nanoseconds(moment)
        return found


class _Page(msgspec.Struct, gc=False):
    """A page without a flaw."""

    bars: dict[str, list[_Row]] | None = None
    next_page_token: str | None = None


class _Bar(msgspec.Struct, gc=False):
    """A bar of a page, all of it."""

    t: Moment
    o: float
    h: float
    l: float  # noqa: E741 - the broker's own key
    c: float
    v: float
    n: float | None = None
    vw: float | None = None


class _PageOfBars(msgspec.Struct, gc=False):
    """A page without a flaw, likewise."""

    bars: dict[str, list[_Bar]] | None = None
    next_page_token: str | None = None


_decoder = msgspec.json.Decoder(_Page)
_bars_decoder = msgspec.json.Decoder(_PageOfBars)


def columns_of(body: bytes) -> tuple[Minutes, str]:
    """The bars of a page, and what asks for the next; bars that cannot be read are told and left out.

    Raises:
        BrokerUnavailable: It is no page.
    """
    try:
        page = _decoder.decode(body)
        by_symbol = page.bars or {}
        rows = [row for each in by_symbol.values() for row in each]
        _refuse_odd(by_symbol)
        moments = _Moments()
        stamps = [moments[row.t] for row in rows]
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        found, token = _each_of(body)
        return Minutes.of({(bar.ts, bar.S): (bar.o, bar.h, bar.l, bar.c, bar.v) for bar in found}), token
    columns = (
        [row.o for row in rows], [row.h for row in rows], [row.l for row in rows], [row.c for row in rows],
        [row.v for row in rows],
    )  # fmt: skip
    lengths = [len(each) for each in by_symbol.values()]
    minutes = Minutes(
        names=list(by_symbol),
        codes=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        ts=np.array(stamps, dtype=np.int64),
        values=np.array(columns, dtype=np.float64).reshape(5, len(rows)),
    )
    return minutes, _token(page.next_page_token)


def bars_of(body: bytes) -> tuple[list[MinuteBar], str]:
    """The bars of a page one by one, likewise."""
    try:
        page = _bars_decoder.decode(body)
        by_symbol = page.bars or {}
        _refuse_odd(by_symbol)
        if not all(_is_countable(row.t) for rows in by_symbol.values() for row in rows):
            return _each_of(body)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return _each_of(body)
    found = [
        MinuteBar(S=symbol, o=row.o, h=row.h, l=row.l, c=row.c, v=row.v, t=row.t, n=row.n, vw=row.vw)
        for symbol, rows in by_symbol.items()
        for row in rows
    ]
    return found, _token(page.next_page_token)


def _is_countable(moment: datetime) -> bool:
    """Whether 64 bits hold its nanoseconds."""
    return _FIRST_YEAR <= moment.year <= _LAST_YEAR


def _refuse_odd(names: Iterable[str]) -> None:
    if not all(map(str.isprintable, names)):
        raise ValueError("a symbol that cannot be printed")


def _token(said: object) -> str:
    """What asks for the next page.

    Raises:
        BrokerUnavailable: It fits into no address.
    """
    if not isinstance(said, str):
        return ""
    try:
        said.encode()
    except UnicodeEncodeError:
        raise BrokerUnavailable("a page that leads to no page", is_unknown=False) from None
    return said


def _each_of(body: bytes) -> tuple[list[MinuteBar], str]:
    """Of a page that has a flaw, what has none."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        raise BrokerUnavailable("an answer that is no JSON", is_unknown=False) from None
    by_symbol = (page.get("bars") or {}) if isinstance(page, dict) else None
    if not isinstance(by_symbol, dict) or not all(isinstance(rows, list) for rows in by_symbol.values()):
        raise BrokerUnavailable("bars that are no bars", is_unknown=False)
    found: list[MinuteBar] = []
    bad: list[str] = []
    for symbol, rows in by_symbol.items():
        for row in rows:
            try:
                _refuse_odd([symbol])
                bar = msgspec.convert({**row, "T": "b", "S": symbol}, MinuteBar)
                if not _is_countable(bar.t):
                    raise ValueError("a time of another age")
                found.append(bar)
            except (msgspec.ValidationError, ValueError, TypeError, RecursionError):
                bad.append(one_line(repr(row)[:120], 200))
    if bad:
        _log.error("bars read by REST cannot be used", count=len(bad), example=bad[0])
    return found, _token(page.get("next_page_token"))
