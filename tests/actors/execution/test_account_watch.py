"""What is remembered between comparisons: each difference once, doubts until it agrees, others' shares."""

from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.account_watch import MOST_READS, AccountWatch, WatchState
from actors.execution.entry_gate import EntryGate
from actors.execution.order_state import OrderState
from runtime.messages.account import ExternalChanged, Reconciled
from runtime.messages.base import Decision
from runtime.messages.broker import BrokerOrder, BrokerPosition, BrokerSnapshot, OrderFilled
from runtime.messages.risk import Noted
from runtime.messages.trading import PositionMismatched

SECOND = 1_000_000_000


class Watched:
    """A watch, its gate, and a clock that moves with every question."""

    def __init__(self, external: Any = (), doubted: Any = ()) -> None:
        self.gate = EntryGate(is_halted=False, reconciles=True, rest=0)
        self.watch = AccountWatch(self.gate, external, doubted)
        self.now = SECOND
        self.said: list[Decision] = []

    def compare(self, ours: int, theirs: int, reason: Any = "schedule") -> list[Decision]:
        self.now += SECOND
        held = {"SPY": ours} if ours else {}
        positions = (BrokerPosition(symbol="SPY", quantity=theirs),) if theirs else ()
        snapshot = BrokerSnapshot(ts_event=self.now, positions=positions, orders=(), reason=reason)
        said = list(self.watch.compare(snapshot, (), held, self.now, 1, "executor"))
        self.said += said
        return said

    def stranger(self, name: str, shares: int, cumulative: int, **fields: Any) -> list[Decision]:
        self.now += SECOND
        plain: dict[str, Any] = {"ts_event": self.now}
        fill = OrderFilled(
            client_order_id=name, broker_order_id=name, execution_id=f"{name}@{cumulative}", symbol="SPY",
            side="buy" if shares > 0 else "sell", quantity=abs(shares), price=100.0, cumulative=cumulative,
            done=False, **(plain | fields),
        )  # fmt: skip
        return list(self.watch.stranger(fill, self.now, 1))

    def rows(self) -> list[str]:
        return [one.text for one in self.said if isinstance(one, Noted)]

    def beside(self) -> int:
        return {one.symbol: one.quantity for one in self.watch.external}.get("SPY", 0)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_a_difference_is_a_row_each_time_it_becomes_another_and_its_end_is_one(theirs: list[int]) -> None:
    one = Watched()
    expected, last = 0, 2
    for shares in theirs:
        one.compare(2, shares)
        expected += shares != last
        last = shares
        assert bool(one.gate.refusal("SPY", "buy", 0)) == (shares != 2)
        assert one.watch.doubted == (["SPY"] if shares != 2 else [])
    assert len(one.rows()) == expected
    told = [said for said in one.said if isinstance(said, Reconciled)]
    assert [said.differences for said in told] == [int(shares != 2) for shares in theirs]


def test_a_position_counts_as_gone_only_when_it_was_seen_to_be_twice() -> None:
    one = Watched()
    one.compare(10, 4)
    assert (one.watch.beside("SPY"), one.watch.is_explained("SPY")) == (0, False)
    one.compare(10, 4)
    assert (one.watch.beside("SPY"), one.watch.is_explained("SPY")) == (-6, True)
    one.compare(10, 0)  # another answer: the last one stands until it is confirmed
    assert one.watch.beside("SPY") == -6
    one.compare(10, 10)
    assert (one.watch.beside("SPY"), one.watch.is_explained("SPY")) == (0, False)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(-5, 5).filter(bool), st.booleans()), max_size=10
    )
)
def test_each_fill_of_others_counts_once_however_often_it_is_told(
    fills: list[tuple[str, int, bool]],
) -> None:
    one, expected = Watched(), 0
    cumulative = {"a": 0, "b": 0}
    one.compare(0, 0)
    for name, shares, is_told_again in fills:
        cumulative[name] += abs(shares)
        expected += shares
        one.stranger(name, shares, cumulative[name])
        if is_told_again:
            assert one.stranger(name, shares, cumulative[name]) == []
        assert one.beside() == expected


def test_a_fill_from_before_the_snapshot_is_in_it() -> None:
    one = Watched()
    one.compare(0, 7)
    assert one.stranger("late", 7, 7, ts_event=SECOND) == []
    assert one.beside() == 7


