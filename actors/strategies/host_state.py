"""What a strategy's place in the machine knows that outlives it: over a session's end, or within one."""

import msgspec

from actors.strategies.context import Holding, Pending
from runtime.messages.account import LotCorrected
from runtime.messages.corporate import LotSplit
from runtime.messages.trading import LotChanged, SignalDropped

Fate = LotChanged | LotCorrected | LotSplit | SignalDropped
"""What becomes of a signal."""


class Today(msgspec.Struct, frozen=True, kw_only=True):
    """Where a strategy's place in the machine stands in the middle of a session.

    Attributes:
        cooldowns: Symbol to sessions still blocked, this one included. closing: lots being closed, by which
            signal. signals: how many ids it has given out. spoken: ids of signals that were raised.
        heard: What became of its signals and lots today: number and time of the input, and the message.
    """

    holdings: tuple[Holding, ...] = ()
    pending: tuple[Pending, ...] = ()
    cooldowns: dict[str, int] = {}
    closing: dict[str, str] = {}
    signals: int = 0
    spoken: list[str] = []
    paused: bool = False
    heard: list[tuple[int, int, Fate]] = []


class StrategyCarried(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy takes into the next session.

    In the middle of one it is as the session began: in another part of it the strategy hears the day's market
    again, and then stands where `today` says.

    Attributes:
        cooldowns: Symbol to sessions still blocked, this one included.
        state: The strategy's own, as msgpack; empty: none.
    """

    holdings: tuple[Holding, ...] = ()
    pending: tuple[Pending, ...] = ()
    cooldowns: dict[str, int] = {}
    paused: bool = False
    state: bytes = b""
    today: Today | None = None
