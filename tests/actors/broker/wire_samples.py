"""Orders and trade updates as the broker sends them: captures of 2026 and small variations of them."""

import json
from pathlib import Path
from typing import Any

import msgspec

from actors.broker import wire

FRAMES = Path(__file__).resolve().parents[3].parent / "shared/data/alpaca_messages/alpaca_ws_messages.json"

NOW = 1_800_000_000_000_000_000
ENTRY = "mean_reversion-20260724-1:e1"

_ORDER: dict[str, Any] = {
    "id": "b-1", "client_order_id": ENTRY, "created_at": "2026-07-24T14:42:49.337646391Z",
    "updated_at": "2026-07-24T14:42:49.352852881Z", "submitted_at": "2026-07-24T14:42:49.337646391Z",
    "filled_at": None, "expired_at": None, "cancel_requested_at": None, "canceled_at": None,
    "failed_at": None, "replaced_at": None, "replaced_by": None, "replaces": None, "asset_id": "..02",
    "symbol": "SPY", "asset_class": "us_equity", "notional": None, "qty": "10", "filled_qty": "0",
    "filled_avg_price": None, "order_class": "", "order_type": "market", "type": "market", "side": "buy",
    "position_intent": "buy_to_open", "time_in_force": "day", "limit_price": None, "stop_price": None,
    "status": "new", "extended_hours": False, "legs": None, "trail_percent": None, "trail_price": None,
    "hwm": None, "expires_at": "2026-07-24T20:00:00Z",
}  # fmt: skip


def order(**fields: Any) -> wire.Order:
    """An order of ten SPY, altered."""
    return msgspec.json.decode(json.dumps({**_ORDER, **fields}), type=wire.Order)


def leg(kind: str, **fields: Any) -> dict[str, Any]:
    """A bracket's exit: `limit` is the target, `stop` the stop."""
    price = {"limit_price": "301"} if kind == "limit" else {"stop_price": "299"}
    made = {**_ORDER, "id": f"b-{kind}", "client_order_id": f"uuid-{kind}", "type": kind, "side": "sell"}
    return {**made, "status": "held", "order_class": "bracket", **price, **fields}


def bracket(**fields: Any) -> wire.Order:
    """A bracket entry with both legs."""
    return order(order_class="bracket", legs=[leg("limit"), leg("stop")], **fields)


def update(event: str, *, of: dict[str, Any] | None = None, **fields: Any) -> wire.TradeUpdate:
    """A trade update about `of` (fields of the order)."""
    data = {"event": event, "timestamp": "2026-07-24T14:42:50.129256359Z", "order": {**_ORDER, **(of or {})}}
    return msgspec.json.decode(json.dumps({**data, **fields}), type=wire.TradeUpdate)


def fill(quantity: int, total: int, *, price: str = "100", whole: int = 10, **of: Any) -> wire.TradeUpdate:
    """A fill of `quantity` shares that brings the order to `total` of `whole`."""
    done = total >= whole
    return update(
        "fill" if done else "partial_fill",
        of={"status": "filled" if done else "partially_filled", "filled_qty": str(total),
            "filled_avg_price": price, "qty": str(whole), **of},
        price=price, qty=str(quantity), position_qty=str(total), execution_id=f"x-{total}",
    )  # fmt: skip


def activity(
    quantity: int, total: int, *, price: str = "100", whole: int = 10, **fields: Any
) -> wire.Activity:
    """The FILL activity of such a fill."""
    data = {
        "id": f"20260724104250129::x-{total}", "activity_type": "FILL",
        "transaction_time": "2026-07-24T14:42:50.129256Z",
        "type": "fill" if total >= whole else "partial_fill", "price": price, "qty": str(quantity),
        "side": "buy", "symbol": "SPY", "leaves_qty": str(whole - total),
        "order_id": "b-1", "cum_qty": str(total), "order_status": "filled",
    }  # fmt: skip
    return msgspec.json.decode(json.dumps({**data, **fields}), type=wire.Activity)
