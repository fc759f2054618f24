"""What one bar does to one resting order, and what the trade then costs.

At the open first, then inside the bar; a price jumped over by the open trades at the open; nothing ever
trades better than that. Sales are the mirror image of purchases: all prices negated.
Source: strategies 0 and 10; entries by stop-limit: strategies 3.2.
"""

from typing import Literal

import msgspec

from actors.execution import ticks
from actors.execution.ticks import MICRO
from config.schema import Execution

BAR_NS = 60_000_000_000
INTRABAR_NS = 30_000_000_000
"""A trade at the open is stamped with the bar's start, every other one half a minute later: a convention."""

EXTREME_VIX = 35.0
"""VIX above which costs are those of the extreme regime. Source: strategies 2 #8."""

LiquidityClass = Literal["etf", "large", "small"]


class Touch(msgspec.Struct, frozen=True, gc=False):
    """What a bar does to an order.

    Attributes:
        price: USD it trades at before costs; None: it does not trade in this bar.
        at_open: Whether it trades at the bar's open.
        triggered: Whether its stop has been reached, now or before.
    """

    price: float | None
    at_open: bool
    triggered: bool


BarRow = tuple[float, float, float, float]
"""Open, high, low (USD) and volume (shares) of one bar."""

Prices = tuple[float | None, float | None]
"""Limit and stop of an order, USD."""

_UNTOUCHED = Touch(None, False, False)


def touch(sign: int, prices: Prices, triggered: bool, bar: BarRow) -> Touch:
    """Confront an order with a bar.

    Args:
        sign: 1 buys, -1 sells.
        prices: Limit and stop, USD; neither: a market order.
        triggered: Whether the stop was reached in an earlier bar.
    """
    opened, high, low, _ = bar
    limit, stop = prices
    if limit is None and stop is None:
        return Touch(opened, True, triggered)
    if sign > 0:
        return _buy(limit, stop, triggered, (opened, high, low))
    limit = None if limit is None else -limit
    stop = None if stop is None else -stop
    found = _buy(limit, stop, triggered, (-opened, -low, -high))
    return found if found.price is None else Touch(-found.price, found.at_open, found.triggered)


def _buy(
    limit: float | None,
    stop: float | None,
    triggered: bool,
    bar: tuple[float, float, float],
) -> Touch:
    opened, high, low = bar
    if stop is not None and not triggered:
        if opened < stop:
            if high < stop:
                return _UNTOUCHED
            within = limit is None or stop <= limit
            return Touch(stop if within else None, False, True)
        triggered = True
    if limit is None or opened <= limit:
        return Touch(opened, True, triggered)
    return Touch(limit if low <= limit else None, False, triggered)


def slipped(price: float, sign: int, bps: float, limit: float | None) -> float:
    """Price after half spread and slippage, on the tick that is worse for us, never beyond a limit.

    Args:
        sign: 1 buys, -1 sells.
        bps: Basis points of the price; 0 leaves the price exactly as it was.
        limit: Limit of a limit or stop-limit order, USD.
    """
    if bps <= 0:
        return round(price * MICRO) / MICRO
    worse = ticks.beyond(max(price * (1 + sign * bps / 10_000), 0.0001), sign)
    if limit is not None and (worse - limit) * sign > 0:
        worse = limit
    return price if (worse - price) * sign < 0 else worse


def fees_micros(costs: Execution, sign: int, quantity: int, value_micros: int) -> int:
    """Commission and, on sales, regulatory fees, in whole micro-dollars."""
    if not costs.apply_costs:
        return 0
    total = costs.commission_per_share * quantity
    if sign < 0:
        total += costs.sell_fee_frac * value_micros / MICRO + costs.sell_fee_per_share * quantity
    return ticks.micros(total)


def slippage_bps(costs: Execution, liquidity: LiquidityClass, extreme: bool) -> float:
    """Half spread plus slippage per side, basis points."""
    if not costs.apply_costs:
        return 0.0
    if liquidity == "etf":
        bps = costs.slippage_bps_etf
    else:
        bps = costs.slippage_bps_large if liquidity == "large" else costs.slippage_bps_small
    return bps * costs.extreme_cost_multiplier if extreme else bps


def liquidity_of(costs: Execution, symbol: str, average_dollar_volume: float) -> LiquidityClass:
    """Class a symbol is charged in; an unknown volume (NaN) counts as small."""
    if symbol in costs.etfs:
        return "etf"
    return "large" if average_dollar_volume >= costs.small_cap_adv else "small"
