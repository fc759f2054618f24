"""What rests covers what is held: sizes that differ are found once; shares that others sold are rationed."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.execution.cover import rationed, uncovered
from actors.execution.lot_orders import LotOrders
from actors.execution.order_state import OrderState
from runtime.messages.broker import BrokerOrder

SHARES = st.integers(0, 12)


def order(lot: str, role: Any, **fields: Any) -> OrderState:
    plain: dict[str, Any] = {
        "lot_id": lot, "strategy": "mr", "symbol": "SPY", "side": "buy" if role == "entry" else "sell",
        "role": role, "type": "stop" if role == "stop" else "limit", "quantity": 10, "status": "accepted",
    }  # fmt: skip
    return OrderState(client_order_id=f"{lot}:{role[0]}1", **(plain | fields))


def lot(
    name: str = "a", *, held: int = 10, status: str = "filled", side: Any = "buy", missing: int = 0
) -> LotOrders:
    """A lot with stop and target resting."""
    entry = order(name, "entry", status=status, filled=held, side=side)
    orders = {one.client_order_id: one for one in (entry, order(name, "stop"), order(name, "target"))}
    return LotOrders(
        lot_id=name, strategy="mr", symbol="SPY", side=side, time_in_force="day",
        entry_id=entry.client_order_id, stop_loss=95.0, take_profit=105.0, orders=orders, missing=missing,
    )  # fmt: skip


def listed(one: OrderState, remaining: int, status: str = "new") -> BrokerOrder:
    return BrokerOrder(
        client_order_id=one.client_order_id, broker_order_id="b", symbol="SPY", side="sell", quantity=10,
        filled=0, status=status, remaining=remaining,
    )  # fmt: skip


def sizes(held: LotOrders, stop: int, target: int, **how: Any) -> list[tuple[str, int]]:
    both = [
        listed(held.orders["a:s1"], stop, how.get("status", "new")),
        listed(held.orders["a:t1"], target),
    ]
    return [(one.order.role, one.shares) for one in uncovered([held], both, how.get("moving", ()))]


@given(held=st.integers(1, 12), stop=SHARES, target=SHARES, missing=SHARES)
def test_a_lot_is_told_once_exactly_when_one_of_its_exits_is_of_another_size(
    held: int, stop: int, target: int, missing: int
) -> None:
    one = lot(held=held, missing=min(missing, held))
    found = sizes(one, stop, target)
    assert len(found) == (stop != one.to_exit or target != one.to_exit)
    for _, shares in found:
        assert shares != one.to_exit


def test_what_is_on_its_way_is_not_judged() -> None:
    assert sizes(lot(), 6, 10) == [("stop", 6)]
    assert sizes(lot(), 6, 10, moving=("SPY",)) == []
    assert sizes(lot(status="partially_filled"), 6, 10) == []
    assert sizes(lot(), 6, 10, status="pending_replace") == []
    assert sizes(lot(), -1, 10) == []  # a broker that does not say
    leaving = lot()
    leaving.closing = True
    assert sizes(leaving, 6, 10) == []
    for status in ("submitted", "pending_cancel", "unknown"):
        waiting = lot()
        waiting.orders["a:t1"] = order("a", "target", status=status)
        assert sizes(waiting, 6, 10) == []


def test_an_exit_that_the_broker_does_not_list_is_another_differences_matter() -> None:
    assert list(uncovered([lot()], [], ())) == []


@given(
    held=st.lists(st.integers(1, 12), max_size=5),
    side=st.sampled_from(["buy", "sell"]),
    beside=st.integers(-80, 80),
)
def test_exits_together_are_for_no_more_than_the_account_has(held: list[int], side: str, beside: int) -> None:
    lots = [lot(f"l{number}", held=shares, side=side) for number, shares in enumerate(held)]
    for one, missing in rationed(lots, beside):
        assert 0 <= missing <= one.held
        one.missing = missing
    sign = 1 if side == "buy" else -1
    account = sum(one.net for one in lots) + beside
    there = min(sum(held), max(0, account * sign))
    assert sum(one.to_exit for one in lots) == there
    assert rationed(lots, beside) == []  # and it stays so
    # The oldest lots keep theirs: only one is cut in the middle.
    cut = [one for one in lots if one.missing]
    assert all(one.missing == one.held for one in cut[1:])
    assert cut == lots[len(lots) - len(cut) :]
    for one, missing in rationed(lots, 0):
        one.missing = missing
    assert all(one.to_exit == one.held for one in lots)


def test_lots_of_both_directions_in_one_symbol_are_left_alone() -> None:
    assert rationed([lot("l", held=10), lot("s", held=4, side="sell")], -3) == []
