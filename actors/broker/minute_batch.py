"""A frame of many bars that is one plain minute, checked column by column instead of bar by bar.

Almost every frame of a large subscription is one, and its bars stand between the broker and the decision.
The rules are those of `market_wire.refusal`; whatever does not fit is left to the look at each bar, which
says why. Source: architecture 8; faults G 64.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.broker.market_wire import MINUTE, MinuteBar, WireBar, nanoseconds
from runtime.messages.market import COLUMNS, TRADE_COUNT, VWAP
from storage.loaders import quarantine

WORTH = 16
"""Bars from which on columns are cheaper than bars."""

_ONE_KIND = {MinuteBar}
_NUMBERS = tuple(attrgetter(key) for key in "ohlcv")
_MAYBE = attrgetter("n"), attrgetter("vw")


class Batch(NamedTuple):
    """The bars of one minute, sound in form.

    Attributes:
        ts: Its start, ns UTC. ids: of the symbols, each once. members: the same as a set.
        values: (7, n) in the order of `runtime.messages.market.COLUMNS` and of `ids`.
    """

    ts: int
    ids: list[int]
    members: set[int]
    values: NDArray[np.float64]


def plain_minute(bars: Sequence[WireBar], symbols: Mapping[str, int]) -> Batch | None:
    """The bars as one batch; None if a single one of them is not what it should be.

    Args:
        symbols: Id by name; a bar of another symbol is not plain.
    """
    if len(bars) < WORTH or set(map(type, bars)) != _ONE_KIND:
        return None
    moment = bars[0].t
    if [bar.t for bar in bars].count(moment) < len(bars):
        return None
    ids = [symbols.get(bar.S, -1) for bar in bars]
    members = set(ids)
    if -1 in members or len(members) < len(ids):
        return None
    ts = nanoseconds(moment)
    if ts <= 0 or ts % MINUTE:
        return None
    values = np.empty((len(COLUMNS), len(bars)))
    # Column by column: a tuple for every bar would call the collector of garbage into the minute.
    for row, number in zip(values, _NUMBERS, strict=False):
        row[:] = np.fromiter(map(number, bars), np.float64, len(bars))
    for row, number in zip(values[len(_NUMBERS) :], _MAYBE, strict=True):
        row[:] = np.array(list(map(number, bars)), dtype=np.float64)  # what was not told (None) becomes NaN
    if not _is_sound(values):
        return None
    counted, average = values[TRADE_COUNT], values[VWAP]
    counted[~((counted > 0.0) & (counted < quarantine.MAX_VOLUME))] = np.nan
    average[~((average > 0.0) & (average <= quarantine.MINUTES.most))] = np.nan
    return Batch(ts, ids, members, values)


def _is_sound(values: NDArray[np.float64]) -> bool:
    """Whether every bar passes the rules of form. values: (7, n)."""
    opens, high, low, close, volume = values[:5]
    # Written so that a NaN, which compares as False, is not sound.
    return bool(
        ((low > 0.0) & (high <= quarantine.MINUTES.most)).all()
        and ((np.minimum(opens, close) >= low) & (np.maximum(opens, close) <= high)).all()
        and ((volume >= 0.0) & (volume < quarantine.MAX_VOLUME)).all()
        and (volume == np.floor(volume)).all()
    )
