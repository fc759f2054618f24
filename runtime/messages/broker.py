"""What is said to the broker and what it says: commands, what became of orders, fills, the account.

Source: architecture 4; alpaca.md 2 and 3.
"""

from typing import Literal

import msgspec

from runtime.messages.base import Command, Decision, Input
from runtime.messages.trading import OrderClass, OrderType, Role, Side, TimeInForce


class SubmitOrder(Command, frozen=True, gc=False, array_like=True, tag=True):
    """To the broker. Prices are already on the tick grid.

    A bracket has both `take_profit` (limit) and `stop_loss` (stop) exits, an OTO one of them; an OCO is
    an exit: `limit_price` is its target, `stop_loss` its stop.
    """

    client_order_id: str
    lot_id: str
    strategy: str
    symbol: str
    side: Side
    quantity: int
    type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    limit_price: float | None = None
    stop_price: float | None = None
    take_profit: float | None = None
    stop_loss: float | None = None
    adds_exposure: bool = True
    role: Role = "entry"
    intraday: bool = False
    group_id: str | None = None
    reason: str = ""


class CancelOrder(Command, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Ask the broker to cancel one order; cancelling one leg cancels its group."""

    client_order_id: str
    broker_order_id: str
    lot_id: str
    symbol: str
    reason: str = ""


class ReplaceOrder(Command, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Ask the broker to move the price of a resting exit (a bracket leg: price only)."""

    client_order_id: str
    broker_order_id: str
    lot_id: str
    symbol: str
    limit_price: float | None = None
    stop_price: float | None = None


class LookUpOrder(Command, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Read an order that has been silent for too long; what was missed comes back as the broker's events.

    Attributes:
        filled: Shares of it that the asker has seen: what was told beyond is told again; -1: as it was told.
        cancelling: Whether the asker takes it to be under cancellation.
    """

    client_order_id: str
    broker_order_id: str
    symbol: str
    reason: str = ""
    filled: int = -1
    cancelling: bool = False


class Leg(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """An exit that the broker made from a bracket, OTO or OCO; its client id is the broker's own."""

    broker_order_id: str
    client_order_id: str
    role: Role
    price: float


class OrderAccepted(Input, frozen=True, gc=False, array_like=True, tag=True):
    """The broker has the order (and these legs) and it works."""

    client_order_id: str
    broker_order_id: str
    symbol: str
    legs: tuple[Leg, ...] = ()


class OrderRejected(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The broker refused the order: dead, do not retry. `code` and `reason` are the broker's own."""

    client_order_id: str
    symbol: str
    code: int
    reason: str
    broker_order_id: str = ""


class OrderUnknown(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The answer never came: fate unknown until looked up."""

    client_order_id: str
    symbol: str
    reason: str


class OrderFilled(Input, frozen=True, gc=False, array_like=True, tag=True):
    """Part or all of an order traded.

    Attributes:
        quantity: Shares of this fill alone, positive. cumulative: of the order so far.
        price: USD per share of this fill. position: net shares in the symbol after it.
        commission: USD, all fees. slippage: USD, against the reference price, positive is a cost.
        parent_id: Client id of the order whose leg this is, or empty.
    """

    client_order_id: str
    broker_order_id: str
    execution_id: str
    symbol: str
    side: Side
    quantity: int
    price: float
    cumulative: int
    done: bool
    position: int | None = None
    commission: float = 0.0
    slippage: float = 0.0
    parent_id: str = ""


class FillCorrected(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The broker took a fill back, or changed its price or quantity.

    Attributes:
        execution_id: Of the correction. previous_execution_id: of the fill it corrects.
        quantity_before, price_before: Shares and USD a share as the fill was booked.
        quantity, price: As it counts now; 0 shares: taken back.
        cumulative: Shares of the order after it. position: net shares in the symbol after it.
        base: Shares that the broker's own count of the order lacks from now on.
    """

    client_order_id: str
    broker_order_id: str
    execution_id: str
    previous_execution_id: str
    symbol: str
    side: Side
    quantity_before: int
    price_before: float
    quantity: int
    price: float
    cumulative: int
    position: int | None = None
    parent_id: str = ""
    base: int = 0


class OrderCanceled(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Cancelled, with what had filled before."""

    client_order_id: str
    broker_order_id: str
    symbol: str
    cumulative: int = 0
    reason: str = ""


class OrderExpired(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A DAY order's day is over, with what had filled before."""

    client_order_id: str
    broker_order_id: str
    symbol: str
    cumulative: int = 0


class OrderReplaced(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The order lives on under a new broker id.

    Attributes:
        base: Shares traded before that the broker's count of the new id lacks.
    """

    client_order_id: str
    broker_order_id: str
    new_broker_order_id: str
    symbol: str
    limit_price: float | None = None
    stop_price: float | None = None
    base: int = 0


class CancelRejected(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The cancel came too late or the order is unknown; the order's own events say what became of it."""

    client_order_id: str
    broker_order_id: str
    symbol: str
    reason: str


class BrokerAccount(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The account as the broker sees it, USD."""

    account: str
    equity: float
    cash: float
    buying_power: float
    shorting_enabled: bool = False
    blocked: bool = False


class BrokerPosition(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """The account's net position in one symbol, whoever made it.

    Attributes:
        quantity: Whole shares, short ones negative. fraction: what is held beyond them, signed likewise.
        price: Average entry, USD. last: the broker's last price, USD; 0: unknown.
        asset_class: `us_equity`, `crypto`, ...
    """

    symbol: str
    quantity: int
    fraction: float = 0.0
    price: float = 0.0
    last: float = 0.0
    asset_class: str = "us_equity"


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """An open order as the broker lists it.

    Attributes:
        client_order_id: The name it has in our messages. parent_id: of the order whose leg it is, or empty.
        status: The broker's word. is_ours: whether we sent it, or the order whose leg it is.
        remaining: Shares that it may still trade by the broker's own count; -1: not known.
    """

    client_order_id: str
    broker_order_id: str
    symbol: str
    side: str
    quantity: int
    filled: int
    status: str
    type: str = ""
    limit_price: float | None = None
    stop_price: float | None = None
    parent_id: str = ""
    is_ours: bool = True
    remaining: int = -1


class BrokerSnapshot(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """All positions and open orders at one moment: what our books are compared with."""

    positions: tuple[BrokerPosition, ...]
    orders: tuple[BrokerOrder, ...]
    reason: Literal["start", "reconnect", "schedule"] = "schedule"


class BrokerStreamChanged(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Whether every later event of our orders will reach us; while it is not ready no entry leaves.

    Attributes:
        started: The first word of a process: what an earlier one left is seen to before anything else.
    """

    ready: bool
    reason: str = ""
    started: bool = False


class OrderChanged(Decision, frozen=True, gc=False, array_like=True, tag=True):
    """The executor's view of one order after something happened to it.

    `SubmitOrder` itself says that an order is `submitted`.
    """

    client_order_id: str
    broker_order_id: str
    lot_id: str
    strategy: str
    symbol: str
    side: Side
    role: Role
    type: OrderType
    status: str
    """submitted, accepted, partially_filled, filled, canceled, expired, rejected, unknown, pending_cancel."""
    quantity: int
    filled: int
    limit_price: float | None = None
    stop_price: float | None = None
    average_price: float = 0.0
    reason: str = ""
    parent_id: str = ""


class OrderEnded(OrderChanged, frozen=True, gc=False, array_like=True, tag=True):
    """The same of an order that is over without being filled: canceled, expired or rejected.

    A type of its own, so that who waits for that alone is not woken by everything that goes well.
    """
