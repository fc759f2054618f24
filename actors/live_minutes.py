"""Asks the broker for minutes of earlier sessions while a session is laid out, within a time."""

from collections.abc import Callable, Sequence

import anyio
import anyio.from_thread

from actors.broker.bar_history import BarHistory
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.log import get_logger
from storage.loaders.own_minutes import Fetch, Minutes

LINES = 4
"""Questions under way at once: an answer takes longer to come than to be read."""

_log = get_logger(__name__)


def minute_fetcher(make: Callable[[], BarHistory], seconds: float) -> Fetch:
    """What reads spans of minutes, the first ones first, from a worker thread of the running loop.

    Args:
        make: The broker's history, best with `LINES`; connections of its own, closed at the end.
        seconds: Real time after which the rest is left for the next start.
    """

    async def read(symbols: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[Minutes]:
        history = make()
        found: dict[int, Minutes] = {}
        left = iter(enumerate(spans))

        async def some() -> None:
            # One span after the other: begun all at once, none of them would be whole when time is up.
            try:
                for at, (first, last) in left:
                    found[at] = await history.minute_columns(symbols, first, last)
            except (BrokerUnavailable, BrokerRejected, KeysRefused) as error:
                _log.warning("minutes of earlier sessions could not be read", error=str(error))
                group.cancel_scope.cancel()

        try:
            with anyio.move_on_after(seconds):
                async with anyio.create_task_group() as group:
                    for _ in range(LINES):
                        group.start_soon(some)
        finally:
            await history.aclose()
        read = next((at for at in range(len(spans)) if at not in found), len(spans))
        if read < len(spans):
            _log.warning("minutes of earlier sessions are incomplete", asked=len(spans), read=read)
        return [found[at] for at in range(read)]

    return lambda symbols, spans: anyio.from_thread.run(read, symbols, spans)
