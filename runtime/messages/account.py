"""The account beside our orders: what else it holds, what it may trade, and how our books compare with it.

`EXTERNAL` is everything in the account that is not ours: shown, counted in limits, left alone unless asked.
"""

from typing import Literal

from runtime.messages.base import Command, Decision, Input
from runtime.messages.broker import BrokerOrder
from runtime.messages.trading import LotChanged


class ReadAccount(Command, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Read all positions and open orders; a `BrokerSnapshot` is the answer, none if there was no answer."""

    reason: Literal["start", "schedule"] = "schedule"


class Reconciled(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A snapshot was compared with our books.

    Attributes:
        settled: Whether nothing waits for an answer any more; entries may leave after the first of these.
        differences: How many there were. agreed: symbols whose positions were compared and are equal.
        held: Our net shares in symbols we hold, as the executor counts them.
        external: Symbols in which the account holds or works something that is not ours.
    """

    reason: str
    settled: bool
    differences: int
    agreed: tuple[str, ...] = ()
    held: dict[str, int] = {}
    external: int = 0


class ExternalChanged(Decision, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """What the account has beside our lots in one symbol; no shares and no orders: nothing any more.

    Attributes:
        quantity: Whole shares, short ones negative. fraction: what is held beyond them, signed likewise.
        price: Average entry of the account's position, USD; 0: unknown, or ours is part of it.
        last: The broker's last price when it was read, USD; 0: unknown.
        orders: Open orders that are not ours.
    """

    symbol: str
    quantity: int
    fraction: float = 0.0
    price: float = 0.0
    last: float = 0.0
    asset_class: str = "us_equity"
    orders: tuple[BrokerOrder, ...] = ()


class AssetsRead(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Which of the session's symbols the broker does not trade, or does not lend without a locate."""

    untradable: tuple[str, ...] = ()
    unborrowable: tuple[str, ...] = ()


class LotCorrected(LotChanged, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A lot after the broker took back or changed one of its fills; it may be open again.

    A type of its own: it is no new round trip. `fill_quantity` is 0, `fill_price` the corrected fill's.
    """


CLOSES_OURS = ("ours", "everything")
"""What an `AccountSwept` can be about that leaves nothing of ours."""


class AccountSwept(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """How cancelling (and closing) past the decision actors ended.

    Attributes:
        what: `entries` cancelled, all `orders`, everything of `ours` or of the account cancelled and closed.
        done: Whether nothing was left when last looked. left: client ids of orders, or symbols, that were.
        why: What made it necessary.
    """

    what: Literal["entries", "orders", "everything", "ours"]
    done: bool
    left: tuple[str, ...] = ()
    why: str = ""
