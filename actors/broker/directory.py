"""Which of the broker's orders is which of ours, and what has been told of each already.

The broker renames an order when it is replaced and gives the legs of a bracket names of its own; here an
order keeps the client id it had first. It also counts the shares told, so that what comes twice, by stream
and by REST, is told once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from actors.broker import wire
from actors.execution import ids
from actors.execution.order_state import OrderState
from runtime.messages.base import Input, Message
from runtime.messages.broker import BrokerSnapshot, FillCorrected, OrderFilled, OrderReplaced
from runtime.messages.corporate import SplitApplied

_SIGNS = {"buy": 1, "sell": -1}


class Execution(NamedTuple):
    """One fill as it was told.

    Attributes:
        shares, price: As it counts now, USD a share; no shares: taken back.
        first: Shares when it was told. total: the broker's count of the order after it.
    """

    shares: int
    price: float
    first: int
    total: int


class Known(msgspec.Struct, kw_only=True):
    """One order as far as it has been told.

    Attributes:
        client_order_id: Its name in our messages, for good.
        broker_order_id: The broker's present id of it.
        parent_id: Client id of the order whose leg it is, or empty.
        filled: Shares told so far; value: their price times quantity, USD.
        base: What the broker's count of its present id lacks: shares from before a replacement that counts
            from zero; below zero where the broker goes on counting a fill that it took back.
        has_legs: Whether its legs were told.
        is_over: Whether its end was told.
        is_ours: Whether we sent it, or it is a leg of one we sent.
        side: `buy`, `sell`, or empty: nothing was told that needs it.
        handed_over: Shares that it had when its present id was replaced, by the broker's word; -1: that has
            not been heard.
        heir: The broker's id of what replaced it, or empty.
        is_unclear: Whether what took its place has traded shares that cannot be counted yet.
    """

    client_order_id: str
    broker_order_id: str = ""
    symbol: str = ""
    parent_id: str = ""
    filled: int = 0
    value: float = 0.0
    base: int = 0
    is_accepted: bool = False
    has_legs: bool = False
    is_over: bool = False
    is_ours: bool = True
    side: str = ""
    former: list[str] = []
    """Broker ids it had before it was replaced."""
    executions: dict[str, Execution] = {}
    """By the broker's id, those told by this process or on its tape."""
    corrections: dict[str, str] = {}
    """By a correction's id, that of the fill which it changed."""
    heard: tuple[str, ...] = ()
    """Ids told in sessions before, of which nothing else is known."""
    is_supposed: bool = False
    """Whether nobody knows that it was ever sent."""
    handed_over: int = -1
    heir: str = ""
    is_unclear: bool = False
    counts_anew: dict[str, bool] = {}
    """By the broker's id of a replacement: whether it counts its shares from zero, where that is known."""

    def was_told(self, execution_id: str | None) -> bool:
        """Whether a fill or correction of this id was told, by whomever."""
        return (
            execution_id in self.executions or execution_id in self.corrections or execution_id in self.heard
        )

    def was_reduced(self, shares: int, total: int) -> bool:
        """Whether a fill of so many shares, to this total of the broker's, was taken back or made less.

        An activity may bear another id than the event of the same fill.
        """
        return any(
            one.shares < one.first and (one.first, one.total) == (shares, total)
            for one in self.executions.values()
        )

    def correct(self, execution_id: str, previous: str, shares: int, price: float) -> None:
        """Remember a correction: its fill counts so from now on."""
        self.corrections[execution_id] = previous
        before = self.executions.get(previous)
        if before is not None:
            self.executions[previous] = before._replace(shares=shares, price=price)

    def tell_anew(self) -> None:
        """Have its steps told once more: whoever asks may have missed them. Fills stay told."""
        self.is_accepted = self.has_legs = self.is_over = False


