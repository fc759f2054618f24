"""Pre-trade limits: what one order, or a burst of them, may never exceed, whatever made it.

Price collar, value, quantity, duplicates and message rate, as SEC rule 15c3-5 (c)(1)(ii) and RTS 6
article 15 ask. Every comparison reads `if not (x <= limit)`: a NaN is refused, never let through.
"""

from collections import deque

import msgspec

from config.trading import Limits
from runtime.messages.trading import OrderProposed

MINUTE = 60_000_000_000


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Which limit an order broke, by how much."""

    rule: str
    reason: str
    value: float
    limit: float


class GuardState(msgspec.Struct, frozen=True, kw_only=True):
    """What must survive a restart: times (ns UTC) of messages and of orders that passed."""

    sent: list[int] = []
    passed: list[tuple[int, str, str, str, int]] = []


class OrderGuard:
    """Checks entries and counts every message; exits are counted, never checked."""

    def __init__(self, limits: Limits, state: GuardState | None = None) -> None:
        old = state or GuardState()
        self._limits = limits
        self._duplicate_window = round(limits.duplicate_window_s * 1e9)
        self._sent: deque[int] = deque(old.sent)
        self._looked_at = -1
        self._passed = {(s, y, side, q): ts for ts, s, y, side, q in old.passed}

    def state(self) -> GuardState:
        """What must survive a restart."""
        return GuardState(sent=list(self._sent), passed=[(ts, *key) for key, ts in self._passed.items()])

    def count(self, now: int) -> None:
        """Count one message to the broker."""
        self._sent.append(now)

    def passed(self, order: OrderProposed, now: int) -> None:
        """Count an order that was let through; an entry will be missed as a duplicate."""
        self._sent.append(now)
        if order.intent == "entry" and self._duplicate_window:
            # Removed first, so that the oldest stays in front and forgetting is cheap.
            key = (order.strategy, order.symbol, order.side, order.quantity)
            self._passed.pop(key, None)
            self._passed[key] = now

    def check(self, order: OrderProposed, last: float, now: int) -> Refusal | None:
        """Which limit an entry breaks, if any.

        Args:
            last: The symbol's last price, USD, as seen apart from what the order claims; NaN: unknown.
        """
        limits = self._limits
        quantity = order.quantity
        if not (0 < quantity <= limits.max_order_quantity):
            return _refuse("max_order_quantity", "shares of one order", quantity, limits.max_order_quantity)
        if not (0.0 < last < float("inf")):
            return _refuse("price_collar", f"no last price of {order.symbol}", 0.0, limits.price_collar_frac)
        if limits.require_exits and (order.stop_loss is None or order.take_profit is None):
            return _refuse("require_exits", "an entry needs a stop and a target", 0.0, 1.0)
        highest = last
        for price in (order.reference_price, order.limit_price, order.stop_price):
            if price is None:
                continue
            distance = abs(price / last - 1.0)
            if not (distance <= limits.price_collar_frac):
                text = f"{price:.4f} against a last price of {last:.4f}"
                return _refuse("price_collar", text, distance, limits.price_collar_frac)
            if price > highest:
                highest = price
        value = quantity * highest
        if not (value <= limits.max_order_value):
            return _refuse("max_order_value", "USD of one order", value, limits.max_order_value)
        if now != self._looked_at:
            self._looked_at = now
            self._forget(now)
        before = self._passed.get((order.strategy, order.symbol, order.side, quantity))
        if before is not None:
            age = (now - before) / 1e9
            text = f"the same order passed {age:g} s before"
            return _refuse("duplicate_order", text, age, limits.duplicate_window_s)
        rate = len(self._sent) + 1
        if not (rate <= limits.max_messages_per_minute):
            return _refuse("message_rate", "messages in 60 s", rate, limits.max_messages_per_minute)
        return None

    def _forget(self, now: int) -> None:
        """Drop, oldest first, what passed a window or was sent a minute before: once a moment is enough."""
        passed, horizon = self._passed, now - self._duplicate_window
        while passed:
            oldest = next(iter(passed))
            if passed[oldest] > horizon:
                break
            del passed[oldest]
        sent, horizon = self._sent, now - MINUTE
        while sent and sent[0] <= horizon:
            sent.popleft()


def _refuse(rule: str, reason: str, value: float, limit: float) -> Refusal:
    return Refusal(rule=rule, reason=reason, value=float(value), limit=float(limit))
