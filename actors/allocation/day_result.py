"""A session's result for the whole book: returns, drawdown, Sharpe and Sortino so far."""

from actors.allocation.book import MICRO, Book
from actors.allocation.performance import sharpe, sortino
from runtime.messages.risk import EquityMarked, PortfolioDay


class DayResult:
    """What the days before ended with, and what this one adds.

    Args:
        returns: Daily P&L over the equity before, oldest first.
        last_equity, high_water: USD at the last close, and the highest there was.
    """

    def __init__(self, returns: list[float], last_equity: float, high_water: float) -> None:
        self.returns = list(returns)
        self.last_equity = last_equity
        self.high_water = high_water

    def end(self, session: str, mark: EquityMarked, book: Book, now: int, cause: int) -> PortfolioDay:
        """Close the day with its last mark."""
        before, capital = self.last_equity, book.capital / MICRO
        pnl = mark.equity - before
        self.returns.append(pnl / before if before else 0.0)
        self.high_water = max(self.high_water, mark.equity)
        drawdown = mark.equity - self.high_water
        self.last_equity = mark.equity
        return PortfolioDay(
            ts_event=now,
            cause=cause,
            date=session,
            equity=mark.equity,
            cash=mark.cash,
            positions_value=book.value / MICRO,
            num_positions=mark.positions,
            exposure_pct=mark.gross / mark.equity if mark.equity else 0.0,
            daily_pnl=pnl,
            daily_pnl_pct=self.returns[-1],
            cumulative_pnl=mark.equity - capital,
            cumulative_pnl_pct=mark.equity / capital - 1.0 if capital else 0.0,
            drawdown=drawdown,
            drawdown_pct=drawdown / self.high_water if self.high_water else 0.0,
            high_water_mark=self.high_water,
            sharpe_ratio=sharpe(self.returns),
            sortino_ratio=sortino(self.returns),
        )
