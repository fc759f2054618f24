"""Reading an order again by REST until everything about it is told.

Both gateways of the broker use it: the stream for gaps and unknown events, the order gateway for orders whose
fate is unknown.
"""

from collections.abc import Iterable
from typing import Protocol

from actors.broker import translate, wire
from actors.broker.directory import Directory
from runtime.messages.base import Input


class Reads(Protocol):
    """The part of the REST client that reading an order takes."""

    async def order(self, broker_order_id: str) -> wire.Order | None:
        """The order with its legs nested; None if the broker has none of that id."""

    async def fills(self, *, order_id: str) -> list[wire.Activity]:
        """The FILL activities of one order, oldest first."""

    async def orders(self, *, status: str, symbols: Iterable[str], nested: bool) -> list[wire.Order]:
        """Orders by status, with legs nested or beside their parents."""


async def read_again(rest: Reads, directory: Directory, broker_order_id: str, now: int) -> list[Input]:
    """Tell all of one order, whatever was missed; nothing if the broker does not know it.

    Raises:
        BrokerUnavailable: no answer; ask again.
    """
    order = await rest.order(broker_order_id)
    return [] if order is None else await tell_all(rest, directory, order, now)


async def tell_all(rest: Reads, directory: Directory, order: wire.Order, now: int) -> list[Input]:
    """Tell all of an order that was just read; its fills are asked for only if some were missed."""
    known = directory.find(order)
    if translate.is_orphan(order, known):
        # Its parent's answer is still under way: read the parents, they tell whose leg it is.
        symbols = (order.symbol,) if order.symbol else ()
        inputs: list[Input] = []
        for parent in await rest.orders(status="all", symbols=symbols, nested=True):
            inputs += translate.order_told(parent, directory, now).inputs
        known.has_legs = True
        return inputs + await _with_fills(rest, directory, order, now)
    return await _with_fills(rest, directory, order, now)


async def _with_fills(rest: Reads, directory: Directory, order: wire.Order, now: int) -> list[Input]:
    told = translate.order_told(order, directory, now)
    missed: list[wire.Activity] = []
    for broker_order_id in told.lookups:
        missed += await rest.fills(order_id=broker_order_id)
    return told.inputs + translate.settled(order, missed, directory, now)
