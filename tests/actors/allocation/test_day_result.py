"""A session's result against the definitions: P&L from close to close, drawdown from the highest close."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.book import Book, Lot, micros
from actors.allocation.day_result import DayResult
from actors.allocation.performance import sharpe, sortino
from runtime.messages.risk import EquityMarked, PortfolioDay

CAPITAL = 100_000.0
NOON, CAUSE = 1_000, 7


def mark(equity: float, *, cash: float = 0.0, gross: float = 0.0, positions: int = 0) -> EquityMarked:
    return EquityMarked(
        ts_event=1, cause=1, equity=equity, cash=cash, gross=gross, positions=positions, final=True
    )


def ended(result: DayResult, equity: float, capital: float = CAPITAL) -> PortfolioDay:
    return result.end("2018-03-05", mark(equity), Book(micros(capital)), NOON, CAUSE)


def test_two_days_by_hand() -> None:
    book = Book(micros(CAPITAL))
    book.enter(
        Lot(
            id="l", strategy="s", symbol="SPY", symbol_id=0, direction="long", intraday=False,
            stop_loss=None, take_profit=None, entry_ts=1,
        ),
        100, 250.0, 0.0, 0.0,
    )  # fmt: skip
    result = DayResult([0.01], 101_000.0, 102_000.0)
    first = result.end(
        "2018-03-05", mark(98_980.0, cash=73_980.0, gross=25_000.0, positions=1), book, NOON, CAUSE
    )
    assert first == PortfolioDay(
        ts_event=NOON, cause=CAUSE, date="2018-03-05", equity=98_980.0, cash=73_980.0,
        positions_value=25_000.0, num_positions=1, exposure_pct=25_000.0 / 98_980.0, daily_pnl=-2_020.0,
        daily_pnl_pct=-0.02, cumulative_pnl=-1_020.0, cumulative_pnl_pct=98_980.0 / CAPITAL - 1.0,
        drawdown=-3_020.0, drawdown_pct=-3_020.0 / 102_000.0, high_water_mark=102_000.0,
        sharpe_ratio=sharpe([0.01, -0.02]), sortino_ratio=sortino([0.01, -0.02]),
    )  # fmt: skip
    second = result.end("2018-03-06", mark(103_000.0), book, NOON, CAUSE)
    assert (second.date, second.daily_pnl) == ("2018-03-06", 4_020.0)
    assert (second.drawdown, second.drawdown_pct, second.high_water_mark) == (0.0, 0.0, 103_000.0)


@given(st.lists(st.integers(1, 10_000_000).map(lambda cents: cents / 100), min_size=1, max_size=20))
def test_days_add_up_to_what_there_is_and_no_day_is_above_its_high(equities: list[float]) -> None:
    result = DayResult([], CAPITAL, CAPITAL)
    days = [ended(result, equity) for equity in equities]
    assert math.fsum(day.daily_pnl for day in days) == pytest.approx(equities[-1] - CAPITAL, abs=1e-6)
    high, before, compounded = CAPITAL, CAPITAL, 1.0
    for day, equity in zip(days, equities, strict=True):
        high = max(high, equity)
        compounded *= 1.0 + day.daily_pnl_pct
        assert day.high_water_mark == high
        assert day.drawdown == equity - high <= 0.0
        assert day.drawdown_pct == pytest.approx(equity / high - 1.0)
        assert day.daily_pnl_pct == (equity - before) / before
        assert day.cumulative_pnl == equity - CAPITAL
        assert day.cumulative_pnl_pct == pytest.approx(compounded - 1.0, abs=1e-9)
        before = equity
    assert result.returns == [day.daily_pnl_pct for day in days]
    assert (result.last_equity, result.high_water) == (equities[-1], high)
    assert [day.sharpe_ratio for day in days] == [
        sharpe(result.returns[: n + 1]) for n in range(len(equities))
    ]


@given(st.lists(st.floats(1.0, 1e6), min_size=2, max_size=10), st.integers(1, 9))
def test_days_that_were_carried_go_on_as_if_there_had_been_no_end(equities: list[float], cut: int) -> None:
    whole = DayResult([], CAPITAL, CAPITAL)
    expected = [ended(whole, equity) for equity in equities]
    first = DayResult([], CAPITAL, CAPITAL)
    said = [ended(first, equity) for equity in equities[:cut]]
    again = DayResult(first.returns, first.last_equity, first.high_water)
    assert said + [ended(again, equity) for equity in equities[cut:]] == expected


def test_what_was_carried_is_not_written_to() -> None:
    kept = [0.01]
    ended(DayResult(kept, CAPITAL, CAPITAL), 99_000.0)
    assert kept == [0.01]


def test_a_book_of_nothing_has_no_percentages() -> None:
    day = ended(DayResult([], 0.0, 0.0), 0.0, capital=0.0)
    percentages = day.daily_pnl_pct, day.exposure_pct, day.cumulative_pnl_pct, day.drawdown_pct
    assert percentages == (0.0, 0.0, 0.0, 0.0)
    assert (day.sharpe_ratio, day.sortino_ratio) == (None, None)
