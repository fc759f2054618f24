"""A frame of many bars that is one plain minute, checked column by column instead of bar by bar.

Almost every frame of a large subscription is one, and its bars stand between the broker and the decision.
The rules are those of `market_wire.refusal`; whatever does not fit is left to the look at each bar, which
says why. Source: architecture 8; faults G 64.
"""

from collections.abc import Mapping, Sequence
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.broker.market_wire import MINUTE, MinuteBar, WireBar, nanoseconds
from storage.loaders import quarantine

Row = tuple[float, float, float, float, float, float, float]
"""One bar in the order of `runtime.messages.market.COLUMNS`."""

WORTH = 16
"""Bars from which on columns are cheaper than bars."""


class Batch(NamedTuple):
    """The bars of one minute, sound in form.

    Attributes:
        ts: Its start, ns UTC. ids: of the symbols, each once. rows: likewise, in the same order.
        high, low: USD. closes: USD.
    """

    ts: int
    ids: list[int]
    rows: list[Row]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    closes: list[float]


def plain_minute(bars: Sequence[WireBar], symbols: Mapping[str, int]) -> Batch | None:
    """The bars as one batch; None if a single one of them is not what it should be.

    Args:
        symbols: Id by name; a bar of another symbol is not plain.
    """
    if len(bars) < WORTH:
        return None
    moment = bars[0].t
    if any(type(bar) is not MinuteBar or bar.t != moment for bar in bars):
        return None
    ids = [symbols.get(bar.S, -1) for bar in bars]
    if -1 in ids or len(set(ids)) < len(ids):
        return None
    ts = nanoseconds(moment)
    if ts <= 0 or ts % MINUTE:
        return None
    prices = np.array([(bar.o, bar.h, bar.l, bar.c) for bar in bars]).T
    volume = np.array([bar.v for bar in bars])
    if not _is_sound(prices, volume):
        return None
    counts, averages = [bar.n for bar in bars], [bar.vw for bar in bars]
    most, limit = quarantine.MINUTES.most, quarantine.MAX_VOLUME
    rows = list(
        zip(
            *prices.tolist(),
            volume.tolist(),
            (n if n is not None and 0.0 < n < limit else nan for n in counts),
            (vw if vw is not None and 0.0 < vw <= most else nan for vw in averages),
            strict=True,
        )
    )
    return Batch(ts, ids, rows, prices[1], prices[2], prices[3].tolist())


def _is_sound(prices: NDArray[np.float64], volume: NDArray[np.float64]) -> bool:
    """Whether every bar passes the rules of form. prices: (4, N) of open, high, low, close, USD."""
    opens, high, low, close = prices
    # Written so that a NaN, which compares as False, is not sound.
    return bool(
        ((low > 0.0) & (high <= quarantine.MINUTES.most)).all()
        and ((np.minimum(opens, close) >= low) & (np.maximum(opens, close) <= high)).all()
        and ((volume >= 0.0) & (volume < quarantine.MAX_VOLUME)).all()
        and (volume == np.floor(volume)).all()
    )
