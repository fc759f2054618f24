"""A frame of many bars that is one plain minute, checked column by column instead of bar by bar.

Almost every frame of a large subscription is one, and its bars stand between the broker and the decision.
The rules are those of `market_wire.refusal`; whatever does not fit is left to the look at each bar, which
says why. Source: architecture 8; faults G 64.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from actors.broker.market_wire import MINUTE, MinuteBar, WireBar, nanoseconds
from storage.loaders import quarantine

WORTH = 16
"""Bars from which on columns are cheaper than bars."""

_ONE_KIND = {MinuteBar}


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
    names, opens, high, low, close, volume, moments, counts, averages = zip(*map(astuple, bars), strict=True)
    if moments.count(moments[0]) < len(bars):
        return None
    ids = [symbols.get(name, -1) for name in names]
    members = set(ids)
    if -1 in members or len(members) < len(ids):
        return None
    ts = nanoseconds(moments[0])
    if ts <= 0 or ts % MINUTE:
        return None
    # A count or an average that was not told (None) becomes NaN.
    values = np.array((opens, high, low, close, volume, counts, averages), dtype=np.float64)
    if not _is_sound(values):
        return None
    counted, average = values[5:]
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
