"""The executor through a split, whatever its lots are: what rests afterwards is what is held, no more."""

from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.execution.lot_orders import LotOrders
from actors.execution.order_state import OrderState
from actors.execution.split_watch import DayFacts
from actors.executor import Executor, ExecutorCarried
from config.schema import Orders
from runtime.messages.base import Message
from runtime.messages.broker import (
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    CancelOrder,
    OrderCanceled,
    SubmitOrder,
)
from runtime.messages.corporate import CorporateAction, CorporateActionsRead, SplitApplied, SplitAwaited
from runtime.messages.market import Bars
from runtime.messages.risk import Noted, PhaseChanged
from tests.actors.days import Stage, at

DAY = "2018-03-05"
RATIOS = st.one_of(st.integers(2, 20).map(Fraction), st.integers(2, 20).map(lambda n: Fraction(1, n)))


def lot(number: int, quantity: int, *, resting: bool, follows: bool) -> LotOrders:
    """A lot of an earlier session, bought (sold short) at 100, with a stop and a target 5 away."""
    name, side = f"mr-20180302-{number}", "buy" if quantity > 0 else "sell"
    other = "sell" if quantity > 0 else "buy"
    stop, target = (95.0, 105.0) if quantity > 0 else (105.0, 95.0)
    plain: dict[str, Any] = {
        "lot_id": name, "strategy": "mr", "symbol": "SPY", "quantity": abs(quantity)
    }  # fmt: skip
    entry = OrderState(
        **plain, client_order_id=f"{name}:e1", side=side, role="entry", type="market", status="filled",
        filled=abs(quantity), priced=abs(quantity), value=100.0 * abs(quantity),
    )  # type: ignore[arg-type]  # fmt: skip
    orders = {entry.client_order_id: entry}
    if resting:
        for role, price in (("target", target), ("stop", stop)):
            one = OrderState(
                **plain, client_order_id=f"{name}-{role}", broker_order_id=f"b-{name}-{role}", side=other,
                role=role, type="limit" if role == "target" else "stop", status="accepted",
                limit_price=price if role == "target" else None,
                stop_price=price if role == "stop" else None, parent_id=entry.client_order_id,
            )  # type: ignore[arg-type]  # fmt: skip
            orders[one.client_order_id] = one
    return LotOrders(
        lot_id=name, strategy="mr", symbol="SPY", side=side, time_in_force="gtc", entry_id=f"{name}:e1",
        stop_loss=stop, take_profit=target, orders=orders,
        target_distance=target - 100.0 if follows else None,
        stop_distance=stop - 100.0 if follows else None,
    )  # type: ignore[arg-type]  # fmt: skip


class Split(Stage):
    """An executor that wakes with these lots on the day of their split."""

    def __init__(
        self, lots: list[LotOrders], close: float = 100.0, carried: ExecutorCarried | None = None
    ) -> None:
        facts = DayFacts(DAY, at(0), {"SPY": 0}, lambda _: close, 0.02)
        carried = carried or ExecutorCarried(lots=lots, is_halted=False)
        self.executor = Executor(Orders(), carried, reconciles=True, day=facts)
        super().__init__(self.executor, "executor")
        self.lots = carried.lots
        self.seen: list[Message] = []

    def hear(self, message: Message) -> None:
        """Hear it, and have the broker carry out cancellations."""
        said = self.tell(message, at(0))
        self.seen += said
        for one in said:
            for order in self._group_of(one) if isinstance(one, CancelOrder) else ():
                self.hear(
                    OrderCanceled(
                        ts_event=at(0), client_order_id=order.client_order_id, symbol="SPY",
                        broker_order_id=order.broker_order_id,
                    )
                )  # fmt: skip

    def _group_of(self, cancel: CancelOrder) -> list[OrderState]:
        (one,) = (each for each in self.lots if each.lot_id == cancel.lot_id)
        return [order for order in one.group_of(cancel.client_order_id) if order.is_live]

    def of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.seen if type(one) is kind]

    def snapshot(self, shares: Fraction) -> None:
        orders = tuple(
            BrokerOrder(
                client_order_id=one.client_order_id, broker_order_id=one.broker_order_id, symbol="SPY",
                side=one.side, quantity=one.quantity, filled=one.filled, status="new", type=one.type,
                limit_price=one.limit_price, stop_price=one.stop_price,
            )
            for each in self.lots for one in each.orders.values() if one.is_live
        )  # fmt: skip
        whole = int(shares)
        position = BrokerPosition(
            symbol="SPY", quantity=whole, fraction=float(shares - whole), last=100.0
        )  # fmt: skip
        self.hear(BrokerSnapshot(ts_event=at(1), positions=(position,), orders=orders, reason="start"))


def read(by: Fraction) -> CorporateActionsRead:
    action = CorporateAction(
        kind="split", symbol="SPY", ex_date=DAY, numerator=by.numerator, denominator=by.denominator
    )
    return CorporateActionsRead(ts_event=at(0), session=DAY, actions=(action,))


