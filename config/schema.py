"""Every setting: its type, its bounds, and under it what it means, its unit and where the number comes from.

`strategies N` and `seed N` are sections of the specification. Where the number is a design choice of ours
the source says so.
"""

from typing import Annotated, Literal

import msgspec

from config.base import (
    BasisPoints,
    Count,
    FolderName,
    Fraction,
    Hours,
    Minutes,
    Multiplier,
    PositiveFraction,
    PositiveUsd,
    Seconds,
    Section,
    Usd,
    WholeNumber,
)
from config.strategies import DEFAULT_STRATEGIES, StrategySettings, check_book

ETFS = (
    *(
        "SPY",
        "QQQ",
        "IWM",
        "DIA",
        "XLB",
        "XLC",
        "XLE",
        "XLF",
        "XLI",
        "XLK",
        "XLP",
        "XLRE",
        "XLU",
        "XLV",
        "XLY",
    ),
    *("TLT", "IEF", "SHY", "GLD", "BIL", "MTUM", "QUAL", "SIZE", "USMV", "VLUE"),
)


class Account(Section, frozen=True, kw_only=True):
    """How much money there is and how much of it one position may use."""

    profile: Literal["default", "full"] = "default"
    """Set of numbers laid over the defaults: `full` sets max_positions to 101, every strategy's own maximum.
    Source: strategies 2 #1."""

    trading_capital: PositiveUsd = 97_000.0
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
    """What is scaled: `new` entries only, or `all`, which also sells that share of what is held.
    Source: architecture 11."""

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


class Orders(Section, frozen=True, kw_only=True):
    """How the executor looks after orders at the broker."""

    partial_entry_protect_s: Seconds = 5.0
    """Seconds a partly filled entry may stand without a stop before the rest is cancelled and the part
    protected. Source: architecture 4."""

    cancel_confirm_s: Seconds = 30.0
    """Seconds to wait for a cancellation to be confirmed before the order is looked up. Source: design."""


class Execution(Section, frozen=True, kw_only=True):
    """What the simulated broker charges and how much it fills; live trading does not read it."""

    apply_costs: bool = True
    """Whether commission, fees and slippage are charged at all. Source: strategies 10."""

    commission_per_share: Usd = 0.0
    """USD per share and side. Source: strategies 10."""

    sell_fee_frac: Annotated[float, msgspec.Meta(ge=0, le=0.01)] = 0.0000278
    """Regulatory fee as a share of the proceeds of a sale.
    Source: strategies 10; SEC section 31 rate of 2024."""

    sell_fee_per_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.000166
    """Regulatory fee in USD per share sold. Source: strategies 10; FINRA trading activity fee of 2024."""

    slippage_bps_etf: BasisPoints = 1.0
    """Half spread plus slippage per side, basis points, of `etfs`. Source: strategies 10."""

    slippage_bps_large: BasisPoints = 3.0
    """The same for stocks that trade at least small_cap_adv a day. Source: strategies 10."""

    slippage_bps_small: BasisPoints = 25.0
    """The same for stocks that trade less. Source: strategies 10."""

    extreme_cost_multiplier: Annotated[float, msgspec.Meta(ge=1, le=100)] = 2.0
    """Factor on slippage in the extreme regime. Source: strategies 10."""

    small_cap_adv: Usd = 20_000_000.0
    """USD of average daily volume below which a stock is charged as a small cap. Source: design."""

    etfs: tuple[str, ...] = ETFS
    """Symbols charged as ETFs. Source: strategies 3 names them."""

    partial_fills: bool = True
    """Whether a bar fills at most volume_frac of its volume; off, every order fills whole. Source: design."""

    volume_frac: PositiveFraction = 0.10
    """Share of a bar's volume that one order can take. Source: design."""

    shorting: bool = True
    """Whether the simulated account may sell short. Source: strategies 0."""

    buying_power_multiplier: Annotated[float, msgspec.Meta(ge=1, le=4)] = 2.0
    """Buying power in multiples of equity: 1 cash, 2 margin, 4 pattern day trader.
    Source: the broker's documentation."""


