"""What is told of a lot is what the book has of it, field by field; a position is the sum of its lots."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.allocation.book import MICRO, Book, Lot, micros
from actors.allocation.lot_messages import lot_changed, lot_corrected, position
from actors.allocation.portfolio_state import OrderFacts
from runtime.messages.account import LotCorrected
from runtime.messages.broker import FillCorrected, OrderFilled
from runtime.messages.market import Bars
from runtime.messages.trading import LotChanged, PositionChanged

NOON, CAUSE = 1_000, 7
SYMBOLS = ("AAPL", "SPY")


def lot(name: str = "mr-20180305-1", sign: int = 1, **fields: Any) -> Lot:
    plain: dict[str, Any] = {
        "strategy": "mr", "symbol": "SPY", "symbol_id": 1, "intraday": True, "stop_loss": 90.0,
        "take_profit": 120.0, "entry_ts": 5, "group_id": "g",
    }  # fmt: skip
    return Lot(id=name, direction="long" if sign > 0 else "short", **(plain | fields))


def facts(role: str, reason: str = "") -> OrderFacts:
    return OrderFacts(
        lot_id="mr-20180305-1", strategy="mr", symbol="SPY", role=role, intraday=True,  # type: ignore[arg-type]
        stop_loss=90.0, take_profit=120.0, group_id="g", reason=reason,
    )  # fmt: skip


def filled(quantity: int, price: float, side: str = "buy") -> OrderFilled:
    return OrderFilled(
        ts_event=NOON, client_order_id="c1", broker_order_id="b1", execution_id="x1", symbol="SPY",
        side=side, quantity=quantity, price=price, cumulative=quantity, done=True,  # type: ignore[arg-type]
    )  # fmt: skip


def corrected(quantity: int, price: float) -> FillCorrected:
    return FillCorrected(
        ts_event=NOON, client_order_id="c1", broker_order_id="b1", execution_id="x2",
        previous_execution_id="x1", symbol="SPY", side="sell", quantity_before=4, price_before=110.0,
        quantity=quantity, price=price, cumulative=quantity,
    )  # fmt: skip


def test_an_entry_and_an_exit_are_told_with_every_figure_of_the_lot() -> None:
    book, one = Book(micros(100_000)), lot()
    book.enter(one, 10, 100.0, 0.5, 0.25)
    entered: dict[str, Any] = {
        "ts_event": NOON, "cause": CAUSE, "lot_id": one.id, "signal_id": one.id, "strategy": "mr",
        "symbol": "SPY", "direction": "long", "state": "open", "quantity": 10, "entry_quantity": 10,
        "entry_price": 100.0, "entry_ts": 5, "stop_loss": 90.0, "take_profit": 120.0, "intraday": True,
        "fill_quantity": 10, "fill_price": 100.0, "execution_id": "x1", "client_order_id": "c1",
        "role": "entry", "realised": -0.5, "commission": 0.5, "slippage": 0.25, "exit_price": 0.0,
        "exit_reason": "", "peak": 100.0, "trough": 100.0, "group_id": "g",
    }  # fmt: skip
    assert lot_changed(one, facts("entry", "z < -2"), filled(10, 100.0), 10, CAUSE) == LotChanged(**entered)
    book.leave(one, -4, 110.0, 0.5, 0.0)
    left = entered | {
        "quantity": 6, "fill_quantity": -4, "fill_price": 110.0, "role": "target", "realised": 39.0,
        "commission": 1.0, "exit_price": 110.0, "exit_reason": "target", "peak": 110.0,
    }  # fmt: skip
    assert lot_changed(one, facts("target"), filled(4, 110.0, "sell"), -4, CAUSE) == LotChanged(**left)
    book.leave(one, -6, 90.0, 0.0, 0.0)
    gone = left | {
        "state": "closed", "quantity": 0, "fill_quantity": -6, "fill_price": 90.0, "role": "exit",
        "realised": -21.0, "exit_price": 90.0, "exit_reason": "time", "trough": 90.0,
    }  # fmt: skip
    assert lot_changed(one, facts("exit", "time"), filled(6, 90.0, "sell"), -6, CAUSE) == LotChanged(**gone)


def test_a_lot_that_nothing_was_ever_entered_of_has_no_price() -> None:
    told = lot_changed(lot(), facts("entry"), filled(1, 10.0), 0, CAUSE)
    assert (told.entry_price, told.state) == (0.0, "closed")


def test_a_correction_is_no_fill_and_names_the_exit_as_it_counts_now() -> None:
    book, one = Book(micros(100_000)), lot()
    book.enter(one, 10, 100.0, 0.0, 0.0)
    told = lot_corrected(one, facts("exit", "time"), corrected(3, 109.0), 108.0, "target", CAUSE)
    assert type(told) is LotCorrected
    assert (told.fill_quantity, told.fill_price, told.execution_id) == (0, 109.0, "x2")
    assert (told.exit_price, told.exit_reason) == (108.0, "target")
    plain = lot_changed(one, facts("exit", "time"), corrected(3, 109.0), 0, CAUSE)
    others = {"exit_price", "exit_reason"}
    assert {name: getattr(told, name) for name in LotChanged.__struct_fields__ if name not in others} == {
        name: getattr(plain, name) for name in LotChanged.__struct_fields__ if name not in others
    }


def test_a_symbol_without_lots_is_a_position_of_nothing() -> None:
    assert position(Book(0), "SPY", 12.5, NOON, CAUSE) == PositionChanged(
        ts_event=NOON, cause=CAUSE, symbol="SPY", strategy="", quantity=0, entry_price=0.0, entry_ts=0,
        stop_loss=None, take_profit=None, last_price=12.5, unrealised=0.0,
    )  # fmt: skip


held = st.tuples(
    st.integers(-30, 30).filter(bool), st.integers(100, 30_000).map(lambda cents: cents / 100),
    st.integers(1, 9),
)  # fmt: skip


@example([(5, 10.0, 1), (-5, 12.0, 2)], 1_100, True)
@given(st.lists(held, min_size=1, max_size=5), st.integers(100, 30_000), st.booleans())
def test_a_position_is_the_exact_sum_of_its_lots_and_bears_the_largest_ones_name(
    rows: list[tuple[int, float, int]], cents: int, is_marked: bool
) -> None:
    book = Book(micros(1_000_000))
    book.enter(lot("other", symbol="AAPL", symbol_id=0), 1_000, 1.0, 0.0, 0.0)
    for number, (shares, price, since) in enumerate(rows):
        one = lot(
            f"l{number}", shares, strategy=f"s{number}", entry_ts=since, stop_loss=float(number + 1),
            take_profit=float(number + 100),
        )  # fmt: skip
        book.enter(one, shares, price, 0.0, 0.0)
    if is_marked:
        close = cents / 100
        book.mark(Bars.of([0, 1], [[1.0, close]] * 4 + [[1.0, 1.0]], ts_event=1), 2)
    last = cents / 100
    traded = book.lots[f"l{len(rows) - 1}"]
    told = position(book, "SPY", last, NOON, CAUSE, None if is_marked else traded)
    net = sum(shares for shares, _, _ in rows)
    cost = sum(shares * Fraction(micros(price), MICRO) for shares, price, _ in rows)
    worth = sum(shares * Fraction(micros(last if is_marked else price), MICRO) for shares, price, _ in rows)
    largest = max(range(len(rows)), key=lambda place: (abs(rows[place][0]), -place))
    assert (told.ts_event, told.cause, told.symbol, told.last_price) == (NOON, CAUSE, "SPY", last)
    assert (told.quantity, told.entry_ts) == (net, min(since for _, _, since in rows))
    assert (told.strategy, told.stop_loss, told.take_profit) == (
        f"s{largest}", float(largest + 1), float(largest + 100),
    )  # fmt: skip
    assert told.unrealised == pytest.approx(float(worth - cost), abs=1e-6)
    assert told.entry_price == (pytest.approx(float(cost / net), abs=1e-6) if net else 0.0)


def test_telling_changes_no_figure_of_a_lot_but_its_marks() -> None:
    book, one = Book(micros(100_000)), lot()
    book.enter(one, 10, 100.0, 0.0, 0.0)
    book.mark(Bars.of([1], [[103.0], [104.0], [99.0], [102.0], [1.0]], ts_event=1), 2)
    before = msgspec.structs.asdict(one)
    position(book, "SPY", 102.0, NOON, CAUSE)
    after = msgspec.structs.asdict(one)
    assert after == before | {"mark": micros(102), "peak": 104.0, "trough": 99.0}
