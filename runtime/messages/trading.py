"""What we decide of a trade: signals, sized orders and their verdicts, lots and positions.

Between a verdict and a lot stand the orders and what the broker says of them: `messages.broker`. Ids answer
each other: signal -> lot (same id) -> order (`client_order_id` = lot + role) -> fill (`execution_id`) ->
trade (same id as the lot). That chain is what `explain` prints.
"""

from typing import ClassVar, Literal

import msgspec

from runtime.messages.base import Decision

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
