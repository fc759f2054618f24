"""What the market stream says: in order, nothing lost for want of room, the same thing never twice."""

from collections import deque
from typing import Any

import pytest

from actors.broker.market_outlet import MarketOutlet
from actors.broker.market_wire import Bad
from actors.broker.right_of_way import RightOfWay
from runtime.kernel.clock import ReplayClock
from runtime.messages.base import Input
from runtime.messages.market import Bars, BarsQuarantined, BarsRevised, FeedChanged, TradingStatus
from tests.actors.broker.market_samples import MINUTE, OPEN, SECOND, SYMBOLS, Joined, bar

PATIENCE = 10 * SECOND
TOLD = OPEN + MINUTE + 20_000_000


class Full(Exception):
    """There is no room."""


class Posts:
    """Takes what is posted as long as there is room."""

    def __init__(self) -> None:
        self.seen: list[Input] = []
        self.room = 1_000

    def __call__(self, source: str, message: Input, **_: Any) -> None:
        assert source == "market"
        if not self.room:
            raise Full
        self.room -= 1
        self.seen.append(message)

    def kinds(self) -> list[str]:
        return [type(one).__name__ for one in self.seen]


class Out:
    """An outlet, what it posted, and the joiner behind it."""

    def __init__(self, way: RightOfWay | None = None, joined: Joined | None = None) -> None:
        self.joined = joined or Joined()
        self.posts = Posts()
        self.clock = ReplayClock(TOLD)
        self.outlet = MarketOutlet(
            self.posts,
            self.clock,
            self.joined.join,
            self.joined.refused,
            PATIENCE,
            way,  # type: ignore[arg-type]
        )


def minute(number: int = 0) -> list[Any]:
    return [bar(symbol, number) for symbol in SYMBOLS]


def status(symbol: str = "AAA", *, halted: bool = True, ts: int = OPEN) -> TradingStatus:
    return TradingStatus(ts_event=ts, symbol=symbol, halted=halted, reason="news")


def test_a_minute_that_is_complete_is_posted_at_once_and_one_that_is_not_when_it_is_due() -> None:
    out = Out()
    out.outlet.take(minute(), TOLD)
    assert out.posts.kinds() == ["Bars"]
    assert out.outlet.due() is None
    out.outlet.take([bar("AAA", 1)], OPEN + 2 * MINUTE)
    due = out.outlet.due()
    assert due is not None
    out.outlet.tell(due - 1)
    assert len(out.posts.seen) == 1
    out.outlet.tell(due)
    assert out.posts.kinds() == ["Bars", "Bars"]
    assert out.outlet.due() is None


def test_what_finds_no_room_is_what_the_next_instance_posts_first_and_as_old_news() -> None:
    out = Out()
    out.posts.room = 0
    with pytest.raises(Full):
        out.outlet.take(minute(), TOLD)
    again = Out(joined=out.joined)
    again.outlet.owed()
    assert again.posts.kinds() == ["BarsRevised"]
    (late,) = again.posts.seen
    assert isinstance(late, BarsRevised)
    assert late.reason == "late"
    assert again.joined.join.owed == deque()


def test_refusals_are_told_together_once_they_have_waited_and_all_of_them_at_the_end() -> None:
    out = Out()
    out.outlet.settle(TOLD)
    assert out.outlet.due() is None
    bad = Bad(reason="it is no bar", example="x")
    out.outlet.refuse([bad])
    out.outlet.settle(TOLD)
    out.outlet.refuse([bad])
    out.outlet.settle(TOLD + SECOND)  # the second one waits as long as the first
    assert out.outlet.due() == TOLD + PATIENCE
    out.outlet.tell(TOLD + PATIENCE - 1)
    assert out.posts.seen == []
    out.outlet.tell(TOLD + PATIENCE)
    (told,) = out.posts.seen
    assert isinstance(told, BarsQuarantined)
    assert (told.reason, told.count, told.example) == ("it is no bar", 2, "x")
    assert out.outlet.due() is None
    out.outlet.refuse([bad])
    out.outlet.settle(TOLD + 20 * SECOND)
    assert out.outlet.due() == TOLD + 20 * SECOND + PATIENCE
    out.outlet.tell(TOLD + 21 * SECOND, final=True)
    assert out.posts.kinds() == ["BarsQuarantined"] * 2


def test_news_wakes_whoever_waits_for_something_to_be_due() -> None:
    out = Out()
    assert not out.outlet.news.is_set()
    out.outlet.settle(TOLD)
    assert out.outlet.news.is_set()
    out.outlet.news.clear()
    out.outlet.backfill([], TOLD)
    assert out.outlet.news.is_set()


def test_bars_of_a_gap_are_posted_as_what_they_are() -> None:
    out = Out()
    out.outlet.take([bar("AAA"), bar("BBB")], TOLD)
    out.outlet.tell(OPEN + 2 * MINUTE)
    out.outlet.backfill([bar("CCC")], OPEN + 2 * MINUTE)
    assert out.posts.kinds() == ["Bars", "BarsRevised"]
    assert out.posts.seen[1].reason == "backfill"  # type: ignore[attr-defined]


def test_a_halt_is_posted_and_ends_with_the_next_trade_where_its_end_was_missed() -> None:
    out = Out()
    out.outlet.status(status())
    out.outlet.take(minute(1), OPEN + 2 * MINUTE)
    ended = out.posts.seen[-1]
    assert isinstance(ended, TradingStatus)
    assert (ended.symbol, ended.halted, ended.ts_event) == ("AAA", False, OPEN + MINUTE)
    assert out.posts.kinds() == ["TradingStatus", "Bars", "TradingStatus"]


def test_a_halt_of_a_symbol_that_nobody_asked_for_is_refused() -> None:
    out = Out()
    out.outlet.status(status("ZZZZ"))
    assert out.posts.seen == []
    assert out.joined.reasons() == {"status of a symbol that is not subscribed": 1}


def test_the_state_of_the_feed_is_told_when_it_or_its_reason_changes() -> None:
    out = Out()
    for up, reason in ((False, "connecting"), (False, "connecting"), (False, "lost"), (True, ""), (True, "")):
        out.outlet.feed(up, reason)
    assert out.posts.seen == [
        FeedChanged(ts_event=TOLD, stream="market", up=False, reason="connecting"),
        FeedChanged(ts_event=TOLD, stream="market", up=False, reason="lost"),
        FeedChanged(ts_event=TOLD, stream="market", up=True, reason=""),
    ]


def test_only_a_minute_takes_the_right_of_way() -> None:
    way = RightOfWay(ReplayClock(1))
    out = Out(way)
    out.outlet.feed(True, "")
    out.outlet.take([bar("AAA", updated=True)], TOLD)
    assert way.free.is_set()
    out.outlet.take(minute(), TOLD)
    assert not way.free.is_set()
    assert type(out.posts.seen[-1]) is Bars
