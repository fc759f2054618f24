"""What the broker refuses, in Alpaca's words and codes.

Trailing stops are not emulated: to this broker they are an invalid type.
Source: alpaca.md 3.0 (codes and texts) and 3.2 (rules).
"""

from decimal import Decimal, InvalidOperation
from typing import Any

PARAMETERS = 40_010_001
FORBIDDEN = 40_310_000
NOT_FOUND = 40_410_000
UNPROCESSABLE = 42_210_000
RATE = 42_910_000
INTERNAL = 50_010_000

LONGEST_ID = 128
_TYPES = ("market", "limit", "stop", "stop_limit")
_TIMES = ("day", "gtc", "opg", "cls", "ioc", "fok")
_CLASSES = ("", "simple", "bracket", "oco", "oto")
_CENT = Decimal("0.01")


class Refused(Exception):
    """A request the service does not carry out: HTTP status and JSON body."""

    def __init__(self, status: int, code: int, message: str, **extra: Any) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.body = {"code": code, "message": message, **extra}


def parameters(message: str) -> Refused:
    """422 / 40010001."""
    return Refused(422, PARAMETERS, message)


def unprocessable(message: str) -> Refused:
    """422 / 42210000."""
    return Refused(422, UNPROCESSABLE, message)


def forbidden(message: str, **extra: Any) -> Refused:
    """403 / 40310000."""
    return Refused(403, FORBIDDEN, message, **extra)


def not_found(message: str) -> Refused:
    """404 / 40410000."""
    return Refused(404, NOT_FOUND, message)


def amount(body: dict[str, Any], name: str) -> Decimal | None:
    """A number or numeric text of a request.

    Raises:
        Refused: It is neither, or not finite.
    """
    given = body.get(name)
    if given is None or given == "":
        return None
    try:
        value = Decimal(str(given))
    except InvalidOperation:
        raise parameters(f"invalid {name}") from None
    if not value.is_finite() or isinstance(given, bool):
        raise parameters(f"invalid {name}")
    return value


def check_form(body: dict[str, Any]) -> None:
    """Whether a new order's request is right in itself.

    Raises:
        Refused: The first rule it breaks.
    """
    kind, tif, group = body.get("type"), body.get("time_in_force"), body.get("order_class") or ""
    if body.get("side") not in ("buy", "sell"):
        raise parameters("invalid side")
    if kind not in _TYPES:
        raise parameters("invalid order type")
    if tif not in _TIMES:
        raise parameters("invalid time_in_force")
    if group not in _CLASSES:
        raise parameters("invalid order_class")
    if len(body.get("client_order_id") or "") > LONGEST_ID:
        raise parameters("client_order_id must be no more than 128 characters")
    _check_quantity(body)
    _check_prices(body, kind)
    _check_group(body, group)
    if body.get("extended_hours") and (
        kind != "limit" or tif not in ("day", "gtc") or group not in ("", "simple")
    ):
        raise unprocessable("extended hours order must be DAY or GTC limit orders")


def _check_quantity(body: dict[str, Any]) -> None:
    qty, notional = amount(body, "qty"), amount(body, "notional")
    if (qty is None) == (notional is None):
        raise parameters("qty or notional is required")
    if qty is not None and qty <= 0:
        raise unprocessable("qty must be > 0")
    if notional is not None and notional < 1:
        raise unprocessable("notional must be >= 1.00")
    if notional is not None or (qty is not None and qty != qty.to_integral_value()):
        if body.get("time_in_force") != "day":
            raise unprocessable("fractional orders must be DAY orders")
        if (body.get("order_class") or "simple") != "simple":
            raise unprocessable("fractional orders must be simple orders")


def _check_prices(body: dict[str, Any], kind: str) -> None:
    limit, stop = amount(body, "limit_price"), amount(body, "stop_price")
    if body.get("order_class") == "oco" and limit is None:
        limit = exits(body)[0]  # the target is the parent; its price need not be said twice
    if kind == "market" and (limit is not None or stop is not None):
        raise parameters("market orders require no stop or limit price")
    if kind == "limit" and (limit is None or stop is not None):
        raise parameters("limit orders require a limit price")
    if kind == "stop" and (stop is None or limit is not None):
        raise parameters("stop orders require a stop price")
    if kind == "stop_limit" and (stop is None or limit is None):
        raise parameters("stop limit orders require both stop and limit price")
    check_tick("limit_price", limit)
    check_tick("stop_price", stop)


def check_tick(name: str, price: Decimal | None) -> None:
    """Whether a price is above zero and on the grid: cents from one dollar on, else hundredths of one."""
    if price is None:
        return
    if price <= 0:
        raise unprocessable(f"{name} must be > 0")
    if price % (_CENT if price >= 1 else Decimal("0.0001")):
        raise unprocessable(
            f"invalid {name} {price}. sub-penny increment does not fulfill minimum pricing criteria"
        )


def exits(body: dict[str, Any]) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Target, stop and the stop's own limit of an order with legs, USD."""
    target = amount(body.get("take_profit") or {}, "limit_price")
    loss = body.get("stop_loss") or {}
    return target, amount(loss, "stop_price"), amount(loss, "limit_price")


def _check_group(body: dict[str, Any], group: str) -> None:
    target, stop, stop_limit = exits(body)
    if group in ("", "simple"):
        if target is not None or stop is not None:
            raise parameters("simple orders require no take_profit or stop_loss")
        return
    if body.get("time_in_force") not in ("day", "gtc"):
        raise parameters("complex orders must be DAY or GTC orders")
    if group == "bracket" and target is None:
        raise parameters("bracket orders require take_profit.limit_price")
    if group == "bracket" and stop is None:
        raise parameters("bracket orders require stop_loss.stop_price")
    if group == "oto" and (target is None) == (stop is None):
        raise parameters("oto orders require exactly one of take_profit or stop_loss")
    if group == "oco":
        target = amount(body, "limit_price") if target is None else target
        if body.get("type") != "limit" or target is None or stop is None:
            raise parameters("oco orders require a limit type and stop_loss.stop_price")
    check_tick("take_profit.limit_price", target)
    check_tick("stop_loss.stop_price", stop)
    check_tick("stop_loss.limit_price", stop_limit)


def check_exits(body: dict[str, Any], last: Decimal | None) -> None:
    """Whether target and stop lie on their sides of each other and of the base price."""
    group = body.get("order_class") or ""
    if group in ("", "simple"):
        return
    sign = 1 if body["side"] == "buy" else -1
    target, stop, _ = exits(body)
    if group == "oco":
        sign, target = -sign, amount(body, "limit_price") if target is None else target
    if target is not None and stop is not None and (target - stop) * sign <= 0:
        relation = ">" if sign > 0 else "<"
        raise unprocessable(f"take_profit.limit_price must be {relation} stop_loss.stop_price")
    if group == "oco":
        return
    base = amount(body, "limit_price") or amount(body, "stop_price") or last
    if base is None:
        return
    above, plus = (">=", "+") if sign > 0 else ("<=", "-")
    below, minus = ("<=", "-") if sign > 0 else (">=", "+")
    if target is not None and (target - base) * sign < _CENT:
        raise unprocessable(f"take_profit.limit_price must be {above} base_price {plus} 0.01")
    if stop is not None and (base - stop) * sign < _CENT:
        raise unprocessable(f"stop_loss.stop_price must be {below} base_price {minus} 0.01")
