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
    expires = signal.expires_at
    if expires <= signal.ts_event or expires <= signal.not_before:
        return "expires before it can trade"
    if not 0.0 < signal.price < math.inf:
        return f"price {signal.price!r} is not a price"
    if signal.signal_type == "CLOSE":
        return ""
    return _out_of_bounds(signal) or _impossible_exits(signal, rules)


def _out_of_bounds(signal: SignalRaised) -> str:
    weight = 0.0 if signal.weight is None else signal.weight
    # Asked of each first, because nearly all are within; then which it was.
    if not (
        0.0 <= signal.strength <= 1.0
        and 0.0 <= signal.confidence <= 1.0
        and 0.0 <= signal.size_factor <= 1.0
        and 0.0 <= weight <= 1.0
    ):
        for name, value in (
            ("strength", signal.strength),
            ("confidence", signal.confidence),
            ("size_factor", signal.size_factor),
            ("weight", weight),
        ):
            if not 0.0 <= value <= 1.0:
                return f"{name} {value!r} is not within 0 and 1"
    if signal.quantity is not None and signal.quantity < 1:
        return f"quantity {signal.quantity} is not a number of shares"
    if signal.direction != ("long" if signal.signal_type == "BUY" else "short"):
        return f"{signal.signal_type} opens no {signal.direction} position"
    return ""


def _impossible_exits(signal: SignalRaised, rules: HostRules) -> str:
    stop, target = signal.stop_loss, signal.take_profit
    if rules.require_exits and (stop is None or target is None):
        return "an entry needs a stop and a target"
    style = signal.entry
    if stop is None and target is None and style.limit is None and style.stop is None:
        return ""  # nothing that could be on the wrong side of the price
    is_long = signal.direction == "long"
    below, above = (stop, target) if is_long else (target, stop)
    low, high = 0.0 if below is None else below, math.inf if above is None else above
    # A NaN fails every comparison; a price of 0 or below, or without end, is none even as an exit.
    if not 0 <= low < signal.price < high or below == 0.0 or above == math.inf:
        return f"{signal.direction} with stop {_said(stop)}, price {signal.price:g}, target {_said(target)}"
    if style.limit is not None or style.stop is not None:
        for name, price in (("limit", style.limit), ("stop", style.stop)):
            if price is not None and not low < price < high:
                return f"entry {name} {price:g} is not between stop {_said(stop)} and target {_said(target)}"
    if stop is None:
        return ""
    least = max(rules.min_stop_ticks * TICK, rules.min_stop_frac * signal.price)
    if abs(signal.price - stop) < least - 1e-9:
        return f"stop {abs(signal.price - stop):g} from the price, least {least:g}"
    return ""


def _said(price: float | None) -> str:
    return "none" if price is None else f"{price:g}"


def looks_like_split(
    open_price: FloatArray, previous_close: FloatArray, tolerance: float
) -> NDArray[np.bool_]:
    """Whether each overnight move is within a share of a usual split ratio (strategies 0)."""
    ratio = open_price / previous_close
    found = np.zeros(len(ratio), dtype=np.bool_)
    for split in SPLIT_RATIOS:
        found |= np.abs(ratio / split - 1.0) <= tolerance
    return found