class Directory:
    """Orders by our name and by every name the broker ever gave them."""

    def __init__(self) -> None:
        self._orders: dict[str, Known] = {}
        self._names: dict[str, str] = {}
        self._restated: dict[str, tuple[str, int]] = {}
        """By lot its symbol, and the net shares that splits made beyond what its orders traded."""
        self._closed: dict[str, tuple[str, int]] = {}
        """By lot its symbol, and the net shares that went without an order of ours."""
        self.unanswered = 0
        """Questions for FILL activities in a row that the broker did not answer."""
        self.behind: Mapping[str, object] = {}
        """Broker ids of the orders that the trade stream has read again before it goes on with them."""

    def add(
        self,
        client_order_id: str,
        symbol: str,
        *,
        broker_order_id: str = "",
        parent_id: str = "",
        filled: int = 0,
        average_price: float = 0.0,
        is_accepted: bool = False,
        is_over: bool = False,
        side: str = "",
    ) -> Known:
        """Take in what the books know of an order: at a start, and when an order is sent.

        An order that is already there is not changed, except that a broker id is added.
        """
        known = self._orders.get(client_order_id)
        if known is None:
            known = self._orders[client_order_id] = Known(
                client_order_id=client_order_id,
                symbol=symbol,
                parent_id=parent_id,
                filled=filled,
                value=filled * average_price,
                is_accepted=is_accepted,
                is_over=is_over,
                side=side,
            )
        known.is_supposed = False
        if broker_order_id and not known.broker_order_id:
            self.rename(known, broker_order_id)
        return known

    def seed(self, states: Iterable[OrderState]) -> None:
        """Take in the orders our books know, before the broker is listened to: at a start."""
        for state in states:
            self.add(
                state.client_order_id,
                state.symbol,
                broker_order_id=state.broker_order_id,
                parent_id=state.parent_id,
                filled=state.filled,
                average_price=state.average_price,
                is_accepted=bool(state.broker_order_id),
                is_over=not state.is_live,
                side=state.side,
            )
            known = self._orders[state.client_order_id]
            known.base, known.heard = state.base, state.executions

    def recall(self, said: Iterable[OrderFilled | FillCorrected | OrderReplaced]) -> None:
        """Take in what an earlier process told: fills one by one, former ids, orders that nobody seeded.

        Without it a fill that was taken back would count once more when the broker tells of it again; and
        what a dead executor did not hear, of orders that were sent past it too, would not count as ours.
        """
        raised: dict[str, None] = {}
        for one in said:
            known = self._orders.get(one.client_order_id) or self._unheard(one)
            if known is None:
                continue
            match one:
                case OrderReplaced():
                    known.base = one.base
                    known.former.append(one.broker_order_id)
                    if known.broker_order_id == one.broker_order_id:
                        self.rename(known, one.new_broker_order_id)  # whoever kept it did not hear of that
                    self.alias(known, one.broker_order_id)
                case FillCorrected():
                    known.base = one.base
                    known.correct(one.execution_id, one.previous_execution_id, one.quantity, one.price)
                    if one.execution_id not in known.heard or one.client_order_id in raised:
                        known.filled = one.cumulative
                case OrderFilled():
                    known.executions[one.execution_id] = Execution(
                        one.quantity, one.price, one.quantity, one.cumulative - known.base
                    )
                    if one.cumulative > known.filled and one.execution_id not in known.heard:
                        raised[one.client_order_id] = None
                        known.filled, known.side = one.cumulative, one.side
                        known.value += one.price * one.quantity

    def _unheard(self, one: OrderFilled | FillCorrected | OrderReplaced) -> Known | None:
        """An order of ours that the executor has not heard of, taken in; None if it is not ours."""
        parent = "" if isinstance(one, OrderReplaced) else one.parent_id
        if ids.parse(parent or one.client_order_id) is None:
            return None
        return self.add(
            one.client_order_id, one.symbol, broker_order_id=one.broker_order_id, parent_id=parent
        )

    def held(self) -> dict[str, int]:
        """Net shares of ours by symbol: what our orders bought minus what they sold, as far as was told.

        It needs no decision actor: lots bring all their orders with them into a new process. Splits count,
        and what was closed past the decision actors.
        """
        net: dict[str, int] = {}
        for symbol, shares in self.held_by_lot().values():
            net[symbol] = net.get(symbol, 0) + shares
        return {symbol: shares for symbol, shares in net.items() if shares}

    def held_by_lot(self) -> dict[str, tuple[str, int]]:
        """The same by lot, the oldest first: its symbol and its shares, those of a short lot negative."""
        net: dict[str, tuple[str, int]] = {}

        def add(lot_id: str, symbol: str, shares: int) -> None:
            net[lot_id] = symbol, net.get(lot_id, ("", 0))[1] + shares

        for one in self._orders.values():
            if one.is_ours and one.filled:
                add(_lot_of(one), one.symbol, _SIGNS.get(one.side, 0) * one.filled)
        for lot_id, (symbol, shares) in self._restated.items():
            add(lot_id, symbol, shares)
        for lot_id, (symbol, shares) in self._closed.items():
            # Some of it may turn out to have been closed by an order of ours, told late: it counts once.
            traded = net.get(lot_id, ("", 0))[1]
            far = min(shares, max(traded, 0)) if shares > 0 else max(shares, min(traded, 0))
            add(lot_id, symbol, -far)
        return {lot_id: one for lot_id, one in net.items() if one[1]}

    def restate(self, lot_id: str, symbol: str, shares: int) -> None:
        """Take in what splits made of a lot: net shares beyond those that its orders traded."""
        self._restated[lot_id] = symbol, shares

    def observe(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        """Take in the splits that an input has shown."""
        if type(message) is not BrokerSnapshot:
            return
        for said in caused:
            if type(said) is SplitApplied:
                for one in said.lots:
                    _, before = self._restated.get(one.lot_id, ("", 0))
                    self.restate(one.lot_id, said.symbol, before + one.after - one.before)

    def were_closed(self, since: Iterable[OrderFilled | FillCorrected | OrderReplaced] = ()) -> None:
        """Whatever is ours is gone: closed by orders that are not, or sold by somebody else.

        Args:
            since: What was told of our orders after that.
        """
        net = self.held_by_lot()
        for one in since:
            known = self._orders.get(one.client_order_id)
            if known is not None and known.is_ours and not isinstance(one, OrderReplaced):
                shares = one.quantity - (one.quantity_before if isinstance(one, FillCorrected) else 0)
                lot_id = _lot_of(known)
                before = net.get(lot_id, (one.symbol, 0))[1]
                net[lot_id] = one.symbol, before - _SIGNS[one.side] * shares
        for lot_id, (symbol, shares) in net.items():
            self._closed[lot_id] = symbol, self._closed.get(lot_id, ("", 0))[1] + shares

    def suppose(self, client_order_id: str, symbol: str) -> None:
        """An order of ours may be at the broker that nobody here knows of: it is asked for once."""
        if client_order_id not in self._orders:
            self.add(client_order_id, symbol).is_supposed = True

    def unfinished(self) -> list[Known]:
        """Orders of ours that are not over, in the order in which what was missed of them is to be told.

        Entries, then exits that nobody here sent, before the end of others has a lot ask for new ones.
        """

        def rank(one: Known) -> int:
            name = ids.parse(one.client_order_id)
            return 0 if name is not None and name.role == "entry" else 1 if one.is_supposed else 2

        return sorted((one for one in self._orders.values() if one.is_ours and not one.is_over), key=rank)

    def deny(self, known: Known) -> None:
        """The broker does not know an order: one that was only supposed is forgotten."""
        if known.is_supposed and not known.broker_order_id:
            self._orders.pop(known.client_order_id, None)

    def rename(self, known: Known, broker_order_id: str) -> None:
        """From now on the broker calls it this."""
        known.broker_order_id = broker_order_id
        self._names[broker_order_id] = known.client_order_id

    def alias(self, known: Known, broker_order_id: str) -> None:
        """The broker will call it this once a replacement has happened."""
        self._names[broker_order_id] = known.client_order_id

    def unread(self) -> list[str]:
        """Client ids of the orders of which something was heard that a reading is to explain."""
        found = (self.of_broker(name) for name in self.behind)
        return [known.client_order_id for known in found if known is not None and known.is_ours]

    def named(self, client_order_id: str) -> Known | None:
        """The order of this client id of ours."""
        return self._orders.get(client_order_id)

    def of_broker(self, broker_order_id: str | None) -> Known | None:
        """The order that has, or had, this broker id."""
        return self._orders.get(self._names.get(broker_order_id or "", ""))

    def find(self, order: wire.Order) -> Known:
        """The order the broker speaks of; a new one is taken in under its client id.

        New ones are ours if their client id has our form; everybody else's are kept too, so that their
        fills are told once.
        """
        known = self.of_broker(order.id) or self.of_broker(order.replaces)
        if known is not None:
            self._names.setdefault(order.id, known.client_order_id)
            return known
        name = order.client_order_id or order.id
        known = self._orders.get(name)
        if known is None:
            is_ours = ids.parse(name) is not None
            known = self._orders[name] = Known(
                client_order_id=name, symbol=order.symbol or "", is_ours=is_ours
            )
        if not known.broker_order_id:
            self.rename(known, order.id)
        self._names.setdefault(order.id, name)
        return known

    def __iter__(self) -> Iterator[Known]:
        return iter(self._orders.values())


def _lot_of(known: Known) -> str:
    """The lot that an order of ours, or a leg of one, belongs to."""
    name = known.parent_id or known.client_order_id
    order = ids.parse(name)
    return name if order is None else order.lot_id
