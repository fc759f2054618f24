"""From executions, the starting cash and closing prices alone: cash, positions and equity to the cent."""

from fractions import Fraction

import pytest

from runtime.messages.market import Bars
from storage.loaders.sessions import SessionData
from tests.system import days
from tests.system.recordings import demo_market

MICRO = 1_000_000


def closing_prices(sessions: tuple[SessionData, ...]) -> dict[str, dict[str, float]]:
    """Last close of every symbol up to each session's end."""
    known: dict[str, float] = {}
    found = {}
    for session in sessions:
        for _, _, message in session.inputs:
            if isinstance(message, Bars):
                for place, close in zip(message.ids.tolist(), message.close.tolist(), strict=True):
                    known[session.symbols[place]] = close
        found[session.session] = dict(known)
    return found


def exact(dollars: float) -> Fraction:
    """USD to the micro-dollar."""
    return Fraction(round(dollars * MICRO), MICRO)


def check(run: days.Run, sessions: tuple[SessionData, ...], capital: float) -> None:
    """Recompute every day of a run from its fills."""
    prices = closing_prices(sessions)
    fills = run.trades.execute(
        "SELECT session, symbol, direction, quantity, fill_price, commission FROM executions"
        " ORDER BY session, seq"
    ).fetchall()
    books = run.performance.execute(
        "SELECT date, equity, cash, num_positions, positions_value FROM portfolio_daily ORDER BY date"
    ).fetchall()
    assert fills, "a run without a fill shows nothing"
    assert [row[0] for row in books] == [session.session for session in sessions]
    cash, held = Fraction(capital), dict[str, int]()
    for date, equity, booked_cash, count, value in books:
        for _, symbol, direction, quantity, price, commission in (
            fill for fill in fills if fill[0] == int(date.replace("-", ""))
        ):
            signed = quantity if direction == "buy" else -quantity
            cash -= signed * Fraction(round(price * MICRO), MICRO) + Fraction(
                round(commission * MICRO), MICRO
            )
            held[symbol] = held.get(symbol, 0) + signed
        held = {symbol: shares for symbol, shares in held.items() if shares}
        worth = sum(shares * Fraction(prices[date][symbol]) for symbol, shares in held.items())
        assert float(cash) == pytest.approx(booked_cash, abs=0.005)
        assert float(worth) == pytest.approx(value, abs=0.005)
        assert float(cash + worth) == pytest.approx(equity, abs=0.005)
        assert len(held) == count
    open_now = run.trades.execute("SELECT symbol, quantity FROM positions WHERE quantity != 0").fetchall()
    assert dict(open_now) == held
    lots = run.trades.execute(
        "SELECT symbol, sum(quantity) FROM lots GROUP BY symbol HAVING sum(quantity) != 0"
    )
    assert dict(lots.fetchall()) == held


@days.needs_data
def test_february_2018_adds_up() -> None:
    sessions = days.february_2018()
    check(days.play(sessions), sessions, 97_000.0)


@days.needs_data
def test_october_2013_with_shorts_adds_up() -> None:
    sessions = days.october_2013()
    check(days.play(sessions, days.settings(days.GOLDEN_PROFILE)), sessions, 97_000.0)


@days.needs_data
def test_costs_lower_equity_by_what_they_are_booked_at() -> None:
    sessions = days.february_2018()
    run = days.play(sessions)
    costs = run.trades.execute("SELECT sum(commission) FROM executions").fetchone()[0]
    booked = run.trades.execute("SELECT sum(commission) FROM trades").fetchone()[0]
    assert costs > 0
    assert booked == pytest.approx(costs, abs=0.005)


SMA = (
    "strategies.sma_cross.class=tests.samples.sma_cross:SmaCross",
    "strategies.sma_cross.allocation=0.30",
    "strategies.mean_reversion.allocation=0.0",
)


def test_a_close_that_names_no_lot_is_executed_by_the_fill_of_its_exit() -> None:
    run = days.play(demo_market()[:2], days.settings(None, *SMA))
    closes = run.trades.execute(
        "SELECT s.status, s.executed_at, l.updated_at, l.state, e.order_id, s.order_key, s.quantity,"
        " t.quantity FROM signals s LEFT JOIN lots l ON l.id = s.lot_id LEFT JOIN trades t ON t.id = s.lot_id"
        " LEFT JOIN executions e ON e.id = s.execution_id"
        " WHERE s.signal_type = 'CLOSE' AND s.status <> 'rejected'"
    ).fetchall()
    executed = [row[1:] for row in closes if row[0] == "executed"]
    assert len(executed) > 5
    for when, updated, state, order, key, asked, entered in executed:
        assert order.rstrip("0123456789") == key
        assert state != "closed" or when <= updated
        assert asked == entered
    assert not [row for row in closes if row[0] == "pending" and row[3] != "open"]
