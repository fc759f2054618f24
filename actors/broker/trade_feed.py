"""What the trade stream's catch-up reads, and what is counted on the way."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from actors.broker import catch_up, wire
from actors.broker.limiter import Priority

SECOND = 1_000_000_000


class Reads(catch_up.Reads, Protocol):
    """What the catch-up reads by REST (`broker.rest` has it all)."""

    async def orders(
        self, *, status: str, symbols: Iterable[str] = (), nested: bool = True, priority: Priority
    ) -> list[wire.Order]:
        """Orders by status, with legs nested or beside their parents."""

    async def order_by_client_id(self, client_order_id: str) -> wire.Order | None:
        """The order of a client id; None if the broker has none."""

    async def fills(self, *, order_id: str = "", after: str = "") -> list[wire.Activity]:
        """FILL activities of an order, or after a time (RFC 3339), oldest first."""

    async def account(self, *, priority: Priority) -> wire.Account:
        """Money and permissions."""

    async def positions(self, *, priority: Priority) -> list[wire.Position]:
        """All positions."""


class BrokerStreamFigures(msgspec.Struct):
    """What came through, for `status` and the screen.

    Attributes:
        unreadable: Events nobody could read. unknown: events of a kind we do not know. lookups: orders read
            again by REST. external: events of orders that are not ours.
    """

    state: str = "starting"
    events: int = 0
    unreadable: int = 0
    unknown: int = 0
    lookups: int = 0
    external: int = 0
    connections: int = 0
    catch_ups: int = 0


def rfc3339(ts: int) -> str:
    """ns UTC as text, to the nanosecond."""
    seconds, rest = divmod(ts, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
