"""What is remembered between comparisons: each difference once, doubts until it agrees, others' shares."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.execution.account_watch import AccountWatch
from actors.execution.entry_gate import EntryGate
from runtime.messages.account import ExternalChanged, Reconciled
from runtime.messages.base import Decision
from runtime.messages.risk import Noted
from runtime.messages.trading import BrokerPosition, BrokerSnapshot, OrderFilled

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
    assert one.gate.refusal("SPY", "buy", 0)
    assert [said.quantity for said in one.watch.told(1, 1) if isinstance(said, ExternalChanged)] == [5]
    one.compare(10, 15, reason="start")
    assert (one.beside(), one.watch.doubted, one.gate.refusal("SPY", "buy", 0)) == (5, [], "")
    assert one.watch.words() == "SPY 5 shares"
    one.compare(0, 0)
    assert one.watch.words() == ""
