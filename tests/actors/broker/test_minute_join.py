"""One `Bars` a minute: complete or a quarter of a second late, never early, nothing lost, nothing twice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.minute_join import NOT_SUBSCRIBED, OTHER_SESSION, UNCONFIRMED
from runtime.messages.market import Bars, BarsRevised
from storage.loaders import quarantine
from tests.actors.broker.market_samples import MINUTE, OPEN, SECOND, SYMBOLS, Joined, bar

END = OPEN + MINUTE
WAIT = 250_000_000


def told(columns):
    """(kind, minute, reason, {symbol: close}) of each."""
    return [
        (
            type(one).__name__,
            (one.ts_event - OPEN) // MINUTE,
            getattr(one, "reason", ""),
            {SYMBOLS[at]: close for at, close in zip(one.ids.tolist(), one.close.tolist(), strict=True)},
        )
        for one in columns
    ]


def test_a_minute_is_told_as_soon_as_every_symbol_has_reported():
    floor = Joined()
    assert floor.join.take([bar("BBB", close=2.0), bar("AAA", close=1.0)], END + 20) == []
    assert floor.join.due() == END + WAIT
    (minute,) = floor.join.take([bar("CCC", close=3.0)], END + 30)
    assert type(minute) is Bars
    assert (minute.ts_event, minute.ids.tolist(), minute.close.tolist()) == (OPEN, [0, 1, 2], [1.0, 2.0, 3.0])
    assert (minute.volume.tolist(), minute.trade_count.tolist(), minute.vwap.tolist()) == (
        [100.0] * 3, [3.0] * 3, [1.0, 2.0, 3.0],
    )  # fmt: skip
    assert floor.join.due() is None


def test_a_minute_that_stays_incomplete_is_told_a_quarter_of_a_second_after_its_end():
    floor = Joined()
    floor.join.take([bar("BBB", close=2.0)], END + 20)
    assert floor.join.tell(END + WAIT - 1) == []
    assert told(floor.join.tell(END + WAIT)) == [("Bars", 0, "", {"BBB": 2.0})]


def test_a_complete_minute_is_not_told_before_its_end():
    floor = Joined()
    assert floor.join.take([bar(name) for name in SYMBOLS], END - SECOND) == []
    assert floor.join.due() == END
    assert len(floor.join.tell(END)) == 1


def test_a_minute_without_a_bar_says_nothing():
    floor = Joined()
    assert floor.join.tell(END + WAIT) == []
    assert floor.join.due() is None


def test_what_comes_after_the_minute_was_told_is_late():
    floor = Joined()
    floor.join.take([bar("AAA")], END + 20)
    floor.join.tell(END + WAIT)
    assert told(floor.join.take([bar("BBB", close=2.0)], END + WAIT + 1)) == [
        ("BarsRevised", 0, "late", {"BBB": 2.0})
    ]


def test_the_first_bar_of_a_minute_may_itself_be_late():
    floor = Joined()
    assert told(floor.join.take([bar("AAA")], END + WAIT + 1)) == [("BarsRevised", 0, "late", {"AAA": 10.0})]


def test_an_updated_bar_is_a_revision_even_while_its_minute_waits():
    floor = Joined()
    assert floor.join.take([bar("AAA", close=1.0), bar("AAA", close=1.1, updated=True)], END + 1) == []
    assert told(floor.join.tell(END + WAIT)) == [
        ("Bars", 0, "", {"AAA": 1.0}),
        ("BarsRevised", 0, "updated", {"AAA": 1.1}),
    ]
    later = floor.join.take([bar("AAA", close=1.2, updated=True)], END + 30 * SECOND)
    assert told(later) == [("BarsRevised", 0, "updated", {"AAA": 1.2})]


def test_an_updated_bar_that_changes_nothing_is_a_duplicate():
    floor = Joined()
    floor.join.take([bar("AAA")], END + 1)
    floor.join.tell(END + WAIT)
    assert floor.join.take([bar("AAA", updated=True)], END + 30 * SECOND) == []
    assert floor.reasons() == {quarantine.DUPLICATE: 1}


def test_two_bars_that_contradict_each_other_are_both_refused_and_a_correction_mends_it():
    floor = Joined()
    floor.join.take([bar("AAA", close=1.0), bar("AAA", close=1.01), bar("BBB", close=2.0)], END + 1)
    assert told(floor.join.tell(END + WAIT)) == [("Bars", 0, "", {"BBB": 2.0})]
    assert floor.reasons() == {quarantine.CONTRADICTING: 2}
    mended = floor.join.take([bar("AAA", close=1.01, updated=True)], END + 30 * SECOND)
    assert told(mended) == [("BarsRevised", 0, "updated", {"AAA": 1.01})]


def test_a_second_bar_of_a_told_minute_is_refused():
    floor = Joined()
    floor.join.take([bar(name) for name in SYMBOLS], END)
    assert floor.join.take([bar("AAA", close=10.01)], END + SECOND) == []
    assert floor.join.take([bar("AAA")], END + SECOND) == []
    assert floor.reasons() == {quarantine.CONTRADICTING: 1, quarantine.DUPLICATE: 1}


def test_backfill_tells_only_what_is_missing():
    floor = Joined()
    floor.join.take([bar("AAA", 0)], END + 1)
    floor.join.tell(END + WAIT)
    read = [bar("AAA", 0), bar("BBB", 0, 2.0), bar("AAA", 1, 11.0), bar("BBB", 1, 2.1)]
    assert told(floor.join.backfill(read, END + 3 * MINUTE)) == [
        ("BarsRevised", 0, "backfill", {"BBB": 2.0}),
        ("BarsRevised", 1, "backfill", {"AAA": 11.0, "BBB": 2.1}),
    ]
    assert floor.join.backfill(read, END + 3 * MINUTE) == []
    assert floor.reasons() == {}


def test_a_long_gap_read_twice_is_told_once_and_corrections_of_old_minutes_are_told():
    floor = Joined(wanted=("AAA",))
    read = [bar("AAA", minute, 10.0) for minute in range(30)]
    assert len(floor.join.backfill(read, OPEN + 40 * MINUTE)) == 30
    floor.join.take([bar("AAA", 40)], OPEN + 41 * MINUTE)
    assert floor.join.backfill(read, OPEN + 41 * MINUTE) == []
    assert told(floor.join.take([bar("AAA", 3, 10.1, updated=True)], OPEN + 41 * MINUTE)) == [
        ("BarsRevised", 3, "updated", {"AAA": 10.1})
    ]
    floor.join.take([bar("AAA", 3, 10.1)], OPEN + 42 * MINUTE)
    assert floor.reasons() == {quarantine.DUPLICATE: 1}


def test_backfill_never_makes_an_untold_minute_new():
    floor = Joined()
    floor.join.backfill([bar("AAA", 0, 1.0)], END + 1)
    floor.join.take([bar("BBB", 0, 2.0)], END + 1)
    assert told(floor.join.tell(END + WAIT)) == [
        ("Bars", 0, "", {"BBB": 2.0}),
        ("BarsRevised", 0, "backfill", {"AAA": 1.0}),
    ]


def test_minutes_told_before_a_restart_are_not_new_again():
    floor = Joined(told=OPEN)
    assert told(floor.join.take([bar(name, 0) for name in SYMBOLS], END + 1))[0][0] == "BarsRevised"
    assert told(floor.join.take([bar(name, 1) for name in SYMBOLS], END + MINUTE))[0][:2] == ("Bars", 1)


def test_bars_of_other_sessions_other_symbols_and_the_future_are_refused():
    floor = Joined()
    floor.join.take([bar("AAA", -16 * 60 - 1), bar("ZZZ"), bar("AAA", 60), bar("AAA", 1)], END + 1)
    assert floor.reasons() == {OTHER_SESSION: 1, NOT_SUBSCRIBED: 1, quarantine.FUTURE: 2}


def test_a_bar_a_little_early_is_kept_for_its_time_because_clocks_differ():
    floor = Joined(wanted=("AAA",))
    assert floor.join.take([bar("AAA")], END - 2 * SECOND) == []
    assert floor.reasons() == {}
    floor.join.take([bar("BBB")], END - 2 * SECOND - 1)
    assert floor.reasons() == {quarantine.FUTURE: 1}


def test_a_jump_is_refused_until_it_has_stayed_for_five_bars():
    floor = Joined(wanted=("AAA",))
    closes = [10.0, 10.1, 30.0, 30.1, 30.2, 30.1, 30.0, 30.3]
    seen = []
    for minute, close in enumerate(closes):
        for one in floor.join.take([bar("AAA", minute, close)], OPEN + (minute + 1) * MINUTE):
            seen += one.close.tolist()
    assert seen == [10.0, 10.1, 30.0, 30.3]
    assert floor.reasons() == {UNCONFIRMED: 4}


def test_a_bad_print_does_not_become_the_level():
    floor = Joined(wanted=("AAA",))
    for minute, close in enumerate([10.0, 99.0, 10.1, 99.0, 10.2]):
        floor.join.take([bar("AAA", minute, close)], OPEN + (minute + 1) * MINUTE)
    assert floor.reasons() == {UNCONFIRMED: 2}


def test_an_impossible_trade_count_or_average_price_is_an_unknown_one():
    floor = Joined(wanted=("AAA",))
    (minute,) = floor.join.take([bar("AAA", n=-1.0, vw=float("inf"))], END)
    assert np.isnan(minute.trade_count).all()
    assert np.isnan(minute.vwap).all()


def test_a_new_symbol_gets_the_next_place():
    floor = Joined()
    assert (floor.join.add_symbol("DDD"), floor.join.add_symbol("DDD"), floor.join.add_symbol("AAA")) == (
        3,
        3,
        0,
    )
    floor.join.await_symbols(["DDD"])
    (minute,) = floor.join.take([bar("DDD")], END)
    assert minute.ids.tolist() == [3]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SYMBOLS),
            st.integers(0, 3),
            st.sampled_from([9.0, 10.0, 11.0]),
            st.sampled_from(["late", "updated", "backfill"]),
            st.integers(0, 40 * SECOND),
        ),
        max_size=40,
    )
)
def test_every_bar_is_told_once_or_counted_and_minutes_are_told_once_in_order(steps):
    """Whatever comes in whatever order: told + refused + repeated by REST = everything that came."""
    floor = Joined(early=10 * MINUTE)
    now, seen, repeated = OPEN, [], 0
    state: dict[tuple[str, int], float] = {}
    for symbol, minute, close, reason, pause in steps:
        now += pause
        one = bar(symbol, minute, close, updated=reason == "updated")
        take = floor.join.backfill if reason == "backfill" else floor.join.take
        before, pending = floor.refused.total, _pending(floor)
        seen += (out := take([one], now))
        grown = _pending(floor) - pending + sum(len(columns) for columns in out)
        repeated += 1 - (floor.refused.total - before) - grown
    seen += floor.join.tell(now + 10 * MINUTE)
    news = [one.ts_event for one in seen if type(one) is Bars]
    assert news == sorted(set(news))
    for one in seen:
        assert (np.diff(one.ids) > 0).all()
        if type(one) is BarsRevised:
            for at, close in zip(one.ids.tolist(), one.close.tolist(), strict=True):
                state[SYMBOLS[at], one.ts_event] = close
    assert _pending(floor) == 0
    only_rest = sum(1 for step in steps if step[3] != "late")
    assert 0 <= repeated <= only_rest


def _pending(floor) -> int:
    """Bars that wait to be told."""
    waiting = [minute for minute in floor.join._minutes.values() if not minute.is_told]
    return sum(len(one.rows) + sum(len(rows) for rows in one.after.values()) for one in waiting)
