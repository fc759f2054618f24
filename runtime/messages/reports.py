"""What a broker says of several orders at once, as one input."""

from typing import ClassVar

from runtime.messages.base import Input
from runtime.messages.broker import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
)

OrderReport = (
    OrderAccepted
    | OrderRejected
    | OrderFilled
    | OrderCanceled
    | OrderExpired
    | OrderReplaced
    | CancelRejected
)


class OrdersReported(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Several reports, in order; each is handled as if it had come alone."""

    parts: ClassVar[str] = "reports"

    reports: tuple[OrderReport, ...]


def reported(ts_event: int, reports: tuple[OrderReport, ...]) -> OrdersReported:
    """One input of all that the simulated broker has to say (time: ns UTC)."""
    return OrdersReported(ts_event=ts_event, reports=reports)
