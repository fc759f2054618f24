"""The time a start has for the broker: the days take what they need, the minutes what is left."""

import anyio
import anyio.to_thread
import pytest

from actors.live_asking import LEFT, asker
from actors.market.calendar import midnight
from runtime.kernel.clock import ReplayClock

NOW = 1_790_000_000_000_000_000
SECOND = 1_000_000_000


class Never:
    """A history that does not answer."""

    async def daily_columns(self, *words, **named):
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        pass


@pytest.fixture
def given(monkeypatch) -> list[float]:
    """The seconds that minutes are given, each time they are asked for."""
    found: list[float] = []

    def fetcher(make, limit):
        found.append(limit)
        return lambda symbols, spans: []

    monkeypatch.setattr("actors.live_asking.minute_fetcher", fetcher)
    return found


@pytest.mark.parametrize(("takes", "left"), [(0.0, 5.0), (2.0, 3.0), (4.5, 5.0 * LEFT), (60.0, 5.0 * LEFT)])
def test_minutes_have_what_the_days_leave_but_never_nothing(given, takes, left):
    clock = ReplayClock(NOW)
    asks = asker(Never, 5.0, clock)()
    clock.advance(NOW + round(takes * SECOND))
    asks["fetch"](["SPY"], [(NOW, NOW)])
    assert given == [pytest.approx(left)]


def test_each_start_has_its_time_anew(given):
    clock = ReplayClock(NOW)
    begin = asker(Never, 5.0, clock)
    for _ in range(2):
        begin()["fetch"](["SPY"], [(NOW, NOW)])
        clock.advance(clock.now() + 86_400 * SECOND)
    assert given == [5.0, 5.0]


def test_without_time_nobody_is_asked():
    assert asker(Never, 0.0, ReplayClock(NOW))() == {}


async def test_days_that_do_not_come_within_the_time_are_missing_and_the_start_goes_on():
    asks = asker(Never, 0.05, ReplayClock(NOW))()
    span = midnight("2018-03-01"), midnight("2018-03-02")
    answer = await anyio.to_thread.run_sync(lambda: asks["fetch_days"](["SPY"], *span))
    assert answer.told == ()
    assert answer.why == "not in time (0.05 s)"
