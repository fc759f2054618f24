"""May this signal leave its strategy? Validity, and what freezes, halts or cools a symbol down."""

import math

import numpy as np
from numpy.typing import NDArray

from actors.strategies.host_rules import HostRules
from runtime.messages.market import FloatArray
from runtime.messages.trading import SignalRaised

TICK = 0.01
"""Price step of a share above one dollar, USD."""
DEFAULT = HostRules()
SPLIT_RATIOS = (1 / 10, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 2.0, 3.0, 5.0, 10.0)


def invalid(signal: SignalRaised, rules: HostRules = DEFAULT) -> str:
    """Why a signal breaks the message contract (strategies 1); empty when it does not."""
    if signal.expires_at <= max(signal.ts_event, signal.not_before):
        return "expires before it can trade"
    if not (math.isfinite(signal.price) and signal.price > 0):
        return f"price {signal.price!r} is not a price"
    if signal.signal_type == "CLOSE":
        return ""
    for name in ("strength", "confidence", "size_factor"):
        value = getattr(signal, name)
        if not 0.0 <= value <= 1.0:
            return f"{name} {value!r} is not within 0 and 1"
    stop, target = signal.stop_loss, signal.take_profit
    if stop is None or target is None or not (math.isfinite(stop) and math.isfinite(target)):
        return "an entry needs a stop and a target"
    low, high = (stop, target) if signal.direction == "long" else (target, stop)
    if not 0 < low < signal.price < high:
        return f"{signal.direction} with stop {stop:g}, price {signal.price:g}, target {target:g}"
    for name, price in (("limit", signal.entry.limit), ("stop", signal.entry.stop)):
        if price is not None and not low < price < high:
            return f"entry {name} {price:g} is not between stop {stop:g} and target {target:g}"
    least = max(rules.min_stop_ticks * TICK, rules.min_stop_frac * signal.price)
    if abs(signal.price - stop) < least - 1e-9:
        return f"stop {abs(signal.price - stop):g} from the price, least {least:g}"
    return ""


def looks_like_split(
    open_price: FloatArray, previous_close: FloatArray, tolerance: float
) -> NDArray[np.bool_]:
    """Whether each overnight move is within a share of a usual split ratio (strategies 0)."""
    ratio = open_price / previous_close
    found = np.zeros(len(ratio), dtype=np.bool_)
    for split in SPLIT_RATIOS:
        found |= np.abs(ratio / split - 1.0) <= tolerance
    return found
