"""How the simulated broker tells that an order ended, changed, or could not be changed."""

from actors.execution.working_order import WorkingOrder
from runtime.messages.broker import (
    CancelOrder,
    CancelRejected,
    OrderCanceled,
    OrderExpired,
    OrderReplaced,
    ReplaceOrder,
)


def ended(order: WorkingOrder, status: str, at: int, reason: str) -> OrderCanceled | OrderExpired:
    """An order that is over without being filled: `expired`, else cancelled for a reason (time: ns UTC)."""
    if status == "expired":
        return OrderExpired(
            ts_event=at,
            client_order_id=order.client_order_id,
            broker_order_id=order.broker_order_id,
            symbol=order.symbol,
            cumulative=order.filled,
        )
    return OrderCanceled(
        ts_event=at,
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        symbol=order.symbol,
        cumulative=order.filled,
        reason=reason,
    )


def replaced(order: WorkingOrder, former: str, at: int) -> OrderReplaced:
    """An order at its new prices and under its new id; `former` was its id."""
    return OrderReplaced(
        ts_event=at,
        client_order_id=order.client_order_id,
        broker_order_id=former,
        new_broker_order_id=order.broker_order_id,
        symbol=order.symbol,
        limit_price=order.limit,
        stop_price=order.stop,
    )


def unchanged(order: WorkingOrder, reason: str, at: int) -> CancelRejected:
    """An order that stays as it is."""
    return CancelRejected(
        ts_event=at,
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        symbol=order.symbol,
        reason=reason,
    )


def too_late(request: CancelOrder | ReplaceOrder, text: str, status: str | None, at: int) -> CancelRejected:
    """A request that found its order over.

    Args:
        text: What cannot be done, as far as the status. status: how the order ended; None: it never was.
    """
    name = request.broker_order_id or request.client_order_id
    return CancelRejected(
        ts_event=at,
        client_order_id=request.client_order_id,
        broker_order_id=request.broker_order_id,
        symbol=request.symbol,
        reason=f"order not found for {name}" if status is None else f'{text} "{status}" state',
    )
