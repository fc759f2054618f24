"""How well it went: Sharpe, Sortino, drawdown, profit factor (strategies 9).

Daily returns are fractions; annualised with 252 days, risk-free rate 0; None where undefined.
"""

import math
from collections.abc import Sequence

import msgspec

from runtime.messages.risk import StrategyDay

DAYS = 252
_FLAT = 1e-12
_NANOSECONDS_PER_DAY = 86_400_000_000_000


def sharpe(returns: Sequence[float], window: int = 0) -> float | None:
    """Annual mean over sample deviation of the last `window` returns (0: all); None if too few or flat."""
    if window and len(returns) < window:
        return None
    used = returns[-window:] if window else returns
    if len(used) < 2:
        return None
    mean = math.fsum(used) / len(used)
    deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in used) / (len(used) - 1))
    return None if deviation < _FLAT else mean / deviation * math.sqrt(DAYS)


def sortino(returns: Sequence[float]) -> float | None:
    """Annual mean over annualised downside deviation (target 0); None if there is no downside."""
    if len(returns) < 2:
        return None
    mean = math.fsum(returns) / len(returns)
    downside = math.sqrt(math.fsum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    return None if downside < _FLAT else mean * DAYS / (downside * math.sqrt(DAYS))


def max_drawdown(returns: Sequence[float]) -> float:
    """Worst fall from a peak of the compounded curve that starts at 1, as a negative fraction."""
    level = peak = 1.0
    worst = 0.0
    for r in returns:
        level *= 1.0 + r
        peak = max(peak, level)
        worst = min(worst, level / peak - 1.0)
    return worst


def profit_factor(gross_profit: float, gross_loss: float) -> float | None:
    """Gross profit over gross loss (both positive USD); None if nothing was lost."""
    return gross_profit / gross_loss if gross_loss > 0 else None


class Record(msgspec.Struct, kw_only=True):
    """What one strategy did since the books began.

    Attributes:
        returns: Daily P&L over the capital it was given that day.
        closed: (exit ns, net USD) of trades of the last 30 calendar days.
    """

    returns: list[float] = []
    closed: list[tuple[int, float]] = []
    trades: int = 0
    wins: int = 0
    losses: int = 0
    profit: float = 0.0
    loss: float = 0.0
    pnl: float = 0.0
    opened_today: int = 0
    closed_today: int = 0
    wins_today: int = 0
    losses_today: int = 0
    gross_today: float = 0.0
    net_today: float = 0.0
    commission_today: float = 0.0
    profit_today: float = 0.0
    loss_today: float = 0.0
    last_profit: float = 0.0
    """Realised plus open P&L at the last close, USD."""

    def close_trade(self, ts: int, net: float, commission: float) -> None:
        """Count one round trip (net USD; a trade of exactly 0 is neither win nor loss)."""
        self.trades += 1
        self.closed_today += 1
        self.pnl += net
        self.net_today += net
        self.gross_today += net + commission
        self.commission_today += commission
        self.closed.append((ts, net))
        if net > 0:
            self.wins += 1
            self.wins_today += 1
            self.profit += net
            self.profit_today += net
        elif net < 0:
            self.losses += 1
            self.losses_today += 1
            self.loss -= net
            self.loss_today -= net

    def reopen_trade(self, ts: int, net: float, commission: float) -> None:
        """Take back what `close_trade` counted today: the broker has corrected one of its fills."""
        self.trades -= 1
        self.closed_today -= 1
        self.pnl -= net
        self.net_today -= net
        self.gross_today -= net + commission
        self.commission_today -= commission
        if (ts, net) in self.closed:
            self.closed.remove((ts, net))
        if net > 0:
            self.wins -= 1
            self.wins_today -= 1
            self.profit -= net
            self.profit_today -= net
        elif net < 0:
            self.losses -= 1
            self.losses_today -= 1
            self.loss += net
            self.loss_today += net

    def end_day(
        self, name: str, date: str, now: int, cause: int, profit: float, capital: float, enabled: bool
    ) -> StrategyDay:
        """Close the day: append its return (P&L over allocated capital) and report."""
        change = profit - self.last_profit
        self.last_profit = profit
        self.returns.append(change / capital if capital > 0 else 0.0)
        since = now - 30 * _NANOSECONDS_PER_DAY
        self.closed = [trade for trade in self.closed if trade[0] >= since]
        won = sum(1 for _, net in self.closed if net > 0)
        lost = sum(1 for _, net in self.closed if net < 0)
        day = StrategyDay(
            ts_event=now,
            cause=cause,
            date=date,
            strategy=name,
            trades_opened=self.opened_today,
            trades_closed=self.closed_today,
            wins=self.wins_today,
            losses=self.losses_today,
            gross_pnl=self.gross_today,
            net_pnl=self.net_today,
            commission=self.commission_today,
            is_enabled=enabled,
            total_trades=self.trades,
            winning_trades=self.wins,
            losing_trades=self.losses,
            total_pnl=self.pnl,
            sharpe_20d=sharpe(self.returns, 20),
            sharpe_60d=sharpe(self.returns, 60),
            win_rate_30d=won / (won + lost) if won + lost else None,
            avg_win=self.profit / self.wins if self.wins else None,
            avg_loss=-self.loss / self.losses if self.losses else None,
            profit_factor=profit_factor(self.profit_today, self.loss_today),
            max_drawdown=max_drawdown(self.returns),
            total_profit_factor=profit_factor(self.profit, self.loss),
            total_sharpe=sharpe(self.returns),
            total_sortino=sortino(self.returns),
            total_max_drawdown=max_drawdown(self.returns),
            recent_sharpe=sharpe(self.returns[-60:]) if len(self.returns) >= 30 else None,
        )
        self.opened_today = self.closed_today = self.wins_today = self.losses_today = 0
        self.gross_today = self.net_today = self.commission_today = 0.0
        self.profit_today = self.loss_today = 0.0
        return day
