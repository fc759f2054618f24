"""What the machine itself needs to know: data quality, supervision, places, log, account mode."""

from typing import Annotated, Literal

import msgspec

from config.base import Count, FolderName, Fraction, Minutes, PositiveFraction, Seconds, Section, WholeNumber


class Data(Section, frozen=True, kw_only=True):
    """Where data comes from, and when it is good enough to decide on."""

    feed: Literal["iex", "sip"] = "iex"
    """`iex`: one exchange, free; `sip`: all of them, paid. Source: alpaca.md 1.5."""

    stream_symbols: WholeNumber = 30
    """Most symbols the data plan streams; 0: no limit. Source: alpaca.md 1.5, the free plan."""

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

    history_fetch_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 5.0
    """Most seconds of real time that a session's start spends on asking the broker: for the daily bars of a
    root that has none, then for minutes of earlier sessions, which have a fifth of it in any case. What has
    not come then is asked for at the next start, the days meanwhile too. 0: nobody is asked.
    Source: design."""

    split_tolerance: Fraction = 0.02
    """How near the price ratio must be to a quantity ratio to be a split. Read by the live engine.
    Source: strategies 0."""

    odd_move_tolerance: Fraction = 0.01
    """How near an unexplained overnight ratio must be to 1/2, 1/3, 2, 3 ... to freeze the symbol.
    Source: strategies 0."""

    absurd_price_ratio: Annotated[float, msgspec.Meta(gt=1, le=1_000_000)] = 5.0
    """A daily bar this many times above or below the one before is refused unless the price stays there.
    Source: design."""

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

    max_crashes_a_session: WholeNumber = 10
    """Crashes of one actor in one session after which it is given up, however far apart: what fails on every
    minute bar never fails twice in a minute. Source: design."""

    restart_period_s: Seconds = 60.0
    """Seconds those restarts are counted over. Source: architecture 3."""

    backoff_first_s: Seconds = 0.1
    """Seconds before a gateway's first restart; doubles each time. Read by the live engine.
    Source: design."""

    backoff_max_s: Seconds = 30.0
    """Most seconds between a gateway's restarts. Read by the live engine. Source: design."""

    drain_timeout_s: Seconds = 10.0
    """Seconds a gateway may take to empty its inbox at the end. Read by the live engine. Source: design."""

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
    """Folder under the root. Read by the live engine. Source: architecture 9."""


class KillSwitch(Section, frozen=True, kw_only=True):
    """What the HALT file does beyond blocking and cancelling entries."""

    cancel_protective: bool = False
    """Whether stops and targets at the broker are cancelled too, which leaves positions naked until a person
    resumes. Source: seed 6; architecture 11."""

    flatten: bool = False
    """Whether all positions are closed. Read by the live engine. Source: seed 6, "optional"."""

    confirm_s: Seconds = 30.0
    """Seconds of real time after which a halt that the decision actors have not confirmed is carried out past
    them: entries are cancelled. Read by the live engine. Source: design."""

    exit_process: bool = False
    """Whether the engine ends after it; off, it stays up HALTED. Read by the live engine.
    Source: seed 6; architecture 11."""


class Log(Section, frozen=True, kw_only=True):
    """What is written to the log; WARNING and above always reaches error_log."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Least level written. Environment: LOG_LEVEL. Read by the live engine. Source: seed, appendix B."""

    dir: FolderName = "logs"
    """Folder under the root. Read by the live engine. Source: architecture 9."""

    most_bytes: Annotated[int, msgspec.Meta(ge=10_000, le=10_000_000_000)] = 20_000_000
    """Bytes after which the log file is put aside and a new one begun. Source: design."""

    kept: WholeNumber = 5
    """Full log files that are kept. Source: design."""


class Broker(Section, frozen=True, kw_only=True):
    """Which account trades; its keys come from the environment only."""

    mode: Literal["paper", "live"] = "paper"
    """`paper`: the broker's practice account; `live`: real money. Read by the live engine.
    Source: seed, status."""


class Endpoints(Section, frozen=True, kw_only=True):
    """Where the broker is; no part of a snapshot or its hash. Empty: its own hosts, by mode and feed."""

    trading: str = ""
    """Trading REST, scheme and host; http only on this machine. Environment: ALPACA_TRADING_URL.
    Source: alpaca.md 0."""

    data: str = ""
    """Market-data REST, likewise. Environment: ALPACA_DATA_URL.
    Source: alpaca.md 0."""

    trading_stream: str = ""
    """Order stream, a host or with its path; ws only on this machine. Environment: ALPACA_TRADING_STREAM_URL.
    Source: alpaca.md 0."""

    data_stream: str = ""
    """Market stream, likewise. Environment: ALPACA_DATA_STREAM_URL. Source: alpaca.md 0."""


class Paths(Section, frozen=True, kw_only=True):
    """Where things are on this machine; no part of a snapshot or its hash."""

    root: str = ""
    """Folder that holds databases, data, tapes and logs; empty: the checkout.
    Environment: TRADING_SYSTEM_ROOT. Source: seed, appendix B."""