def test_what_was_carried_stands_until_a_comparison_agrees() -> None:
    old = ExternalChanged(ts_event=0, cause=0, symbol="SPY", quantity=5)
    one = Watched([old], ["SPY"])
    one.gate.wait("")
    assert one.gate.refusal("SPY", "buy", 0) == "our position differed from the broker's"
    assert one.gate.refusal("QQQ", "buy", 0) == ""
    assert list(one.watch.told(9, 8)) == [msgspec.structs.replace(old, ts_event=9, cause=8)]
    one.compare(10, 15, reason="start")
    assert (one.beside(), one.watch.doubted, one.gate.refusal("SPY", "buy", 0)) == (5, [], "")
    assert one.watch.words() == "SPY 5 shares"
    one.compare(0, 0)
    assert one.watch.words() == ""


# ---- how a comparison is told -------------------------------------------------------------------


def listed(symbol: str = "QQQ", **fields: Any) -> BrokerOrder:
    """An open order of somebody else's."""
    plain: dict[str, Any] = {
        "client_order_id": "theirs", "broker_order_id": "b-theirs", "side": "buy", "quantity": 3,
        "filled": 0, "status": "new", "is_ours": False,
    }  # fmt: skip
    return BrokerOrder(symbol=symbol, **(plain | fields))


def read(one: Watched, *positions: BrokerPosition, orders: Any = (), held: Any = None, **more: Any) -> Any:
    one.now += SECOND
    snapshot = BrokerSnapshot(ts_event=one.now, positions=positions, orders=orders, **more)
    return list(one.watch.compare(snapshot, (), held or {}, one.now, 1, "executor"))


def changes(said: Any) -> list[ExternalChanged]:
    return [each for each in said if isinstance(each, ExternalChanged)]


def test_every_comparison_ends_with_what_agreed_and_what_is_held() -> None:
    one = Watched()
    said = read(
        one, BrokerPosition(symbol="SPY", quantity=10), BrokerPosition(symbol="QQQ", quantity=3),
        held={"SPY": 10, "IWM": 0}, reason="reconnect",
    )  # fmt: skip
    assert said[-1] == Reconciled(
        ts_event=one.now, cause=1, reason="reconnect", settled=True, differences=0,
        agreed=("SPY", "QQQ", "IWM"), held={"SPY": 10}, external=1,
    )  # fmt: skip


def test_a_symbol_that_agrees_again_is_told_with_our_shares_and_let_in() -> None:
    one = Watched()
    one.compare(2, 1)
    assert one.gate.refusal("SPY", "buy", 0) == "SPY is in doubt: we had 2 shares, the broker has 1 shares"
    said = one.compare(2, 2)
    assert [each for each in said if not isinstance(each, Reconciled)] == [
        Noted(
            ts_event=one.now, cause=1, level="WARNING", component="executor",
            text="SPY: our books agree with the broker's again, 2 shares",
        ),
        PositionMismatched(ts_event=one.now, cause=1, symbol="SPY", ours=2, broker=2),
    ]  # fmt: skip
    assert one.compare(2, 2)[:-1] == []


def test_what_is_asked_for_is_asked_again_though_it_is_told_once() -> None:
    one = Watched()
    first, again = one.compare(2, 1), one.compare(2, 1)
    assert [type(each) for each in first] == [Noted, PositionMismatched, Reconciled]
    assert [type(each) for each in again] == [PositionMismatched, Reconciled]


def test_a_symbol_is_let_in_again_whatever_differs_in_another_and_with_nothing_held() -> None:
    one = Watched()
    one.compare(2, 1)
    said = read(one, BrokerPosition(symbol="QQQ", quantity=1), held={"QQQ": 2})
    assert one.watch.doubted == ["QQQ"]
    mismatches = [each for each in said if isinstance(each, PositionMismatched)]
    told = [(each.symbol, each.ours, each.broker) for each in mismatches]
    assert told == [("QQQ", 2, 1), ("SPY", 0, 0)]
    assert said[-1].agreed == ("SPY",)
    two = Watched()
    two.compare(2, 1)
    (_, agreed, _) = two.compare(0, 0)
    assert agreed == PositionMismatched(ts_event=two.now, cause=1, symbol="SPY", ours=0, broker=0)
    assert two.watch.doubted == []


