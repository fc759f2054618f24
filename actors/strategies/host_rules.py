"""The numbers every strategy's host works by; the settings fill them in."""

import msgspec

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND


class HostRules(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether a signal may leave, beside the strategy's own rules. Times in ns.

    Attributes:
        intraday_life: How long an intraday signal lives that names no window of its own.
        opening_life: How long after the next session's open a signal raised after the close lives.
        cooldown_sessions: Further sessions without entry in a symbol that stopped the strategy out.
        require_exits: Whether an entry needs both stop and target; without them nothing at the broker
            protects what it opens.
        min_stop_ticks, min_stop_frac: Least distance of a stop, in cents and as a share of the price.
        lookback_coverage: Share of a lookback's sessions that a symbol must have.
        universe_coverage: Share of the symbols below which a daily run says nothing.
        feed_silence: Without a bar of any symbol for so long nothing enters.
        benchmark_silence: The same for SPY, where it is in the feed.
        halt_silence: A liquid symbol without a bar for so long counts as halted.
        halt_rest: No entry for so long after a halt ended.
        odd_move_tolerance: How near a split ratio an overnight move must be to freeze the symbol.
        liquid_dollars: USD a day, mean of 20 sessions, from which a symbol is liquid.
    """

    intraday_life: int = 5 * _MINUTE
    opening_life: int = 60 * _MINUTE
    cooldown_sessions: int = 5
    require_exits: bool = True
    min_stop_ticks: int = 2
    min_stop_frac: float = 0.0005
    lookback_coverage: float = 0.95
    universe_coverage: float = 0.8
    feed_silence: int = 90 * _SECOND
    benchmark_silence: int = 3 * _MINUTE
    halt_silence: int = 5 * _MINUTE
    halt_rest: int = 5 * _MINUTE
    odd_move_tolerance: float = 0.01
    liquid_dollars: float = 10_000_000.0
