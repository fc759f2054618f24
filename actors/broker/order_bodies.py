"""Our orders as the broker wants them: strings, prices on the tick grid."""

from actors.execution import ticks
from runtime.messages.broker import ReplaceOrder, SubmitOrder


def submit_body(order: SubmitOrder) -> dict[str, object]:
    """The body of POST /v2/orders.

    Raises:
        ValueError: A price that is no finite number above zero.
    """
    body: dict[str, object] = {
        "symbol": order.symbol,
        "qty": str(order.quantity),
        "side": order.side,
        "type": order.type,
        "time_in_force": order.time_in_force,
        "client_order_id": order.client_order_id,
    }
    is_oco = order.order_class == "oco"
    target = order.limit_price if is_oco else order.take_profit
    if order.order_class != "simple":
        body["order_class"] = order.order_class
        if target is not None:
            body["take_profit"] = {"limit_price": _text(target)}
        if order.stop_loss is not None:
            body["stop_loss"] = {"stop_price": _text(order.stop_loss)}
    if order.limit_price is not None and not is_oco:
        body["limit_price"] = _text(order.limit_price)
    if order.stop_price is not None:
        body["stop_price"] = _text(order.stop_price)
    return body


def replace_body(order: ReplaceOrder) -> dict[str, object]:
    """The body of PATCH /v2/orders: prices only; raises as `submit_body`."""
    body: dict[str, object] = {}
    if order.limit_price is not None:
        body["limit_price"] = _text(order.limit_price)
    if order.stop_price is not None:
        body["stop_price"] = _text(order.stop_price)
    return body


def _text(price: float) -> str:
    # On the grid already; an exit must not fail for the noise of a float.
    return ticks.price_text(ticks.nearest(price))