def test_two_orders_of_a_symbol_are_two_differences() -> None:
    one = Watched()
    orders = [
        OrderState(
            client_order_id=f"mr-20180305-{n}:e1", lot_id=f"mr-20180305-{n}", strategy="mr", symbol="SPY",
            side="buy", role="entry", type="limit", quantity=10, status="accepted", broker_order_id=f"b{n}",
        )
        for n in (1, 2)
    ]  # fmt: skip
    for rows in (2, 0):
        one.now += SECOND
        snapshot = BrokerSnapshot(ts_event=one.now, positions=(), orders=())
        said = list(one.watch.compare(snapshot, orders, {}, one.now, 1, "executor"))
        assert [type(each) for each in said].count(Noted) == rows


def test_a_symbol_that_traded_since_the_broker_was_asked_is_not_judged() -> None:
    one = Watched()
    one.watch.traded("SPY", one.now + 2 * SECOND)
    assert one.compare(2, 1)[-1].differences == 0  # type: ignore[attr-defined]
    assert one.compare(2, 1)[-1].differences == 0  # type: ignore[attr-defined]
    assert one.compare(2, 1)[-1].differences == 1  # type: ignore[attr-defined]
    assert one.watch.moved_since(2 * SECOND) == one.watch.moved_since(3 * SECOND) == ["SPY"]
    assert one.watch.moved_since(3 * SECOND + 1) == []


def test_symbols_that_are_unsure_are_not_judged_either() -> None:
    one = Watched()
    snapshot = BrokerSnapshot(ts_event=SECOND, positions=(), orders=())
    said = list(one.watch.compare(snapshot, (), {"SPY": 2}, SECOND, 1, "executor", ["SPY"]))
    assert [type(each) for each in said] == [Reconciled]


# ---- what is not ours ---------------------------------------------------------------------------


def test_what_others_have_is_told_with_its_price_unless_ours_is_part_of_it() -> None:
    one = Watched()
    position = BrokerPosition(symbol="QQQ", quantity=3, fraction=0.5, price=90.0, last=91.0, asset_class="x")
    ours = listed(client_order_id="ours", is_ours=True, status="pending_cancel")
    (told,) = changes(read(one, position, orders=(listed(), ours)))
    assert told == ExternalChanged(
        ts_event=one.now, cause=1, symbol="QQQ", quantity=3, fraction=0.5, price=90.0, last=91.0,
        asset_class="x", orders=(listed(),),
    )  # fmt: skip
    shared = BrokerPosition(symbol="QQQ", quantity=5, price=92.0, last=91.0)
    (told,) = changes(read(one, shared, held={"QQQ": 2}))
    assert (told.quantity, told.price, told.fraction, told.orders) == (3, 0.0, 0.0, ())


def test_a_price_that_moves_is_remembered_and_not_told_and_the_end_is_told_once() -> None:
    one = Watched()
    position = BrokerPosition(symbol="QQQ", quantity=3, price=90.0, last=91.0)
    assert len(changes(read(one, position))) == 1
    assert changes(read(one, msgspec.structs.replace(position, last=99.0))) == []
    assert [each.last for each in one.watch.external] == [99.0]
    assert len(changes(read(one, msgspec.structs.replace(position, price=89.0)))) == 1
    (gone,) = changes(read(one))
    assert (gone.quantity, gone.fraction, gone.orders) == (0, 0.0, ())
    assert one.watch.external == []
    assert changes(read(one)) == []


def test_a_position_of_others_that_moved_while_the_broker_was_asked_stays_as_it_was() -> None:
    one = Watched()
    assert changes(one.stranger("a", 4, 4))
    (kept,) = one.watch.external
    assert (kept.quantity, kept.last) == (4, 100.0)
    snapshot = BrokerSnapshot(ts_event=one.now, positions=(), orders=())
    list(one.watch.compare(snapshot, (), {}, one.now, 1, "executor"))
    assert one.beside() == 4
    one.compare(0, 0)
    assert one.beside() == 0


def test_a_part_of_a_share_that_is_not_ours_has_its_price() -> None:
    one = Watched()
    half = BrokerPosition(
        symbol="BTCUSD", quantity=0, fraction=0.5, price=90.0, last=91.0, asset_class="crypto"
    )
    (told,) = changes(read(one, half))
    assert (told.quantity, told.fraction, told.price) == (0, 0.5, 90.0)


