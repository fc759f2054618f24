"""What the simulated broker knows that outlives a session."""

import msgspec

from actors.execution.simulated_account import Holding
from actors.execution.ticks import micros
from actors.execution.working_order import WorkingOrder


class BrokerCarried(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulated broker takes into the next session: micro-dollars, shares, open orders.

    Attributes:
        numbers: Order numbers given so far.
        is_extreme: Whether the last VIX close was extreme.
    """

    cash: int
    holdings: dict[str, Holding]
    orders: list[WorkingOrder]
    numbers: int
    is_extreme: bool


def new_account(cash: float) -> BrokerCarried:
    """An account that holds nothing but cash (USD)."""
    return BrokerCarried(cash=micros(cash), holdings={}, orders=[], numbers=0, is_extreme=False)
