"""What one lot's orders need next: the rules of bracket, partial entry, exit and protection.

One function, `next_step`, looks at what is known and names the one thing to do. It is asked again after every
event, so a rule holds however the events were ordered.
Source: architecture 4; faults.md D; alpaca.md 2.4 and 3.2.
"""

from typing import NamedTuple

import msgspec

from actors.execution import ticks
from actors.execution.ids import client_order_id
from actors.execution.order_state import TERMINAL, OrderState
from runtime.messages.trading import OrderProposed, Role, Side, TimeInForce

MOST_EXITS = 3
"""Refused market exits before a person is called and the lot is protected again instead."""

MOST_CANCELS = 5
"""Refused cancellations of a lot's orders before a person is called."""


KILL_SWITCH = "kill switch"
"""Why a lot is sold that a halt closes."""


class LotOrders(msgspec.Struct, gc=False):
    """A lot as the executor sees it.

    Attributes:
        side: The entry's.
        stop_loss, take_profit: USD on the tick grid.
        target_distance, stop_distance: USD from the entry to target and stop, signed, before rounding;
            None: it stays where it was asked for.
        expires_at: When a resting entry is cancelled, ns UTC; 0: never.
        orders: Every order of the lot by client id, the entry first.
        closing: Whether everything is to be sold (bought back).
        exit_id: Client id of the approved exit that has not been sent yet.
        refused_exits, refused_cancels: How often the broker refused one.
        is_plain: Whether the broker refused the entry with exits beside it; they follow its fill.
        is_corrected: Whether a fill was taken back, changed or came after the entry's end: what rests may
            be more than is held, or less.
        is_uncovered: Whether the broker's orders that rest are for more or fewer shares than they should be.
        missing: Shares of it that the account does not have, because somebody else sold (bought) them.
        waits: Whether it is not known yet if its shares were split: nothing rests or is sold meanwhile.
        adjusted: Shares that splits made of those that its orders traded, beyond their sum.
        splits: Names of the splits that it has had.
        session: Trading day of its entry, ISO: what is entered today is not split today; empty: earlier.
    """

    lot_id: str
    strategy: str
    symbol: str
    side: Side
    time_in_force: TimeInForce
    entry_id: str
    stop_loss: float | None
    take_profit: float | None
    target_distance: float | None = None
    stop_distance: float | None = None
    expires_at: int = 0
    intraday: bool = False
    group_id: str | None = None
    orders: dict[str, OrderState] = {}
    closing: bool = False
    exit_id: str = ""
    exit_reason: str = ""
    refused_exits: int = 0
    refused_cancels: int = 0
    is_timed: bool = False
    is_plain: bool = False
    is_corrected: bool = False
    missing: int = 0
    is_uncovered: bool = False
    waits: bool = False
    adjusted: int = 0
    splits: tuple[str, ...] = ()
    session: str = ""

    @property
    def net(self) -> int:
        """Shares held, signed as the position is."""
        return self.held if self.side == "buy" else -self.held

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
        held = self.adjusted
        for one in self.orders.values():
            if one.role == "entry":
                held += one.filled
            else:
                held -= one.filled
        return held

    @property
    def to_exit(self) -> int:
        """Shares that exits may be for: held, and there."""
        return max(0, self.held - self.missing)

    @property
    def live(self) -> list[OrderState]:
        """Orders that may still trade, as far as we know."""
        return [one for one in self.orders.values() if one.status not in TERMINAL]

    @property
    def is_over(self) -> bool:
        """Whether nothing is held and nothing works any more."""
        held = self.adjusted
        for one in self.orders.values():
            if one.status not in TERMINAL:
                return False
            held += one.filled if one.role == "entry" else -one.filled
        return held == 0

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


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """Cancel this order."""

    order: OrderState
    reason: str


class Exit(msgspec.Struct, frozen=True, gc=False):
    """Send the market exit for this many shares."""

    quantity: int


class Protect(msgspec.Struct, frozen=True, gc=False):
    """Rest stop and target for this many shares."""

    quantity: int


class Follow(msgspec.Struct, frozen=True, gc=False):
    """Move the resting target or stop to where the fill puts it."""

    order: OrderState
    price: float


class NothingToExit(msgspec.Struct, frozen=True, gc=False):
    """The exit that was asked for has become needless."""


_NOTHING_TO_EXIT = NothingToExit()
Step = Cancel | Exit | Protect | Follow | NothingToExit


def opened(order: OrderProposed, entry: OrderState, prices: "EntryPrices", session: str) -> LotOrders:
    """A lot whose entry is about to be sent, in a session named by its date."""
    lot = LotOrders(
        order.lot_id,
        order.strategy,
        order.symbol,
        order.side,
        order.time_in_force,
        order.client_order_id,
        prices.stop_loss,
        prices.take_profit,
        expires_at=order.expires_at,
        intraday=order.intraday,
        group_id=order.group_id,
        orders={order.client_order_id: entry},
        session=session,
    )
    if order.target_follows_fill or order.stop_follows_fill:
        basis = order.stop_price if order.stop_price is not None else order.reference_price
        if order.target_follows_fill and order.take_profit is not None:
            lot.target_distance = order.take_profit - basis
        if order.stop_follows_fill and order.stop_loss is not None:
            lot.stop_distance = order.stop_loss - basis
    return lot


