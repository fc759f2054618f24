"""Corporate actions: what is announced of a symbol, and what a split makes of lots.

A ratio is `numerator` new shares for `denominator` old ones: 10 and 1 for a forward split, 1 and 8 for a
reverse split of 1 for 8.
Source: strategies 0; faults.md G 65; alpaca.md 4.
"""

from typing import Literal

import msgspec

from runtime.messages.base import Decision, Input
from runtime.messages.trading import LotChanged

ActionKind = Literal[
    "split", "unit_split", "stock_dividend", "spin_off", "merger", "name_change", "delisting"
]
SplitSource = Literal["announced", "seen"]
"""Whether a split was announced, or shares and price show one that nobody told of."""


class CorporateAction(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One announcement.

    Attributes:
        ex_date: First session that trades without it, ISO; of mergers, name changes and the like the day on
            which it takes effect.
        numerator, denominator: New shares for old ones, of a split; 0 where it is none.
        into: The symbol that it becomes or that comes beside it, or empty.
    """

    kind: ActionKind
    symbol: str
    ex_date: str
    numerator: int = 0
    denominator: int = 0
    into: str = ""


class CorporateActionsRead(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """What is announced of the symbols we trade or hold, read before the market opens.

    Attributes:
        session: ISO date of the trading day it was read for.
        since: First ex date asked for, ISO.
        available: Whether there was an answer; without one the market alone tells. reason: why there is none.
        absent: Whether the host has none for this account (403, 404), which does not pass by itself.
    """

    session: str
    since: str = ""
    actions: tuple[CorporateAction, ...] = ()
    available: bool = True
    reason: str = ""
    absent: bool = False


class SplitAwaited(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Lots of a symbol wait until it is known whether they were split: prices of it say nothing meanwhile.

    Attributes:
        waits: False: no longer, and nothing was split.
    """

    symbol: str
    waits: bool
    reason: str = ""


class RescaledLot(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One lot before and after a split: signed shares, USD."""

    lot_id: str
    before: int
    after: int
    stop_loss: float | None = None
    take_profit: float | None = None


class SplitApplied(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Both sides of the evidence agree: these lots are in new shares from now on.

    Attributes:
        ex_date: As announced; of one that was only seen the session in which it was.
    """

    symbol: str
    numerator: int
    denominator: int
    source: SplitSource
    ex_date: str
    lots: tuple[RescaledLot, ...]


class LotSplit(LotChanged, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A lot in its new shares; closed if less than one was left of it.

    A type of its own: it is no new round trip. `execution_id` names the split, `fill_quantity` is 0,
    `fill_price` what a new share is worth by the last mark.

    Attributes:
        before: Signed shares before. entry_before: average entry before, USD.
        in_lieu: USD booked for the fraction of a share that no lot can hold.
    """

    before: int = 0
    entry_before: float = 0.0
    numerator: int = 1
    denominator: int = 1
    in_lieu: float = 0.0
    source: SplitSource = "announced"
