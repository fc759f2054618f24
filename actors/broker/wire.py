"""What Alpaca sends about orders and the account, read tolerantly.

Only what identifies a thing is required; unknown fields, events and statuses are taken as they come, so a
field added or dropped by the broker fails nothing. Amounts are decimal strings, some old ones numbers.
Source: alpaca.md 2 and 3.
"""

import math
from datetime import datetime
from typing import Annotated

import msgspec

Amount = str | int | float | None
Text = str | None
Id = Annotated[str, msgspec.Meta(min_length=1)]

_SECOND = 1_000_000_000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order, from REST or inside a trade update; a bracket's exits are its `legs`."""

    id: Id
    client_order_id: Text = None
    symbol: Text = None
    asset_class: Text = None
    status: Text = None
    side: Text = None
    type: Text = None
    order_class: Text = None
    time_in_force: Text = None
    qty: Amount = None
    notional: Amount = None
    filled_qty: Amount = None
    filled_avg_price: Amount = None
    limit_price: Amount = None
    stop_price: Amount = None
    replaced_by: Text = None
    replaces: Text = None
    legs: "list[Order] | None" = None
    created_at: Text = None
    updated_at: Text = None
    submitted_at: Text = None
    filled_at: Text = None
    canceled_at: Text = None
    expired_at: Text = None
    failed_at: Text = None
    reject_reason: Text = None


class TradeUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the `trade_updates` stream.

    `price` and `qty` are this execution's own; the order's `filled_qty` is the cumulative truth.
    """

    event: str
    order: Order
    timestamp: Text = None
    at: Text = None
    event_id: str | int | None = None
    execution_id: Text = None
    previous_execution_id: Text = None
    price: Amount = None
    qty: Amount = None
    position_qty: Amount = None
    settle_date: Text = None


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One FILL activity; `cum_qty` is the order's cumulative quantity after it."""

    id: Id
    activity_type: Text = None
    order_id: Text = None
    transaction_time: Text = None
    type: Text = None
    symbol: Text = None
    side: Text = None
    price: Amount = None
    qty: Amount = None
    cum_qty: Amount = None
    leaves_qty: Amount = None
    order_status: Text = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The account; only id and status are promised."""

    id: Id
    status: Text = None
    account_number: Text = None
    currency: Text = None
    equity: Amount = None
    last_equity: Amount = None
    cash: Amount = None
    buying_power: Amount = None
    multiplier: Amount = None
    shorting_enabled: bool | None = None
    trading_blocked: bool | None = None
    account_blocked: bool | None = None
    trade_suspended_by_user: bool | None = None
    created_at: Text = None


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """The net position in one symbol; a short one has a negative `qty`."""

    symbol: Id
    asset_class: Text = None
    qty: Amount = None
    qty_available: Amount = None
    side: Text = None
    avg_entry_price: Amount = None
    current_price: Amount = None
    market_value: Amount = None


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done with a symbol; `borrow_status` took the place of `easy_to_borrow` in 2026."""

    symbol: Id
    asset_class: Text = msgspec.field(default=None, name="class")
    exchange: Text = None
    status: Text = None
    tradable: bool | None = None
    marginable: bool | None = None
    shortable: bool | None = None
    fractionable: bool | None = None
    borrow_status: Text = None
    easy_to_borrow: bool | None = None
    attributes: list[str] | None = None

    @property
    def can_trade(self) -> bool:
        """Whether it can be bought and sold."""
        return self.status == "active" and self.tradable is True

    @property
    def can_short(self) -> bool:
        """Whether it can be sold short without a locate."""
        easy = self.easy_to_borrow is True if self.borrow_status is None else None
        return self.shortable is True and (easy or self.borrow_status == "easy_to_borrow")


class ClockReading(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's clock: RFC 3339 texts."""

    timestamp: Id
    is_open: bool
    next_open: Text = None
    next_close: Text = None


class CalendarDay(msgspec.Struct, frozen=True, kw_only=True):
    """A trading day: ISO date, New York times as HH:MM (session ones as HHMM)."""

    date: Id
    open: Text = None
    close: Text = None
    session_open: Text = None
    session_close: Text = None


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a refusal says; messages are for people, the code is the contract."""

    code: int | str | None = None
    message: Text = None
    symbol: Text = None
    reject_reason: Text = None
    existing_order_id: Text = None
    existing_qty: Amount = None
    available: Amount = None
    held_for_orders: Amount = None
    buying_power: Amount = None
    cost_basis: Amount = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a 207 answer: what became of one order (`id`) or position (`symbol`).

    `body` is an order, an error or absent, by `status`.
    """

    status: int
    id: Text = None
    symbol: Text = None
    body: object = None

    @property
    def is_done(self) -> bool:
        """Whether the broker took this one."""
        return 200 <= self.status < 300

    def reason(self) -> str:
        """What the broker says about a refusal."""
        try:
            error = msgspec.convert(self.body, ErrorBody)
        except (ValueError, RecursionError):
            return f"status {self.status}"
        return error.message or f"status {self.status}"


def number(amount: Amount) -> float | None:
    """An amount as a float; None if it is absent or no finite number."""
    if amount is None:
        return None
    try:
        value = float(amount)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def shares(amount: Amount) -> int | None:
    """An amount as whole shares; None if it is absent, fractional or no number."""
    value = number(amount)
    if value is None or abs(value) >= 2**53 or value != int(value):
        return None
    return int(value)


def net_shares(position: Position) -> float:
    """Shares of a position, short ones negative."""
    held = number(position.qty) or 0.0
    return -held if position.side == "short" and held > 0 else held


def nanoseconds(text: Text) -> int | None:
    """An RFC 3339 time (up to 9 fractional digits, `Z` or an offset) as ns UTC; None if it is not one."""
    if not text:
        return None
    head, dot, tail = text.partition(".")
    digits = ""
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        head += tail[len(digits) :]
    try:
        moment = datetime.fromisoformat(head)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return int(moment.timestamp()) * _SECOND + int(digits[:9].ljust(9, "0") if digits else 0)
