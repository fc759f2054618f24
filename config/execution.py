"""How orders are looked after, and what the simulated broker charges and fills."""

from typing import Annotated

import msgspec

from config.base import BasisPoints, PositiveFraction, Seconds, Section, Usd

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


class Orders(Section, frozen=True, kw_only=True):
    """How the executor looks after orders at the broker."""

    partial_entry_protect_s: Seconds = 5.0
    """Seconds a partly filled entry may stand without a stop before the rest is cancelled and the part
    protected. Source: architecture 4."""

    retry_s: Seconds = 5.0
    """Seconds before a refused exit or a refused cancellation is tried again. Source: design."""

    cancel_confirm_s: Seconds = 30.0
    """Seconds to wait for a cancellation to be confirmed before the order is looked up; the simulated broker
    confirms at once. Read by the live engine. Source: design."""

    stuck_s: Seconds = 120.0
    """Seconds without news after which an order that ought to have some (sent, being cancelled, or a market
    order in an open market) is looked up, again and again; market time, live only.
    Source: alpaca F; faults D 39."""

    reconcile_s: Seconds = 60.0
    """Seconds of market time between two comparisons of positions and open orders with the broker's, between
    the open and the close; whole minutes keep to a minute's middle. Live only. Source: architecture 4."""


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
