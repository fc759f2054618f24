"""A split in the books: equity stays, cost is exact, marks and extremes are in new terms."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.book import MICRO, Book, Lot
from actors.allocation.lot_split import follow_market, split
from runtime.messages.corporate import SplitAwaited
from runtime.messages.market import Bars


def lot(symbol: str = "SPY", **fields: object) -> Lot:
    plain = {
        "id": "mr-1", "strategy": "mr", "symbol": symbol, "symbol_id": 0, "direction": "long",
        "intraday": False, "stop_loss": 95.0, "take_profit": 105.0, "entry_ts": 1,
    }  # fmt: skip
    return Lot(**(plain | fields))  # type: ignore[arg-type]


def entered(quantity: int, price: float, *more: tuple[int, float]) -> tuple[Book, Lot]:
    book, one = Book(100_000 * MICRO), lot()
    book.enter(one, quantity, price, 0.0, 0.0)
    for shares, at in more:
        book.leave(one, shares, at, 0.0, 0.0)
    return book, one


@given(
    st.one_of(st.integers(2, 50).map(Fraction), st.integers(2, 60).map(lambda n: Fraction(1, n))),
    st.integers(-900, 900).filter(bool),
    st.integers(1_000, 90_000),
    st.integers(1_000, 90_000),
)
def test_equity_stays_within_a_micro_dollar_a_share_and_money_adds_up(by, quantity, bought, marked):
    book, one = entered(quantity, bought / 100)
    book.mark(Bars.of([0], [[marked / 100]] * 4 + [[1.0]], ts_event=0), 1)
    before, cash, cost = book.equity, book.cash, one.cost
    after = int(quantity * by)
    in_lieu = split(book, one, by, after)
    assert one.quantity == after
    assert abs(book.equity - before) <= abs(after) + 1
    assert book.cash - cash == in_lieu
    assert one.realised == in_lieu - (cost - one.cost)
    assert book.realised["mr"] == one.realised
    if after:
        assert abs(one.entry_price * float(by) - bought / 100) <= float(by) * 1e-6 + 1e-9
        assert one.entry_value * one.quantity == one.cost * one.entered
    else:
        assert book.lots == {}
        assert one.cost == 0


def test_what_was_sold_before_keeps_its_share_of_what_was_entered():
    book, one = entered(100, 10.0, (-40, 11.0))
    split(book, one, Fraction(10), 600)
    assert (one.entered, one.quantity, one.entry_price, one.realised) == (1_000, 600, 1.0, 40 * MICRO)
    assert book.leave(one, -600, 1.2, 0.0, 0.0) == 120 * MICRO


def test_peak_and_trough_are_restated():
    book, one = entered(10, 100.0)
    book.mark(Bars.of([0], [[100.0], [104.0], [97.0], [101.0], [1.0]], ts_event=0), 1)
    split(book, one, Fraction(10), 100)
    book.refresh(one)
    assert (one.peak, one.trough, one.mark) == (10.4, 9.7, 10_100_000)


def test_while_it_is_not_known_prices_of_the_market_say_nothing():
    book, one = entered(10, 100.0)
    frame = Bars.of([0], [[10.0]] * 4 + [[1.0]], ts_event=0)
    follow_market(book, SplitAwaited(ts_event=0, cause=1, symbol="SPY", waits=True), 0)
    book.mark(frame, 1)
    assert book.equity == 100_000 * MICRO
    follow_market(book, SplitAwaited(ts_event=0, cause=1, symbol="SPY", waits=False), 0)
    book.mark(frame, 1)
    assert book.equity == (100_000 - 900) * MICRO
    assert book.refresh(one).mark == 10 * MICRO
