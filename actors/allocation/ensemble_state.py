"""What the ensemble knows that outlives it: over a session's end, or into another part of the session."""

import msgspec

from actors.allocation.commitments import Commitment
from actors.allocation.outside import OutsideState
from runtime.messages.risk import StrategyDay, TaskDue
from runtime.messages.trading import SignalRaised


class Today(msgspec.Struct, frozen=True, kw_only=True):
    """What is of one session only.

    Attributes:
        equity, cash: USD as last marked. closes: float64 prices by symbol id, USD, as bytes.
        outside: What others have in the account. closing: the task to close intraday lots, not done yet.
        flattening: Why everything is to be closed, or empty.
    """

    equity: float
    cash: float
    closes: bytes
    outside: OutsideState
    closing: TaskDue | None
    selling_down: bool
    flattening: str


class Carried(msgspec.Struct, kw_only=True):
    """Ensemble state that crosses a session; in the middle of one also what is of today."""

    pending: list[SignalRaised]
    lots: list[Commitment]
    reduced: bool
    halted: bool
    days: dict[str, StrategyDay] = {}
    drawdown: float = 0.0
    flattening: str = ""
    today: Today | None = None
