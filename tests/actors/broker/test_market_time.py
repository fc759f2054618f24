"""Market time is the broker's, whenever its clock began and whatever it tells."""

from datetime import UTC, datetime

import pytest

from actors.broker.market_time import MarketTime
from actors.broker.wire import ClockReading
from runtime.errors import BrokerUnavailable
from runtime.kernel.clock import ReplayClock
from runtime.kernel.paced_clock import PacedClock

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
BEGINS = 1_520_259_900 * SECOND
SPEED = 60.0


class Broker:
    """A clock of the same speed that shows `shows` until `runs_from`, ns of real time; None: for good."""

    def __init__(self, real: ReplayClock, *, shows: int = BEGINS, runs_from: int | None = 0) -> None:
        self.real, self.shows, self.runs_from = real, shows, runs_from
        self.asked = 0
        self.waits = 0.0
        """Seconds of real time before it is read: the question waits for its turn."""

    def now(self) -> int:
        since = 0 if self.runs_from is None else max(0, self.real.now() - self.runs_from)
        return self.shows + round(since * SPEED)

    async def __call__(self) -> ClockReading:
        self.asked += 1
        self.real.advance(self.real.now() + round(self.waits * SECOND))
        moment = datetime.fromtimestamp(self.now() // SECOND, UTC)
        return ClockReading(is_open=False, timestamp=f"{moment:%Y-%m-%dT%H:%M:%S}.{self.now() % SECOND:09d}Z")


class Ours:
    """Our clock, made at real time 0."""

    def __init__(self) -> None:
        self.real = ReplayClock(0)
        self.pace = PacedClock(self.real, BEGINS, SPEED)
        self.time = MarketTime(
            self.pace, self.real, speed=SPEED, late=15 * SECOND, early=round(2 * SPEED) * SECOND
        )

    async def begin(self, broker: Broker | None) -> None:
        self.time.ask = broker
        await self.time.begin()

    def pass_real(self, seconds: float) -> None:
        self.real.advance(self.real.now() + round(seconds * SECOND))


@pytest.mark.parametrize("runs_from", [0, -4 * SECOND, 3 * SECOND, 6 * SECOND])
async def test_both_agree_once_connected_whether_its_clock_began_before_or_with_us(runs_from):
    ours = Ours()
    broker = Broker(ours.real, runs_from=runs_from)
    await ours.begin(broker)
    ours.pass_real(6)  # history is read, streams are opened
    await ours.time.agree()
    assert ours.pace.now() == broker.now()
    ours.pass_real(10)
    assert ours.pace.now() == broker.now()


async def test_a_clock_that_waits_for_the_first_subscription_finds_us_at_the_beginning():
    ours = Ours()
    broker = Broker(ours.real, runs_from=None)
    await ours.begin(broker)
    ours.pass_real(6)
    broker.runs_from = ours.real.now()
    await ours.time.agree()
    assert ours.pace.now() == BEGINS
    ours.pass_real(1)
    assert ours.pace.now() == broker.now() == BEGINS + 60 * SECOND


@pytest.mark.parametrize("shows", [BEGINS + 8 * 365 * 24 * 60 * MINUTE, BEGINS - 24 * 60 * MINUTE])
async def test_a_clock_of_another_day_counts_for_nothing_and_ours_has_run_since_it_was_made(shows):
    ours = Ours()
    ours.pass_real(1)
    await ours.begin(Broker(ours.real, shows=shows))
    ours.pass_real(1)
    await ours.time.agree()
    assert ours.pace.now() == BEGINS + 120 * SECOND


async def test_a_broker_without_a_clock_counts_for_nothing():
    async def nothing() -> ClockReading:
        raise BrokerUnavailable("endpoint not found", is_unknown=False)

    ours = Ours()
    ours.time.ask = nothing
    await ours.time.begin()
    ours.pass_real(1)
    assert not await ours.time.agree()
    assert ours.pace.now() == BEGINS + 60 * SECOND


async def test_a_clock_that_stands_does_not_hold_ours():
    ours = Ours()
    broker = Broker(ours.real, runs_from=None)
    await ours.begin(broker)
    await ours.time.agree()
    ours.pass_real(10)
    await ours.time.agree()
    ours.pass_real(1)
    assert ours.pace.now() == BEGINS + 11 * 60 * SECOND


async def test_minutes_at_odd_moments_ask_for_the_clock_seldom_and_less_and_less():
    ours = Ours()
    broker = Broker(ours.real)
    await ours.begin(broker)
    await ours.time.agree()
    asked = broker.asked
    for _ in range(600):
        ours.pass_real(1)
        now = ours.pace.now()
        if ours.time.is_odd(now - 3 * MINUTE, now):  # a feed that is two minutes late, all day
            await ours.time.agree()
    assert 1 <= broker.asked - asked <= 8


async def test_an_answer_that_was_long_in_coming_changes_no_clock_that_may_be_right():
    ours = Ours()
    broker = Broker(ours.real)
    await ours.begin(broker)
    await ours.time.agree()
    broker.waits = 1.5
    assert not await ours.time.agree()
    assert ours.pace.now() == broker.now()


async def test_minutes_in_time_ask_nothing():
    ours = Ours()
    await ours.begin(Broker(ours.real))
    ours.pass_real(600)
    now = ours.pace.now()
    assert not any(ours.time.is_odd(now - MINUTE - off * SECOND, now) for off in (-110, 0, 14))


@pytest.mark.parametrize("off", [-10, 10])
async def test_without_a_clock_two_minutes_in_a_row_tell_the_time_and_one_does_not(off):
    ours = Ours()
    await ours.begin(Broker(ours.real, shows=0))
    ours.pass_real(60)
    first = ours.pace.now() + off * MINUTE
    assert not ours.time.is_odd(first - MINUTE, ours.pace.now())
    assert not ours.time.is_odd(first - MINUTE, ours.pace.now())
    ours.pass_real(1)
    before = ours.pace.now()
    assert before == first - off * MINUTE + MINUTE
    assert not ours.time.is_odd(first, before)
    assert ours.pace.now() == max(before, first + MINUTE)
    ours.pass_real(20)
    assert ours.pace.now() == first + 21 * MINUTE
