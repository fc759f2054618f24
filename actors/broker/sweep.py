"""Cancel everything, close everything, and see that it is so: needs no decision actor and no books.

What the broker was asked is never taken for done: orders and positions are read again until nothing is left.
Source: architecture 3; alpaca.md 3.5 and 3.6; faults.md E 47 and 51.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import anyio

from actors.broker import wire
from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.limiter import Priority
from actors.execution import ids
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock, happens_by

_SECOND = 1_000_000_000
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
"""Seconds between two looks; the last one for ever."""


class Swept(NamedTuple):
    """How a sweep ended.

    Attributes:
        is_done: Whether nothing was left when last looked.
        left: Client ids of orders, or symbols, that were still there.
        reason: Why not, in the broker's words.
    """

    is_done: bool
    left: tuple[str, ...] = ()
    reason: str = ""


class Closing:
    """What was there when closing our shares began; kept until it is done, however often it is interrupted.

    Attributes:
        before: Net shares of the account by symbol. others: broker ids of the orders that worked.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self.before: dict[str, float] = {}
        self.others: dict[str, None] = {}


class Broker(Protocol):
    """The part of the REST client that a sweep takes."""

    async def orders(self, *, status: str, nested: bool, priority: Priority) -> list[wire.Order]: ...
    async def positions(self, *, priority: Priority) -> list[wire.Position]: ...
    async def cancel(self, broker_order_id: str) -> None: ...
    async def cancel_all(self) -> list[wire.Outcome]: ...
    async def close_all(self) -> list[wire.Outcome]: ...
    async def close_position(self, symbol: str, shares: int | None = None) -> wire.Order: ...


class Sweeper:
    """Cancels and closes everything for an account whose orders may still be leaving.

    It works when the decision actors, or the order gateway, do not; what it does comes back as the broker's
    events.

    Args:
        desk: Where entries that are being sent are known. wall: real time.
    """

    def __init__(self, broker: Broker, desk: Desk, wall: Clock) -> None:
        self._broker = broker
        self._desk = desk
        self._wall = wall
        self._closing = Closing()

    async def cancel_all(
        self,
        *,
        entries_only: bool = False,
        deadline_s: float | None = None,
        stop: asyncio.Event | None = None,
    ) -> Swept:
        """Cancel all open orders of the account, or only our entries, until they are gone.

        Entries that have not left are withdrawn; for one whose bytes are on their way the end is waited for,
        then it goes too. Nothing new may leave meanwhile: the kill switch is to be thrown before.
        Arguments as `cancel_all`.
        """
        ended = stop or asyncio.Event()
        begun = self._wall.now()
        leaving = [one for one in self._desk.sendings.values() if one.order.adds_exposure]
        leaving = [one for one in leaving if not one.withdraw()]
        swept = await self._sweep(entries_only, deadline_s, begun, ended)
        if not leaving or not swept.is_done:
            return swept
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when, ended, group.cancel_scope)
            for one in leaving:
                await happens_by(self._wall, one.over, begun + _nanoseconds(deadline_s))
            group.cancel_scope.cancel()
        if names := tuple(one.order.client_order_id for one in leaving if not one.over.is_set()):
            return Swept(False, names, "an entry was sent whose fate is unknown")
        return await self._sweep(entries_only, deadline_s, begun, ended)

    async def close_all(self, *, deadline_s: float | None = None, stop: asyncio.Event | None = None) -> Swept:
        """Cancel everything, then close every position until the account is flat; arguments likewise."""
        begun = self._wall.now()
        swept = await self.cancel_all(deadline_s=deadline_s, stop=stop)
        if not swept.is_done:
            return swept
        rest_s = None if deadline_s is None else deadline_s - (self._wall.now() - begun) / _SECOND
        swept = await close_all(self._broker, self._wall, deadline_s=rest_s, stop=stop)
        if swept.is_done:
            self._are_closed()
        return swept

    async def close_ours(
        self, *, deadline_s: float | None = None, stop: asyncio.Event | None = None
    ) -> Swept:
        """Cancel our orders, then close what the directory says is ours; `EXTERNAL` stays; likewise."""
        begun = self._wall.now()
        swept = await self.cancel_all(entries_only=True, deadline_s=deadline_s, stop=stop)
        if not swept.is_done:
            return swept
        rest_s = None if deadline_s is None else deadline_s - (self._wall.now() - begun) / _SECOND
        directory = self._desk.directory
        swept = await close_ours(
            self._broker, directory, self._wall, self._closing, deadline_s=rest_s, stop=stop
        )
        if swept.is_done:
            self._are_closed()
        return swept

    def _are_closed(self) -> None:
        """What is ours is nobody's any more: asked again, nothing of others' may go in its place."""
        self._desk.directory.were_closed()
        self._closing = Closing()

    async def _sweep(
        self, entries_only: bool, deadline_s: float | None, begun: int, stop: asyncio.Event
    ) -> Swept:
        rest_s = None if deadline_s is None else deadline_s - (self._wall.now() - begun) / _SECOND
        return await cancel_all(
            self._broker, self._wall, entries_only=entries_only, deadline_s=rest_s, stop=stop
        )


