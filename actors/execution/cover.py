"""Does what rests at the broker cover what is held, lot by lot, and is it no more than the account has?

A lot's stop is right when the broker counts as many shares in it as the lot may exit. What is on its way is
not judged. Shares that somebody else sold are taken from the lots that were opened last.
Source: architecture 4; faults.md D 41, C 35; alpaca.md 2.4 and 3.2 (an exit reserves its shares).
"""

from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from actors.execution.lot_orders import LotOrders
from actors.execution.order_state import OrderState
from runtime.messages.broker import BrokerOrder

_RESTS = frozenset(("accepted", "partially_filled"))
_AT_REST = frozenset(("new", "accepted", "held", "partially_filled"))


class Uncovered(NamedTuple):
    """A resting exit of another size than its lot needs.

    Attributes:
        shares: That it may still trade by the broker's count.
    """

    lot: LotOrders
    order: OrderState
    shares: int

    def text(self) -> str:
        """What we thought, what the broker says, what is done."""
        lot, one = self.lot, self.order
        return (
            f"{lot.symbol} {one.role} {one.client_order_id}: lot {lot.lot_id} holds {lot.to_exit} shares, "
            f"the broker's order is for {self.shares} shares; rested anew"
        )


def uncovered(
    lots: Iterable[LotOrders], orders: Iterable[BrokerOrder], moving: Container[str]
) -> Iterator[Uncovered]:
    """Lots whose stop or target is for more or fewer shares than are to be exited; one for each lot.

    Args:
        orders: Open at the broker. moving: symbols in which something is on its way.
    """
    there = {one.client_order_id: one for one in orders}
    for lot in lots:
        if lot.closing or lot.entry.is_live or lot.symbol in moving:
            continue
        live = lot.live
        if any(one.status not in _RESTS or one.role == "exit" for one in live):
            continue
        for one in live:
            listed = there.get(one.client_order_id)
            if listed is None or listed.remaining < 0 or listed.status not in _AT_REST:
                continue
            if listed.remaining != lot.to_exit:
                yield Uncovered(lot, one, listed.remaining)
                break


def rationed(lots: Iterable[LotOrders], beside: int) -> list[tuple[LotOrders, int]]:
    """Lots of one symbol whose missing shares have become others, each with how many are missing now.

    Args:
        lots: That hold shares, oldest first. beside: net shares of the account beside them.
    """
    held = [lot for lot in lots if lot.held > 0]
    if not held:
        return []
    ours = sum(lot.net for lot in held)
    is_one_way = abs(ours) == sum(lot.held for lot in held)
    lacking = min(abs(ours), abs(beside)) if is_one_way and ours * beside < 0 else 0
    changed = []
    for lot in reversed(held):
        less = min(lot.held, lacking)
        lacking -= less
        if less != lot.missing:
            changed.append((lot, less))
    return changed
