"""Reading an order again by REST until everything about it is told.

Both gateways of the broker use it: the stream for gaps and unknown events, the order gateway for orders whose
fate is unknown.
"""

from collections.abc import Iterable
from typing import Protocol

from actors.broker import translate, wire
from actors.broker.directory import Directory
from actors.broker.limiter import Priority
from actors.broker.order_steps import base
from runtime.messages.base import Input


class Reads(Protocol):
    """The part of the REST client that reading an order takes."""

    async def order(self, broker_order_id: str) -> wire.Order | None:
        """The order with its legs nested; None if the broker has none of that id."""

    async def fills(self, *, order_id: str) -> list[wire.Activity]:
        """The FILL activities of one order, oldest first."""

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
    """Tell all of an order that was just read; its fills are asked for only if some were missed."""
    parents: list[wire.Order] = []
    known = directory.find(order)
    if translate.is_orphan(order, known):
        # Its parent's answer is still under way: read the parents, they tell whose leg it is.
        symbols = (order.symbol,) if order.symbol else ()
        parents = await rest.orders(status="all", symbols=symbols, nested=True, priority=Priority.LOOK_UP)
    missed: list[wire.Activity] = []
    for broker_order_id in _behind(order, directory):
        missed += await rest.fills(order_id=broker_order_id)
    # Nothing is awaited from here on: what is told counts as told.
    inputs: list[Input] = []
    for parent in parents:
        inputs += translate.order_told(parent, directory, now).inputs
    if translate.is_orphan(order, known):
        known.has_legs = True  # nobody's leg even now: a stranger, not looked for again
    inputs += translate.order_told(order, directory, now).inputs
    return inputs + translate.settled(order, missed, directory, now)


def _behind(order: wire.Order, directory: Directory) -> list[str]:
    """Broker ids, of an order and its legs, of which more shares were traded than told."""
    known = directory.of_broker(order.id)
    filled = wire.shares(order.filled_qty) or 0
    told = 0 if known is None else known.filled - base(known, order.id)
    ids = [order.id] if filled > told else []
    for leg in order.legs or ():
        ids += _behind(leg, directory)
    return ids
