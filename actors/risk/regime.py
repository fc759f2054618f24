"""VIX regimes: how dangerous is the market, and how much of a position is left of it?

Classes by VIX close: low below 15, normal from 15, high from 25, extreme above 35 (strategies 2, #8).
FAST scales positions: up at once; down one level after two closes below the lower edge less 1.0.
SLOW rotates: as FAST, but up only at the second close in a row above its level (strategies 5; the band
is on the way down alone, which is what its 8.45 changes a year were measured with).
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.trading import Regime as RegimeSettings
from runtime.messages.risk import REGIMES, Regime

TRADING_DAYS = 252


class RegimeState(msgspec.Struct, frozen=True, kw_only=True):
    """Where the two detectors stand after a close.

    Attributes:
        fast, slow: Levels 0 (low) to 3 (extreme).
        fast_down, slow_down, slow_up: Closes in a row that ask for a move.
        session: yyyymmdd of the close. vix: its level.
    """

    fast: int
    slow: int
    session: int
    vix: float
    fast_down: int = 0
    slow_down: int = 0
    slow_up: int = 0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the account should do with a state of a given age."""

    fast: Regime
    slow: Regime
    scalar: float
    source: str


def level_of(vix: float, limits: RegimeSettings) -> int:
    """Class of one VIX close, 0 (low) to 3 (extreme)."""
    low, high, extreme = limits.edges
    if vix > extreme:
        return 3
    return 2 if vix >= high else 1 if vix >= low else 0


def is_usable(vix: float) -> bool:
    """Whether a number can be a VIX close at all."""
    return 0.0 < vix < math.inf


def step(state: RegimeState | None, session: int, vix: float, limits: RegimeSettings) -> RegimeState:
    """The state after one more close; the first close sets both levels outright."""
    if state is None:
        level = level_of(vix, limits)
        return RegimeState(fast=level, slow=level, session=session, vix=vix)
    fast, _, fast_down = _move(state.fast, 0, state.fast_down, vix, closes_up=1, limits=limits)
    slow, slow_up, slow_down = _move(
        state.slow, state.slow_up, state.slow_down, vix, closes_up=limits.down_closes, limits=limits
    )
    return RegimeState(
        fast=fast,
        slow=slow,
        session=session,
        vix=vix,
        fast_down=fast_down,
        slow_down=slow_down,
        slow_up=slow_up,
    )


def run(
    state: RegimeState | None,
    sessions: NDArray[np.int32],
    closes: NDArray[np.float64],
    limits: RegimeSettings,
) -> RegimeState | None:
    """Feed the closes later than the state's own; unusable ones are passed over.

    Args:
        sessions: (V,) yyyymmdd, ascending. closes: (V,) VIX.
    """
    for session, vix in zip(sessions.tolist(), closes.tolist(), strict=True):
        if is_usable(vix) and (state is None or session > state.session):
            state = step(state, session, vix, limits)
    return state


def read(state: RegimeState | None, age: int, limits: RegimeSettings, source: str = "VIX") -> Reading:
    """What to do with a state whose datum is `age` sessions old; without one the regime is high.

    An old datum never scales up; one older than `stale_max_sessions` sessions is at least high.
    """
    if state is None:
        return Reading(fast="high", slow="high", scalar=min(limits.scalars[2], 1.0), source="STALE")
    fast, slow = state.fast, state.slow
    if age <= limits.stale_keep_sessions:
        return Reading(fast=REGIMES[fast], slow=REGIMES[slow], scalar=limits.scalars[fast], source=source)
    if age > limits.stale_max_sessions:
        fast, slow = max(fast, 2), max(slow, 2)
    scalar = min(limits.scalars[fast], 1.0)
    return Reading(fast=REGIMES[fast], slow=REGIMES[slow], scalar=scalar, source="STALE")


def estimate(closes: NDArray[np.float64]) -> NDArray[np.float64]:
    """VIX guessed from an index's own volatility: 7.27 + 0.783 * EWMA(0.94) volatility in percent.

    Right class in 72.5 % of sessions (strategies 5); for when no VIX is to be had at all.

    Args:
        closes: (D,) adjusted closes of SPY or the S&P 500, ascending; gaps are passed over.

    Returns:
        One estimate per return from the 21st on, the average of the first 20 squares being the seed;
        empty if there are fewer.
    """
    known = closes[np.isfinite(closes) & (closes > 0.0)]
    if len(known) < 22:
        return np.empty(0)
    squares = np.square(known[1:] / known[:-1] - 1.0).tolist()
    variance = math.fsum(squares[:20]) / 20
    estimates = []
    for square in squares[20:]:
        variance = 0.94 * variance + 0.06 * square
        estimates.append(7.27 + 0.783 * 100.0 * math.sqrt(variance * TRADING_DAYS))
    return np.array(estimates)


def _move(
    level: int, up: int, down: int, vix: float, *, closes_up: int, limits: RegimeSettings
) -> tuple[int, int, int]:
    """Level and closes in a row for a move up and down, after one more close."""
    seen = level_of(vix, limits)
    if seen > level:
        return (seen, 0, 0) if up + 1 >= closes_up else (level, up + 1, 0)
    if level > 0 and vix < limits.edges[level - 1] - limits.band:
        return (level - 1, 0, 0) if down + 1 >= limits.down_closes else (level, 0, down + 1)
    return level, 0, 0
