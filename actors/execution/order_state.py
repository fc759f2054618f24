"""What is known of one order, as a fold over what the broker says.

Truth is the cumulative filled quantity: it only grows. A terminal status never goes back, though a fill that
was overtaken by a cancellation still counts. What was seen before changes nothing.
Source: alpaca.md 2.3-2.5; faults.md D.
"""

import msgspec

from runtime.messages.broker import (
    FillCorrected,
    OrderAccepted,
    OrderCanceled,
    OrderChanged,
    OrderEnded,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
)
from runtime.messages.trading import OrderType, Role, Side

_UNFILLED = frozenset(("canceled", "expired", "rejected"))
TERMINAL = frozenset(("filled", "canceled", "expired", "rejected"))
PLAINLY_LIVE = frozenset(("submitted", "accepted", "partially_filled", "unknown"))
"""Every status but the terminal ones and `pending_cancel`."""


class OrderState(msgspec.Struct, frozen=True, gc=False):
    """One order as we know it.

    Attributes:
        status: One of `OrderChanged.status`.
        value: Sum of price times quantity over the fills seen, USD.
        executions: Ids of the fills and corrections seen.
        base: Shares that the broker's count of its present id lacks (a replacement, a correction).
    """

    client_order_id: str
    lot_id: str
    strategy: str
    symbol: str
    side: Side
    role: Role
    type: OrderType
    quantity: int
    broker_order_id: str = ""
    status: str = "submitted"
    filled: int = 0
    limit_price: float | None = None
    stop_price: float | None = None
    priced: int = 0
    value: float = 0.0
    executions: tuple[str, ...] = ()
    reason: str = ""
    parent_id: str = ""
    base: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it may still trade, as far as we know."""
        return self.status not in TERMINAL

    @property
    def average_price(self) -> float:
        """USD per share over the fills seen; 0 without one."""
        return self.value / self.priced if self.priced else 0.0

    @property
    def remaining(self) -> int:
        """Shares not filled yet."""
        return max(0, self.quantity - self.filled)


_with = msgspec.structs.replace


def accepted(state: OrderState, event: OrderAccepted) -> OrderState:
    """The broker has it."""
    if state.broker_order_id and state.status not in ("submitted", "unknown"):
        return state
    status = "accepted" if state.status in ("submitted", "unknown") else state.status
    return _with(state, status=status, broker_order_id=event.broker_order_id)


def rejected(state: OrderState, event: OrderRejected) -> OrderState:
    """The broker refused it."""
    if not state.is_live:
        return state
    return _with(state, status="rejected", reason=f"{event.code} {event.reason}")


def unknown(state: OrderState, reason: str) -> OrderState:
    """Nobody knows whether the broker has it; an answer that came before decides."""
    return _with(state, status="unknown", reason=reason) if state.status == "submitted" else state


def filled(state: OrderState, event: OrderFilled) -> OrderState:
    """Count a fill once; one that is older than what is known adds nothing."""
    if event.execution_id in state.executions or event.cumulative <= state.filled:
        return state
    status = state.status
    if status not in TERMINAL:
        done = event.done or event.cumulative >= state.quantity
        status = "filled" if done else status if status == "pending_cancel" else "partially_filled"
    return _with(
        state,
        status=status,
        broker_order_id=state.broker_order_id or event.broker_order_id,
        filled=event.cumulative,
        priced=state.priced + event.quantity,
        value=state.value + event.price * event.quantity,
        executions=(*state.executions, event.execution_id),
    )


def corrected(state: OrderState, event: FillCorrected) -> OrderState:
    """Take a fill back, or count it at its new price and quantity; the status stays as it is."""
    if event.execution_id in state.executions:
        return state
    worth = event.price * event.quantity - event.price_before * event.quantity_before
    return _with(
        state,
        filled=max(0, event.cumulative),
        priced=max(0, state.priced + event.quantity - event.quantity_before),
        value=max(0.0, state.value + worth),
        executions=(*state.executions, event.execution_id),
        base=event.base,
    )


def ended(state: OrderState, event: OrderCanceled | OrderExpired) -> OrderState:
    """Cancelled or expired, with what had filled before."""
    seen = max(state.filled, event.cumulative)
    if not state.is_live:
        return state if seen == state.filled else _with(state, filled=seen)
    if type(event) is OrderCanceled:
        return _with(state, status="canceled", filled=seen, reason=event.reason or state.reason)
    return _with(state, status="expired", filled=seen)


def replaced(state: OrderState, event: OrderReplaced) -> OrderState:
    """Lives on under a new broker id and price."""
    if not state.is_live:
        return state
    return _with(
        state,
        broker_order_id=event.new_broker_order_id,
        limit_price=state.limit_price if event.limit_price is None else event.limit_price,
        stop_price=state.stop_price if event.stop_price is None else event.stop_price,
        base=event.base,
    )


def cancelling(state: OrderState) -> OrderState:
    """We asked for its cancellation."""
    return _with(state, status="pending_cancel") if state.is_live else state


def cancel_refused(state: OrderState) -> OrderState:
    """It still works, or its own events say what became of it."""
    if state.status != "pending_cancel":
        return state
    return _with(state, status="partially_filled" if state.filled else "accepted")


def changed(state: OrderState, now: int, cause: int, *, goes_on: bool = False) -> OrderChanged:
    """The message that tells of the state; `goes_on` where another order takes the place of a dead one."""
    kind = OrderEnded if state.status in _UNFILLED and not goes_on else OrderChanged
    return kind(  # by position: `messages.base` says why
        now,
        cause,
        state.client_order_id,
        state.broker_order_id,
        state.lot_id,
        state.strategy,
        state.symbol,
        state.side,
        state.role,
        state.type,
        state.status,
        state.quantity,
        state.filled,
        state.limit_price,
        state.stop_price,
        state.value / state.priced if state.priced else 0.0,
        state.reason,
        state.parent_id,
    )
