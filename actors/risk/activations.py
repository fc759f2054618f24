"""What a circuit breaker's activation is, and what breakers must remember across a restart."""

import msgspec

from runtime.messages.risk import Action, BreakerName


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One activation: a row of circuit_breaker_state.

    Attributes:
        target: The strategy it acts on; empty: all.
        value, limit: The measured fraction (or count) and its limit.
        expires_at: ns UTC; 0: it does not expire by time. It acts while the time is below this.
    """

    breaker: BreakerName
    action: Action
    target: str
    reason: str
    value: float
    limit: float
    triggered_at: int
    expires_at: int = 0


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """The end of an activation."""

    row: Row
    reason: str


Event = Row | Cleared


class Group(msgspec.Struct, kw_only=True):
    """Lots that count as one trade (a pair): those still open and what the closed ones earned."""

    open: list[str]
    pnl: int = 0


class BreakerState(msgspec.Struct, frozen=True, kw_only=True):
    """All that must survive a restart; money in micro-dollars.

    Attributes:
        opening: Equity at the previous close, None before the first mark ever.
        closing: Equity at the trading day's close, None until it was marked. last: the latest mark.
        high_water: Highest end-of-day equity ever.
        sleeve_high, sleeve_pnl: Per strategy, highest and latest P&L since the books began.
        losses: Per strategy, losing round trips in a row.
        window: (ns UTC, equity) of the last minutes, times ascending, equities descending.
    """

    opening: int | None = None
    closing: int | None = None
    last: int | None = None
    high_water: int | None = None
    sleeve_high: dict[str, int] = {}
    sleeve_pnl: dict[str, int] = {}
    losses: dict[str, int] = {}
    groups: dict[str, Group] = {}
    window: list[tuple[int, int]] = []
    rows: list[Row] = []
