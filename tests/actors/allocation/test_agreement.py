"""Lots that stop to sum to the broker's position are told once, and once more when they do again."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.agreement import Agreement
from actors.allocation.book import Book, Lot
from runtime.messages.account import ExternalChanged
from runtime.messages.broker import OrderFilled
from runtime.messages.risk import Noted
from runtime.messages.trading import PositionMismatched

NOW, CAUSE = 1_000, 7


def book(shares: int) -> Book:
    made = Book(0)
    if shares:
        one = Lot(
            id="l", strategy="mr", symbol="SPY", symbol_id=0, direction="long", intraday=False,
            stop_loss=None, take_profit=None, entry_ts=1,
        )  # fmt: skip
        made.enter(one, shares, 10.0, 0.0, 0.0)
    return made


def fill(position: int | None) -> OrderFilled:
    return OrderFilled(
        ts_event=1, client_order_id="c", broker_order_id="b", execution_id="x", symbol="SPY", side="buy",
        quantity=1, price=10.0, cumulative=1, done=False, position=position,
    )  # fmt: skip


def told(one: Agreement, position: int | None) -> list[Any]:
    return list(one.after(fill(position), NOW, CAUSE))


@given(
    st.integers(-3, 3),
    st.integers(-2, 2),
    st.lists(st.none() | st.integers(-5, 5), max_size=10),
    st.booleans(),
)
def test_each_change_of_mind_is_told_once(
    ours: int, others: int, positions: list[int | None], was_doubted: bool
) -> None:
    one = Agreement(book(ours), ["SPY"] if was_doubted else [], {})
    one.others(ExternalChanged(ts_event=1, cause=1, symbol="SPY", quantity=others))
    doubted = was_doubted
    for position in positions:
        said = told(one, position)
        if position is None or (position - others != ours) == doubted:
            assert said == []
            continue
        doubted = not doubted
        theirs = position - others
        mismatch = PositionMismatched(ts_event=NOW, cause=CAUSE, symbol="SPY", ours=ours, broker=theirs)
        text = f"SPY: our lots sum to {ours}, the broker holds {theirs}"
        note = Noted(ts_event=NOW, cause=CAUSE, level="CRITICAL", component="portfolio", text=text)
        assert said == ([note, mismatch] if doubted else [mismatch])
        assert list(one.doubted) == (["SPY"] if doubted else [])


def test_what_the_executor_found_is_not_said_again() -> None:
    one = Agreement(book(3), [], {})
    one.found(PositionMismatched(ts_event=1, cause=1, symbol="SPY", ours=3, broker=2))
    assert list(one.doubted) == ["SPY"]
    assert told(one, 2) == []
    one.found(PositionMismatched(ts_event=1, cause=1, symbol="SPY", ours=3, broker=3))
    one.found(PositionMismatched(ts_event=1, cause=1, symbol="QQQ", ours=0, broker=0))
    assert one.doubted == {}


def test_what_was_carried_is_not_written_to() -> None:
    doubted, external = ["SPY"], {"QQQ": 2}
    one = Agreement(book(0), doubted, external)
    told(one, 0)
    one.others(ExternalChanged(ts_event=1, cause=1, symbol="QQQ", quantity=0))
    assert (doubted, external) == (["SPY"], {"QQQ": 2})
    assert (one.doubted, one.external) == ({}, {"QQQ": 0})
