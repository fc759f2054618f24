"""What must hold after anything went wrong: the broker's memory, the tape and the books tell one story.

Source: faults.md 2, whose numbers the messages bear.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from actors.execution.order_state import TERMINAL
from actors.verification import verify
from tests.alpaca_server.gate import DROPPED
from tests.alpaca_server.orders import Order
from tests.alpaca_server.recording import Exchange
from tests.alpaca_server.server import AlpacaServer

_TOO_MANY = 429


def check_history(
    server: AlpacaServer, root: Path, tape: Path, *, halted_from: int | None = None
) -> list[str]:
    """Everything that is wrong, in words; call it when nothing is on its way any more.

    Args:
        tape: The session's. halted_from: Place in the server's history where HALT was there to be seen.
    """
    trades = Books(root, "trades")
    wrong = [
        *_sent_once(server),
        *_fills(server, trades),
        *_positions(server, trades),
        *_ends(server, trades),
        *_errors(root),
        *(f"I11 a key was sent as {where}" for where in server.history.leaks(server.options.secret)),
    ]
    if halted_from is not None:
        late = added(server, halted_from)
        wrong += [f"I4 {late[1:]} left after HALT"] if len(late) > 1 else []
    told = verify(tape)
    if not told.identical:
        wrong.append(f"I14 {told.text()}")
    return wrong


class Books:
    """One database, read only."""

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / "db" / f"{name}.db"

    def __call__(self, query: str) -> list[tuple[Any, ...]]:
        link = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            return link.execute(query).fetchall()
        finally:
            link.close()


def posts(server: AlpacaServer, since: int = 0) -> list[Exchange]:
    """Orders that came, each time they did."""
    return server.history.requests("POST /v2/orders", since=since)


def added(server: AlpacaServer, since: int) -> list[str]:
    """Client ids of orders that add exposure and took effect from a place in the history on."""
    return [one.json["client_order_id"] for one in posts(server, since) if one.applied and is_entry(one)]


def is_entry(one: Exchange) -> bool:
    """Whether a posted order adds exposure; our ids say so."""
    return ":e" in one.json["client_order_id"]


def ours(server: AlpacaServer) -> list[Order]:
    """Orders that we posted, and the legs and replacements that grew out of them."""
    names = {one.json["client_order_id"] for one in posts(server)}
    found: list[Order] = []
    known: set[str] = set()
    for order in server.orders:
        parent = order.parent.id if order.parent is not None else ""
        if order.client_order_id in names or parent in known or (order.replaces or "") in known:
            found.append(order)
            known.add(order.id)
    return found


def _sent_once(server: AlpacaServer) -> Iterable[str]:
    names = Counter(order.client_order_id for order in server.orders)
    yield from (f"I2 {name} is the id of {count} orders" for name, count in names.items() if count > 1)
    tries: dict[str, list[Exchange]] = {}
    for one in posts(server):
        tries.setdefault(one.json["client_order_id"], []).append(one)
    for name, sent in tries.items():
        if sum(one.applied for one in sent) > 1:
            yield f"I2 {name} took effect twice"
        # Too many requests is a definite no; after everything else an entry is never sent again.
        doubtful = [one for one in sent if one.status != _TOO_MANY]
        if is_entry(sent[0]) and len(doubtful) > 1:
            yield f"I2 the entry {name} was sent {len(doubtful)} times: {[one.status for one in doubtful]}"


def _fills(server: AlpacaServer, trades: Books) -> Iterable[str]:
    """Shares and money by order, ours only, as the broker and as the books have them."""
    there: dict[str, tuple[Decimal, Decimal]] = {}
    mine = {order.id: order for order in ours(server)}
    for one in server.broker.executions:
        if one.order.id in mine and not one.busted:
            shares, money = there.get(one.order.id, (Decimal(0), Decimal(0)))
            there[one.order.id] = shares + one.quantity, money + one.quantity * one.price
    rows = trades(
        "SELECT order_id, sum(quantity), sum(quantity * fill_price) FROM executions GROUP BY order_id"
    )
    here: dict[str, tuple[float, float]] = {name: (shares, money) for name, shares, money in rows}
    replaced = {order.id: order.replaces for order in mine.values() if order.replaces}
    seen = set()
    total: dict[str, list[Decimal]] = {}
    for order_id, (shares, money) in there.items():
        first = order_id
        while first in replaced:
            first = replaced[first] or first
        entry = total.setdefault(first, [Decimal(0), Decimal(0)])
        entry[0] += shares
        entry[1] += money
    for first, (shares, money) in total.items():
        order = mine[first]
        name = order.client_order_id if order.client_order_id in here else order.id
        seen.add(name)
        told = here.get(name, (0.0, 0.0))
        if told[0] != float(shares) or abs(told[1] - float(money)) > 0.005:
            yield f"I1 of {order.client_order_id} {shares} filled for {money}, the books say {told}"
    strangers = here.keys() - seen - {one.order.id for one in server.broker.executions}
    names = {one.order.client_order_id for one in server.broker.executions}
    yield from (f"I1 the books have a fill of {name}, the broker none" for name in strangers - names)


def _positions(server: AlpacaServer, trades: Books) -> Iterable[str]:
    there = {symbol: int(shares) for symbol, shares in server.positions.items() if shares}
    here = dict(trades("SELECT symbol, quantity FROM positions WHERE quantity != 0"))
    if there != here:
        yield f"I3 the broker holds {there}, the books {here}"
    lots: dict[str, int] = {}
    for symbol, shares in trades("SELECT symbol, quantity FROM lots WHERE quantity != 0"):
        lots[symbol] = lots.get(symbol, 0) + shares
    if {symbol: shares for symbol, shares in lots.items() if shares} != here:
        yield f"I3 the lots sum to {lots}, the positions are {here}"


def _ends(server: AlpacaServer, trades: Books) -> Iterable[str]:
    """Every order is over in the books exactly when it is at the broker."""
    status = dict(trades("SELECT id, status FROM orders"))
    known = set()
    for order in ours(server):
        name = order.client_order_id if order.client_order_id in status else order.id
        known.add(name)
        if order.status == "replaced" or name not in status:
            continue
        if order.is_live == (status[name] in TERMINAL):
            yield f"I10 {order.client_order_id} is {order.status} at the broker, {status[name]} in the books"
    rejected = {one.json["client_order_id"] for one in posts(server) if one.status not in (0, 200, DROPPED)}
    for name, state in status.items():
        if name not in known and state not in TERMINAL:
            yield f"I10 {name} is {state} in the books, unknown to the broker (refused: {name in rejected})"


def _errors(root: Path) -> Iterable[str]:
    """No error is twice in the log, and none was left in the fallback file."""
    rows = Books(root, "performance")("SELECT id FROM error_log")
    if len(rows) != len(set(rows)):
        yield "I5 an error is in error_log twice"
    for path in (root / "logs").glob("errors-fallback*"):
        if path.read_bytes().strip():
            yield f"I5 {path.name} was not imported"


def unprotected(server: AlpacaServer, root: Path) -> list[str]:
    """Lots whose shares no working stop or exit at the broker covers."""
    trades = Books(root, "trades")
    by_id = {order.id: order for order in server.orders}
    live: dict[str, Order] = {}
    for order in server.broker.live:
        # A replacement has names of its own; the books keep the first.
        one: Order | None = order
        while one is not None:
            live[one.client_order_id] = live[one.id] = order
            one = by_id.get(one.replaces or "")
    bare = []
    for lot, shares in trades("SELECT id, quantity FROM lots WHERE quantity != 0"):
        names = trades(f"SELECT id FROM orders WHERE trade_id = '{lot}' AND role IN ('stop', 'exit')")
        covered = sum(int(live[name].remaining) for (name,) in names if name in live)
        if covered < abs(shares):
            bare.append(f"{lot}: {shares} held, {covered} covered")
    return bare
