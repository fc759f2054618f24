"""Corporate actions: how the data host lists them, and what a split does to a position and its orders.

What becomes of orders that rest is not documented beyond that they are cancelled or adjusted [I]: all three
ways are here. Source: alpaca.md 4.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any, Literal

from tests.alpaca_server.orders import Order
from tests.alpaca_server.paper import PaperBroker
from tests.alpaca_server.refusals import Refused

Lists = dict[str, list[dict[str, Any]]]
_NAMES = ("symbol", "old_symbol", "source_symbol", "acquiree_symbol")
_DATES = ("ex_date", "effective_date", "process_date")
_CENT, _WHOLE = Decimal("0.01"), Decimal(1)


def page(lists: Lists, query: Mapping[str, str], symbols: Sequence[str]) -> dict[str, Any]:
    """One page of announcements: by type, symbol and date, at most `limit` over all lists."""
    limit = query.get("limit", "100")
    if not limit.isdigit() or not 1 <= int(limit) <= 1_000:
        raise Refused(400, 40_010_001, "limit must be between 1 and 1000")
    wanted, types = set(symbols), [one for one in query.get("types", "").split(",") if one]
    found = []
    for kind in lists:
        if types and kind.removesuffix("s") not in types:
            continue
        for row in lists[kind]:
            date = next((row[name] for name in _DATES if name in row), "")
            is_in = query.get("start", "") <= date <= query.get("end", "9999")
            if is_in and (not wanted or wanted & {row.get(name) for name in _NAMES}):
                found.append((kind, row))
    begin = int(query.get("page_token") or 0)
    end = begin + int(limit)
    body: Lists = {}
    for kind, row in found[begin:end]:
        body.setdefault(kind, []).append(row)
    return {"corporate_actions": body, "next_page_token": str(end) if end < len(found) else None}


def announced(symbol: str, new: float, old: float, ex_date: str) -> tuple[str, dict[str, Any]]:
    """A split as it is listed: the name of its list, and its row."""
    kind = "forward_splits" if new > old else "reverse_splits"
    cusip = {"cusip": "78462F103"} if new > old else {"old_cusip": "78462F103", "new_cusip": "78462F202"}
    return kind, {
        "id": "be3c368a-4c7c-4384-808e-f02c9f5a8afe", "symbol": symbol, **cusip, "new_rate": new,
        "old_rate": old, "process_date": ex_date, "ex_date": ex_date, "record_date": ex_date,
        "payable_date": ex_date,
    }  # fmt: skip


def split(
    broker: PaperBroker,
    symbol: str,
    by: Fraction,
    *,
    orders: Literal["stale", "canceled", "adjusted"] = "stale",
    keeps_parts: bool = False,
) -> None:
    """Split what the account holds of a symbol.

    Args:
        by: New shares for an old one. orders: what becomes of those that rest.
        keeps_parts: Whether a part of a share stays in the account; else it is paid out.
    """
    position = broker.account.positions[symbol]
    exact = Fraction(position.qty) * by
    average = position.average * by.denominator / by.numerator
    whole = Decimal(int(exact))
    part = Decimal(exact.numerator) / Decimal(exact.denominator) - whole
    if not keeps_parts:
        broker.account.cash += part * average
        part = Decimal(0)
    broker.account.hold(symbol, whole + part, average)
    for order in [one for one in broker.live if one.symbol == symbol]:
        is_head = order.parent is None or not order.parent.is_live
        if orders == "canceled" and order.is_live and is_head:
            broker.cancel(order.id)
        elif orders == "adjusted":
            _adjust(order, by)


def _adjust(order: Order, by: Fraction) -> None:
    ratio = Decimal(by.numerator) / Decimal(by.denominator)
    order.qty = (order.qty * ratio).quantize(_WHOLE, ROUND_FLOOR)
    for name in ("limit_price", "stop_price"):
        price = getattr(order, name)
        if price is not None:
            setattr(order, name, (price / ratio).quantize(_CENT, ROUND_HALF_UP))
