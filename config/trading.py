"""How much to trade and when not to: account, breakers, limits, regime, ensemble."""

from typing import Annotated, Literal

import msgspec

from config.base import (
    BasisPoints,
    Count,
    Fraction,
    Hours,
    Minutes,
    Multiplier,
    PositiveFraction,
    PositiveUsd,
    Section,
    Usd,
)


class Account(Section, frozen=True, kw_only=True):
    """How much money there is and how much of it one position may use."""

    profile: Literal["default", "full"] = "default"
    """Set of numbers laid over the defaults: `full` sets max_positions to 101, every strategy's own maximum.
    Source: strategies 2 #1."""

    trading_capital: Annotated[float, msgspec.Meta(gt=0, le=1_000_000_000_000)] = 97_000.0
    """USD the books begin with; sizing and breakers use it plus the P&L of our lots, never more than the
    broker's equity. Environment: TRADING_CAPITAL. Source: seed 2, appendix B."""

    risk_per_trade: PositiveFraction = 0.02
    """Share of equity one trade may lose at its stop. Source: seed 2."""

    max_position_size: PositiveUsd = 15_000.0
    """USD; most that one symbol may hold. Source: seed 2."""

    max_positions: Count = 10
    """Distinct symbols held or being entered at once. Source: seed 2; strategies 2 #1."""

    max_position_pct: PositiveFraction = 0.05
    """Share of equity one symbol may hold; below 300,000 USD of equity it binds before max_position_size.
    Source: seed 2; strategies 2 #2."""

    cash_buffer_pct: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.05
    """Share of equity never spent; every sleeve is smaller by it. Source: seed 2; strategies 2 #6."""

    min_order_value: Usd = 100.0
    """USD; a smaller entry is refused BELOW_MIN. Source: strategies 7."""

    max_adv_frac: PositiveFraction = 0.01
    """Share of the symbol's average daily dollar volume that one entry may be. Source: strategies 7."""

    adv_days: Annotated[int, msgspec.Meta(ge=1, le=252)] = 20
    """Sessions of that average (ADV20). Source: strategies 7."""

    allow_short: bool = False
    """Whether short entries are sent at all; the broker must allow and lend the symbol too.
    Source: strategies 0."""


class Breakers(Section, frozen=True, kw_only=True):
    """When losses stop new entries; exits always pass. A threshold is reached at >=."""

    daily_loss: PositiveFraction = 0.02
    """Share of the equity at the previous close; no entries until the next session. Source: seed 2."""

    drawdown: PositiveFraction = 0.15
    """Share of the highest end-of-day equity; entries are scaled by drawdown_multiplier. Source: seed 2."""

    drawdown_clear: Fraction = 0.075
    """Share of the highest end-of-day equity at or below which the drawdown breaker clears.
    Source: strategies 8."""

    drawdown_action: Literal["new", "all"] = "new"
    """What is scaled: `new` entries only, or `all`, which also sells that share of what is held, whole lots,
    the largest first. Source: architecture 11."""

    drawdown_multiplier: Fraction = 0.5
    """Factor on the size of entries while the drawdown breaker acts. Source: seed 2."""

    rapid_loss: PositiveFraction = 0.01
    """Share of the highest equity in the window; pauses all entries. Source: seed 2."""

    rapid_loss_window_min: Minutes = 15.0
    """Minutes looked back over. Source: seed 2."""

    rapid_loss_pause_min: Minutes = 30.0
    """Minutes without entries. Source: seed 2."""

    consecutive_losses: Count = 5
    """Closed losing trades in a row that pause their strategy; a trade at 0 does not count.
    Source: seed 2."""

    consecutive_losses_pause_h: Hours = 4.0
    """Hours of wall-clock pause, across the close if need be. Source: seed 2; strategies 2 #19."""

    strategy_loss: PositiveFraction = 0.05
    """Share of the strategy's allocation lost from its high; disables the strategy. Source: seed 2."""

    strategy_loss_disable_h: Hours = 24.0
    """Hours it stays disabled. Source: seed 2."""

    flatten_on_halt: bool = False
    """Whether daily_loss also closes what is held. Source: strategies 8."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.drawdown_clear >= self.drawdown:
            raise ValueError(
                f"drawdown_clear must lie below drawdown ({self.drawdown:g}), was {self.drawdown_clear:g}"
            )


class Limits(Section, frozen=True, kw_only=True):
    """What no single entry may be, whatever the ensemble proposes; the last look before it leaves."""

    price_collar_frac: PositiveFraction = 0.10
    """Most that a limit or trigger price may differ from the last price, as a share of it. Source: design."""

    max_order_value: PositiveUsd = 25_000.0
    """USD of one entry. Source: design, above account.max_position_size."""

    max_order_quantity: Count = 20_000
    """Shares of one entry. Source: design."""

    duplicate_window_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 60.0
    """Seconds in which a second entry with the same strategy, symbol, side and quantity is refused; 0: off.
    Source: design."""

    require_exits: bool = True
    """Whether an entry without both stop and target is refused. Off, such an entry may leave, and what it
    opens has no protection at the broker: nothing but its strategy ends it. Source: strategies 1.
    """

    max_messages_per_minute: Count = 150
    """Entries per minute to the broker, which takes 200 requests a minute; the rest is kept for exits.
    Source: design; the broker's documentation."""


