"""How much of its size a strategy has earned: recent Sharpe, volatility, odds and drawdown (strategies 7).

The adaptive sizer scales the RISK and SLOT caps only; every other cap stands. The VIX is not looked at again.
"""

import math

import msgspec

from runtime.messages.risk import StrategyDay

LEAST, MOST = 0.25, 1.5
TARGET_VOLATILITY = 0.15
"""Annual, of one position's symbol."""
LEAST_TRADES = 30
WILSON_Z = 1.2816
"""One-sided 90 %."""
KELLY_SHARE = 0.25
DRAWDOWN_RAMP = ((0.15, 0.5), (0.10, 0.6), (0.05, 0.8))


class Scale(msgspec.Struct, frozen=True):
    """What the sizer multiplies: `slot` of the SLOT cap, `risk` instead of risk_per_trade (a fraction)."""

    slot: float
    risk: float


def sharpe_factor(sharpe: float | None) -> float:
    """0.5 at a Sharpe of 0 or less, 1 at 0.5, 1.25 at 1.5 or more, linear between; 1 while unknown."""
    if sharpe is None:
        return 1.0
    if sharpe <= 0.5:
        return 0.5 + max(sharpe, 0.0)
    return min(1.0 + 0.25 * (sharpe - 0.5), 1.25)


def volatility_factor(sigma: float) -> float:
    """Target volatility over the symbol's own (annual fraction), within bounds; 1 while unknown (NaN)."""
    if not sigma > 0:
        return 1.0
    return min(max(TARGET_VOLATILITY / sigma, LEAST), MOST)


def wilson_lower(wins: int, trades: int) -> float:
    """Lower bound of the win rate."""
    rate, z2 = wins / trades, WILSON_Z * WILSON_Z
    spread = WILSON_Z * math.sqrt(rate * (1 - rate) / trades + z2 / (4 * trades * trades))
    return (rate + z2 / (2 * trades) - spread) / (1 + z2 / trades)


def kelly_risk(wins: int, losses: int, payoff: float, risk_per_trade: float) -> float:
    """Share of equity to risk: a quarter of Kelly at the lower bound of the odds, at most `risk_per_trade`.

    Args:
        payoff: Average win over average loss, positive.
    """
    trades = wins + losses
    if trades < LEAST_TRADES or not payoff > 0:
        return risk_per_trade
    low = wilson_lower(wins, trades)
    edge = low - (1 - low) / payoff
    return min(risk_per_trade, KELLY_SHARE * edge) if edge > 0 else KELLY_SHARE * risk_per_trade


def drawdown_factor(drawdown: float) -> float:
    """Size while the account is below its high (drawdown a positive fraction)."""
    return next((factor for depth, factor in DRAWDOWN_RAMP if drawdown >= depth), 1.0)


def scale(day: StrategyDay | None, sigma: float, is_basket: bool, risk_per_trade: float) -> Scale:
    """Put the factors together for one entry.

    Args:
        day: The strategy's last day; None before its first.
        sigma: The symbol's annual volatility of 20 sessions, a fraction; NaN unknown.
        is_basket: Whether the entry has a weight in a basket: its volatility is then not looked at.
    """
    factor = sharpe_factor(day.recent_sharpe if day else None)
    if not is_basket:
        factor *= volatility_factor(sigma)
    risk = risk_per_trade
    if day is not None and day.avg_win is not None and day.avg_loss is not None and day.avg_loss < 0:
        payoff = day.avg_win / -day.avg_loss
        risk = kelly_risk(day.winning_trades, day.losing_trades, payoff, risk_per_trade)
    return Scale(slot=min(max(factor, LEAST), MOST), risk=risk)
