"""Reading an order again by REST until everything about it is told.

Both gateways of the broker use it: the stream for gaps and unknown events, the order gateway for orders whose
fate is unknown.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol

from actors.broker import succession, translate, wire
from actors.broker.directory import Directory, Known
from actors.broker.limiter import Priority
from actors.broker.order_steps import base
from runtime.errors import BrokerRejected, BrokerUnavailable
from runtime.kernel.supervisor import is_worth_a_warning
from runtime.log import get_logger
from runtime.messages.base import Input

MOST_UNANSWERED = 3
"""Questions for FILL activities in a row without an answer before orders are told by what they say alone."""

_log = get_logger(__name__)


class Reads(Protocol):
    """The part of the REST client that reading an order takes."""

    async def order(self, broker_order_id: str) -> wire.Order | None:
        """The order with its legs nested; None if the broker has none of that id."""

    async def fills(self, *, order_id: str = "", after: str = "") -> list[wire.Activity]:
        """The FILL activities of one order, or since a time, oldest first."""

    async def orders(
        self, *, status: str, symbols: Iterable[str], nested: bool, priority: Priority
    ) -> list[wire.Order]:
        """Orders by status, with legs nested or beside their parents."""


async def read_again(rest: Reads, directory: Directory, broker_order_id: str, now: int) -> list[Input]:
    """Tell all of one order, whatever was missed; nothing if the broker does not know it.

    The answer is to be posted before anything else is awaited: then nothing the stream tells meanwhile
    overtakes it.

    Raises:
        BrokerUnavailable: No answer; ask again.
    """
    order = await rest.order(broker_order_id)
    return [] if order is None else await tell_all(rest, directory, order, now)


async def tell_all(rest: Reads, directory: Directory, order: wire.Order, now: int) -> list[Input]:
    """Tell all of an order that was just read, and of what took its place if it is ours.

    A replacement that has traded already is in no list of open orders: the order it replaced leads to it.
    Where that one has not been told to its end, it is read first. Fills are asked for only if some were
    missed, or if it takes them to tell whose they are.
    """
    parents: list[wire.Order] = []
    known = directory.find(order)
    if translate.is_orphan(order, known):
        # Its parent's answer is still under way: read the parents, they tell whose leg it is.
        symbols = (order.symbol,) if order.symbol else ()
        parents = await rest.orders(status="all", symbols=symbols, nested=True, priority=Priority.LOOK_UP)
    told = await _chain(rest, order, known) if known.is_ours else [order]
    if known.is_ours:
        await _trace_legs(rest, directory, order)
        for each in told:
            directory.alias(known, each.id)  # though it was taken for somebody's own when it was heard of
    missed: list[wire.Activity] = []
    for broker_order_id in _unexplained(told, directory):
        missed += await fills(rest, directory, order_id=broker_order_id)
    # Nothing is awaited from here on: what is told counts as told.
    inputs: list[Input] = []
    for parent in parents:
        inputs += translate.order_told(parent, directory, now).inputs
    if translate.is_orphan(order, known):
        known.has_legs = True  # nobody's leg even now: a stranger, not looked for again
    for each in told:
        succession.judge(each, known, missed)
        inputs += translate.order_told(each, directory, now).inputs
        inputs += translate.settled(each, missed, directory, now)
    return inputs


async def fills(
    rest: Reads, directory: Directory, *, order_id: str = "", after: str = ""
) -> list[wire.Activity]:
    """FILL activities; none where the broker goes on not to answer.

    Then the shares of an order are told at its average: without them a lot would have neither stop nor exit.

    Raises:
        BrokerUnavailable: No answer; ask again. BrokerRejected: likewise.
    """
    try:
        found = await rest.fills(order_id=order_id, after=after)
    except (BrokerUnavailable, BrokerRejected) as failure:
        directory.unanswered += 1
        if directory.unanswered <= MOST_UNANSWERED:
            raise
        if is_worth_a_warning(directory.unanswered - MOST_UNANSWERED):
            _log.warning("activities cannot be read: orders are told by their averages", error=str(failure))
        return []
    directory.unanswered = 0
    return found


async def _chain(rest: Reads, order: wire.Order, known: Known) -> list[wire.Order]:
    """An order with what took its place, after the one whose place it took if that is not told to its end."""
    if not succession.is_ready(order, known):
        former = await rest.order(known.broker_order_id)
        if former is None:
            known.handed_over = known.filled  # the broker has forgotten it: what was told is all there is
        else:
            found = [former, *await _successors(rest, former)]
            return found if any(one.id == order.id for one in found) else [*found, order]
    return [order, *await _successors(rest, order)]


async def _successors(rest: Reads, order: wire.Order) -> list[wire.Order]:
    """What took an order's place, one after the other; the last one works, or is over."""
    found: list[wire.Order] = []
    seen = {order.id}
    latest: wire.Order | None = order
    while latest is not None and latest.status == "replaced" and latest.replaced_by not in (None, "", *seen):
        seen.add(latest.replaced_by or "")
        latest = await rest.order(latest.replaced_by or "")
        if latest is not None:
            found.append(latest)
    return found


async def _trace_legs(rest: Reads, directory: Directory, order: wire.Order) -> None:
    """Have a leg that took the place of one that nobody heard of known by the first of them."""
    for leg in order.legs or ():
        ids, before = [leg.id], leg.replaces
        while before and before not in ids and not any(map(directory.of_broker, (leg.id, before))):
            ids.append(before)
            former = await rest.order(before)
            before = former.replaces if former is not None else ""
        first = directory.of_broker(before)
        if first is not None and directory.of_broker(leg.id) is None:
            for each in ids:
                directory.alias(first, each)


def _unexplained(told: list[wire.Order], directory: Directory) -> dict[str, None]:
    """Broker ids of the orders whose FILL activities are needed."""
    ids: dict[str, None] = {}
    for each in told:
        ids |= dict.fromkeys(_behind(each, directory))
    for former, order in pairwise(told):
        if succession.needs_activities(order, former):
            ids[order.id] = None
    return ids


def _behind(order: wire.Order, directory: Directory) -> list[str]:
    """Broker ids, of an order and its legs, of which more shares were traded than told."""
    known = directory.of_broker(order.id)
    filled = wire.shares(order.filled_qty) or 0
    told = 0 if known is None else known.filled - base(known, order.id)
    ids = [order.id] if filled > told else []
    for leg in order.legs or ():
        ids += _behind(leg, directory)
    return ids
