"""What the portfolio remembers of orders, and what of it crosses a session."""

from collections.abc import Container, Mapping

import msgspec

from actors.allocation.book import Lot, micros
from actors.allocation.corrections import Closed
from actors.allocation.performance import Record
from config.schema import Account
from runtime.messages.broker import FillCorrected, OrderFilled, SubmitOrder
from runtime.messages.risk import TaskDue
from runtime.messages.trading import Role


class OrderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a fill needs to know of its order."""

    lot_id: str
    strategy: str
    symbol: str
    role: Role
    intraday: bool
    stop_loss: float | None
    take_profit: float | None
    group_id: str | None
    reason: str


Facts = OrderFacts | SubmitOrder
"""The order itself says all of it, and more."""


class Today(msgspec.Struct, frozen=True, kw_only=True):
    """What is of one session only.

    Attributes:
        closed: Lots closed today, by id. finished: orders that ended. opening_equity: USD.
        day_task: The day's P&L, asked for and not told. is_over: whether the day's result was told.
    """

    closed: dict[str, Closed]
    finished: list[str]
    opening_equity: float
    day_task: TaskDue | None
    is_over: bool


class Carried(msgspec.Struct, kw_only=True):
    """Portfolio state that crosses a session; in the middle of one also what is of today."""

    capital: int
    cash: int
    realised: dict[str, int]
    lots: list[Lot]
    orders: dict[str, OrderFacts]
    cumulative: dict[str, int]
    records: dict[str, Record]
    returns: list[float]
    last_equity: float
    high_water: float
    broker_equity: float | None = None
    doubted: list[str] = []
    external: dict[str, int] = {}
    """Whole shares by symbol that the account holds beside our lots."""
    corrected: list[str] = []
    """Ids of fills that were taken back or changed, and of the corrections: not to be booked again."""
    today: Today | None = None


def facts_of_fill(orders: Mapping[str, Facts], fill: OrderFilled | FillCorrected) -> Facts | None:
    """A fill's order; a leg whose acceptance has not been told yet is known by its parent."""
    facts = orders.get(fill.client_order_id)
    if facts is not None or not fill.parent_id:
        return facts
    parent = orders.get(fill.parent_id)
    return None if parent is None else msgspec.structs.replace(parent, role="exit", reason="leg")


def facts_of_exit(lot: Lot, reason: str) -> OrderFacts:
    """An order that reduces a lot, of which nothing is known but whose it is."""
    return OrderFacts(
        lot_id=lot.id,
        strategy=lot.strategy,
        symbol=lot.symbol,
        role="exit",
        intraday=lot.intraday,
        stop_loss=lot.stop_loss,
        take_profit=lot.take_profit,
        group_id=lot.group_id,
        reason=reason,
    )


def with_exits_to_come(order: SubmitOrder, first: Facts | None) -> SubmitOrder:
    """An entry that goes once more without exits beside it, with those of the first: they follow its fill."""
    if first is None or order.stop_loss is not None or order.take_profit is not None:
        return order
    return msgspec.structs.replace(order, stop_loss=first.stop_loss, take_profit=first.take_profit)


def facts_of(order: Facts) -> OrderFacts:
    """What is carried of an order."""
    if isinstance(order, OrderFacts):
        return order
    return OrderFacts(
        lot_id=order.lot_id,
        strategy=order.strategy,
        symbol=order.symbol,
        role=order.role,
        intraday=order.intraday,
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        group_id=order.group_id,
        reason=order.reason,
    )


def kept_orders(
    orders: Mapping[str, Facts],
    lots: Container[str],
    filled: Container[str],
    finished: Container[str],
    past: Container[str],
) -> dict[str, OrderFacts]:
    """Orders whose fills may still come in the next session.

    Args:
        lots: Ids of those that are open. past: names of orders sent past the executor, which did not hear of
            them and may ask for their fills again.
    """
    return {
        name: facts_of(facts)
        for name, facts in orders.items()
        if facts.lot_id in lots
        or (facts.role == "entry" and name not in filled and name not in finished)
        or name in past
    }


def new_books(account: Account) -> Carried:
    """Books that begin with the trading capital."""
    capital = micros(account.trading_capital)
    return Carried(
        capital=capital,
        cash=capital,
        realised={},
        lots=[],
        orders={},
        cumulative={},
        records={},
        returns=[],
        last_equity=account.trading_capital,
        high_water=account.trading_capital,
    )


def with_ids(lots: list[Lot], ids: dict[str, int]) -> list[Lot]:
    """Symbol ids belong to one session's table; look them up again."""
    return [msgspec.structs.replace(lot, symbol_id=ids.get(lot.symbol, -1)) for lot in lots]