def test_shares_beside_ours_count_with_their_fractions_and_are_named_for_people() -> None:
    one = Watched()
    read(
        one, BrokerPosition(symbol="QQQ", quantity=-3, fraction=-0.25),
        BrokerPosition(symbol="IWM", quantity=0, fraction=0.123456789), orders=(listed("GLD"), listed("GLD")),
    )  # fmt: skip
    assert one.watch.shares_beside() == {"QQQ": Fraction(-13, 4), "IWM": Fraction(123456789, 10**9)}
    assert one.watch.words() == "QQQ -3.25 shares, IWM 0.123457 shares, 2 orders in GLD"


def test_shares_of_others_that_were_split_are_expected_in_new_terms() -> None:
    one = Watched()
    one.compare(10, 15, reason="start")  # our ten, and five that nobody explains
    one.compare(10, 15)
    assert one.watch.beside("SPY") == 5
    one.watch.was_split("SPY", 7)
    assert one.watch.beside("SPY") == 0
    held = Watched([ExternalChanged(ts_event=0, cause=0, symbol="SPY", quantity=5)])
    held.watch.was_split("SPY", 10)
    held.watch.was_split("IWM", 10)
    assert [(each.symbol, each.quantity) for each in held.watch.external] == [("SPY", 10)]
    assert held.compare(20, 30)[-1].differences == 0  # type: ignore[attr-defined]


# ---- fills of others ----------------------------------------------------------------------------


def test_a_fill_that_was_half_missed_counts_as_far_as_it_is_new() -> None:
    one = Watched()
    one.stranger("a", 4, 4)
    (told,) = changes(one.stranger("a", 5, 6))  # three of five were told before
    assert (told.quantity, told.last, told.ts_event, told.cause) == (6, 100.0, one.now, 1)
    assert one.watch.moved_since(one.now) == ["SPY"]
    fill = OrderFilled(
        ts_event=one.now, client_order_id="b", broker_order_id="b", execution_id="b", symbol="SPY",
        side="sell", quantity=1, price=101.0, cumulative=1, done=False,
    )  # fmt: skip
    (sold,) = changes(one.watch.stranger(fill, one.now, 8))
    assert (sold.quantity, sold.last, sold.cause) == (5, 101.0, 8)


def test_a_fill_that_is_older_than_what_was_told_changes_nothing_and_moves_nothing() -> None:
    one = Watched()
    one.stranger("a", 4, 4)
    at = one.now
    assert one.stranger("a", 4, 4) == one.stranger("a", 2, 2) == []
    assert one.watch.moved_since(at + 1) == []
    assert one.beside() == 4
    assert one.watch.state().strangers == {"a": 4}


def test_a_fill_of_the_moment_of_the_snapshot_is_not_in_it() -> None:
    one = Watched()
    one.compare(0, 7)
    read_at = one.now
    one.stranger("late", 7, 7, ts_event=read_at)
    assert one.beside() == 14


def test_another_part_of_the_session_knows_what_was_told_and_seen() -> None:
    one = Watched()
    one.compare(10, 4)
    one.compare(10, 4)
    one.stranger("a", 3, 3)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(one.watch.state()), type=WatchState)
    two = Watched(one.watch.external, one.watch.doubted)
    two.watch.restore(state)
    assert two.watch.state() == one.watch.state() == state
    assert two.watch.beside("SPY") == one.watch.beside("SPY") == -3
    assert two.watch.moved_since(one.now) == ["SPY"]
    two.now = one.now
    assert two.stranger("a", 3, 3) == []
    assert two.stranger("b", 3, 3, ts_event=SECOND) == []  # the last comparison had it
    assert two.beside() == 3
    two.watch.traded("IWM", 1)
    assert "IWM" not in state.moved


def test_an_order_that_is_not_answered_stops_holding_others_up_after_three_readings() -> None:
    one = Watched()
    order = OrderState(
        client_order_id="mr-20180305-1:e1", lot_id="mr-20180305-1", strategy="mr", symbol="SPY", side="buy",
        role="entry", type="limit", quantity=10, status="accepted", broker_order_id="b",
    )  # fmt: skip
    settled = []
    for _ in range(MOST_READS):
        one.now += SECOND
        snapshot = BrokerSnapshot(ts_event=one.now, positions=(), orders=(), reason="start")
        (*_, told) = one.watch.compare(snapshot, (order,), {}, one.now, 1, "executor")
        settled.append(told.settled)  # type: ignore[attr-defined]
        assert one.gate.is_waiting == (not settled[-1])
    assert settled == [False, False, True]
    assert one.watch.doubted == ["SPY"]
    assert not one.watch.is_explained("SPY")
