"""What the simulated broker refuses, in Alpaca's own words and codes.

Source: alpaca.md 3.0 (codes and texts) and 3.2 (rules). The checks come in this order: the order's own form,
its price relations, then what the account allows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from actors.execution import ticks
from actors.execution.last_prices import LastPrices
from actors.execution.simulated_account import SimulatedAccount
from actors.execution.working_order import WorkingOrder
from runtime.messages.broker import SubmitOrder

PARAMETERS = 40_010_001
UNPROCESSABLE = 42_210_000
FORBIDDEN = 40_310_000

_CENT = 0.01
_PRICES = "limit_price", "stop_price", "take_profit.limit_price", "stop_loss.stop_price"
_NO_PRICES = None, None, None, None


class Refusal(NamedTuple):
    """Alpaca's code and message."""

    code: int
    reason: str


def judge(
    order: SubmitOrder,
    same: Mapping[str, WorkingOrder] | None,
    account: SimulatedAccount,
    last_prices: LastPrices,
    place: int,
    shorting: bool,
) -> tuple[Refusal | None, int]:
    """Price relations, shares and money; the refusal, or micro-dollars a share to reserve.

    Args:
        same: Live orders of the symbol. place: of the symbol in the session's table.
        shorting: Whether the account may sell short.
    """
    holding = account.holdings.get(order.symbol)
    held = 0 if holding is None else holding.quantity
    opens = held == 0 or (held > 0) == (order.side == "buy")
    is_simple = order.order_class == "simple"
    last, refusal = None, None
    if (opens or not is_simple) and order.limit_price is None and order.stop_price is None:
        last = last_prices.price(place)
    if not is_simple:
        refusal = misplaced_exits(order, last)
    if refusal is None:
        refusal = not_allowed(order, held, list(same.values()) if same else (), shorting)
    if refusal is not None or not opens:
        return refusal, 0
    price = price_to_reserve(order, last)
    reserve = 0 if price is None else ticks.micros(price)
    if reserve * order.quantity > account.buying_power:
        return Refusal(FORBIDDEN, "insufficient buying power"), 0
    return None, reserve


def malformed(order: SubmitOrder, is_known_symbol: bool, is_known_id: bool) -> Refusal | None:
    """Whether the request itself is wrong."""
    if not is_known_symbol:
        return Refusal(UNPROCESSABLE, f'asset "{order.symbol}" not found')
    if order.quantity <= 0:
        return Refusal(UNPROCESSABLE, "qty must be > 0")
    if is_known_id:
        return Refusal(PARAMETERS, "client_order_id must be unique")
    prices = order.limit_price, order.stop_price, order.take_profit, order.stop_loss
    if order.type == "market" and prices == _NO_PRICES and order.order_class == "simple":
        return None
    missing = _missing_price(order)
    if missing:
        return Refusal(PARAMETERS, missing)
    for field, price in zip(_PRICES, prices, strict=True):
        if price is not None and not ticks.is_on_grid(price):
            return Refusal(UNPROCESSABLE, f"invalid {field} {price}. {_SUB_PENNY}")
    return _bad_class(order)


_SUB_PENNY = "sub-penny increment does not fulfill minimum pricing criteria"


def _missing_price(order: SubmitOrder) -> str:
    limit, stop = order.limit_price is not None, order.stop_price is not None
    match order.type:
        case "market":
            return "market orders require no stop or limit price" if limit or stop else ""
        case "limit":
            return "" if limit and not stop else "limit orders require a limit price"
        case "stop":
            return "" if stop and not limit else "stop orders require a stop price"
        case "stop_limit":
            return "" if stop and limit else "stop limit orders require both stop and limit price"


def _bad_class(order: SubmitOrder) -> Refusal | None:
    target, stop = order.take_profit is not None, order.stop_loss is not None
    match order.order_class:
        case "bracket":
            if not target:
                return Refusal(PARAMETERS, "bracket orders require take_profit.limit_price")
            if not stop:
                return Refusal(PARAMETERS, "bracket orders require stop_loss.stop_price")
        case "oto":
            if target == stop:
                return Refusal(PARAMETERS, "oto orders require exactly one of take_profit or stop_loss")
        case "oco":
            if order.type != "limit" or not stop:
                return Refusal(PARAMETERS, "oco orders require a limit type and stop_loss.stop_price")
        case "simple":
            if target or stop:
                return Refusal(PARAMETERS, "simple orders require no take_profit or stop_loss")
    return None