class Data(Section, frozen=True, kw_only=True):
    """When data is good enough to decide on."""

    history_sessions: Annotated[int, msgspec.Meta(ge=1, le=5_000)] = 260
    """Earlier sessions of daily bars that a session starts with. Source: strategies 3.1."""

    lookback_coverage: PositiveFraction = 0.95
    """Share of the lookback's bars a symbol must have, else STALE_DATA. Source: strategies 0."""

    universe_coverage: Fraction = 0.80
    """Share of the symbols with history and sector that must take part; below it a strategy emits nothing
    and is DEGRADED. Source: strategies 0."""

    opening_volume_sessions: Annotated[int, msgspec.Meta(ge=1, le=60)] = 20
    """Earlier sessions whose opening volume is kept. Source: strategies 3.2, rv_days at most 20."""

    feed_watchdog_s: Seconds = 90.0
    """Seconds without a bar of any symbol after which entries are frozen, where SPY is not in the feed.
    Source: strategies 0."""

    spy_watchdog_min: Minutes = 3.0
    """Minutes without a bar of SPY after which entries are frozen. Source: strategies 0."""

    halt_no_bar_min: Minutes = 5.0
    """Minutes without a bar after which a liquid symbol counts as halted. Source: strategies 0."""

    halt_resume_min: Minutes = 5.0
    """Minutes after a resumption before entries in the symbol. Source: strategies 0."""

    daily_ready_after_min: Minutes = 20.0
    """Minutes after the close from which daily bars are awaited. Source: strategies 0."""

    daily_ready_give_up_min: Minutes = 90.0
    """Minutes after the close at which they are given up, DEGRADED. Source: strategies 0."""

    ready_coverage: PositiveFraction = 0.98
    """Share of the symbols with history that must have the session's daily bar. Source: strategies 0."""

    split_tolerance: Fraction = 0.02
    """How near the price ratio must be to a quantity ratio to be a split. Source: strategies 0."""

    odd_move_tolerance: Fraction = 0.01
    """How near an unexplained overnight ratio must be to 1/2, 1/3, 2, 3 ... to freeze the symbol.
    Source: strategies 0."""

    absurd_price_ratio: Annotated[float, msgspec.Meta(gt=1, le=1_000_000)] = 5.0
    """A bar this many times above or below the last known price is put in quarantine. Source: design."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.daily_ready_give_up_min < self.daily_ready_after_min:
            raise ValueError(
                f"daily_ready_give_up_min must be at least daily_ready_after_min "
                f"({self.daily_ready_after_min:g}), was {self.daily_ready_give_up_min:g}"
            )


class Supervision(Section, frozen=True, kw_only=True):
    """How crashes are met."""

    max_restarts: WholeNumber = 3
    """Restarts within restart_period_s after which the actor is given up. Source: architecture 3."""

    restart_period_s: Seconds = 60.0
    """Seconds those restarts are counted over. Source: architecture 3."""

    backoff_first_s: Seconds = 0.1
    """Seconds before a gateway's first restart; doubles each time. Source: design."""

    backoff_max_s: Seconds = 30.0
    """Most seconds between a gateway's restarts. Source: design."""

    drain_timeout_s: Seconds = 10.0
    """Seconds a gateway may take to empty its inbox at the end. Source: design."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backoff_max_s < self.backoff_first_s:
            raise ValueError(
                f"backoff_max_s must be at least backoff_first_s ({self.backoff_first_s:g}), "
                f"was {self.backoff_max_s:g}"
            )


class Tapes(Section, frozen=True, kw_only=True):
    """The recordings."""

    keep_days: Count = 365
    """Days after which a closed tape may be deleted. Source: design."""

    dir: FolderName = "tapes"
    """Folder under the root. Source: architecture 9."""


class KillSwitch(Section, frozen=True, kw_only=True):
    """What the HALT file does beyond blocking and cancelling entries."""

    cancel_protective: bool = False
    """Whether stops and targets at the broker are cancelled too, which leaves positions naked.
    Source: seed 6; architecture 11."""

    flatten: bool = False
    """Whether all positions are closed. Source: seed 6, "optional"."""

    exit_process: bool = False
    """Whether the engine ends after it; off, it stays up HALTED. Source: seed 6; architecture 11."""

    dir: FolderName = "killswitch"
    """Folder under the root in which the file HALT is looked for. Source: seed 1."""


class Log(Section, frozen=True, kw_only=True):
    """What is written to the log; WARNING and above always reaches error_log."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Least level written. Environment: LOG_LEVEL. Source: seed, appendix B."""

    dir: FolderName = "logs"
    """Folder under the root. Source: architecture 9."""


class Broker(Section, frozen=True, kw_only=True):
    """Which account trades; its keys come from the environment only."""

    mode: Literal["paper", "live"] = "paper"
    """`paper`: the broker's practice account; `live`: real money. Source: seed, status."""


class Paths(Section, frozen=True, kw_only=True):
    """Where things are on this machine; no part of a snapshot or its hash."""

    root: str = ""
    """Folder that holds databases, data, tapes and logs; empty: the checkout.
    Environment: TRADING_SYSTEM_ROOT. Source: seed, appendix B."""


class Settings(Section, frozen=True, kw_only=True):
    """Everything that can be set, one section per topic."""

    account: Account = Account()
    breakers: Breakers = Breakers()
    limits: Limits = Limits()
    regime: Regime = Regime()
    ensemble: Ensemble = Ensemble()
    orders: Orders = Orders()
    execution: Execution = Execution()
    data: Data = Data()
    supervision: Supervision = Supervision()
    tapes: Tapes = Tapes()
    kill_switch: KillSwitch = KillSwitch()
    log: Log = Log()
    broker: Broker = Broker()
    paths: Paths = Paths()
    strategies: tuple[StrategySettings, ...] = DEFAULT_STRATEGIES
    """In config order, which breaks ties between equal allocations. Source: strategies 7."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_book(self.strategies)

    def strategy(self, name: str) -> StrategySettings | None:
        """One strategy's settings, or None if there is none of that name."""
        return next((strategy for strategy in self.strategies if strategy.name == name), None)
