"""A fill that is taken back or changed: the book ends as if it had been told so in the first place."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.book import MICRO, Book, Lot

CAPITAL = 100_000 * MICRO


def lot(sign: int = 1) -> Lot:
    return Lot(
        id="mr-20180305-1", strategy="mr", symbol="SPY", symbol_id=0,
        direction="long" if sign > 0 else "short", intraday=False, stop_loss=None, take_profit=None,
        entry_ts=1,
    )  # fmt: skip


def played(fills: list[tuple[bool, int, float]], sign: int = 1) -> tuple[Book, Lot]:
    """A book after fills of (is it the entry's, shares, USD)."""
    book, one = Book(CAPITAL), lot(sign)
    for is_entry, shares, price in fills:
        if is_entry:
            book.enter(one, sign * shares, price, 0.0, 0.0)
        else:
            book.leave(one, -sign * shares, price, 0.0, 0.0)
    return book, one


def figures(book: Book, one: Lot) -> tuple[int, ...]:
    return book.cash, one.quantity, one.cost, one.realised, one.entered, one.entry_value, book.realised["mr"]


def test_an_entry_that_is_taken_back_leaves_the_cash_as_it_was() -> None:
    book, one = played([(True, 10, 100.0)])
    book.correct(one, (10, 100.0), (0, 100.0), is_entry=True)
    assert figures(book, one) == (CAPITAL, 0, 0, 0, 0, 0, 0)
    assert book.lots == {}
    assert (book.value, book.gross()) == (0, 0)


def test_an_exit_that_is_taken_back_opens_the_lot_again() -> None:
    book, one = played([(True, 10, 100.0), (False, 10, 110.0)])
    book.correct(one, (-10, 110.0), (0, 110.0), is_entry=False)
    held, _ = played([(True, 10, 100.0)])
    assert (book.cash, one.quantity, one.cost, one.realised) == (held.cash, 10, 1_000 * MICRO, 0)
    assert book.net("SPY") == 10
    assert book.equity == book.cash + 10 * one.mark


def test_another_exit_price_changes_what_was_earned_and_nothing_else() -> None:
    book, one = played([(True, 10, 100.0), (False, 4, 110.0)])
    book.correct(one, (-4, 110.0), (-4, 109.0), is_entry=False)
    assert figures(book, one) == figures(*played([(True, 10, 100.0), (False, 4, 109.0)]))


amounts = st.integers(1, 50)
prices = st.integers(1_000, 20_000).map(lambda cents: cents / 100)


@given(
    st.sampled_from([1, -1]), st.lists(st.tuples(amounts, prices), min_size=1, max_size=4), prices, st.data()
)
def test_a_corrected_entry_counts_as_if_it_had_been_told_so(sign, entries, out, data):
    total = sum(shares for shares, _ in entries)
    sold = data.draw(st.integers(0, total))
    which = data.draw(st.integers(0, len(entries) - 1))
    price = data.draw(prices)
    fills = [(True, *one) for one in entries] + ([(False, sold, out)] if sold else [])
    book, one = played(fills, sign)
    was, was_price = entries[which]
    book.correct(one, (sign * was, was_price), (sign * was, price), is_entry=True)
    fills[which] = (True, was, price)
    expected = played(fills, sign)
    assert book.cash == expected[0].cash
    assert figures(book, one)[1:] == pytest.approx(figures(*expected)[1:], abs=1)


@given(
    st.sampled_from([1, -1]), st.lists(st.tuples(amounts, prices), min_size=1, max_size=4), prices, st.data()
)
def test_cash_and_profit_add_up_after_any_correction(sign, entries, out, data):
    total = sum(shares for shares, _ in entries)
    sold = data.draw(st.integers(1, total))
    book, one = played([(True, *each) for each in entries] + [(False, sold, out)], sign)
    new = data.draw(st.integers(0, sold))
    book.correct(one, (-sign * sold, out), (-sign * new, out), is_entry=False)
    assert one.quantity == sign * (total - new)
    assert book.cash - CAPITAL + one.cost == one.realised == book.realised["mr"]
    assert (one.id in book.lots) == (one.quantity != 0)
    assert book.equity == book.cash + one.quantity * (one.mark if one.quantity else 0)
    assert msgspec.structs.asdict(one)["entered"] == sign * total