def misplaced_exits(order: SubmitOrder, last_price: float | None) -> Refusal | None:
    """Whether an exit lies on the wrong side of the base price (entry limit, else the last trade)."""
    if order.order_class == "simple":
        return None
    sign = 1 if order.side == "buy" else -1
    if order.order_class == "oco":
        if order.limit_price is None or order.stop_loss is None:
            return None
        if (order.limit_price - order.stop_loss) * -sign <= 0:
            relation = ">" if sign < 0 else "<"
            return Refusal(UNPROCESSABLE, f"take_profit.limit_price must be {relation} stop_loss.stop_price")
        return None
    target, stop = order.take_profit, order.stop_loss
    if target is not None and stop is not None and (target - stop) * sign <= 0:
        relation = ">" if sign > 0 else "<"
        return Refusal(UNPROCESSABLE, f"take_profit.limit_price must be {relation} stop_loss.stop_price")
    base = order.limit_price
    if base is None:
        base = order.stop_price if order.stop_price is not None else last_price
    if base is None:
        return None
    more, less = (">=", "<=") if sign > 0 else ("<=", ">=")
    plus, minus = ("+", "-") if sign > 0 else ("-", "+")
    if target is not None and _distance(target, base, sign) < _CENT:
        return Refusal(UNPROCESSABLE, f"take_profit.limit_price must be {more} base_price {plus} 0.01")
    if stop is not None and _distance(base, stop, sign) < _CENT:
        return Refusal(UNPROCESSABLE, f"stop_loss.stop_price must be {less} base_price {minus} 0.01")
    return None


def _distance(price: float, other: float, sign: int) -> float:
    return (ticks.micros(price) - ticks.micros(other)) * sign / ticks.MICRO


def not_allowed(
    order: SubmitOrder, position: int, others: Sequence[WorkingOrder], shorting: bool
) -> Refusal | None:
    """Whether what is held or already ordered in the symbol forbids it.

    Args:
        position: Net shares held.
        others: Live orders of the symbol.
    """
    sign = 1 if order.side == "buy" else -1
    opposite = [other for other in others if other.sign != sign] if others else ()
    if position * sign < 0:
        available = abs(position)
        if others:
            available = max(0, available - held_for_orders(others, sign))
        if order.quantity > available:
            text = f"(requested: {order.quantity}, available: {available})"
            return Refusal(FORBIDDEN, f"insufficient qty available for order {text}")
    else:
        if order.order_class == "oco":
            return Refusal(UNPROCESSABLE, "oco orders must be exit orders")
        if sign < 0 and not shorting:
            return Refusal(FORBIDDEN, "account is not allowed to short")
        if (
            opposite
            and position == 0
            and any(not other.is_leg and other.role == "entry" for other in opposite)
        ):
            text = (
                "cannot open a short sell while a long buy order is open"
                if sign < 0
                else "cannot open a long buy while a short sell order is open"
            )
            return Refusal(FORBIDDEN, text)
    if opposite and order.order_class == "simple" and any(_washes(order, sign, other) for other in opposite):
        return Refusal(FORBIDDEN, "potential wash trade detected. use complex orders")
    return None


def held_for_orders(others: Iterable[WorkingOrder], sign: int) -> int:
    """Shares promised to exits on one side; a stop and its target promise the same shares once.

    What a bracket has filled so far is promised to its exits, which wait for the rest of it.
    """
    by_group: dict[str, int] = {}
    for other in others:
        if other.sign == sign:
            by_group[other.group] = max(by_group.get(other.group, 0), other.remaining)
        elif other.is_complex and not other.is_leg:
            by_group[other.group] = other.filled
    return sum(by_group.values())


def _washes(order: SubmitOrder, sign: int, other: WorkingOrder) -> bool:
    if other.is_complex:
        return False
    if order.limit_price is None or other.limit is None:
        return True
    return (order.limit_price - other.limit) * sign >= 0


def price_to_reserve(order: SubmitOrder, last_price: float | None) -> float | None:
    """USD a share that an opening order ties up; None while no price is known."""
    if order.limit_price is not None:
        return order.limit_price
    if order.stop_price is not None:
        if order.side == "sell":
            return order.stop_price
        return order.stop_price * (1.04 if order.stop_price < 50 else 1.025)
    if last_price is None:
        return None
    return last_price * (1.025 if order.side == "buy" else 1.03)


def bad_replacement(order: WorkingOrder, limit: float | None, stop: float | None) -> str:
    """Why the broker will not move an order, or nothing."""
    if (limit, stop) == (order.limit, order.stop):
        return "order parameters are not changed"
    for name, price, before in (("limit_price", limit, order.limit), ("stop_price", stop, order.stop)):
        if price is None:
            continue
        if before is None:
            return f"{order.type} orders have no {name}"
        if not ticks.is_on_grid(price):
            return f"invalid {name} {price}. {_SUB_PENNY}"
    return ""
