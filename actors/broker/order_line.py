"""What submitting, cancelling and reading orders share: the way to the broker, and the way back.

Everything that is found out is posted at once as the broker's inputs; the `Desk` keeps what is still open.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from actors.broker import catch_up, wire
from actors.broker.desk import Desk, Sending
from actors.broker.rest import Rest
from runtime.kernel.clock import Clock, happens_by
from runtime.messages.base import Input
from runtime.messages.broker import (
    CancelOrder,
    CancelRejected,
    LookUpOrder,
    OrderRejected,
    OrderUnknown,
    ReplaceOrder,
    SubmitOrder,
)

SECOND = 1_000_000_000
NOT_LIVE = frozenset(("filled", "canceled", "expired", "rejected", "replaced"))
"""The broker's statuses in which an order can trade no more."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for what, seconds of real time.

    Attributes:
        absent: An order counts as unknown to the broker only after so long and `lookups` definite noes.
        first, most: Pauses between attempts double from the first to the longest.
        entry: An entry that could not be sent for so long is given up; a reducing order never is.
        confirm: A cancellation that is not confirmed by then is looked up.
        late: When an abandoned entry is looked for once more.
        resends: How often a reducing order that the broker never had is sent again.
        at_once: Most commands under way; entries beyond are refused.
    """

    lookups: int = 5
    absent: float = 5.0
    first: float = 0.25
    most: float = 2.0
    entry: float = 10.0
    confirm: float = 30.0
    late: float = 30.0
    resends: int = 3
    at_once: int = 1000


DEFAULT_PATIENCE = Patience()


class Line:
    """The line between our orders and the broker's.

    Args:
        clock: Market time, for what bears no time of the broker's.
        wall: Real time, for waits.
        stopping: Cuts every wait short.
    """

    def __init__(
        self,
        rest: Rest,
        desk: Desk,
        post: Callable[[Input], None],
        *,
        clock: Clock,
        wall: Clock,
        stopping: asyncio.Event,
        patience: Patience,
    ) -> None:
        self.rest = rest
        self.desk = desk
        self.post = post
        self.clock = clock
        self.wall = wall
        self.stopping = stopping
        self.patience = patience

    # ---- reading ----------------------------------------------------------------------------

    async def read(self, broker_order_id: str) -> wire.Order | None:
        """The order of a broker id, with everything that was missed of it told."""
        order = await self.rest.order(broker_order_id)
        if order is not None:
            await self._tell_all(order)
        return order

    async def read_by_name(self, client_order_id: str) -> wire.Order | None:
        """The order of a client id with its legs, likewise."""
        found = await self.rest.order_by_client_id(client_order_id)
        if found is None:
            return None
        whole = await self.rest.order(found.id) or found
        await self._tell_all(whole)
        return whole

    async def _tell_all(self, order: wire.Order) -> None:
        self.tell(await catch_up.tell_all(self.rest, self.desk.directory, order, self.clock.now()))

    def broker_id(self, command: CancelOrder | ReplaceOrder | LookUpOrder) -> str:
        """The broker's present id of the order, or empty."""
        known = self.desk.directory.named(command.client_order_id)
        return (known.broker_order_id if known else "") or command.broker_order_id

    def is_over(self, client_order_id: str) -> bool:
        """Whether the order's end was told."""
        known = self.desk.directory.named(client_order_id)
        return known is not None and known.is_over

    # ---- telling ----------------------------------------------------------------------------

    def tell(self, inputs: Iterable[Input]) -> None:
        """Post what the broker said."""
        for one in inputs:
            self.post(one)

    def reject(self, sending: Sending, code: int, reason: str) -> None:
        """It is dead: told, and off the desk. Code 0: by us, the broker may never have had it."""
        order = sending.order
        known = self.desk.directory.named(order.client_order_id)
        if known is not None and code:
            known.is_over = True
        self.post(
            OrderRejected(
                ts_event=self.clock.now(), client_order_id=order.client_order_id, symbol=order.symbol,
                code=code, reason=reason,
            )
        )  # fmt: skip
        self.desk.close(sending)

    def refuse(self, command: CancelOrder | ReplaceOrder | LookUpOrder, reason: str) -> None:
        """A cancellation or replacement that did not happen."""
        self.post(
            CancelRejected(
                ts_event=self.clock.now(), client_order_id=command.client_order_id,
                broker_order_id=self.broker_id(command), symbol=command.symbol, reason=reason,
            )
        )  # fmt: skip

    def unknown(self, about: SubmitOrder | CancelOrder, reason: str) -> None:
        """An answer that did not come."""
        self.post(
            OrderUnknown(
                ts_event=self.clock.now(), client_order_id=about.client_order_id, symbol=about.symbol,
                reason=reason,
            )
        )  # fmt: skip

    # ---- waiting ----------------------------------------------------------------------------

    async def pause(self, attempt: int, at_least: float = 0.0) -> bool:
        """Wait before the next attempt; whether the end cut it short."""
        seconds = min(self.patience.first * 2 ** min(attempt, 20), self.patience.most)
        return await self.ends_within(max(seconds, at_least))

    async def ends_within(self, seconds: float) -> bool:
        """Wait so long; whether the end cut it short."""
        return await happens_by(self.wall, self.stopping, self.wall.now() + round(seconds * SECOND))
