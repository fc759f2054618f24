"""Equity, breakers, regime, phases, tasks: what is known about danger and time of day."""

from typing import Literal

from runtime.messages.base import Decision, Input

Phase = Literal["PRE_MARKET", "MARKET_OPEN", "TRADING", "MARKET_CLOSE", "AFTER_HOURS", "OVERNIGHT"]
Regime = Literal["low", "normal", "high", "extreme"]
REGIMES: tuple[Regime, ...] = ("low", "normal", "high", "extreme")
BreakerName = Literal[
    "daily_loss", "drawdown", "rapid_loss", "consecutive_losses", "strategy_loss", "reconcile"
]
Action = Literal["HALT", "DISABLE", "PAUSE", "REDUCE"]


class EquityMarked(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The books at a minute's close or after an input's fills, USD.

    Attributes:
        equity: Trading capital plus the P&L of our lots since the books began.
        cash: Settled cash: capital plus realised P&L minus the cost of what is held.
        gross: Sum of |market value|. positions: symbols with a net quantity.
        strategies: P&L since the books began, realised plus unrealised, by strategy that ever traded.
        final: The mark at the session's close.
    """

    equity: float
    cash: float
    gross: float
    positions: int
    strategies: dict[str, float] = {}
    final: bool = False


class BreakerTripped(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A circuit breaker began to act.

    Attributes:
        target: The strategy it acts on; empty: all.
        value, limit: The measured fraction (or count) and its limit.
        expires_at: ns UTC; 0: no expiry of its own.
    """

    breaker: BreakerName
    action: Action
    target: str
    reason: str
    value: float
    limit: float
    expires_at: int = 0
    triggered_at: int = 0


class BreakerCleared(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A circuit breaker stopped acting."""

    breaker: BreakerName
    target: str
    reason: str
    triggered_at: int = 0


class RegimeChanged(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The VIX regime (strategies.md 5).

    Attributes:
        fast: Scales positions. slow: rotates vix_regime_rotation. scalar: seed section 2.
        source: VIX, ESTIMATED or STALE. age: sessions since the datum.
    """

    fast: Regime
    slow: Regime
    scalar: float
    vix: float
    previous: Regime
    source: str = "VIX"
    age: int = 0
    action: str = ""


class PhaseChanged(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The session entered a phase (seed section 1)."""

    phase: Phase
    previous: Phase
    late: bool = False


class TaskDue(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The phase clock asks the task's owner to do it."""

    task: str
    phase: Phase
    late: bool = False


class TaskDone(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """What became of a task: done, skipped (and why) or failed."""

    task: str
    phase: Phase
    status: Literal["done", "skipped", "failed"]
    detail: str = ""


class TaskAnswered(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """What became of a task that a gateway does."""

    task: str
    status: Literal["done", "failed"]
    detail: str = ""


class StrategyChanged(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A strategy's state: ACTIVE, INACTIVE, DEGRADED, SHADOW, PAUSED or DISABLED, and why."""

    strategy: str
    state: str
    reason: str = ""
    slots: int = 0
    allocation: float = 0.0


class HaltThrown(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The kill switch: nothing that adds exposure leaves any more.

    Attributes:
        flatten: Whether all our lots are to be closed. everything: whether `EXTERNAL` is too, asked by name.
    """

    reason: str
    flatten: bool = False
    everything: bool = False


class HaltLifted(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A person resumed trading."""

    by: str


class HaltConfirmed(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """What a `HaltThrown` asked for is done: no entry of ours works any more; told once for each.

    Attributes:
        flat: Whether our lots hold nothing; with `flatten` it is told only then.
        working: Stops, targets and exits of ours that still rest at the broker.
    """

    flat: bool
    working: int = 0


class StrategyPaused(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A person paused or unpaused one strategy."""

    strategy: str
    paused: bool
    by: str = ""


class Noted(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A warning or error that a decision actor wants in `error_log`."""

    level: Literal["WARNING", "ERROR", "CRITICAL"]
    component: str
    text: str


class PortfolioDay(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A session's result for the whole book (performance.db: portfolio_daily); USD and fractions."""

    date: str
    equity: float
    cash: float
    positions_value: float
    num_positions: int
    exposure_pct: float
    daily_pnl: float
    daily_pnl_pct: float
    cumulative_pnl: float
    cumulative_pnl_pct: float
    drawdown: float
    drawdown_pct: float
    high_water_mark: float
    sharpe_ratio: float | None = None
    sortino_ratio: float | None = None


class StrategyDay(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A session's result for one strategy (performance.db: strategy_daily and strategy_stats)."""

    date: str
    strategy: str
    trades_opened: int
    trades_closed: int
    wins: int
    losses: int
    gross_pnl: float
    net_pnl: float
    commission: float
    is_enabled: bool
    total_trades: int
    winning_trades: int
    losing_trades: int
    total_pnl: float
    sharpe_20d: float | None = None
    sharpe_60d: float | None = None
    win_rate_30d: float | None = None
    avg_win: float | None = None
    avg_loss: float | None = None
    profit_factor: float | None = None
    max_drawdown: float | None = None
    total_profit_factor: float | None = None
    total_sharpe: float | None = None
    total_sortino: float | None = None
    total_max_drawdown: float | None = None
    recent_sharpe: float | None = None
    """Over the last 30 to 60 returns: what the adaptive sizer looks at."""
