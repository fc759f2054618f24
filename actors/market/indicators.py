"""Indicators over (symbols, sessions) panels: what TA-Lib and the papers compute, in one fixed order.

Every sum over time is taken one session after the other, so the same panel gives the same bits on any
processor. NaN is a missing session: recursive indicators skip it and keep their last value.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

Panel = NDArray[np.float64]
"""(symbols, sessions), oldest first."""
Vector = NDArray[np.float64]
"""(symbols,)."""

SESSIONS_A_YEAR = 252


def total(panel: Panel) -> Vector:
    """Sum each row, oldest first."""
    result: Vector = np.zeros(panel.shape[0])
    for column in panel.T:
        result += column
    return result


def mean(panel: Panel) -> Vector:
    """Mean of each row; NaN where any session is missing or there is none."""
    sessions = panel.shape[1]
    return total(panel) / sessions if sessions else np.full(panel.shape[0], np.nan)


def sma(panel: Panel, window: int) -> Vector:
    """Mean of the last `window` sessions; NaN where one is missing or there are fewer."""
    if panel.shape[1] < window:
        return np.full(panel.shape[0], np.nan)
    return mean(panel[:, -window:])


def filled(panel: Panel) -> Panel:
    """Carry each row's last known value over missing sessions; leading NaN stay."""
    result = panel.copy()
    for now in range(1, result.shape[1]):
        column, before = result[:, now], result[:, now - 1]
        np.copyto(column, before, where=np.isnan(column))
    return result


def returns(panel: Panel) -> Panel:
    """Simple returns, (symbols, sessions - 1)."""
    return panel[:, 1:] / panel[:, :-1] - 1.0


def ewma(panel: Panel, alpha: float) -> Panel:
    """Exponential mean that starts at the first value: m += alpha (x - m); missing sessions keep it."""
    result = np.empty_like(panel)
    state = np.full(panel.shape[0], np.nan)
    for now, column in enumerate(panel.T):
        first = np.isnan(state)
        known = ~np.isnan(column)
        state = np.where(known, np.where(first, column, state + alpha * (column - state)), state)
        result[:, now] = state
    return result


def wilder(panel: Panel, window: int) -> Panel:
    """Wilder's mean: the plain mean of the first `window` values, then (m (window - 1) + x) / window."""
    result = np.full(panel.shape, np.nan)
    seen = np.zeros(panel.shape[0], dtype=np.int64)
    state = np.zeros(panel.shape[0])
    for now, column in enumerate(panel.T):
        known = ~np.isnan(column)
        value = np.where(known, column, 0.0)
        seen += known
        warm = seen > window
        state = np.where(known & warm, (state * (window - 1) + value) / window, state)
        state = np.where(known & ~warm, state + value, state)
        seeded = known & (seen == window)
        state = np.where(seeded, state / window, state)
        result[:, now] = np.where(seen >= window, state, np.nan)
    return result


def true_range(high: Panel, low: Panel, close: Panel) -> Panel:
    """max(high - low, |high - previous close|, |low - previous close|), NaN for a row's first session."""
    before = np.full(close.shape, np.nan)
    before[:, 1:] = filled(close)[:, :-1]
    span = np.maximum(high - low, np.maximum(np.abs(high - before), np.abs(low - before)))
    return np.asarray(span, dtype=np.float64)


def atr(high: Panel, low: Panel, close: Panel, window: int = 14) -> Panel:
    """Wilder's average true range, equal to TA-Lib: the first value stands at session `window`."""
    return wilder(true_range(high, low, close), window)


def rsi(close: Panel, window: int) -> Panel:
    """Wilder's relative strength index in [0, 100], equal to TA-Lib; 0 where nothing ever moved."""
    change = np.full(close.shape, np.nan)
    known = filled(close)
    change[:, 1:] = np.where(np.isnan(close[:, 1:]), np.nan, known[:, 1:] - known[:, :-1])
    gain = wilder(np.where(change < 0, 0.0, change), window)
    loss = wilder(np.where(change > 0, 0.0, -change), window)
    moved = gain + loss
    result = np.full(close.shape, np.nan)
    np.divide(100.0 * gain, moved, out=result, where=moved > 0)
    return np.where(moved == 0, 0.0, result)


def realised_vol(panel: Panel, window: int) -> Vector:
    """Yearly volatility of the last `window` returns in `panel`: std(ddof=1) sqrt(252)."""
    if window < 2 or panel.shape[1] < window:
        return np.full(panel.shape[0], np.nan)
    last = panel[:, -window:]
    deviation = last - mean(last)[:, None]
    return np.sqrt(total(deviation * deviation) / (window - 1)) * math.sqrt(SESSIONS_A_YEAR)


class Line(msgspec.Struct, frozen=True):
    """y = alpha + beta x + residual, one least-squares fit a row.

    Attributes:
        alpha, beta: (symbols,); NaN where x does not vary.
        residual: (symbols, sessions).
    """

    alpha: Vector
    beta: Vector
    residual: Panel


def regress(y: Panel, x: Panel) -> Line:
    """Fit each row of `y` on the same row of `x` by least squares."""
    mean_y, mean_x = mean(y), mean(x)
    from_y, from_x = y - mean_y[:, None], x - mean_x[:, None]
    spread = total(from_x * from_x)
    beta = np.full(len(spread), np.nan)
    np.divide(total(from_x * from_y), spread, out=beta, where=spread > 0)
    alpha = mean_y - beta * mean_x
    return Line(alpha, beta, y - alpha[:, None] - beta[:, None] * x)


class Reversion(msgspec.Struct, frozen=True):
    """How a residual's running sum returns to its mean (Avellaneda and Lee 2010), one value a symbol.

    Attributes:
        beta: Slope on the benchmark. b: AR(1) slope of the running sum.
        kappa: Speed of return per year, -252 ln b; NaN where b is not within (0, 1).
        sigma: Standard deviation in equilibrium, a fraction of price.
        score: Distance from the mean in sigmas, negative when cheap; NaN where b is not within (0, 1).
    """

    beta: Vector
    b: Vector
    kappa: Vector
    sigma: Vector
    score: Vector


def reversion(own: Panel, benchmark: Panel) -> Reversion:
    """Score each row of `own` returns against the same row of `benchmark` returns.

    X = running sum of the regression's residuals, X[k+1] = a + b X[k] + z; kappa = -252 ln b,
    mean = a / (1 - b), sigma = sqrt(var(z, ddof=0) / (1 - b^2)), score = -mean / sigma as X ends at 0.
    """
    line = regress(own, benchmark)
    walk = np.cumsum(line.residual, axis=1)
    step = regress(walk[:, 1:], walk[:, :-1])
    noise = total(step.residual * step.residual) / step.residual.shape[1]
    b = step.beta
    valid = (b > 0) & (b < 1) & (noise > 0)
    inside = np.where(valid, b, 0.5)
    sigma = np.where(valid, np.sqrt(noise / (1.0 - inside * inside)), np.nan)
    score = np.where(valid, -(step.alpha / (1.0 - inside)) / sigma, np.nan)
    kappa = np.array(
        [
            -SESSIONS_A_YEAR * math.log(slope) if good else math.nan
            for slope, good in zip(b, valid, strict=True)
        ]
    )
    return Reversion(line.beta, b, kappa, sigma, score)
