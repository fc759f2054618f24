"""From a signal to a closed trade: signals, proposals, verdicts, orders, fills, lots.

Ids answer each other: signal -> lot (same id) -> order (`client_order_id` = lot + role) -> fill
(`execution_id`) -> trade (same id as the lot). That chain is what `explain` prints.
"""

from typing import ClassVar, Literal

import msgspec

from runtime.messages.base import Command, Decision, Input

SignalType = Literal["BUY", "SELL", "CLOSE"]
Direction = Literal["long", "short"]
Side = Literal["buy", "sell"]
OrderType = Literal["market", "limit", "stop", "stop_limit"]
OrderClass = Literal["simple", "bracket", "oto", "oco"]
TimeInForce = Literal["day", "gtc"]
Role = Literal["entry", "exit", "stop", "target"]
Intent = Literal["entry", "exit"]


class EntryStyle(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """How an entry is sent.

    Attributes:
        type: `marketable` becomes a limit at the last close plus or minus `offset_frac`.
        stop: Trigger price of a stop or stop-limit entry, USD.
        limit: Limit price, USD.
    """

    type: Literal["market", "limit", "stop", "stop_limit", "marketable"] = "market"
    stop: float | None = None
    limit: float | None = None
    offset_frac: float = 0.003


class SignalRaised(Decision, frozen=True, gc=False, array_like=True, tag=True):
    """A strategy wants to open, or to close its own holding (strategies.md 1).

    Attributes:
        id: `<strategy>-<yyyymmdd>-<n>`, unique for ever.
        strength: How extreme, 0 to 1. confidence: how trustworthy, 0 to 1.
        price: Reference price, USD. stop_loss, take_profit: USD; None on CLOSE.
        weight: Share of the strategy's sleeve, for baskets.
        expires_at: ns UTC; a resting entry is cancelled then.
        not_before: ns UTC; the ensemble keeps it pending until then.
        lot_id: For CLOSE: the lot to close; empty closes every lot of the strategy in the symbol.
        intraday: Whether the position must be flat by MARKET_CLOSE.
        features: The numbers that decided.
    """

    id: str
    strategy: str
    symbol: str
    signal_type: SignalType
    direction: Direction
    strength: float
    confidence: float
    price: float
    stop_loss: float | None
    take_profit: float | None
    expires_at: int
    reason: str
    params_hash: str
    features: dict[str, float] = {}
    group_id: str | None = None
    weight: float | None = None
    not_before: int = 0
    entry: EntryStyle = EntryStyle()
    lot_id: str = ""
    intraday: bool = False
    target_follows_fill: bool = False
    """The target keeps its distance from the fill, not from `price` (strategies.md 3.2: fill + 10R)."""
    quantity: int | None = None
    """A fixed share count that the caps may only reduce; None: the sizer decides."""
    stop_follows_fill: bool = False
    """The stop keeps its distance from the fill, not from `price` (strategies.md 3.3: entry - distance)."""
    size_factor: float = 1.0
    """Multiplies the sized notional, 0 to 1 (strategies.md 3.3: half size while there is no record yet)."""


class SignalDropped(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A signal that will not trade, and why."""

    address: ClassVar[str] = "strategy"

    signal_id: str
    strategy: str
    symbol: str
    status: Literal["expired", "rejected"]
    reason: str
    detail: str = ""


class OrderProposed(Decision, frozen=True, gc=False, array_like=True, tag=True):
    """The ensemble's sized order for one lot of one strategy.

    Attributes:
        client_order_id: f(strategy, session, signal, attempt), at most 48 characters.
        quantity: Shares, positive.
        reference_price: Last close known when it was sized, USD.
        binding: Name of the cap that decided the size (RISK SLOT PCT ABS SLEEVE CASH ADV FIXED, or EXIT).
        sizing: Every cap in USD, the scalar and the multiplier.
    """

    client_order_id: str
    signal_id: str
    lot_id: str
    strategy: str
    symbol: str
    side: Side
    intent: Intent
    quantity: int
    type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    reference_price: float
    limit_price: float | None = None
    stop_price: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    target_follows_fill: bool = False
    expires_at: int = 0
    intraday: bool = False
    notional: float = 0.0
    binding: str = ""
    sizing: dict[str, float] = {}
    contributions: dict[str, float] = {}
    reason: str = ""
    group_id: str | None = None
    stop_follows_fill: bool = False


class OrderApproved(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The breaker let it pass; the executor accepts nothing else."""

    order: OrderProposed


class OrderDenied(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The breaker refused it.

    Attributes:
        rule: Name of the breaker or limit. value, limit: what was measured, what is allowed.
    """

    client_order_id: str
    signal_id: str
    lot_id: str
    strategy: str
    symbol: str
    rule: str
    reason: str
    value: float = 0.0
    limit: float = 0.0


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


class LotChanged(Decision, frozen=True, gc=False, array_like=True, tag=True):
    """A strategy's lot after one of its fills; of the strategies only its own gets it.

    Attributes:
        quantity: Signed shares held now (short: negative); 0 when closed.
        entry_price: Average USD. stop_loss, take_profit: as they rest at the broker.
        realised: USD so far, net of costs. fill_quantity: signed shares of the fill that caused it.
        peak, trough: Highest and lowest price seen while open, USD.
    """

    address: ClassVar[str] = "strategy"

    lot_id: str
    signal_id: str
    strategy: str
    symbol: str
    direction: Direction
    state: Literal["open", "closed"]
    quantity: int
    entry_quantity: int
    entry_price: float
    entry_ts: int
    stop_loss: float | None
    take_profit: float | None
    intraday: bool
    fill_quantity: int
    fill_price: float
    execution_id: str
    client_order_id: str
    role: Role
    realised: float
    commission: float
    slippage: float
    exit_price: float = 0.0
    exit_reason: str = ""
    peak: float = 0.0
    trough: float = 0.0
    group_id: str | None = None


class PositionChanged(Decision, frozen=True, gc=False, array_like=True, tag=True):
    """The net position in one symbol: the sum of its lots; `strategy` is the largest holder."""

    symbol: str
    strategy: str
    quantity: int
    entry_price: float
    entry_ts: int
    stop_loss: float | None
    take_profit: float | None
    last_price: float
    unrealised: float


class PositionMismatched(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Our lots and the broker do not agree on a symbol; equal again when both are.

    Attributes:
        ours: Net shares over all lots. broker: net shares as a fill or a reconcile told them.
    """

    symbol: str
    ours: int
    broker: int
