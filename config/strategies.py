"""Who may trade with how much: the allocation table of the seed, and what the specification adds to it."""

import math
from typing import Annotated, Any

import msgspec

from config.base import Fraction, Section

StrategyName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,27}\Z")]
"""At most 28 characters, so that an order id made from it stays below the broker's 48."""
ClassPath = Annotated[str, msgspec.Meta(pattern=r"^\Z|^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*\Z")]


class StrategySettings(Section, frozen=True, kw_only=True):
    """One strategy's place in the book. In a settings file: `[strategies.NAME]`."""

    name: StrategyName
    """Its name in every table and order id; lower case, digits and `_`. Source: seed 2."""

    class_path: ClassPath = msgspec.field(default="", name="class")
    """`module:Class` of a strategy of your own; empty: the built-in one of that name. Source: design."""

    enabled: bool = True
    """Whether it runs at all; off, its allocation is not counted. Source: seed 2."""

    allocation: Fraction = 0.0
    """Share of the equity it may use; those of the enabled strategies sum to at most 1. Source: seed 2."""

    max_positions: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10
    """Most positions at once, an upper bound below `account.max_positions`.
    Source: seed 2; strategies 2 #1."""

    min_slots: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    """Slots its smallest trade needs (a pair: 2); with a smaller quota it gets none. Source: strategies 7."""

    intraday: bool = False
    """Whether it must be flat by MARKET_CLOSE; its unused slots are lent only to its like.
    Source: strategies 7."""

    shadow: bool = False
    """Signals are logged with hypothetical fills and never sent; its allocation is 0.
    Source: strategies 2 #16."""

    params: dict[str, Any] = {}
    """Its own parameters, checked by the strategy itself; what is absent keeps the strategy's default.
    Source: strategies 3."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, value in self.params.items():
            if not _is_plain(value):
                raise ValueError(
                    f"params.{key} must be a number, text, true or false, or a list of these, "
                    f"was {type(value).__name__}"
                )
        if self.shadow and self.allocation != 0:
            raise ValueError(
                f"allocation of {self.name} must be 0 while it is in shadow, was {self.allocation:g}"
            )


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(item, bool | int | float | str) for item in value)
    return isinstance(value, bool | int | float | str)


def check_book(strategies: tuple[StrategySettings, ...]) -> None:
    """Check the strategies against each other.

    Raises:
        ValueError: A name stands twice, or the enabled allocations sum to more than 1.
    """
    seen: set[str] = set()
    for strategy in strategies:
        if strategy.name in seen:
            raise ValueError(f"strategy {strategy.name!r} stands twice")
        seen.add(strategy.name)
    enabled = [strategy for strategy in strategies if strategy.enabled]
    total = math.fsum(strategy.allocation for strategy in enabled)
    if total > 1 + 1e-9:
        parts = " + ".join(f"{one.name} {one.allocation:g}" for one in enabled if one.allocation)
        raise ValueError(f"enabled allocations must sum to at most 1, was {total:.6g} ({parts})")


DEFAULT_STRATEGIES: tuple[StrategySettings, ...] = (
    StrategySettings(
        name="mean_reversion",
        allocation=0.30,
        max_positions=25,
        params={
            "win": 60,
            "s_in": 1.25,
            "s_out": 0.5,
            "kappa_min": 8.4,
            "stop_atr": 2.5,
            "max_hold_days": 15,
            "news_ret": 0.06,
        },
    ),
    StrategySettings(
        name="relative_volume_breakout",
        allocation=0.25,
        max_positions=5,
        intraday=True,
        params={
            "or_min": 5,
            "rv_min": 1.0,
            "top_n": 5,
            "stop_atr": 0.1,
            "target_r": 10.0,
            "entry_cutoff_min": 120,
            "rv_days": 14,
            "rv_min_days": 10,
            "body_min": 0.1,
        },
    ),
    StrategySettings(
        name="gap_fill",
        allocation=0.10,
        max_positions=2,
        intraday=True,
        params={
            "universe": ["SPY", "QQQ", "IWM", "DIA"],
            "gap_min": 0.0015,
            "gap_max": 0.006,
            "fill_frac": 0.75,
            "stop_atr": 0.75,
            "hold_min": 120,
            "min_edge_bps": 0.0,
            "cost_bps": 2.0,
            "gate": "auto",
        },
    ),
    StrategySettings(name="vol_managed_momentum", allocation=0.10, max_positions=10),
    StrategySettings(name="vix_regime_rotation", allocation=0.10, max_positions=5),
    StrategySettings(name="pairs_trading", allocation=0.05, max_positions=14, min_slots=2),
    StrategySettings(name="quality_smallcap_value", allocation=0.05, max_positions=30),
    StrategySettings(name="factor_momentum", allocation=0.05, max_positions=10),
    StrategySettings(name="sector_rotation", enabled=False, allocation=0.10, max_positions=10),
    StrategySettings(name="orb", max_positions=2, intraday=True, shadow=True),
    StrategySettings(name="vwap_reversion", max_positions=2, intraday=True, shadow=True),
)
