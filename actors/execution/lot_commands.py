"""How a lot's needs are put to the broker: orders, cancellations, and what is first known of each order."""

from actors.execution.lot_orders import EntryPrices, LotOrders
from actors.execution.order_state import OrderState
from runtime.messages.broker import CancelOrder, Leg, OrderFilled, ReplaceOrder, SubmitOrder
from runtime.messages.trading import OrderClass, OrderProposed, OrderType, Role

_CLASSES: tuple[OrderClass, ...] = ("simple", "oto", "bracket")
_TYPE_OF: dict[Role, OrderType] = {"exit": "market", "stop": "stop", "target": "limit"}


def proposed_state(order: OrderProposed, role: Role = "entry") -> OrderState:
    """An approved order before it is sent."""
    return OrderState(
        order.client_order_id,
        order.lot_id,
        order.strategy,
        order.symbol,
        order.side,
        role,
        order.type,
        order.quantity,
    )


def reducing_state(lot: LotOrders, name: str, role: Role, quantity: int) -> OrderState:
    """An exit, stop or target before it is sent, at the lot's prices."""
    return OrderState(
        name,
        lot.lot_id,
        lot.strategy,
        lot.symbol,
        lot.exit_side,
        role,
        _TYPE_OF[role],
        quantity,
        limit_price=lot.take_profit if role == "target" else None,
        stop_price=lot.stop_loss if role == "stop" else None,
    )


def leg_state(lot: LotOrders, parent: OrderState, leg: Leg) -> OrderState:
    """A leg that the broker made."""
    is_stop = leg.role == "stop"
    return OrderState(
        client_order_id=leg.client_order_id,
        broker_order_id=leg.broker_order_id,
        lot_id=lot.lot_id,
        strategy=lot.strategy,
        symbol=lot.symbol,
        side=lot.exit_side,
        role=leg.role,
        type="stop" if is_stop else "limit",
        quantity=parent.quantity,
        status="accepted",
        limit_price=None if is_stop else leg.price,
        stop_price=leg.price if is_stop else None,
        parent_id=parent.client_order_id,
    )


def unannounced_leg_state(lot: LotOrders, event: OrderFilled) -> OrderState:
    """A leg whose fill overtook the acceptance that would have told of it."""
    return OrderState(
        client_order_id=event.client_order_id,
        broker_order_id=event.broker_order_id,
        lot_id=lot.lot_id,
        strategy=lot.strategy,
        symbol=lot.symbol,
        side=event.side,
        role="exit",
        type="market",
        quantity=event.cumulative,
        status="accepted",
        parent_id=event.parent_id,
    )


def enter(order: OrderProposed, prices: EntryPrices, now: int, cause: int) -> SubmitOrder:
    """The entry: a bracket with both exits, an OTO with one, else simple."""
    limit, stop, stop_loss, take_profit = prices
    return SubmitOrder(  # by position: `messages.base` says why
        now,
        cause,
        order.client_order_id,
        order.lot_id,
        order.strategy,
        order.symbol,
        order.side,
        order.quantity,
        order.type,
        _CLASSES[(stop_loss is not None) + (take_profit is not None)],
        order.time_in_force,
        limit,
        stop,
        take_profit,
        stop_loss,
        intraday=order.intraday,
        group_id=order.group_id,
        reason=order.reason,
    )


def enter_plainly(lot: LotOrders, state: OrderState, now: int, cause: int) -> SubmitOrder:
    """The entry once more, without exits: for a broker that takes none beside an entry of its type."""
    return SubmitOrder(
        ts_event=now,
        cause=cause,
        client_order_id=state.client_order_id,
        lot_id=lot.lot_id,
        strategy=lot.strategy,
        symbol=lot.symbol,
        side=state.side,
        quantity=state.quantity,
        type=state.type,
        order_class="simple",
        time_in_force=lot.time_in_force,
        limit_price=state.limit_price,
        stop_price=state.stop_price,
        intraday=lot.intraday,
        group_id=lot.group_id,
        reason="the broker takes no bracket on it",
    )


def reduce(lot: LotOrders, state: OrderState, now: int, cause: int) -> SubmitOrder:
    """An order that only reduces the lot; a target with a stop beside it is an OCO.

    Protection is good till cancelled, so that a lot kept overnight stays protected.
    """
    role = state.role
    is_pair = role == "target" and lot.stop_loss is not None
    return SubmitOrder(  # by position: `messages.base` says why
        now,
        cause,
        state.client_order_id,
        lot.lot_id,
        lot.strategy,
        lot.symbol,
        state.side,
        state.quantity,
        state.type,
        "oco" if is_pair else "simple",
        "day" if role == "exit" else "gtc",
        state.limit_price,
        state.stop_price,
        stop_loss=lot.stop_loss if is_pair else None,
        adds_exposure=False,
        role=role,
        intraday=lot.intraday,
        group_id=lot.group_id,
        reason=lot.exit_reason if role == "exit" else role,
    )


def cancel(order: OrderState, reason: str, now: int, cause: int) -> CancelOrder:
    """The cancellation of one order, and with it of its group."""
    return CancelOrder(
        ts_event=now,
        cause=cause,
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        lot_id=order.lot_id,
        symbol=order.symbol,
        reason=reason,
    )


def follow(order: OrderState, price: float, now: int, cause: int) -> ReplaceOrder:
    """A resting target's or stop's new price, USD."""
    is_stop = order.role == "stop"
    return ReplaceOrder(
        ts_event=now,
        cause=cause,
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        lot_id=order.lot_id,
        symbol=order.symbol,
        limit_price=None if is_stop else price,
        stop_price=price if is_stop else None,
    )


def unanswered(lot: LotOrders, now: int) -> list[SubmitOrder | CancelOrder]:
    """What was asked for the lot and has no answer yet, as far as its orders show.

    An entry's command is good for looking it up, not for sending it.

    Args:
        now: ns UTC.
    """
    asked: list[SubmitOrder | CancelOrder] = []
    for one in lot.orders.values():
        is_cancelled = one.status == "pending_cancel"
        is_unknown = is_cancelled and not one.broker_order_id and not one.parent_id
        if is_unknown or one.status in ("submitted", "unknown"):
            asked.append((enter_plainly if one.role == "entry" else reduce)(lot, one, now, 0))
        if is_cancelled:
            asked.append(cancel(one, "asked for before", now, 0))
    return asked
