"""Which order a fill belongs to, what of an order is carried, and what crosses a session unchanged."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.book import MICRO, Lot
from actors.allocation.performance import Record
from actors.allocation.portfolio_state import (
    Carried,
    Facts,
    OrderFacts,
    Today,
    facts_of,
    facts_of_fill,
    new_books,
    with_ids,
)
from config.schema import Account
from runtime.messages.broker import OrderFilled, SubmitOrder
from runtime.messages.risk import TaskDue

LOT, ENTRY = "mr-20180305-1", "mr-20180305-1:e1"


def order(**fields: Any) -> SubmitOrder:
    plain: dict[str, Any] = {
        "ts_event": 1, "cause": 1, "client_order_id": ENTRY, "lot_id": LOT, "strategy": "mr",
        "symbol": "SPY", "side": "buy", "quantity": 10, "type": "market", "order_class": "bracket",
        "time_in_force": "day", "stop_loss": 90.0, "take_profit": 120.0, "intraday": True, "group_id": "g",
        "reason": "z < -2",
    }  # fmt: skip
    return SubmitOrder(**(plain | fields))


def fill(name: str, parent: str = "") -> OrderFilled:
    return OrderFilled(
        ts_event=2, client_order_id=name, broker_order_id="b", execution_id="x", symbol="SPY", side="sell",
        quantity=1, price=100.0, cumulative=1, done=False, parent_id=parent,
    )  # fmt: skip


def test_a_fill_has_the_facts_of_its_own_order_whoever_its_parent_is() -> None:
    stop = facts_of(order(role="stop", reason="stop"))
    orders: dict[str, Facts] = {ENTRY: order(), "leg": stop}
    assert facts_of_fill(orders, fill("leg", ENTRY)) is stop
    assert facts_of_fill(orders, fill(ENTRY)) is orders[ENTRY]


def test_a_leg_that_was_not_told_yet_is_an_exit_of_its_parents_lot() -> None:
    for parent in (order(), facts_of(order())):
        orders: dict[str, Facts] = {ENTRY: parent}
        found = facts_of_fill(orders, fill("unheard", ENTRY))
        assert found is not None
        assert facts_of(found) == msgspec.structs.replace(facts_of(parent), role="exit", reason="leg")
        assert orders == {ENTRY: parent}
        assert parent.role == "entry"


def test_nothing_is_known_of_a_strangers_fill() -> None:
    orders: dict[str, Facts] = {ENTRY: order(), "": order()}
    assert facts_of_fill(orders, fill("theirs")) is None
    assert facts_of_fill(orders, fill("theirs", "their-parent")) is None


price = st.none() | st.floats(0.01, 1e5)


@given(
    st.sampled_from(["entry", "exit", "stop", "target"]), st.booleans(), price, price,
    st.none() | st.text(max_size=5), st.text(max_size=5),
)  # fmt: skip
def test_what_is_carried_of_an_order_is_what_the_order_says_and_stays_so(
    role: str, intraday: bool, stop: float | None, target: float | None, group: str | None, reason: str
) -> None:
    told = order(
        role=role, intraday=intraday, stop_loss=stop, take_profit=target, group_id=group, reason=reason
    )
    kept = facts_of(told)
    assert type(kept) is OrderFacts
    assert {name: getattr(kept, name) for name in OrderFacts.__struct_fields__} == {
        name: getattr(told, name) for name in OrderFacts.__struct_fields__
    }
    assert facts_of(kept) is kept


@given(st.integers(1_000, 10**12).map(lambda cents: cents / 100))
def test_new_books_begin_with_the_capital_and_nothing_else(capital: float) -> None:
    books = new_books(Account(trading_capital=capital))
    assert books.capital == books.cash == round(capital * MICRO)
    assert books.last_equity == books.high_water == capital
    empty = books.realised, books.lots, books.orders, books.cumulative, books.records, books.returns
    assert not any(empty)
    assert (books.broker_equity, books.doubted, books.external, books.today) == (None, [], {}, None)
    assert new_books(Account(trading_capital=capital)).lots is not books.lots


def lot(symbol: str, symbol_id: int) -> Lot:
    return Lot(
        id=f"l-{symbol}", strategy="mr", symbol=symbol, symbol_id=symbol_id, direction="long",
        intraday=False, stop_loss=None, take_profit=None, entry_ts=1, quantity=3, cost=5,
    )  # fmt: skip


@given(
    st.lists(st.sampled_from("ABCDE"), unique=True),
    st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 9)),
)
def test_lots_are_looked_up_in_the_new_sessions_table(symbols: list[str], ids: dict[str, int]) -> None:
    before = [lot(symbol, 77) for symbol in symbols]
    after = with_ids(before, ids)
    assert [one.symbol_id for one in after] == [ids.get(symbol, -1) for symbol in symbols]
    assert [msgspec.structs.replace(one, symbol_id=77) for one in after] == before
    assert all(one.symbol_id == 77 for one in before)


def test_everything_that_is_carried_is_read_back_as_it_was_written() -> None:
    task = TaskDue(ts_event=3, cause=4, task="CALC_DAILY_PNL", phase="AFTER_HOURS", late=True)
    kept = Carried(
        capital=1, cash=2, realised={"mr": -3}, lots=[lot("SPY", 4)], orders={ENTRY: facts_of(order())},
        cumulative={ENTRY: 5}, records={"mr": Record(trades=6, returns=[0.1])}, returns=[0.5],
        last_equity=7.0, high_water=8.0, broker_equity=9.0, doubted=["SPY"], external={"QQQ": -2},
        corrected=["x1"],
        today=Today(closed={}, finished=["old"], opening_equity=10.0, day_task=task, is_over=True),
    )  # fmt: skip
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Carried) == kept