@settings(deadline=None)
@given(
    RATIOS,
    st.lists(st.integers(1, 400), min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_exits_after_a_split_are_for_what_is_held_and_the_broker_holds_no_less(
    by, held, is_short, resting, follows, keeps_parts, in_day
):
    sign = -1 if is_short else 1
    lots = [lot(n, sign * one, resting=resting, follows=follows) for n, one in enumerate(held)]
    stage = Split(lots)
    if in_day:
        stage.hear(PhaseChanged(ts_event=at(0), cause=1, phase="PRE_MARKET", previous="OVERNIGHT"))
    stage.hear(read(by))
    exact = sign * sum(held) * by
    stage.snapshot(exact if keeps_parts else Fraction(int(exact)))
    stage.snapshot(exact if keeps_parts else Fraction(int(exact)))
    (applied,) = stage.of(SplitApplied)
    assert sum(one.net for one in lots) == int(exact)
    assert [one.after for one in applied.lots] == [one.net for one in lots]
    for one in lots:
        live = [order for order in one.orders.values() if order.is_live]
        assert sum(order.quantity for order in live if order.role == "target") == one.held
        assert all(order.quantity == one.held for order in live)
        if one.held:
            near = 100.0 * sign * (one.take_profit - one.stop_loss) / abs(10.0 / float(by))
            assert 40.0 < near < 110.0
    assert sum(order.quantity for order in stage.of(SubmitOrder)) == abs(int(exact))


@given(RATIOS, st.integers(1, 400), st.integers(1, 3))
@settings(deadline=None)
def test_until_the_brokers_shares_agree_nothing_rests_and_nothing_is_sold(by, held, times):
    lots = [lot(1, held, resting=True, follows=False)]
    stage = Split(lots)
    stage.hear(read(by))
    stage.hear(PhaseChanged(ts_event=at(0), cause=1, phase="PRE_MARKET", previous="OVERNIGHT"))
    for _ in range(times):
        stage.snapshot(Fraction(held))
    assert not stage.of(SplitApplied)
    assert not stage.of(SubmitOrder)
    assert not lots[0].live
    assert [one.waits for one in stage.of(SplitAwaited)] == [True]


def test_a_single_share_that_stays_one_is_split_once_the_price_shows_it():
    lots = [lot(1, 1, resting=True, follows=False)]
    stage = Split(lots)
    stage.hear(read(Fraction(3, 2)))
    stage.hear(PhaseChanged(ts_event=at(0), cause=1, phase="PRE_MARKET", previous="OVERNIGHT"))
    stage.snapshot(Fraction(1))
    assert not stage.of(SplitApplied)
    stage.hear(Bars.of([0], [[66.0]] * 4 + [[1_000.0]], ts_event=at(0)))
    stage.snapshot(Fraction(1))
    (applied,) = stage.of(SplitApplied)
    assert (applied.lots[0].before, applied.lots[0].after) == (1, 1)
    (oco,) = stage.of(SubmitOrder)
    assert (oco.quantity, oco.limit_price, oco.stop_loss) == (1, 70.0, 63.34)


def test_without_yesterdays_close_a_price_shows_nothing():
    lots = [lot(1, 10, resting=True, follows=False)]
    stage = Split(lots, close=float("nan"))
    stage.hear(PhaseChanged(ts_event=at(0), cause=1, phase="PRE_MARKET", previous="OVERNIGHT"))
    stage.hear(read(Fraction(2)))
    stage.hear(Bars.of([0], [[100.0]] * 4 + [[1_000.0]], ts_event=at(0)))
    stage.snapshot(Fraction(10))
    assert not stage.of(SplitApplied) + stage.of(SubmitOrder)
    assert [one.waits for one in stage.of(SplitAwaited)] == [True]


def test_an_entry_that_rests_goes_when_a_split_takes_effect_today():
    one = lot(1, 10, resting=False, follows=False)
    entry = msgspec.structs.replace(one.entry, status="accepted", broker_order_id="b", filled=0, type="limit")
    one.orders[one.entry_id] = entry
    stage = Split([one])
    stage.hear(read(Fraction(2)))
    assert [each.client_order_id for each in stage.of(CancelOrder)] == [one.entry_id]
    assert not one.orders[one.entry_id].is_live


def test_in_another_part_of_the_session_exits_in_old_terms_are_withdrawn_at_once():
    before = Split([lot(1, 10, resting=True, follows=False)])
    before.hear(PhaseChanged(ts_event=at(0), cause=1, phase="TRADING", previous="MARKET_OPEN"))
    after = Split([], carried=before.executor.standing())
    assert after.lots[0].live
    after.hear(read(Fraction(2)))
    assert not after.lots[0].live
    assert {one.level for one in after.of(Noted)} == {"WARNING", "CRITICAL"}


def told_by(stage: Split, session: str, **how: Any) -> list[str]:
    """What a failed reading of announcements makes it say."""
    stage.seen.clear()
    stage.hear(CorporateActionsRead(ts_event=at(0), session=session, available=False, **how))
    return [one.text for one in stage.of(Noted)]


def test_that_an_account_has_no_announcements_is_a_warning_once_a_week_over_sessions() -> None:
    carried, warned = ExecutorCarried(lots=[], is_halted=False), []
    for day in range(1, 29):
        session = f"2018-03-{day:02}"
        stage = Split([], carried=carried)
        for _ in range(2):  # at the start, and when PRE_MARKET begins
            if told_by(stage, session, reason="status 404", absent=True):
                warned.append(day)
        carried = stage.executor.carry()
    assert warned == [1, 8, 15, 22]


def test_other_failures_are_told_each_time_whatever_was_told_before() -> None:
    stage = Split([])
    assert len(told_by(stage, "2018-03-05", reason="status 404", absent=True)) == 1
    assert told_by(stage, "2018-03-05", reason="status 404", absent=True) == []
    for _ in range(2):
        (said,) = told_by(stage, "2018-03-05", reason="status 500")
        assert "status 500" in said
    assert told_by(stage, "2018-03-06", reason="status 404", absent=True) == []
