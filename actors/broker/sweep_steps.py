"""One step after the other until nothing is left: what cancelling and closing past the executor share.

What the broker was asked is never taken for done; it is looked again, a little later each time.
Source: architecture 3; faults.md E 47 and 51.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock, happens_by

SECOND = 1_000_000_000
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


async def until_done(
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
        if deadline_s is not None and wall.now() - begun >= deadline_s * SECOND:
            return Swept(False, left, reason or "not confirmed in time")
        pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
        attempt += 1
        if await happens_by(wall, stop, wall.now() + round(pause * SECOND)):
            return Swept(False, left, reason or "stopped")


async def tried(request: Awaitable[object]) -> str:
    """Carry out one request of many; why it was not taken, or nothing."""
    try:
        await request
    except (BrokerUnavailable, BrokerRejected, KeysRefused) as failure:
        return str(failure)
    return ""
