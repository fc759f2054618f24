"""Trade updates and executions: what the broker tells of an order's life, and the FILL activities of it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.alpaca_server.clock import MarketClock, new_york, rfc3339
from tests.alpaca_server.hours import Hours
from tests.alpaca_server.orders import TERMINAL, Order, stream_json, text

_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(kw_only=True)
class Execution:
    """One trade; `quantity` is positive, `cumulative` the order's filled shares after it."""

    id: str
    order: Order
    at: int
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    leaves: Decimal
    busted: bool = False

    def activity(self) -> dict[str, Any]:
        """As GET /v2/account/activities/FILL writes it; the id begins with New York wall time."""
        wall = new_york(self.at).strftime("%Y%m%d%H%M%S")
        return {
            "id": f"{wall}{self.at // 1_000_000 % 1_000:03d}::{self.id}",
            "activity_type": "FILL",
            "transaction_time": rfc3339(self.at // 1_000 * 1_000),
            "type": "partial_fill" if self.leaves else "fill",
            "price": text(self.price),
            "qty": text(self.quantity),
            "side": self.order.side,
            "symbol": self.order.symbol,
            "leaves_qty": text(self.leaves),
            "order_id": self.order.id,
            "cum_qty": text(self.cumulative),
            "order_status": "partially_filled" if self.leaves else "filled",
        }


class Teller:
    """Writes events into an outbox, in the order they happen.

    Attributes:
        outbox: Data of trade updates that nobody has sent yet.
        told: Every event ever, for tests.
    """

    def __init__(self, clock: MarketClock, hours: Hours, *, event_ids: bool) -> None:
        self._clock = clock
        self._hours = hours
        self._event_ids = event_ids
        self._count = 0
        self.outbox: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []

    def id(self, kind: str) -> str:
        """A new identifier; the same again in every run."""
        self._count += 1
        return f"{kind:0<8.8}-0000-4000-8000-{self._count:012x}"

    def tell(self, name: str, order: Order, at: int, **extra: Any) -> None:
        """Say that something happened to an order.

        Args:
            at: The event's own time, ns UTC.
        """
        sent = self._clock.unique()
        data: dict[str, Any] = {"at": rfc3339(sent // 1_000 * 1_000)}
        if self._event_ids:
            data["event_id"] = self._ulid(sent)
        data |= {"event": name, "timestamp": rfc3339(at), "order": stream_json(order), **extra}
        self.outbox.append(data)
        self.told.append(data)

    def tell_trade(self, name: str, execution: Execution, position: Decimal, **extra: Any) -> None:
        """Say that an order traded, or that a trade was taken back or corrected."""
        settles = self._hours.settlement(new_york(execution.at).date())
        fields = {
            "price": text(execution.price),
            "qty": text(execution.quantity),
            "position_qty": text(position),
            "execution_id": execution.id,
            "settle_date": settles.isoformat(),
        }
        self.tell(name, execution.order, execution.at, **(fields | extra))

    def change(self, order: Order, status: str) -> int:
        """Set an order's status and the moments that go with it; return the moment."""
        at = self._clock.unique()
        order.status, order.updated_at = status, at
        match status:
            case "new":
                order.submitted_at = at
            case "filled":
                order.filled_at = at
            case "canceled":
                order.canceled_at = at
            case "expired":
                order.expired_at = at
            case "rejected":
                order.failed_at = at
            case "replaced":
                order.replaced_at = at
            case "pending_cancel":
                order.cancel_requested_at = at
        return at

    def _ulid(self, at: int) -> str:
        self._count += 1
        value = (at // 1_000_000 << 80) | self._count
        return "".join(_ULID[value >> shift & 31] for shift in range(125, -1, -5))


def is_over(order: Order) -> bool:
    """Whether nothing more will happen to an order."""
    return order.status in TERMINAL
