"""How many shares: the smallest of the caps, then scaled down (strategies 7).

Every cap is USD of notional. Scale-up (regime low, 1.2) acts before the caps, scale-down after them.
"""

import math

import msgspec


class Need(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one entry needs to know.

    Attributes:
        price: USD. stop: USD or None (risk is then the whole price).
        equity, cash: USD; cash already less what working orders reserve.
        sleeve: USD of the strategy. sleeve_used: what it holds and has ordered.
        slots: n_eff of the strategy. weight: share of the sleeve for a basket member, or None.
        held_symbol: USD already held or ordered in the symbol, over all strategies.
        adv: Average daily USD volume of 20 sessions; inf where unknown.
        scalar: Regime scalar. multiplier: of the breakers, 0 when entries are stopped.
        slot_factor: What the adaptive sizer makes of the SLOT cap. risk: instead of risk_per_trade.
    """

    price: float
    stop: float | None
    equity: float
    cash: float
    sleeve: float
    sleeve_used: float
    slots: int
    held_symbol: float
    adv: float
    scalar: float
    multiplier: float
    weight: float | None = None
    quantity: int | None = None
    slot_factor: float = 1.0
    risk: float | None = None


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """Account limits as sizing uses them (seed section 2): fractions, USD."""

    risk_per_trade: float
    max_position_pct: float
    max_position_size: float
    cash_buffer_pct: float
    max_adv_frac: float
    min_order_value: float


class Size(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Shares, their notional in USD, the cap that decided, and all caps."""

    shares: int
    notional: float
    binding: str
    caps: dict[str, float]


def size(need: Need, caps: Caps) -> Size:
    """Size one entry; 0 shares with binding BELOW_MIN when it is too small to trade."""
    distance = need.price if need.stop is None else abs(need.price - need.stop)
    risk = caps.risk_per_trade if need.risk is None else need.risk
    up, down = (need.scalar, 1.0) if need.scalar > 1.0 else (1.0, need.scalar)
    share = need.sleeve / need.slots if need.weight is None else need.weight * need.sleeve
    limits = {
        # A stop on the entry's price, where rounding or a resting entry put it there, is not measurable risk.
        "RISK": need.equity * risk * need.price / distance if distance > 0 else 0.0,
        "SLOT": share * need.slot_factor * up,
        "PCT": caps.max_position_pct * need.equity - need.held_symbol,
        "ABS": caps.max_position_size - need.held_symbol,
        "SLEEVE": need.sleeve - need.sleeve_used,
        "CASH": need.cash - caps.cash_buffer_pct * need.equity,
        "ADV": caps.max_adv_frac * need.adv,
    }
    binding = min(limits, key=limits.__getitem__)
    notional = limits[binding]
    if not notional > 0:
        return Size(shares=0, notional=0.0, binding=binding, caps=limits)
    notional *= down * need.multiplier
    shares = math.floor(notional / need.price + 1e-9)
    if need.quantity is not None and need.quantity <= shares:
        shares, binding = need.quantity, "FIXED"
    value = shares * need.price
    if shares < 1 or value < caps.min_order_value:
        return Size(shares=0, notional=value, binding="BELOW_MIN", caps=limits)
    return Size(shares=shares, notional=notional, binding=binding, caps=limits)
