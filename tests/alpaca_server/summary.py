"""What a session left behind at the broker: for the invariants of a whole run, and for people."""

from collections import Counter
from typing import Any

from tests.alpaca_server.orders import text
from tests.alpaca_server.server import AlpacaServer


def summary(server: AlpacaServer) -> dict[str, Any]:
    """Orders, fills, positions and requests, as JSON can hold them.

    `twice` has client order ids that more than one order bears: the broker refuses them, so it is empty
    unless the broker is wrong. `duplicates` counts refused repetitions: each was sent a second time.
    """
    names = Counter(order.client_order_id for order in server.orders)
    posts = [one for one in server.history.requests("POST /v2/orders") if isinstance(one.json, dict)]
    sent = Counter(one.json.get("client_order_id") for one in posts)
    requests = Counter("/".join(one.what.split("/")[:3]) for one in server.history.requests())
    return {
        "orders": len(server.orders),
        "twice": [name for name, count in names.items() if count > 1],
        "duplicates": {str(name): count for name, count in sent.items() if count > 1},
        "statuses": dict(Counter(order.status for order in server.orders)),
        "fills": [one.activity() for one in server.broker.executions if not one.busted],
        "positions": {symbol: text(quantity) for symbol, quantity in server.positions.items()},
        "open_orders": [order.client_order_id for order in server.broker.live],
        "cash": text(server.broker.account.cash),
        "requests": dict(requests),
        "connects": {"market": server.stream.connects, "trades": server.trades.connects},
        "faults": dict(Counter(f"{kind} at {site}" for kind, site in server.faults.fired)),
        "leaks": server.history.leaks(server.options.secret),
    }
