"""Which bars may be used: every refused row is counted under one reason, none is mended in silence."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from runtime.messages.market import CLOSE, HIGH, LOW, OPEN, TRADE_COUNT, VOLUME, VWAP, FloatArray, IdArray

SYMBOL = re.compile(r"[A-Z]{1,5}([.][A-Z]{1,2})?")
MINUTE = 60_000_000_000
MAX_VOLUME = 2.0**53
"""Shares; from here on float64 has gaps."""
JUMP_BARS = 5
"""So many bars in a row confirm a jump: a split or a reopening stays, a bad print comes back."""

BAD_TIME = "timestamp missing or impossible"
OFF_MINUTE = "timestamp not on a full minute"
FUTURE = "timestamp in the future"
BAD_SYMBOL = "not a symbol"
NO_PRICE = "price missing"
NOT_POSITIVE = "price zero or negative"
ABSURD = "price absurdly high"
CROSSED = "high below low"
OUTSIDE = "open or close outside low..high"
BAD_VOLUME = "volume negative, missing, broken or beyond 2**53"
DUPLICATE = "duplicate"
CONTRADICTING = "duplicates that contradict each other"
JUMPED = "jump that came back"
CLOSED = "outside trading hours"
MALFORMED = "not a readable frame"
UNSORTED = "out of order (used after sorting)"

Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of bar may look like.

    Attributes:
        step: Bars begin on multiples of it, ns; 0: anywhere.
        most: USD; a higher price is absurd.
        up, down: A bar above `up` or below `down` times the close before is absurd unless it stays there.
    """

    step: int = 0
    most: float = 1e6
    up: float = math.inf
    down: float = 0.0


MINUTES = Limits(step=MINUTE, up=1.5, down=0.5)
"""No listed share ever cost a million; half the price within a minute comes from a bad print or a split."""
DAYS = Limits(up=5.0, down=0.2)
"""Days do double and halve; what is five times off and comes back within five days is a bad print."""
ADJUSTED_DAYS = Limits(most=1e15, up=5.0, down=0.2)
"""Prices adjusted for later reverse splits have no natural ceiling."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One refused row.

    Attributes:
        ts: Start of the bar, ns UTC; 0 where the row has no usable time.
        example: The row, short enough for a log line.
    """

    reason: str
    ts: int
    example: str


class Refusals:
    """Refused rows of one file, in the order they were found."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.rows: list[Refusal] = []

    def add(self, reason: str, ts: int, example: str) -> None:
        """Refuse one row."""
        self.rows.append(Refusal(reason=reason, ts=ts, example=example[:200]))

    def by_reason(self) -> dict[str, int]:
        """How many rows each reason refused, in the order the reasons were first met."""
        return tally(self.rows)


class RawRows(msgspec.Struct, kw_only=True):
    """Rows as a file has them, before anybody has judged them.

    Attributes:
        names: Distinct symbols. codes: (n,) positions in `names`; -1 where the symbol is missing.
        ts: (n,) start of the bar, ns UTC; 0 where missing.
        values: (7, n) in the order of `runtime.messages.market.COLUMNS`.
        scale: (n,) what known splits make of the prices; jumps are judged on the products. None: ones.
    """

    names: Sequence[str]
    codes: IdArray
    ts: Int64Array
    values: FloatArray
    scale: FloatArray | None = None


class Rows(msgspec.Struct, kw_only=True):
    """Rows that may be used, ascending by time, then by symbol; `names` ascend too."""

    names: tuple[str, ...]
    codes: IdArray
    ts: Int64Array
    values: FloatArray


def tally(rows: Iterable[Refusal]) -> dict[str, int]:
    """Count refusals by reason."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.reason] = counts.get(row.reason, 0) + 1
    return counts


def is_symbol(text: str) -> bool:
    """Whether a US equity could be called that (Alpaca form: `BRK.B`)."""
    return SYMBOL.fullmatch(text) is not None


def admit(raw: RawRows, refusals: Refusals, *, now: int, limits: Limits) -> Rows:
    """Keep the rows that may be used and refuse the others; a row is refused for its first fault.

    Args:
        raw: Rows as read.
        refusals: Where refused rows go.
        now: ns UTC; a later bar cannot have happened.
        limits: What such bars may look like.
    """
    good = np.ones(len(raw.ts), dtype=bool)
    for reason, bad in _faults(raw, now, limits):
        _refuse(raw, good & bad, reason, refusals)
        good &= ~bad
    kept = np.flatnonzero(good)
    order = kept[np.lexsort((kept, raw.ts[kept], raw.codes[kept]))]
    _count_unsorted(raw, kept, refusals)
    order = _without_duplicates(raw, order, refusals)
    order = _without_jumps(raw, order, refusals, limits)
    return _in_time_order(raw, order)


def _faults(raw: RawRows, now: int, limits: Limits) -> Iterable[tuple[str, Any]]:
    prices = raw.values[: CLOSE + 1]
    opened, high, low, close, volume = (raw.values[row] for row in (OPEN, HIGH, LOW, CLOSE, VOLUME))
    sound = np.array([is_symbol(name) for name in raw.names] + [False])  # the last one answers code -1
    yield BAD_TIME, raw.ts <= 0
    if limits.step:
        yield OFF_MINUTE, raw.ts % limits.step != 0
    yield FUTURE, raw.ts > now
    yield BAD_SYMBOL, ~sound[raw.codes]
    yield NO_PRICE, ~np.isfinite(prices).all(axis=0)
    yield NOT_POSITIVE, (prices <= 0).any(axis=0)
    yield ABSURD, (prices > limits.most).any(axis=0)
    yield CROSSED, high < low
    yield OUTSIDE, (np.maximum(opened, close) > high) | (np.minimum(opened, close) < low)
    with np.errstate(invalid="ignore"):
        yield BAD_VOLUME, ~(volume >= 0) | (volume >= MAX_VOLUME) | (volume != np.floor(volume))


