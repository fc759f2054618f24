"""A halt lasts until its end is told, or until trades after it prove the end."""

import pytest

from actors.broker.market_halts import Halts
from runtime.messages.market import TradingStatus
from tests.actors.broker.market_samples import MINUTE, OPEN, bar


def status(symbol: str, halted: bool, at: int = OPEN) -> TradingStatus:
    return TradingStatus(ts_event=at, symbol=symbol, halted=halted, reason="LULD pause")


def halted(*symbols: str) -> Halts:
    found = Halts()
    for symbol in symbols:
        found.note(status(symbol, True))
    return found


def test_trades_after_a_halt_prove_its_end() -> None:
    (ended,) = halted("AAA").ended_by([bar("BBB", 1), bar("AAA", 1)])
    assert (ended.symbol, ended.halted, ended.ts_event) == ("AAA", False, OPEN + MINUTE)
    assert "missed" in ended.reason


@pytest.mark.parametrize(
    "proves_nothing",
    [bar(minute=0), bar(minute=1, v=0.0), bar(minute=1, updated=True), bar("BBB", 1)],
    ids=["began with the halt", "no trade", "a corrected minute", "another symbol"],
)
def test_a_bar_that_proves_nothing_ends_no_halt(proves_nothing: object) -> None:
    assert list(halted("AAA").ended_by([proves_nothing])) == []  # type: ignore[list-item]


def test_an_end_that_was_told_is_not_told_again() -> None:
    halts = halted("AAA", "BBB")
    halts.note(status("AAA", False, OPEN + 1))
    assert [one.symbol for one in halts.ended_by([bar("AAA", 1), bar("BBB", 1)])] == ["BBB"]


def test_one_proof_is_told_once_if_it_is_noted_as_it_comes() -> None:
    halts, told = halted("AAA"), []
    for one in halts.ended_by([bar("AAA", 1), bar("AAA", 2)]):
        halts.note(one)
        told.append(one)
    assert len(told) == 1
    assert list(halts.ended_by([bar("AAA", 3)])) == []
