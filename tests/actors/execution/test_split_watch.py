"""What counts as evidence of a split, and for which lots."""

from fractions import Fraction

import pytest

from actors.execution.lot_orders import LotOrders
from actors.execution.order_state import TERMINAL
from actors.execution.split_watch import DayFacts, SplitWatch, Verdict
from runtime.messages.broker import BrokerOrder, BrokerPosition, BrokerSnapshot
from runtime.messages.corporate import CorporateAction
from tests.actors.execution.test_split_keeper import DAY, lot


def watching(*lots: LotOrders, close: float = 0.0) -> SplitWatch:
    return SplitWatch(DayFacts(DAY, 0, {"SPY": 0}, lambda _: close, 0.02), lots)


def announced(numerator: int, denominator: int = 1, ex_date: str = DAY) -> CorporateAction:
    return CorporateAction(
        kind="split", symbol="SPY", ex_date=ex_date, numerator=numerator, denominator=denominator
    )


def judged(
    watch: SplitWatch, lots: list[LotOrders], shares: int, *, sold: int = 0, last: float = 0.0
) -> Verdict:
    """What holds of SPY when the broker has so many shares, and lists the lots' orders with these fills."""
    orders = tuple(
        BrokerOrder(
            client_order_id=one.client_order_id, broker_order_id="b", symbol="SPY", side=one.side,
            quantity=one.quantity, filled=one.filled + sold, status="new", parent_id=one.parent_id,
        )
        for each in lots for one in each.orders.values() if one.status not in TERMINAL
    )  # fmt: skip
    position = BrokerPosition(symbol="SPY", quantity=shares, last=last)
    snapshot = BrokerSnapshot(ts_event=1, positions=(position,), orders=orders)
    (found,) = watch.judge(snapshot, lots, {}, [])
    return found


def held(quantity: int = 10, *, resting: bool = False, session: str = "", number: int = 1) -> LotOrders:
    found = lot(number, quantity, resting=resting, follows=False)
    found.session = session
    return found


def test_a_split_of_tomorrow_is_none_today() -> None:
    one = held()
    watch = watching(one)
    watch.is_open = True
    watch.announce([announced(2, ex_date="2018-03-06")])
    assert watch.due("SPY") is None
    assert judged(watch, [one], 20).kind == "none"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_that_were_announced_the_later_one_counts(order: int) -> None:
    one = held()
    watch = watching(one)
    watch.announce([announced(2, ex_date="2018-03-01"), announced(3)][::order])
    verdict = judged(watch, [one], 30)
    assert (verdict.kind, verdict.ratio, verdict.ex_date) == ("split", Fraction(3), DAY)


def test_half_the_shares_are_no_split_while_an_order_has_fills_that_we_do_not_know() -> None:
    one = held(resting=True)
    watch = watching(one)
    watch.announce([announced(1, 2)])
    assert judged(watch, [one], 5, sold=5).kind == "wait"
    assert judged(watch, [one], 5).kind == "split"


def test_what_was_entered_today_is_in_new_shares_and_counts_apart() -> None:
    elder, fresh = held(), held(7, number=2)
    watch = watching(elder)
    watch.announce([announced(2)])
    verdict = judged(watch, [elder, fresh], 27)
    assert (verdict.kind, verdict.total, verdict.external) == ("split", 20, 0)
    assert [each.lot_id for each in verdict.lots] == [elder.lot_id]


@pytest.mark.parametrize(("session", "kind"), [("2018-03-01", "none"), ("2018-02-28", "split")])
def test_a_lot_that_was_entered_after_a_split_is_not_split_by_it(session: str, kind: str) -> None:
    one = held(session=session)
    watch = watching(one)
    watch.is_open = True
    watch.announce([announced(2, ex_date="2018-03-01")])
    assert judged(watch, [one], 20).kind == kind


@pytest.mark.parametrize(("close", "kind"), [(200.0, "split"), (203.0, "split"), (210.0, "wait")])
def test_one_that_nobody_announced_needs_a_price_near_its_ratio(close: float, kind: str) -> None:
    one = held()
    watch = watching(one, close=close)
    watch.announce([])
    assert judged(watch, [one], 20, last=100.0).kind == kind
    watch.is_open = True
    assert judged(watch, [one], 20, last=100.0).kind == (kind if kind == "split" else "none")


def test_before_announcements_are_read_a_difference_is_awaited() -> None:
    one = held()
    assert judged(watching(one, close=200.0), [one], 20, last=100.0).kind == "wait"
