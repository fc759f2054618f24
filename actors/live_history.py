"""Asks the broker for the daily bars that a root without any begins with."""

from collections.abc import Callable, Sequence

import anyio
import anyio.from_thread

from actors.broker.bar_history import BarHistory
from actors.broker.market_wire import WireBar
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.log import get_logger
from storage.loaders.first_days import Days

FetchDays = Callable[[Sequence[str], int, int], Sequence[Days]]
"""Of symbols from one midnight to another, ns UTC, both included: raw, for splits, and for dividends too."""
ADJUSTMENTS = ("raw", "split", "all")

_log = get_logger(__name__)


def day_fetcher(make: Callable[[], BarHistory], seconds: float) -> FetchDays:
    """What reads them from a worker thread of the running loop; empty where the broker gives none in time.

    Args:
        make: The broker's history; connections of its own, closed at the end. seconds: Real time.
    """

    async def read(symbols: Sequence[str], first: int, last: int) -> list[Days]:
        history = make()
        try:
            with anyio.move_on_after(seconds):
                return [
                    _days(await history.daily_bars(symbols, first, last, adjustment=each))
                    for each in ADJUSTMENTS
                ]
            _log.warning("daily bars did not come in time", seconds=seconds)
        except (BrokerUnavailable, BrokerRejected, KeysRefused) as error:
            _log.warning("daily bars could not be read", error=str(error))
        finally:
            await history.aclose()
        return [{} for _ in ADJUSTMENTS]

    return lambda symbols, first, last: anyio.from_thread.run(read, symbols, first, last)


def _days(bars: Sequence[WireBar]) -> Days:
    return {(bar.S, bar.ts): (bar.o, bar.h, bar.l, bar.c, float(bar.v)) for bar in bars}
