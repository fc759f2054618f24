"""What a start asks the broker, and the time it has for it: days, then minutes of earlier sessions."""

from collections.abc import Callable, Sequence
from typing import TypedDict

from actors.broker.bar_history import BarHistory
from actors.live_history import FetchDays, day_fetcher
from actors.live_minutes import minute_fetcher
from runtime.kernel.clock import Clock
from storage.loaders.own_minutes import Fetch, Minutes

LEFT = 0.2
"""Share of the time that minutes have in any case."""


class Asks(TypedDict, total=False):
    """By the names that `make_start` has for them; nothing: nobody is asked."""

    fetch: Fetch
    fetch_days: FetchDays


def asker(make: Callable[[], BarHistory], seconds: float, real: Clock) -> Callable[[], Asks]:
    """What makes, at the beginning of a start, that which asks: both share the time from then on.

    Args:
        make: The broker's history; connections of its own, closed at the end.
        seconds: Real time for both; 0: nobody is asked.
    """

    def begin() -> Asks:
        if not seconds:
            return {}
        begun = real.now()

        def minutes(symbols: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[Minutes]:
            left = seconds - (real.now() - begun) / 1e9
            return minute_fetcher(make, max(left, seconds * LEFT))(symbols, spans)

        return {"fetch": minutes, "fetch_days": day_fetcher(make, seconds)}

    return begin
