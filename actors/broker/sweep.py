"""Cancel everything, close everything, and see that it is so: needs no decision actor and no books.

What the broker was asked is never taken for done: orders and positions are read again until nothing is left.
Source: architecture 3; alpaca.md 3.5 and 3.6; faults.md E 47 and 51.
"""

import asyncio
from typing import Protocol

import anyio

from actors.broker import wire
from actors.broker.closing import Broker as ClosesOurs
from actors.broker.closing import Closing, Post
from actors.broker.desk import Desk
from actors.broker.limiter import Priority
from actors.broker.sweep_steps import SECOND, Swept, tried, until_done
from actors.execution import ids
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock, happens_by

MOST_REFUSED = 3
"""Looks at which our own orders were refused, or not read, before a position is closed without them."""


class Broker(ClosesOurs, Protocol):
    """The part of the REST client that a sweep takes."""

    async def cancel_all(self) -> list[wire.Outcome]: ...
    async def close_all(self) -> list[wire.Outcome]: ...
    async def close_position(self, symbol: str, shares: int | None = None) -> wire.Order: ...


class Sweeper:
    """Cancels and closes everything for an account whose orders may still be leaving.

    It works when the decision actors, or the order gateway, do not; what it does comes back as the broker's
    events.

    Args:
        desk: Where entries that are being sent are known. wall: real time.
        post: Takes what the broker says of our orders. clock: market time, for what bears no time of its own.
    """

    def __init__(self, broker: Broker, desk: Desk, wall: Clock, *, post: Post, clock: Clock) -> None:
        self._broker = broker
        self._desk = desk
        self._wall = wall
        self._post = post
        self._clock = clock

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

    async def close_all(
        self, *, ours: bool = False, deadline_s: float | None = None, stop: asyncio.Event | None = None
    ) -> Swept:
        """Cancel everything, then close every position until the account is flat; arguments likewise.

        Args:
            ours: Whether lots of ours are closed with it, by orders of their own.
        """
        begun = self._wall.now()
        swept = await self.cancel_all(deadline_s=deadline_s, stop=stop)
        if not swept.is_done:
            return swept
        rest_s = None if deadline_s is None else deadline_s - (self._wall.now() - begun) / SECOND
        closing = self._closing() if ours else None
        swept = await close_all(self._broker, self._wall, closing, deadline_s=rest_s, stop=stop)
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
        rest_s = None if deadline_s is None else deadline_s - (self._wall.now() - begun) / SECOND
        swept = await until_done(self._closing().step, self._wall, rest_s, stop or asyncio.Event())
        if swept.is_done:
            self._are_closed()
        return swept

    def _are_closed(self) -> None:
        """What is ours is nobody's any more: asked again, nothing of others' may go in its place."""
        self._desk.directory.were_closed()

    def _closing(self) -> Closing:
        return Closing(self._broker, self._desk.directory, self._post, self._clock)

    async def _sweep(
        self, entries_only: bool, deadline_s: float | None, begun: int, stop: asyncio.Event
    ) -> Swept:
        rest_s = None if deadline_s is None else deadline_s - (self._wall.now() - begun) / SECOND
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
        found = await broker.orders(status="open", symbols=(), nested=False, priority=Priority.CANCEL)
        left = [order for order in found if not entries_only or _is_entry(order)]
        if not (first and not entries_only):
            for order in left:
                if order.status != "pending_cancel":
                    reason = await tried(broker.cancel(order.id)) or reason
        return Swept(not left, tuple(order.client_order_id or order.id for order in left), reason)

    return await until_done(step, wall, deadline_s, stop or asyncio.Event())


async def close_all(
    broker: Broker,
    wall: Clock,
    closing: Closing | None = None,
    *,
    deadline_s: float | None = None,
    stop: asyncio.Event | None = None,
) -> Swept:
    """Cancel all orders, then close all positions until the account is flat; arguments as `cancel_all`.

    A position whose shares wait in an order already (outside trading hours) is left to that order.

    Args:
        closing: Closes our lots by orders of their own, before what else there is in their symbols; where the
            broker refuses those, or again and again cannot tell of ours, the position goes as a whole.
    """
    ended = stop or asyncio.Event()
    begun = wall.now()
    swept = await cancel_all(broker, wall, deadline_s=deadline_s, stop=ended)
    if not swept.is_done:
        return swept
    refused = unread = 0

    async def step(first: bool) -> Swept:
        nonlocal refused, unread
        try:
            ours = Swept(True) if closing is None else await closing.step(first)
            unread = 0
        except (BrokerUnavailable, BrokerRejected, KeysRefused) as failure:
            unread += 1
            if unread < MOST_REFUSED:
                raise
            ours = Swept(False, (), str(failure))
        held = tuple(closing.symbols) if closing is not None else ()
        # Orders of ours that came late are cancelled first; lots wait for that as for their own exits.
        is_cancelling = any(name not in held for name in ours.left)
        refused += bool(ours.reason) or is_cancelling
        waiting = (*ours.left, *(held if is_cancelling else ())) if refused < MOST_REFUSED else ()
        reason = ours.reason
        if first and not ours.left:
            reason = _refusals(await broker.close_all())
        left = await broker.positions(priority=Priority.CANCEL)
        for position in left:
            is_idle = wire.number(position.qty_available) != 0.0 and position.symbol not in waiting
            if is_idle and not (first and not ours.left):
                reason = await tried(broker.close_position(position.symbol)) or reason
        # What we hold and the account does not show yet is not closed either.
        symbols = dict.fromkeys((*(position.symbol for position in left), *waiting))
        return Swept(not symbols, tuple(symbols), reason)

    rest_s = None if deadline_s is None else deadline_s - (wall.now() - begun) / SECOND
    return await until_done(step, wall, rest_s, ended)


async def _cancel_when(event: asyncio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _nanoseconds(seconds: float | None) -> int:
    """A time to wait; None is as good as for ever."""
    return 10**6 * SECOND if seconds is None else round(seconds * SECOND)


def _refusals(outcomes: list[wire.Outcome]) -> str:
    """What a 207 answer says of the items that were not taken."""
    refused = [one for one in outcomes if not one.is_done]
    return "; ".join(f"{one.symbol or one.id}: {one.reason()}" for one in refused[:5])


def _is_entry(order: wire.Order) -> bool:
    name = ids.parse(order.client_order_id or "")
    return name is not None and name.role == "entry"