def next_step(lot: LotOrders) -> Step | None:
    """The one thing to do now, or None: wait for an event."""
    entry = lot.orders[lot.entry_id]
    if lot.waits and not (lot.closing and lot.exit_reason == KILL_SWITCH):
        return _withdraw(lot)
    if lot.closing:
        return _closing(lot, entry)
    if entry.status not in TERMINAL:
        return None
    is_doubtful = lot.is_corrected or lot.is_uncovered
    if not is_doubtful and lot.stop_loss is None and lot.take_profit is None:
        return None  # it has no exits to rest or to move
    held, live = lot.adjusted - lot.missing, []
    for one in lot.orders.values():
        held += one.filled if one.role == "entry" else -one.filled
        if one.status not in TERMINAL:
            live.append(one)
    if is_doubtful and (resting := [one for one in live if one.role != "exit"]):
        # Of a pair the broker counts both down, whichever traded.
        covered = min(one.remaining for one in resting)
        if covered != max(held, 0) or lot.is_uncovered:
            if any(one.status == "pending_cancel" for one in resting):
                return None
            how = "not what" if covered == held else "more than" if covered > held else "less than"
            return Cancel(resting[0], f"{how} is held")
    if held <= 0:
        return None
    if not live:
        return Protect(held) if lot.stop_loss is not None or lot.take_profit is not None else None
    return _follow(lot, entry, live)


def _withdraw(lot: LotOrders) -> Step | None:
    """Nothing may trade old shares at new prices; what a person's halt sells is sold all the same."""
    for one in lot.orders.values():
        if one.is_live and one.role != "exit" and one.status != "pending_cancel":
            return Cancel(one, "a split is awaited")
    return None


def _closing(lot: LotOrders, entry: OrderState) -> Step | None:
    if entry.status not in TERMINAL:
        return Cancel(entry, "exit wanted") if entry.status != "pending_cancel" else None
    first: OrderState | None = None
    held = lot.adjusted
    for one in lot.orders.values():
        held += one.filled if one.role == "entry" else -one.filled
        if one.status not in TERMINAL:
            if one.role == "exit" or one.status == "pending_cancel":
                return None
            first = first or one
    if first is not None:
        return Cancel(first, "exit wanted")
    held -= lot.missing
    return Exit(held) if held > 0 else _NOTHING_TO_EXIT


def _follow(lot: LotOrders, entry: OrderState, live: list[OrderState]) -> Follow | None:
    """Let target and stop keep their distance from the fill (strategies 3.2, 3.3), one at a time.

    One that trades already stays where it is: its replacement may be for the whole quantity once more.
    """
    if not entry.priced:
        return None
    for order in live:
        if order.status == "pending_cancel" or order.filled:
            continue
        if order.role == "target" and lot.target_distance is not None:
            price, now, asked = followed_target(lot), order.limit_price, lot.take_profit
        elif order.role == "stop" and lot.stop_distance is not None:
            price, now, asked = followed_stop(lot), order.stop_price, lot.stop_loss
        else:
            continue
        if price is not None and now is not None and price not in (now, asked):
            return Follow(order, price)
    return None


def followed_target(lot: LotOrders) -> float | None:
    """Where the target belongs: from the average fill if it follows, else where it was asked for; USD."""
    return _followed(lot, lot.target_distance, lot.take_profit, 1)


def followed_stop(lot: LotOrders) -> float | None:
    """Where the stop belongs, likewise."""
    return _followed(lot, lot.stop_distance, lot.stop_loss, -1)


def _followed(lot: LotOrders, distance: float | None, asked: float | None, sign: int) -> float | None:
    entry = lot.entry
    if distance is None or not entry.priced:
        return asked
    price = entry.average_price + distance
    return ticks.beyond(price, sign if lot.side == "buy" else -sign) if price > 0.0001 else asked


class EntryPrices(NamedTuple):
    """An entry's prices on the tick grid, USD."""

    limit: float | None
    stop: float | None
    stop_loss: float | None
    take_profit: float | None


UNPRICED = EntryPrices(None, None, None, None)
"""A market entry without exits, the same object each time."""


def entry_prices(order: OrderProposed) -> EntryPrices:
    """Round an entry's prices to the ticks the market must reach; stop, entry and target stay a tick apart.

    Raises:
        ValueError: a price is not a finite number above zero.
    """
    prices = order.limit_price, order.stop_price, order.stop_loss, order.take_profit
    if prices == UNPRICED:
        return UNPRICED
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