async def cancel_all(
    broker: Broker,
    wall: Clock,
    *,
    entries_only: bool = False,
    deadline_s: float | None = None,
    stop: asyncio.Event | None = None,
) -> Swept:
    """Cancel all open orders of the account, or only our entries, until they are gone.

    Args:
        wall: Real time.
        entries_only: Stops, targets and exits, and orders that are not ours, stay.
        deadline_s: Seconds to try; None: until it is done or stopped.
        stop: Ends it early.
    """

    async def step(first: bool) -> Swept:
        reason = ""
        if first and not entries_only:
            reason = _refusals(await broker.cancel_all())
        found = await broker.orders(status="open", nested=False, priority=Priority.CANCEL)
        left = [order for order in found if not entries_only or _is_entry(order)]
        if not (first and not entries_only):
            for order in left:
                if order.status != "pending_cancel":
                    reason = await _tried(broker.cancel(order.id)) or reason
        return Swept(not left, tuple(order.client_order_id or order.id for order in left), reason)

    return await _until_done(step, wall, deadline_s, stop or asyncio.Event())


async def close_all(
    broker: Broker, wall: Clock, *, deadline_s: float | None = None, stop: asyncio.Event | None = None
) -> Swept:
    """Cancel all orders, then close all positions until the account is flat; arguments as `cancel_all`.

    A position whose shares wait in an order already (outside trading hours) is left to that order.
    """
    ended = stop or asyncio.Event()
    begun = wall.now()
    swept = await cancel_all(broker, wall, deadline_s=deadline_s, stop=ended)
    if not swept.is_done:
        return swept

    async def step(first: bool) -> Swept:
        reason = _refusals(await broker.close_all()) if first else ""
        left = await broker.positions(priority=Priority.CANCEL)
        if not first:
            for position in left:
                if wire.number(position.qty_available) != 0.0:
                    reason = await _tried(broker.close_position(position.symbol)) or reason
        return Swept(not left, tuple(position.symbol for position in left), reason)

    rest_s = None if deadline_s is None else deadline_s - (wall.now() - begun) / _SECOND
    return await _until_done(step, wall, rest_s, ended)


