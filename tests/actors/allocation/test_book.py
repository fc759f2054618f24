"""The books against exact arithmetic: cash, cost, marks and profit to the micro-dollar."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation import book as book_module
from actors.allocation.book import MICRO, Book, Lot, micros
from runtime.messages.market import Bars

SYMBOLS = ("AAPL", "MSFT", "SPY")


def lot(name: str, symbol: str, strategy: str = "s", direction: str = "long") -> Lot:
    return Lot(
        id=name,
        strategy=strategy,
        symbol=symbol,
        symbol_id=SYMBOLS.index(symbol),
        direction=direction,  # type: ignore[arg-type]
        intraday=False,
        stop_loss=None,
        take_profit=None,
        entry_ts=1,
    )


def frame(ids: list[int], closes: list[float]) -> Bars:
    return Bars.of(ids, [closes, closes, closes, closes, [100.0] * len(ids)], ts_event=1)


def test_a_round_trip_books_price_difference_less_costs() -> None:
    book = Book(micros(1_000))
    one = lot("l1", "AAPL")
    book.enter(one, 10, 10.0, 0.5, 0.0)
    assert book.cash == micros(1_000 - 100 - 0.5)
    assert book.equity == micros(999.5)
    assert book.leave(one, -10, 11.0, 0.5, 0.0) == micros(10 - 0.5)
    assert book.equity == book.cash == micros(1_009)
    assert book.lots == {}


def test_a_short_gains_when_the_price_falls() -> None:
    book = Book(micros(1_000))
    short = lot("l1", "AAPL", direction="short")
    book.enter(short, -10, 10.0, 0.0, 0.0)
    assert book.mark(frame([0, 1, 2], [9.0, 1.0, 1.0]), 3)
    assert book.equity == micros(1_010)
    assert book.profits() == {"s": 10.0}


def test_a_symbol_without_a_bar_keeps_its_last_mark() -> None:
    book = Book(micros(1_000))
    book.enter(lot("l1", "MSFT"), 5, 20.0, 0.0, 0.0)
    assert not book.mark(frame([0, 2], [1.0, 1.0]), 3)
    assert book.equity == micros(1_000)
    assert book.mark(frame([1, 2], [21.0, 1.0]), 3)
    assert book.equity == micros(1_005)


def test_a_lot_of_a_symbol_that_left_the_table_is_never_marked_with_anothers_price() -> None:
    book = Book(micros(1_000))
    stranger = lot("l1", "AAPL")
    stranger.symbol_id = -1
    book.enter(stranger, 5, 20.0, 0.0, 0.0)
    book.mark(frame([0, 1, 2], [1.0, 2.0, 3.0]), 3)
    assert book.equity == micros(1_000)


steps = st.lists(
    st.tuples(
        st.integers(0, 3),  # which lot
        st.integers(1, 40),  # shares
        st.integers(100, 20_000),  # price in cents
        st.integers(0, 50),  # commission in cents
        st.booleans(),  # mark in between
    ),
    max_size=40,
)


@given(steps)
def test_equity_is_capital_plus_every_cash_flow_plus_what_is_held(rows: list[tuple[int, ...]]) -> None:
    book, capital = Book(micros(100_000)), Fraction(100_000)
    names = [("a", "AAPL", "x"), ("b", "MSFT", "x"), ("c", "SPY", "y"), ("d", "AAPL", "y")]
    lots, held, cash = {}, {}, capital
    last: dict[str, Fraction] = {}
    for which, shares, cents, fee, marked in rows:
        name, symbol, strategy = names[which]
        price, commission = Fraction(cents, 100), Fraction(fee, 100)
        if name not in lots:
            lots[name] = lot(name, symbol, strategy)
            held[name] = 0
            book.enter(lots[name], shares, float(price), float(commission), 0.0)
            held[name] += shares
            cash -= shares * price + commission
        else:
            out = min(shares, held[name])
            book.leave(lots[name], -out, float(price), float(commission), 0.0)
            held[name] -= out
            cash += out * price - commission
            if held[name] == 0:
                del lots[name], held[name]
        last[name] = price
        if marked:
            closes = [float(price + n) for n in range(3)]
            book.mark(frame([0, 1, 2], closes), 3)
            for other in held:
                symbol_id = SYMBOLS.index({n: s for n, s, _ in names}[other])
                last[other] = price + symbol_id
        worth = sum(held[n] * last[n] for n in held)
        assert book.cash == cash * MICRO
        assert book.equity == (cash + worth) * MICRO
        total = sum(Fraction(p).limit_denominator(MICRO) for p in book.profits().values())
        assert abs(total - (cash + worth - capital)) < Fraction(1, 100_000)


@given(st.integers(1, 1_000), st.integers(1, 1_000_000_000), st.lists(st.integers(1, 50), max_size=20))
def test_partial_exits_share_the_cost_without_losing_a_micro(
    shares: int, cost: int, parts: list[int]
) -> None:
    book, one = Book(0), lot("l", "AAPL")
    book.enter(one, shares, 1.0, 0.0, 0.0)
    one.cost = cost  # an uneven cost, as averaging over several fills makes it
    gained = 0
    for part in [*parts, shares]:
        if one.quantity:
            gained += book.leave(one, -min(part, one.quantity), 2.0, 0.0, 0.0)
    assert gained == shares * 2 * MICRO - cost
    assert not np.any(book._quantity)


@given(
    st.lists(
        st.tuples(st.integers(-40, 40).filter(bool), st.integers(100, 20_000), st.sampled_from("xyz")),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 3),
    st.lists(st.integers(100, 20_000), min_size=3, max_size=3),
    st.sets(st.integers(0, 2), min_size=1),
)
def test_lots_marked_by_columns_are_worth_what_they_are_marked_one_by_one(
    rows: list[tuple[int, int, str]], strategies: int, cents: list[int], present: set[int]
) -> None:
    ids = sorted(present)
    bars = frame(ids, [cents[place] / 100 for place in ids])
    told = []
    for few in (0, 1_000):
        held = Book(micros(100_000))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(book_module, "_FEW", few)
            for number, (shares, price, strategy) in enumerate(rows):
                name = "xyz"["xyz".index(strategy) % strategies]
                one = lot(f"l{number}", SYMBOLS[number % 3], name, "long" if shares > 0 else "short")
                held.enter(one, shares, price / 100, 0.01, 0.0)
            is_marked = held.mark(bars, 3)
        lots = [held.refresh(one) for one in held.lots.values()]
        told.append((is_marked, held.equity, held.gross(), held.profits(), lots))
    assert told[0] == told[1]
    assert told[0][2] == sum(abs(one.quantity * one.mark) for one in told[0][4])
