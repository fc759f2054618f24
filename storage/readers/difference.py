"""What differs between the books of two runs: orders only one sent, trades that ended otherwise, money."""

import sqlite3
from collections.abc import Iterable

import msgspec

_ORDERS = """
    SELECT id, strategy, symbol, side, order_type, quantity, status, filled_qty, filled_avg_price
      FROM orders
     WHERE parent_id = ''
  ORDER BY submitted_at, id
"""
_TRADES = """
    SELECT id, strategy, symbol, side, quantity, entry_price, exit_price, exit_reason, status, pnl, commission
      FROM trades
  ORDER BY timestamp, id
"""


class Order(msgspec.Struct, frozen=True):
    """One order of ours, its legs aside, as it ended; prices in USD."""

    id: str
    strategy: str
    symbol: str
    side: str
    order_type: str
    quantity: int
    status: str
    filled: int
    average_price: float | None


class Trade(msgspec.Struct, frozen=True):
    """One lot as it ended; prices, P&L and commission in USD."""

    id: str
    strategy: str
    symbol: str
    side: str
    quantity: int
    entry_price: float | None
    exit_price: float | None
    exit_reason: str
    status: str
    pnl: float
    commission: float


class Result(msgspec.Struct, frozen=True):
    """Trades that closed, and what they made, USD."""

    trades: int = 0
    closed: int = 0
    won: int = 0
    pnl: float = 0.0
    commission: float = 0.0


class Taken(msgspec.Struct, frozen=True):
    """The orders and trades of one run, by id, in order of time."""

    orders: dict[str, Order]
    trades: dict[str, Trade]


class Change(msgspec.Struct, frozen=True):
    """One strategy (or all of them) in both runs."""

    before: Result
    after: Result


class Difference(msgspec.Struct, frozen=True):
    """How the second run differs from the first.

    Attributes:
        total, strategies: Results of both; a strategy without a trade in either is not there.
        only_before, only_after: Orders that one run alone sent.
        changed: Trades of both that did not end alike: as in the first run, as in the second.
    """

    total: Change
    strategies: dict[str, Change]
    only_before: tuple[Order, ...]
    only_after: tuple[Order, ...]
    changed: tuple[tuple[Trade, Trade], ...]

    @property
    def is_nothing(self) -> bool:
        """Whether both runs traded alike."""
        return not (self.only_before or self.only_after or self.changed)


def taken(trades: sqlite3.Connection) -> Taken:
    """Read a run's orders and trades out of its `trades.db`."""
    orders = [Order(*row) for row in trades.execute(_ORDERS)]
    lots = [Trade(*row) for row in trades.execute(_TRADES)]
    return Taken({one.id: one for one in orders}, {one.id: one for one in lots})


def difference(before: Taken, after: Taken) -> Difference:
    """Compare two runs over the same sessions."""
    names = sorted({one.strategy for run in (before, after) for one in run.trades.values()})
    return Difference(
        total=Change(_result(before.trades.values()), _result(after.trades.values())),
        strategies={name: Change(_of(before, name), _of(after, name)) for name in names},
        only_before=tuple(one for name, one in before.orders.items() if name not in after.orders),
        only_after=tuple(one for name, one in after.orders.items() if name not in before.orders),
        changed=tuple(
            (one, after.trades[name])
            for name, one in before.trades.items()
            if name in after.trades and after.trades[name] != one
        ),
    )


def _of(run: Taken, strategy: str) -> Result:
    return _result(one for one in run.trades.values() if one.strategy == strategy)


def _result(trades: Iterable[Trade]) -> Result:
    found = list(trades)
    closed = [one for one in found if one.status == "CLOSED"]
    return Result(
        trades=len(found),
        closed=len(closed),
        won=sum(one.pnl > 0 for one in closed),
        pnl=round(sum(one.pnl for one in found), 6),
        commission=round(sum(one.commission for one in found), 6),
    )
