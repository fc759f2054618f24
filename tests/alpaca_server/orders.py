"""One order as the broker keeps it, and as REST and the stream write it down."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.alpaca_server.clock import rfc3339

TERMINAL = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
LIVE = frozenset(
    {"new", "partially_filled", "accepted", "pending_new", "pending_cancel", "pending_replace", "held"}
)
NOTHING = Decimal(0)


@dataclass(kw_only=True, eq=False)
class Order:
    """An order; moments in ns UTC, None until they come.

    Attributes:
        number: Place in the order of arrival.
        parent, legs: The orders of a bracket, oto or oco point to each other.
        triggered: Whether a stop was reached.
        active_from: Bars that end at or before this moment do not touch it.
    """

    number: int
    id: str
    client_order_id: str
    asset_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    qty: Decimal
    created_at: int
    expires_at: int
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    order_class: str = ""
    extended_hours: bool = False
    position_intent: str = ""
    status: str = "pending_new"
    filled_qty: Decimal = NOTHING
    filled_value: Decimal = NOTHING
    submitted_at: int = 0
    updated_at: int = 0
    filled_at: int | None = None
    expired_at: int | None = None
    cancel_requested_at: int | None = None
    canceled_at: int | None = None
    failed_at: int | None = None
    replaced_at: int | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    parent: "Order | None" = None
    legs: list["Order"] = field(default_factory=list)
    triggered: bool = False
    active_from: int = 0

    @property
    def sign(self) -> int:
        """1 buys, -1 sells."""
        return 1 if self.side == "buy" else -1

    @property
    def remaining(self) -> Decimal:
        """Shares still to trade; never below zero."""
        return max(self.qty - self.filled_qty, NOTHING)

    @property
    def is_live(self) -> bool:
        """Whether it may still trade or be canceled."""
        return self.status in LIVE

    @property
    def group(self) -> list["Order"]:
        """The order's whole bracket, parent first; itself when simple."""
        head = self.parent or self
        return [head, *head.legs]

    @property
    def average(self) -> Decimal | None:
        """Average price of its fills, USD."""
        return self.filled_value / self.filled_qty if self.filled_qty else None

    @property
    def effective_limit(self) -> Decimal | None:
        """Its limit; that of a buy stop is the one the broker gives it: 4 % or 2.5 % above the stop."""
        if self.type == "stop" and self.side == "buy" and self.stop_price is not None:
            return self.stop_price * (Decimal("1.04") if self.stop_price < 50 else Decimal("1.025"))
        return self.limit_price


def text(amount: Decimal | None) -> str | None:
    """An amount as the trading API writes it: a string without needless zeros, at most nine decimals."""
    if amount is None:
        return None
    written = f"{amount:.9f}".rstrip("0").rstrip(".")
    return "0" if written in ("-0", "") else written


def rest_json(order: Order, *, nested: bool = True) -> dict[str, Any]:
    """An order in a REST answer.

    Args:
        nested: Whether the legs are in it; else `legs` is null.
    """
    written = _common(order)
    del written["cancel_requested_at"]
    legs = [rest_json(leg) for leg in order.legs] if nested and order.legs else None
    return {**written, "legs": legs, "subtag": None, "source": None}


def stream_json(order: Order) -> dict[str, Any]:
    """An order in a trade update."""
    legs = [_common(leg) for leg in order.legs] or None
    written = _common(order)
    expires = written.pop("expires_at")
    return {**written, "legs": legs, "trail_percent": None, "trail_price": None, "hwm": None,
            "expires_at": expires}  # fmt: skip


def _common(order: Order) -> dict[str, Any]:
    moments = {
        name: None if moment is None else rfc3339(moment)
        for name in (
            "created_at", "updated_at", "submitted_at", "filled_at", "expired_at", "cancel_requested_at",
            "canceled_at", "failed_at", "replaced_at",
        )
        for moment in (getattr(order, name),)
    }  # fmt: skip
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        **moments,
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": order.asset_id,
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": text(order.notional),
        "qty": text(order.qty),
        "filled_qty": text(order.filled_qty),
        "filled_avg_price": text(order.average),
        "order_class": order.order_class,
        "order_type": order.type,
        "type": order.type,
        "side": order.side,
        "position_intent": order.position_intent,
        "time_in_force": order.time_in_force,
        "limit_price": text(order.limit_price),
        "stop_price": text(order.stop_price),
        "status": order.status,
        "extended_hours": order.extended_hours,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "expires_at": rfc3339(order.expires_at),
    }
