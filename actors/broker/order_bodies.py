"""Our orders as the broker wants them: strings, prices on the tick grid.

A market exit says that it closes a position. Where the position is gone, because somebody else sold it and no
event told us, the broker then refuses what would open one on the other side. Resting stops and targets do not
say so: it is judged when an order comes, not when it trades.
Source: the broker's OpenAPI document (`position_intent`, optional for equities); Alpaca-API 250 in its public
tracker: a mismatch is refused with 422 for stocks too. Who does not take the field gets orders without it,
each after a look at the position.
"""

from collections.abc import Mapping

from actors.broker import wire
from actors.execution import ticks
from actors.execution.refusals import is_mismatch
from runtime.errors import BrokerRejected
from runtime.messages.broker import ReplaceOrder, SubmitOrder

_INTENT = "position_intent"
_BAD_REQUEST, _UNPROCESSABLE = 400, 422
_BAD_PARAMETERS = 4001
"""First digits of the broker's codes for requests that are wrong in form."""


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
    if order.role == "exit" and not order.adds_exposure:
        body[_INTENT] = f"{order.side}_to_close"
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


def has_intent(body: Mapping[str, object]) -> bool:
    """Whether an order says what it does to the position."""
    return _INTENT in body


def without_intent(body: Mapping[str, object]) -> dict[str, object]:
    """The same for a broker that does not take the field."""
    return {name: value for name, value in body.items() if name != _INTENT}


def why_it_opens(body: Mapping[str, object], position: wire.Position | None) -> str:
    """Why a market exit would open a position, or take shares that are not there; empty: it only reduces."""
    held = 0.0 if position is None else wire.net_shares(position)
    room = held if body["side"] == "sell" else -held
    if room >= (wire.number(str(body["qty"])) or 0.0):
        return ""
    return f"position intent mismatch: the account has {held:g} shares of {body['symbol']}"


def is_about_form(refusal: BrokerRejected) -> bool:
    """Whether a refusal says that orders of this form are not taken, so that the next one need not try."""
    return bool(refusal.code) or refusal.status != _UNPROCESSABLE or "intent" in refusal.reason.casefold()


def may_be_for_intent(body: Mapping[str, object], refusal: BrokerRejected) -> bool:
    """Whether an order may have been refused because the field itself was not understood.

    Rather once too often: an exit that is refused for good leaves shares without a stop.
    """
    is_form = (
        refusal.status == _BAD_REQUEST
        or refusal.code // 10_000 == _BAD_PARAMETERS
        or (refusal.status == _UNPROCESSABLE and not refusal.code)
        or "intent" in refusal.reason.casefold()
    )
    return _INTENT in body and is_form and not is_mismatch(refusal.reason) and not is_duplicate(refusal)


def is_duplicate(refusal: BrokerRejected) -> bool:
    """Whether the broker has an order of this id already: ours, from an attempt whose answer was lost."""
    return refusal.status == _UNPROCESSABLE and "client_order_id must be unique" in refusal.reason


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