def _refuse(raw: RawRows, where: BoolArray | Int64Array, reason: str, refusals: Refusals) -> None:
    rows = np.flatnonzero(where) if where.dtype == np.bool_ else where
    for row in rows.tolist():
        refusals.add(reason, int(max(raw.ts[row], 0)), _describe(raw, row))


def _describe(raw: RawRows, row: int) -> str:
    code = int(raw.codes[row])
    name = raw.names[code] if code >= 0 else "(none)"
    o, h, low, c, v = (float(raw.values[k, row]) for k in range(5))
    stamp = int(raw.ts[row])
    when = str(np.datetime64(stamp, "ns").astype("datetime64[s]")) + "Z" if stamp > 0 else "no time"
    return f"{name!r} {when} o={o:g} h={h:g} l={low:g} c={c:g} v={v:g}"


def _count_unsorted(raw: RawRows, kept: Int64Array, refusals: Refusals) -> None:
    """Count rows that come before an earlier one of their symbol: they are used, but people are told."""
    by_symbol = kept[np.argsort(raw.codes[kept], kind="stable")]
    same = raw.codes[by_symbol[1:]] == raw.codes[by_symbol[:-1]]
    back = same & (raw.ts[by_symbol[1:]] < raw.ts[by_symbol[:-1]])
    _refuse(raw, by_symbol[1:][back], UNSORTED, refusals)


def _without_duplicates(raw: RawRows, order: Int64Array, refusals: Refusals) -> Int64Array:
    """Of equal rows the first stays; of rows that contradict each other none does."""
    if len(order) < 2:
        return order
    twin = (raw.codes[order[1:]] == raw.codes[order[:-1]]) & (raw.ts[order[1:]] == raw.ts[order[:-1]])
    if not twin.any():
        return order
    keep = np.ones(len(order), dtype=bool)
    keep[1:] = ~twin
    starts = np.flatnonzero(keep)
    ends = np.append(starts[1:], len(order))
    for begin, end in zip(starts[ends - starts > 1].tolist(), ends[ends - starts > 1].tolist(), strict=True):
        group = order[begin:end]
        if all(_same(raw, int(group[0]), int(other)) for other in group[1:]):
            _refuse(raw, group[1:], DUPLICATE, refusals)
        else:
            keep[begin] = False
            _refuse(raw, group, CONTRADICTING, refusals)
    return order[keep]


def _same(raw: RawRows, one: int, other: int) -> bool:
    return np.array_equal(raw.values[:, one], raw.values[:, other], equal_nan=True)


def _without_jumps(raw: RawRows, order: Int64Array, refusals: Refusals, limits: Limits) -> Int64Array:
    """Refuse bars far from the close before that did not stay there."""
    if len(order) < 2:
        return order
    codes = raw.codes[order]
    prices = raw.values[: CLOSE + 1, order]
    if raw.scale is not None:
        prices = prices * raw.scale[order]
    before = prices[CLOSE, :-1]
    far = (codes[1:] == codes[:-1]) & (
        (prices[HIGH, 1:] > before * limits.up) | (prices[LOW, 1:] < before * limits.down)
    )
    keep = np.ones(len(order), dtype=bool)
    for code in np.unique(codes[1:][far]).tolist():
        begin, end = np.searchsorted(codes, [code, code + 1])
        keep[begin:end] = _staying(prices[:, begin:end], limits)
    _refuse(raw, order[~keep], JUMPED, refusals)
    return order[keep]


def _staying(prices: FloatArray, limits: Limits) -> BoolArray:
    """Which of one symbol's prices (4, n), in time order, are not part of a jump that came back."""
    high, low, close = prices[HIGH], prices[LOW], prices[CLOSE]
    count = len(close)
    keep = np.ones(count, dtype=bool)
    reference = float(close[0])

    def far(bar: int) -> bool:
        return bool(high[bar] > reference * limits.up or low[bar] < reference * limits.down)

    following = range(1, min(count, JUMP_BARS + 1))
    if len(following) > 1 and all(far(bar) for bar in following):
        reference = float(np.median(close[following.start : following.stop]))  # the first bar stands alone
    at = 0
    while at < count:
        end = at
        while end < count and end - at < JUMP_BARS and far(end):
            end += 1
        if end == at:
            reference = float(close[at])
            at += 1
            continue
        if end - at == JUMP_BARS:  # it stays: the level is new, and bars of the run are judged by it
            reference = float(np.median(close[at:end]))
            keep[at:end] = [not far(k) for k in range(at, end)]
        else:
            keep[at:end] = False
        at = end
    return keep


def _in_time_order(raw: RawRows, order: Int64Array) -> Rows:
    """Sort by time and symbol, with symbols numbered in their own order."""
    used = sorted({raw.names[code] for code in np.unique(raw.codes[order]).tolist()})
    position = {name: index for index, name in enumerate(used)}
    renumber = np.array([position.get(name, -1) for name in raw.names], dtype=np.int32)
    codes = renumber[raw.codes[order]] if len(order) else np.zeros(0, dtype=np.int32)
    final = np.lexsort((codes, raw.ts[order]))
    values = raw.values[:, order[final]]
    for row in (TRADE_COUNT, VWAP):  # optional columns: an impossible figure is an unknown one
        values[row][~(values[row] > 0) | ~np.isfinite(values[row])] = np.nan
    return Rows(names=tuple(used), codes=codes[final], ts=raw.ts[order][final], values=values)
