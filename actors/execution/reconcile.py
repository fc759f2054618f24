"""Do our orders and positions agree with the broker's, and what is to be done where they do not?

Orders first: where one differs, or moved while the broker was asked, the symbol's position is not judged, for
a fill is on its way. What the account holds beside our lots is somebody else's (`EXTERNAL`) as long as we
hold nothing and work nothing in the symbol; from then on it is expected to stay as it is.
Source: architecture 4; faults.md C 36, D 38-44, 1.9; alpaca.md 2.5.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from actors.execution import ids
from actors.execution.order_state import OrderState
from runtime.messages.base import Decision
from runtime.messages.broker import BrokerOrder, BrokerSnapshot, CancelOrder, LookUpOrder
from runtime.messages.risk import Noted
from runtime.messages.trading import PositionMismatched

Kind = Literal["gone", "fills", "price", "dead", "stranded", "stray", "position"]
"""An order of ours that is not open there; other fills; another price; one that is dead here and open there;
an entry, or an exit of nothing, that we know nothing of; another exit that we know nothing of; a position."""

Action = Literal["looked up", "cancelled", "left for a person", "entries blocked"]

_LEVELS: dict[Kind, Literal["WARNING", "ERROR", "CRITICAL"]] = {
    "gone": "WARNING", "fills": "WARNING", "price": "WARNING", "dead": "ERROR", "stranded": "ERROR",
    "stray": "CRITICAL", "position": "CRITICAL",
}  # fmt: skip

_IN_HAND = frozenset(("submitted", "unknown", "pending_cancel"))
"""Statuses on their way to another: that the broker does not list the order is no difference."""


class Difference(NamedTuple):
    """One thing on which the two sides do not agree: what we thought, what they say, what is done.

    Attributes:
        client_order_id, broker_order_id: Empty for a position.
        ours_net, broker_net: Net shares, for a position. filled: shares that we have seen of an order.
    """

    kind: Kind
    symbol: str
    ours: str
    broker: str
    action: Action
    client_order_id: str = ""
    broker_order_id: str = ""
    ours_net: int = 0
    broker_net: int = 0
    filled: int = -1


class Comparison(NamedTuple):
    """How the two sides stand.

    Attributes:
        agreed: Symbols whose positions were compared and are equal.
        external: Shares by symbol that are not ours.
        moving: Symbols in which something is on its way: nothing else of theirs was judged.
    """

    differences: tuple[Difference, ...]
    agreed: tuple[str, ...]
    external: dict[str, int]
    moving: tuple[str, ...] = ()


def compare(
    orders: Iterable[OrderState],
    held: Mapping[str, int],
    external: Mapping[str, int],
    snapshot: BrokerSnapshot,
    moved: Iterable[str] = (),
) -> Comparison:
    """Compare what we think with what the broker says.

    Args:
        orders: Every order we know, live or over.
        held: Net shares over our lots by symbol.
        external: Shares by symbol that were not ours when last compared.
        moved: Symbols that traded while the broker was asked.
    """
    ours = {one.client_order_id: one for one in orders}
    theirs = {one.client_order_id: one for one in snapshot.orders}
    has_gateway = snapshot.reason != "start"
    moving = dict.fromkeys(moved, True)
    traded = tuple(moving)
    found: list[Difference] = []
    for state in ours.values():
        there = theirs.get(state.client_order_id)
        if state.is_live:
            if there is None and has_gateway and state.status in _IN_HAND:
                moving[state.symbol] = True  # the order gateway sees to it; silence is looked up
                continue
            found += _live_here(state, there, ours, moving, traded)
        elif there is not None and _is_working(there):
            moving[state.symbol] = True
            if state.status == "rejected" or state.symbol not in traded:
                found += _dead_here(state, there)  # else that end is newer than the list
    for there in snapshot.orders:
        if there.is_ours and there.client_order_id not in ours and _is_working(there):
            moving[there.symbol] = True
            found.append(_unknown_here(there, held))
    working = {state.symbol: True for state in ours.values() if state.is_live}
    positions, agreed, beside = _positions(held, external, snapshot, moving, working)
    return Comparison((*found, *positions), agreed, beside, tuple(moving))


def messages(differences: Iterable[Difference], now: int, cause: int, component: str) -> Iterator[Decision]:
    """A row for each difference, and the command or the block that is its answer."""
    for one in differences:
        about = f"{one.symbol} {one.client_order_id}".rstrip()
        text = f"{about}: we had {one.ours}, the broker has {one.broker}; {one.action}"
        yield Noted(ts_event=now, cause=cause, level=_LEVELS[one.kind], component=component, text=text)
        if one.action == "looked up":
            yield LookUpOrder(
                ts_event=now, cause=cause, client_order_id=one.client_order_id,
                broker_order_id=one.broker_order_id, symbol=one.symbol, reason="reconcile",
                filled=one.filled,
            )  # fmt: skip
        elif one.action == "cancelled":
            name = ids.parse(one.client_order_id)
            yield CancelOrder(
                ts_event=now, cause=cause, client_order_id=one.client_order_id,
                broker_order_id=one.broker_order_id, lot_id=name.lot_id if name else "", symbol=one.symbol,
                reason="reconcile",
            )  # fmt: skip
        elif one.kind == "position":
            yield PositionMismatched(
                ts_event=now, cause=cause, symbol=one.symbol, ours=one.ours_net, broker=one.broker_net
            )


def _live_here(
    state: OrderState,
    there: BrokerOrder | None,
    ours: Mapping[str, OrderState],
    moving: dict[str, bool],
    traded: Container[str],
) -> Iterator[Difference]:
    """An order that works as far as we know."""
    mine = f"{state.status}, {state.filled} of {state.quantity} filled"
    if there is None:
        parent = ours.get(state.parent_id)
        if parent is not None and parent.is_live:
            return  # the broker may not list exits that wait for their entry
        moving[state.symbol] = True
        yield _of_order("gone", state, mine, "no such open order", "looked up")
        return
    if there.filled != state.filled:
        moving[state.symbol] = True
        is_this = there.broker_order_id == state.broker_order_id  # else a replacement has taken its place
        if there.filled > state.filled or (is_this and state.symbol not in traded):
            # Fewer, and not because a fill came while the broker was asked: one was taken back.
            yield _of_order("fills", state, mine, f"{there.filled} filled", "looked up")
        return
    if (
        state.status != "pending_cancel"
        and there.status != "pending_replace"
        and _is_priced_apart(state, there)
    ):
        mine = f"limit {state.limit_price}, stop {state.stop_price}"
        yield _of_order(
            "price", state, mine, f"limit {there.limit_price}, stop {there.stop_price}", "looked up"
        )


def _is_priced_apart(state: OrderState, there: BrokerOrder) -> bool:
    pairs = ((state.limit_price, there.limit_price), (state.stop_price, there.stop_price))
    return any(mine is not None and price is not None and mine != price for mine, price in pairs)


def _dead_here(state: OrderState, there: BrokerOrder) -> Iterator[Difference]:
    """An order that is over as far as we know and works there."""
    mine, other = f"{state.status} ({state.reason})", f"{there.status}, {there.filled} filled"
    # We were told of a fill, a cancellation or an expiry by the broker itself: the list is older, or reading
    # the order again tells what became of it. What we gave up without its word must not work on.
    is_given_up = state.status == "rejected"
    # All of it has traded, and what took its place goes on: it would trade shares that are not its lot's.
    is_too_much = state.status == "filled" and there.filled >= state.quantity and there.remaining > 0
    action: Action = "cancelled" if is_given_up or is_too_much else "looked up"
    yield _of_order("dead", state, mine, other, action, there)


def _unknown_here(there: BrokerOrder, held: Mapping[str, int]) -> Difference:
    """An order of our name that we know nothing of."""
    name = ids.parse(there.client_order_id)
    is_entry = name is not None and name.role == "entry"
    is_idle = is_entry or not held.get(there.symbol, 0)
    return Difference(
        kind="stranded" if is_idle else "stray",
        symbol=there.symbol,
        ours="no such order",
        broker=f"{there.side} {there.quantity}, {there.status}, {there.filled} filled",
        action="cancelled" if is_idle else "left for a person",
        client_order_id=there.client_order_id,
        broker_order_id=there.broker_order_id,
    )


def _positions(
    held: Mapping[str, int],
    external: Mapping[str, int],
    snapshot: BrokerSnapshot,
    moving: Mapping[str, bool],
    working: Mapping[str, bool],
) -> tuple[list[Difference], tuple[str, ...], dict[str, int]]:
    """Positions that differ, symbols that agree, and what is held beside our lots."""
    net = {one.symbol: one.quantity for one in snapshot.positions}
    found: list[Difference] = []
    agreed: list[str] = []
    beside: dict[str, int] = {}
    for symbol in {**net, **held, **external}:
        ours, theirs, others = held.get(symbol, 0), net.get(symbol, 0), external.get(symbol, 0)
        if symbol in moving:
            _keep(beside, symbol, others)
        elif not ours and symbol not in working:
            _keep(beside, symbol, theirs)
            agreed.append(symbol)
        elif ours + others == theirs:
            _keep(beside, symbol, others)
            agreed.append(symbol)
        else:
            _keep(beside, symbol, others)
            mine = f"{ours} shares" + (f" and {others} that are not ours" if others else "")
            found.append(
                Difference(
                    kind="position", symbol=symbol, ours=mine, broker=f"{theirs} shares",
                    action="entries blocked", ours_net=ours + others, broker_net=theirs,
                )
            )  # fmt: skip
    return found, tuple(agreed), beside


def _keep(beside: dict[str, int], symbol: str, shares: int) -> None:
    if shares:
        beside[symbol] = shares


def _is_working(there: BrokerOrder) -> bool:
    return there.status != "pending_cancel"


def _of_order(
    kind: Kind, state: OrderState, ours: str, broker: str, action: Action, there: BrokerOrder | None = None
) -> Difference:
    return Difference(
        kind=kind,
        symbol=state.symbol,
        ours=ours,
        broker=broker,
        action=action,
        client_order_id=state.client_order_id,
        broker_order_id=there.broker_order_id if there else state.broker_order_id,
        filled=state.filled,
    )