async def close_ours(
    broker: Broker,
    directory: Directory,
    wall: Clock,
    closing: Closing,
    *,
    deadline_s: float | None = None,
    stop: asyncio.Event | None = None,
) -> Swept:
    """Cancel our orders and close our shares, and nothing of anybody else's.

    A position that is not ours alone is closed down to what it was without us, reckoned once, when none of
    our orders works any more; an order that closes it is waited for and not asked for twice.

    Args:
        closing: The same one until it is done. The rest: as for `cancel_all`.
    """
    ended = stop or asyncio.Event()
    begun = wall.now()

    async def cancel_step(first: bool) -> Swept:
        found = await broker.orders(status="open", nested=False, priority=Priority.CANCEL)
        left = [order for order in found if is_ours(order, directory)]
        reason = ""
        for order in left:
            if order.status != "pending_cancel":
                reason = await _tried(broker.cancel(order.id)) or reason
        return Swept(not left, tuple(order.client_order_id or order.id for order in left), reason)

    swept = await _until_done(cancel_step, wall, deadline_s, ended)
    if not swept.is_done:
        return swept
    before, others = closing.before, closing.others

    async def close_step(first: bool) -> Swept:
        orders = await broker.orders(status="open", nested=False, priority=Priority.CANCEL)
        net = {one.symbol: _net(one) for one in await broker.positions(priority=Priority.CANCEL)}
        if not closing.has_begun:
            closing.has_begun = True
            before.update(net)
            others.update((order.id, None) for order in orders)
        left, reason = [], ""
        for symbol, ours in directory.held().items():
            sign, there = (1 if ours > 0 else -1), before.get(symbol, 0.0)
            without_us = there - sign * min(abs(ours), max(0, int(there * sign)))
            beyond = round((net.get(symbol, 0.0) - without_us) * sign)
            if beyond <= 0:
                continue
            left.append(symbol)
            if not any(order.symbol == symbol and order.id not in others for order in orders):
                reason = await _tried(broker.close_position(symbol, beyond)) or reason
        return Swept(not left, tuple(left), reason)

    rest_s = None if deadline_s is None else deadline_s - (wall.now() - begun) / _SECOND
    return await _until_done(close_step, wall, rest_s, ended)


def is_ours(order: wire.Order, directory: Directory) -> bool:
    """Whether we sent an order, or the one whose leg it is."""
    known = directory.of_broker(order.id) or directory.of_broker(order.replaces)
    return known.is_ours if known else ids.parse(order.client_order_id or "") is not None


def _net(position: wire.Position) -> float:
    """Shares, short ones negative."""
    shares = wire.number(position.qty) or 0.0
    return -shares if position.side == "short" and shares > 0 else shares


async def _until_done(
    step: Callable[[bool], Awaitable[Swept]], wall: Clock, deadline_s: float | None, stop: asyncio.Event
) -> Swept:
    """Repeat a step until nothing is left, time is up or it is stopped."""
    begun, attempt, has_asked = wall.now(), 0, False
    left: tuple[str, ...] = ()
    reason = ""
    while True:
        try:
            swept = await step(not has_asked)
        except (BrokerUnavailable, BrokerRejected, KeysRefused) as failure:
            reason = str(failure)
        else:
            has_asked = True
            if swept.is_done:
                return swept
            left, reason = swept.left, swept.reason or reason
        if deadline_s is not None and wall.now() - begun >= deadline_s * _SECOND:
            return Swept(False, left, reason or "not confirmed in time")
        pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
        attempt += 1
        if await happens_by(wall, stop, wall.now() + round(pause * _SECOND)):
            return Swept(False, left, reason or "stopped")


async def _cancel_when(event: asyncio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _nanoseconds(seconds: float | None) -> int:
    """A time to wait; None is as good as for ever."""
    return 10**6 * _SECOND if seconds is None else round(seconds * _SECOND)


async def _tried(request: Awaitable[object]) -> str:
    """Carry out one request of many; why it was not taken, or nothing."""
    try:
        await request
    except (BrokerUnavailable, BrokerRejected, KeysRefused) as failure:
        return str(failure)
    return ""


def _refusals(outcomes: list[wire.Outcome]) -> str:
    """What a 207 answer says of the items that were not taken."""
    refused = [one for one in outcomes if not one.is_done]
    return "; ".join(f"{one.symbol or one.id}: {one.reason()}" for one in refused[:5])


def _is_entry(order: wire.Order) -> bool:
    name = ids.parse(order.client_order_id or "")
    return name is not None and name.role == "entry"
