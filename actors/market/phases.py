"""Given a session's open and close, which phase is it? (seed 1; strategies 0)

PRE_MARKET 6:30 ET to the open, MARKET_OPEN the first 5 minutes, TRADING until 15 minutes before the close,
MARKET_CLOSE to the close, AFTER_HOURS two hours from the close, OVERNIGHT everything else. All offsets are
relative to the day's own open and close, so a 13:00 close moves MARKET_CLOSE to 12:45.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from runtime.messages.risk import Phase
from runtime.messages.session import PhaseStart

MINUTE = 60_000_000_000
"""ns."""
MARKET_OPEN_LASTS = 5 * MINUTE
MARKET_CLOSE_LASTS = 15 * MINUTE
AFTER_HOURS_LASTS = 120 * MINUTE


def phase_table(
    *, starts: int, pre_market: int, opens: int, closes: int, ends: int
) -> tuple[PhaseStart, ...]:
    """Lay out one session's phases, all times ns UTC.

    Args:
        starts: 18:00 ET of the previous trading day. pre_market: 6:30 ET of this one.
        ends: 18:00 ET of this one; a phase that would begin then belongs to the next session.

    Raises:
        ValueError: The times do not ascend, or the session is too short to have every phase.
    """
    rows: tuple[tuple[Phase, int], ...] = (
        ("OVERNIGHT", starts),
        ("PRE_MARKET", pre_market),
        ("MARKET_OPEN", opens),
        ("TRADING", opens + MARKET_OPEN_LASTS),
        ("MARKET_CLOSE", closes - MARKET_CLOSE_LASTS),
        ("AFTER_HOURS", closes),
        ("OVERNIGHT", closes + AFTER_HOURS_LASTS),
    )
    times = [ts for _, ts in rows]
    if closes >= ends or any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError(f"phases must ascend within the session, was {times} ending {ends}")
    return tuple(PhaseStart(phase=phase, ts=ts) for phase, ts in rows if ts < ends)


def phase_at(table: Sequence[PhaseStart], ts: int) -> Phase:
    """The phase at a moment of the session; before its first row it is OVERNIGHT."""
    row = bisect_right(table, ts, key=lambda start: start.ts) - 1
    return table[row].phase if row >= 0 else "OVERNIGHT"
