"""Asks the broker for minutes of earlier sessions while a session is laid out, within a time."""

from collections.abc import Callable, Sequence

import anyio
import anyio.from_thread

from actors.broker.bar_history import BarHistory
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.log import get_logger
from storage.loaders.own_minutes import Fetch, Minutes

_log = get_logger(__name__)


def minute_fetcher(make: Callable[[], BarHistory], seconds: float) -> Fetch:
    """What reads spans of minutes, the first ones first, from a worker thread of the running loop.

    Args:
        make: The broker's history; a connection of its own, closed at the end.
        seconds: Real time after which the rest is left for the next start.
    """

    async def read(symbols: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[Minutes]:
        history, found = make(), list[Minutes]()
        try:
            with anyio.move_on_after(seconds):
                for first, last in spans:
                    bars = await history.minute_bars(symbols, first, last)
                    found.append({(bar.ts, bar.S): (bar.o, bar.h, bar.l, bar.c, bar.v) for bar in bars})
        except (BrokerUnavailable, BrokerRejected, KeysRefused) as error:
            _log.warning("minutes of earlier sessions could not be read", error=str(error))
        finally:
            await history.aclose()
        if len(found) < len(spans):
            _log.warning("minutes of earlier sessions are incomplete", asked=len(spans), read=len(found))
        return found

    return lambda symbols, spans: anyio.from_thread.run(read, symbols, spans)
