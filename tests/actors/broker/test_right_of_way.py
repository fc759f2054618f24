"""What can wait gives a minute the right of way, and never waits long."""

import pytest

from actors.broker.right_of_way import MOST, RightOfWay
from runtime.kernel.clock import ReplayClock
from runtime.messages.base import Message
from runtime.messages.machine import TimerFired
from runtime.messages.market import Bars
from tests.actors.gateways.order_desk import buy, cancel

MINUTE = Bars.of([0], [[1.0], [1.0], [1.0], [1.0], [1.0]], ts_event=0)


class Road:
    """The right of way and the clock it goes by."""

    def __init__(self) -> None:
        self.clock = ReplayClock(1_000)
        self.way = RightOfWay(self.clock)

    def decide(self, *caused: Message) -> None:
        self.way.observe(1, 0, MINUTE, caused)

    @property
    def is_free(self) -> bool:
        return self.way.free.is_set()


@pytest.fixture
def road() -> Road:
    return Road()


def test_a_minute_without_orders_is_out_of_the_way_once_it_is_decided(road: Road) -> None:
    assert road.is_free
    road.way.take()
    assert not road.is_free
    road.decide(cancel())
    assert road.is_free


def test_an_orders_minute_is_out_of_the_way_when_the_fate_of_each_order_is_known(road: Road) -> None:
    road.way.take()
    road.decide(buy("one"), buy("two"))
    road.way.passed("one")
    road.way.passed("of another minute")
    assert not road.is_free
    road.way.passed("two")
    assert road.is_free


def test_nobody_waits_longer_than_the_most(road: Road) -> None:
    road.way.take()
    road.decide(buy("slow"))
    road.clock.advance(road.clock.now() + MOST - 1)
    assert not road.is_free
    road.clock.advance(road.clock.now() + 1)
    assert road.is_free
    road.way.passed("slow")
    assert road.is_free


def test_a_minute_that_is_never_decided_holds_nobody_up_for_good(road: Road) -> None:
    road.way.take()
    road.clock.advance(road.clock.now() + MOST)
    assert road.is_free
    road.decide(buy("late"))
    assert road.is_free


def test_the_next_minute_takes_the_way_anew_and_for_its_own_time(road: Road) -> None:
    road.way.take()
    road.decide(buy("first"))
    road.clock.advance(road.clock.now() + MOST // 2)
    road.way.take()
    road.way.passed("first")
    road.clock.advance(road.clock.now() + MOST // 2)
    assert not road.is_free
    road.decide()
    assert road.is_free


def test_only_a_minute_decides(road: Road) -> None:
    road.way.take()
    road.way.observe(1, 0, TimerFired(ts_event=0, actor="x", key="y"), ())
    assert not road.is_free


def test_minutes_that_nobody_took_the_way_for_leave_it_free(road: Road) -> None:
    road.decide(buy("fed again"))
    assert road.is_free
