"""When a bar or a quote trades an order, and at what price.

In a bar the open comes first; a price the open jumped over trades at the open. Inside the bar stops come
before limits, so nothing is made of an order that could have gone either way. Source: alpaca.md 5.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from tests.alpaca_server.market import Bar
from tests.alpaca_server.orders import Order


class Touch(NamedTuple):
    """What a bar does to an order: its price in USD (None: nothing), and whether at the open."""

    price: Decimal | None
    at_open: bool = False
    triggers: bool = False


def touch(order: Order, bar: Bar) -> Touch:
    """Confront an order with a bar; a sale is a purchase with all prices negated."""
    sign = order.sign
    opened, low = bar.o * sign, min(bar.l * sign, bar.h * sign)
    high = max(bar.l * sign, bar.h * sign)
    limit = None if order.effective_limit is None else order.effective_limit * sign
    stop = None if order.stop_price is None else order.stop_price * sign
    if stop is not None and not order.triggered:
        if opened < stop:
            if high < stop:
                return Touch(None)
            fits = limit is None or stop <= limit
            return Touch(stop * sign if fits else None, False, True)
        if limit is None or opened <= limit:
            return Touch(opened * sign, True, True)
        return Touch(limit * sign if low <= limit else None, False, True)
    if limit is None or opened <= limit:
        return Touch(opened * sign, True)
    return Touch(limit * sign if low <= limit else None)


def in_order(touched: Iterable[tuple[Order, Touch]]) -> list[tuple[Order, Touch]]:
    """Trades of one bar in the order they happen: at the open, then stops, then limits, then by age."""
    return sorted(touched, key=lambda pair: (not pair[1].at_open, pair[0].stop_price is None, pair[0].number))


def at_quote(order: Order, bid: Decimal, ask: Decimal) -> Decimal | None:
    """Price at which a quote trades an order at once, USD; None: it rests."""
    price = ask if order.sign > 0 else bid
    stop, limit = order.stop_price, order.effective_limit
    if stop is not None and not order.triggered and (price - stop) * order.sign < 0:
        return None
    if limit is not None and (price - limit) * order.sign > 0:
        return None
    return price
