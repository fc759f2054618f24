"""What one lot's orders need next: the rules of bracket, partial entry, exit and protection.

One function, `next_step`, looks at what is known and names the one thing to do. It is asked again after every
event, so a rule holds however the events were ordered.
Source: architecture 4; faults.md D; alpaca.md 2.4 and 3.2.
"""

from typing import NamedTuple

import msgspec

from actors.execution import ticks
from actors.execution.ids import client_order_id
from actors.execution.order_state import OrderState
from runtime.messages.trading import OrderProposed, Role, Side, TimeInForce

MOST_EXITS = 3
"""Refused market exits before a person is called and the lot is protected again instead."""

MOST_CANCELS = 5
"""Refused cancellations of a lot's orders before a person is called."""


class LotOrders(msgspec.Struct, kw_only=True, gc=False):
    """A lot as the executor sees it.

    Attributes:
        side: The entry's.
        stop_loss, take_profit: USD on the tick grid.
        distance: USD from the entry to the target, signed, before rounding; None: the target stays.
        expires_at: When a resting entry is cancelled, ns UTC; 0: never.
        orders: Every order of the lot by client id, the entry first.
        closing: Whether everything is to be sold (bought back).
        exit_id: Client id of the approved exit that has not been sent yet.
        refused_exits, refused_protections, refused_cancels: How often the broker refused one.
    """

    lot_id: str
    strategy: str
    symbol: str
    side: Side
    time_in_force: TimeInForce
    entry_id: str
    stop_loss: float | None
    take_profit: float | None
    distance: float | None = None
    expires_at: int = 0
    intraday: bool = False
    group_id: str | None = None
    orders: dict[str, OrderState] = {}
    closing: bool = False
    exit_id: str = ""
    exit_reason: str = ""
    refused_exits: int = 0
    refused_protections: int = 0
    refused_cancels: int = 0
    is_timed: bool = False

    @property
    def entry(self) -> OrderState:
        """The order that opens the lot."""
        return self.orders[self.entry_id]

    @property
    def exit_side(self) -> Side:
        """The other side."""
        return "sell" if self.side == "buy" else "buy"

    @property
    def held(self) -> int:
        """Shares held: entered minus exited; below zero only if the broker sold more than the lot had."""
        return sum(one.filled if one.role == "entry" else -one.filled for one in self.orders.values())

    @property
    def is_over(self) -> bool:
        """Whether nothing is held and nothing works any more."""
        return self.held == 0 and not any(one.is_live for one in self.orders.values())

    def group_of(self, name: str) -> list[OrderState]:
        """The order and what the broker cancels with it: its parent, its legs, its sibling."""
        group = self.orders[name].parent_id or name
        return [one for one in self.orders.values() if group in (one.client_order_id, one.parent_id)]

    def next_id(self, role: Role) -> str:
        """The first client order id of a role that the lot has not used."""
        attempt = 1
        while True:
            name = client_order_id(self.lot_id, role, attempt)
            if name not in self.orders:
                return name
            attempt += 1


class Cancel(NamedTuple):
    """Cancel this order."""

    order: OrderState
    reason: str


class Exit(NamedTuple):
    """Send the market exit for this many shares."""

    quantity: int


class Protect(NamedTuple):
    """Rest stop and target for this many shares."""

    quantity: int


class Retarget(NamedTuple):
    """Move the resting target."""

    order: OrderState
    price: float


class NothingToExit(NamedTuple):
    """The exit that was asked for has become needless."""


Step = Cancel | Exit | Protect | Retarget | NothingToExit


def opened(order: OrderProposed, entry: OrderState, prices: "EntryPrices") -> LotOrders:
    """A lot whose entry is about to be sent."""
    distance = None
    if order.target_follows_fill and order.take_profit is not None:
        basis = order.stop_price if order.stop_price is not None else order.reference_price
        distance = order.take_profit - basis
    return LotOrders(
        lot_id=order.lot_id,
        strategy=order.strategy,
        symbol=order.symbol,
        side=order.side,
        time_in_force=order.time_in_force,
        entry_id=order.client_order_id,
        stop_loss=prices.stop_loss,
        take_profit=prices.take_profit,
        distance=distance,
        expires_at=order.expires_at,
        intraday=order.intraday,
        group_id=order.group_id,
        orders={order.client_order_id: entry},
    )


def next_step(lot: LotOrders) -> Step | None:
    """The one thing to do now, or None: wait for an event."""
    entry = lot.entry
    if lot.closing:
        return _closing(lot, entry)
    if entry.is_live:
        return None
    held = lot.held
    if held <= 0:
        return None
    live = [one for one in lot.orders.values() if one.is_live]
    if not live:
        return Protect(held) if lot.stop_loss is not None or lot.take_profit is not None else None
    return _retarget(lot, entry, live)


def _closing(lot: LotOrders, entry: OrderState) -> Step | None:
    if entry.is_live:
        return Cancel(entry, "exit wanted") if entry.status != "pending_cancel" else None
    live = [one for one in lot.orders.values() if one.is_live]
    if any(one.role == "exit" for one in live):
        return None
    if live:
        asked = any(one.status == "pending_cancel" for one in live)
        return None if asked else Cancel(live[0], "exit wanted")
    held = lot.held
    return Exit(held) if held > 0 else NothingToExit()


def _retarget(lot: LotOrders, entry: OrderState, live: list[OrderState]) -> Retarget | None:
    """Let the target keep its distance from the fill (strategies 3.2)."""
    if lot.distance is None or not entry.priced:
        return None
    target = next((one for one in live if one.role == "target" and one.status != "pending_cancel"), None)
    if target is None or target.limit_price is None:
        return None
    price = followed(lot, entry)
    if price is None or price in (target.limit_price, lot.take_profit):
        return None
    return Retarget(target, price)


def followed(lot: LotOrders, entry: OrderState) -> float | None:
    """Where the target belongs: from the average fill if it follows, else where it was asked for; USD."""
    if lot.distance is None or not entry.priced:
        return lot.take_profit
    price = entry.average_price + lot.distance
    return ticks.beyond(price, 1 if lot.side == "buy" else -1) if price > 0.0001 else lot.take_profit


class EntryPrices(NamedTuple):
    """An entry's prices on the tick grid, USD."""

    limit: float | None
    stop: float | None
    stop_loss: float | None
    take_profit: float | None


def entry_prices(order: OrderProposed) -> EntryPrices:
    """Round an entry's prices to the ticks the market must reach; stop, entry and target stay a tick apart.

    Raises:
        ValueError: a price is not a finite number above zero.
    """
    sign = 1 if order.side == "buy" else -1
    limit = None if order.limit_price is None else ticks.beyond(order.limit_price, -sign)
    stop = None if order.stop_price is None else ticks.beyond(order.stop_price, sign)
    if limit is not None and stop is not None and (limit - stop) * sign < 0:
        limit = stop
    reference = order.reference_price
    worst = limit if limit is not None else stop if stop is not None else reference
    best = stop if stop is not None else worst
    return EntryPrices(
        limit,
        stop,
        None if order.stop_loss is None else ticks.apart(order.stop_loss, best, -sign),
        None if order.take_profit is None else ticks.apart(order.take_profit, worst, sign),
    )
