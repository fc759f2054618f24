"""Rows of trades.db about what the account has beside our lots (`EXTERNAL`)."""

from collections.abc import Callable
from typing import Any

import msgspec

from runtime.messages.account import ExternalChanged
from runtime.messages.base import Message
from storage.pen import Pen

_json = msgspec.json.Encoder()


def _external_changed(p: Pen, m: ExternalChanged) -> None:
    orders = [
        {
            "id": one.client_order_id,
            "side": one.side,
            "quantity": one.quantity,
            "filled": one.filled,
            "type": one.type,
            "status": one.status,
            "limit_price": one.limit_price,
            "stop_price": one.stop_price,
        }
        for one in m.orders
    ]
    p.out.append(
        (
            "external",
            (
                m.symbol,
                m.asset_class,
                m.quantity + m.fraction,
                m.price or None,
                m.last or None,
                len(orders),
                _json.encode(orders).decode(),
                m.ts_event,
                p.session,
                p.seq,
            ),
        )
    )


ACCOUNT_ROWS: dict[type[Message], Callable[[Pen, Any], None]] = {ExternalChanged: _external_changed}
"""Message type to what writes it."""