class Regime(Section, frozen=True, kw_only=True):
    """How the VIX scales positions. Classes: low v<15, normal 15<=v<25, high 25<=v<=35, extreme v>35."""

    edges: tuple[PositiveUsd, PositiveUsd, PositiveUsd] = (15.0, 25.0, 35.0)
    """VIX points between low, normal, high and extreme, ascending. Source: seed 2; strategies 2 #8."""

    scalars: tuple[Multiplier, Multiplier, Multiplier, Multiplier] = (1.2, 1.0, 0.7, 0.4)
    """Factor on position sizes in low, normal, high and extreme. Source: seed 2."""

    band: Annotated[float, msgspec.Meta(ge=0, le=50)] = 1.0
    """VIX points beyond an edge before the class steps down. Source: strategies 5."""

    down_closes: Annotated[int, msgspec.Meta(ge=1, le=60)] = 2
    """Consecutive closes beyond the band before it steps down one class. Source: strategies 5."""

    stale_keep_sessions: Annotated[int, msgspec.Meta(ge=1, le=60)] = 1
    """Sessions of age up to which the datum is used as it is. Source: strategies 5."""

    stale_max_sessions: Annotated[int, msgspec.Meta(ge=1, le=60)] = 3
    """Sessions of age up to which the regime is kept with a scalar of at most 1; older means at least high.
    Source: strategies 5."""

    vix_scalar_exempt: tuple[str, ...] = ()
    """Symbols that the scalar leaves alone, for instance TLT, IEF, SHY, GLD, BIL bought as a defence.
    Source: strategies 2 #18."""

    def __post_init__(self) -> None:
        super().__post_init__()
        low, middle, high = self.edges
        if not low < middle < high:
            raise ValueError(f"edges must ascend, was {list(self.edges)}")
        if self.stale_max_sessions < self.stale_keep_sessions:
            raise ValueError(
                f"stale_max_sessions must be at least stale_keep_sessions ({self.stale_keep_sessions}), "
                f"was {self.stale_max_sessions}"
            )


class Ensemble(Section, frozen=True, kw_only=True):
    """How signals of several strategies become sized orders."""

    adaptive_sizing: bool = False
    """Whether sizes follow each strategy's recent Sharpe, the symbol's volatility, the odds of its trades and
    the account's drawdown. Source: strategies 7."""

    quality_gate: Fraction = 0.15
    """Least strength times confidence of a signal. Source: strategies 6.4."""

    conflict_rho: Fraction = 1 / 3
    """Least agreement |L-S|/(L+S) of opposite signals in a symbol; below it nobody trades.
    Source: strategies 6.5."""

    perf_mult: Annotated[float, msgspec.Meta(gt=0, le=2)] = 1.0
    """Factor on every allocation until the selector has spoken. Source: strategies 6.3."""

    fit_mult: Annotated[float, msgspec.Meta(gt=0, le=2)] = 1.0
    """Factor on every allocation for its fit to the regime. Source: strategies 6.3."""

    max_allocation_mult: Annotated[float, msgspec.Meta(ge=1, le=10)] = 1.25
    """Most that these factors may make of an allocation. Source: strategies 6.3."""

    intraday_expiry_min: Minutes = 5.0
    """Minutes an intraday signal lives that names no window of its own. Source: strategies 1."""

    daily_expiry_min: Minutes = 60.0
    """Minutes after the next session's open that a daily signal lives. Source: strategies 1."""

    cooldown_sessions: Annotated[int, msgspec.Meta(ge=0, le=252)] = 5
    """Sessions a strategy stays out of a symbol that stopped it out; intraday: the rest of the day.
    Source: strategies 3."""

    min_stop_ticks: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 2
    """Cents between a signal's price and its stop, at least. Source: strategies 1."""

    min_stop_bps: BasisPoints = 5.0
    """Basis points of the price between it and the stop, at least. Source: strategies 1."""
