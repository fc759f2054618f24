"""What a refusal by the broker means for the lot: give up, try again, try otherwise, call a person.

Codes are the contract and cover many cases, so the words are looked at second.
Source: alpaca.md 3.0 and 3.2; faults.md C 33.
"""

from typing import Literal, NamedTuple

from actors.execution.lot_orders import MOST_EXITS, LotOrders
from actors.execution.order_state import OrderState
from runtime.messages.broker import OrderRejected

Level = Literal["WARNING", "ERROR", "CRITICAL"]
_UNPROCESSABLE = (40_010_000, 42_210_000)
_UNPROCESSABLE_STATUS = 422
_PRICE_WORDS = ("base_price", "base price", "stop_loss.", "take_profit.")
"""Of a refusal of the exits' prices: without them the entry would stand with a stop on the wrong side."""

_CLASS_WORDS = ("bracket", "oto order", "order_class", "order class", "complex order", "advanced order")
_OTHER_WORDS = (
    "penny", "increment", "tradable", "not found", "fraction", "notional", "unique", "time_in_force",
    "extended hours", "short", "required", "qty", "quantity", "price", "symbol", "asset", "account", "buying",
)  # fmt: skip
"""Of refusals that an entry without exits would meet too, in the broker's documented words."""

_OPPOSITE = (
    "wash trade",
    "opposite side",
    "while a long buy order is open",
    "while a short sell order is open",
)


class Refusal(NamedTuple):
    """What follows.

    Attributes:
        retry: Whether the lot is looked at again a little later.
        plainly: Whether the entry is sent once more without exits.
        is_beside: Whether somebody's entry on the other side stands in the way of an exit.
    """

    level: Level
    text: str
    retry: bool = False
    plainly: bool = False
    is_beside: bool = False


def of_entry(
    lot: LotOrders, before: OrderState, order: OrderState, event: OrderRejected, closed: str
) -> Refusal:
    """An entry is dead; one whose class alone was refused goes once more, its exits after its fill.

    Args:
        before: The entry before the refusal. closed: why no entry may leave now, or empty.
    """
    text = _text(lot, order)
    if has_exits(lot) and not lot.is_plain and not order.filled and is_class_refused(event):
        if why := _unwanted(lot, before) or closed:
            return Refusal("WARNING", f"{text}; not sent without exits: {why}")
        return Refusal("WARNING", f"{text}; sent without exits, they follow its fill", plainly=True)
    return Refusal("WARNING", text)


def of_exit(lot: LotOrders, order: OrderState, event: OrderRejected) -> Refusal:
    """An exit is tried a few times, then what is held is protected again and a person called."""
    text = _text(lot, order)
    lot.refused_exits += 1
    if lot.refused_exits < MOST_EXITS:
        beside = any(words in event.reason for words in _OPPOSITE)
        return Refusal("WARNING", text, retry=True, is_beside=beside)
    lot.closing = False
    return Refusal("CRITICAL", f"{text}; given up, protecting what is held")


def of_protection(lot: LotOrders, order: OrderState) -> Refusal | None:
    """What cannot be protected is sold, at the first refusal; None: neither can be, a person is left."""
    if lot.refused_exits >= MOST_EXITS:
        return None
    lot.closing, lot.exit_reason = True, "protection rejected"
    return Refusal("CRITICAL", f"{_text(lot, order)}; selling at the market")


def of_outdated(lot: LotOrders, order: OrderState) -> Refusal:
    """A stop or target for more than there is by now: what there is gets another."""
    return Refusal("WARNING", f"{_text(lot, order)}; {lot.to_exit} shares are left to protect")


def unprotected(lot: LotOrders, order: OrderState) -> str:
    """The words for a position that nothing can be done about."""
    return f"{_text(lot, order)}; the position is UNPROTECTED and needs a person"


def has_exits(lot: LotOrders) -> bool:
    """Whether its entry carried exits."""
    return lot.stop_loss is not None or lot.take_profit is not None


def is_mismatch(reason: str) -> bool:
    """Whether an exit was refused because it would open a position: there is none for it to close.

    However it is written: taken for anything else, the order would be sent again without its intent.
    """
    words = reason.casefold()
    return "intent" in words and "mismatch" in words


def is_class_refused(event: OrderRejected) -> bool:
    """Whether the broker refused exits beside an entry of this type, and not the entry itself.

    How it words that is not documented, so what it cannot be is looked for: only a 422, for a 403 is about
    the account, its shares and opposite orders, and none of the known reasons that lie in the entry. A 4xx is
    definite: the order that was refused does not exist, and the one without exits cannot be a second.
    """
    words = event.reason.lower()
    is_unprocessable = (
        any(code <= event.code < code + 10_000 for code in _UNPROCESSABLE)
        or event.code == _UNPROCESSABLE_STATUS
        or event.code // 100_000 == _UNPROCESSABLE_STATUS
    )
    if not is_unprocessable or any(word in words for word in _PRICE_WORDS):
        return False
    if any(word in words for word in _CLASS_WORDS):
        return True
    return not any(word in words for word in _OTHER_WORDS)


def _unwanted(lot: LotOrders, entry: OrderState) -> str:
    """Why an entry that was sent is not wanted any more, or empty."""
    if lot.closing:
        return "an exit is wanted"
    return "it was being cancelled" if entry.status == "pending_cancel" else ""


def _text(lot: LotOrders, order: OrderState) -> str:
    return f"{lot.symbol} {order.role} {order.client_order_id} was rejected: {order.reason}"
