"""Closes our lots past the executor: market orders that bear our own names, so that each counts as ours.

An order is called what the executor would have called it, `<lot>:x<attempt>`: known before it leaves, and the
same again after a restart, with or without a tape. Whoever comes later asks the broker for the name first and
counts what traded under it; what is sent twice all the same, the broker refuses. Fills come back as fills of
the lot. Before anything is reckoned the broker tells of every order of ours that is not over.
Source: architecture 3 and 4; faults.md A 2, C 28-30, E 47 and 51; alpaca.md 3.0 (an id is never free again).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from actors.broker import catch_up, translate, wire
from actors.broker.directory import Directory, Known
from actors.broker.limiter import Priority
from actors.broker.order_bodies import submit_body
from actors.broker.sweep_steps import Swept, tried
from actors.execution import ids
from runtime.kernel.clock import Clock
from runtime.messages.base import Input
from runtime.messages.broker import SubmitOrder
from runtime.messages.trading import Side

Post = Callable[[Input], None]

_LOOKS = 5
"""How often in a row the account must show nothing of ours before shares that we think we hold are gone:
seconds, for what was bought a moment ago may be shown late."""


class Broker(catch_up.Reads, Protocol):
    """The part of the REST client that closing our lots takes."""

    async def order_by_client_id(self, client_order_id: str) -> wire.Order | None:
        """The order of a client id; None only if the broker itself says there is none."""

    async def positions(self, *, priority: Priority) -> list[wire.Position]:
        """All positions."""

    async def cancel(self, broker_order_id: str) -> None:
        """Ask for a cancellation."""

    async def submit(self, body: Mapping[str, object], priority: Priority) -> wire.Order:
        """POST an order once."""


class _Exit(NamedTuple):
    """A closing order that works: its broker id, its lot and symbol, shares it may still trade."""

    broker_order_id: str
    lot_id: str
    symbol: str
    remaining: int


class Closing:
    """Closes what the directory says is ours, and nothing of anybody else's.

    No more shares go than the account has on our side: where somebody else sold ours, the rest is not there.

    Args:
        post: Takes what the broker says of our orders. clock: market time, for what bears no time of its own.
    """

    def __init__(self, broker: Broker, directory: Directory, post: Post, clock: Clock) -> None:
        self._broker = broker
        self._directory = directory
        self._post = post
        self._clock = clock
        self._absent = 0

    @property
    def symbols(self) -> list[str]:
        """In which something is ours."""
        return list(self._directory.held())

    async def step(self, first: bool) -> Swept:
        """Do what can be done now; what is left are orders being cancelled, else symbols of ours."""
        listed = await self._told()
        left, reason, working = await self._cancelled(listed)
        if left:
            return Swept(False, left, reason)
        there = {
            one.symbol: wire.net_shares(one) for one in await self._broker.positions(priority=Priority.CANCEL)
        }
        symbols: dict[str, None] = {}
        rooms = self._rooms(there)
        # An exit of a lot that is gone already would sell what others have.
        for symbol in {**rooms, **dict.fromkeys(one.symbol for one in working)}:
            room, busy = rooms.get(symbol, 0), [one for one in working if one.symbol == symbol]
            if room > 0 or busy:
                symbols[symbol] = None
                reason = await self._close(symbol, room, busy) or reason
        held = tuple(self._directory.held())
        self._absent = 0 if symbols or not held else self._absent + 1
        if 0 < self._absent < _LOOKS:
            return Swept(False, held, "the account shows nothing of it")
        for name, symbol in self._unclear().values():
            symbols[symbol] = None
            reason = reason or f"what took the place of {name} has traded, and how much is not clear yet"
        return Swept(not symbols, tuple(symbols), reason)

    def _unclear(self) -> dict[str, tuple[str, str]]:
        """By lot an order whose replacement's shares cannot be counted yet, and its symbol.

        An exit that has sold more than is known would have others' shares sold after it.
        """
        found = {}
        for one in self._directory:
            if one.is_ours and one.is_unclear:
                name = one.parent_id or one.client_order_id
                order = ids.parse(name)
                found[order.lot_id if order else name] = one.client_order_id, one.symbol
        return found

    def _rooms(self, there: Mapping[str, float]) -> dict[str, int]:
        """Whole shares of ours by symbol that the account has."""
        rooms = {}
        for symbol, ours in self._directory.held().items():
            sign = 1 if ours > 0 else -1
            rooms[symbol] = min(abs(ours), max(0, int(there.get(symbol, 0.0) * sign)))
        return rooms

    # ---- what the broker knows --------------------------------------------------------------

    async def _told(self) -> list[wire.Order]:
        """The open orders of the account, when everything that happened to ours is told."""
        broker, directory = self._broker, self._directory
        listed = await broker.orders(status="open", symbols=(), nested=False, priority=Priority.CANCEL)
        open_now = {order.id for order in listed}
        for known in directory.unfinished():
            if known.broker_order_id not in open_now:
                await self._look_up(known.client_order_id, known.broker_order_id)
        for order in listed:
            await self._tell(order)
        return listed

    async def _look_up(self, client_order_id: str, broker_order_id: str = "") -> bool:
        """Ask for one order of ours and tell all of it; whether the broker has it."""
        if not broker_order_id:
            found = await self._broker.order_by_client_id(client_order_id)
            if found is None:
                return False
            broker_order_id = found.id
        order = await self._broker.order(broker_order_id)
        if order is not None:
            await self._tell(order)
        return order is not None

    async def _tell(self, order: wire.Order) -> None:
        for one in await catch_up.tell_all(self._broker, self._directory, order, self._clock.now()):
            self._post(one)

    # ---- what works -------------------------------------------------------------------------

    async def _cancelled(self, listed: Iterable[wire.Order]) -> tuple[tuple[str, ...], str, list[_Exit]]:
        """Cancel what works of ours, except orders that close lots already.

        Returns:
            Client ids of those that still work, why one could not be cancelled, and the closing orders.
        """
        left: list[str] = []
        reason = ""
        working: list[_Exit] = []
        for order in listed:
            if not is_ours(order, self._directory):
                continue
            known = self._directory.find(order)
            name = ids.parse(known.client_order_id)
            if name is not None and name.role == "exit":
                remaining = int((wire.number(order.qty) or 0.0) - (wire.number(order.filled_qty) or 0.0))
                working.append(_Exit(order.id, name.lot_id, known.symbol, remaining))
                continue
            left.append(known.client_order_id)
            if order.status != "pending_cancel":
                reason = await tried(self._broker.cancel(order.id)) or reason
        return tuple(left), reason, working

    # ---- closing ----------------------------------------------------------------------------

    async def _close(self, symbol: str, room: int, working: list[_Exit]) -> str:
        """Have the lots of a symbol closed as far as there is room; why it could not be, or nothing."""
        reason = ""
        under_way = sum(one.remaining for one in working)
        if under_way > room:
            # It would sell what is not there: somebody else's, or short.
            for one in working:
                reason = await tried(self._broker.cancel(one.broker_order_id)) or reason
            return reason
        room -= under_way
        unclear = self._unclear()
        total = self._directory.held().get(symbol, 0)  # the stream may have told the end meanwhile
        for lot_id, (of, held) in self._directory.held_by_lot().items():
            if of != symbol or held * total <= 0 or any(one.lot_id == lot_id for one in working):
                continue
            if lot_id in unclear:
                continue
            shares = min(abs(held), room)
            if shares > 0:
                room -= shares
                reason = await tried(self._send(lot_id, symbol, held, shares)) or reason
        return reason

    async def _send(self, lot_id: str, symbol: str, held: int, shares: int) -> None:
        """Send the next closing order of a lot, unless the broker has it already."""
        name = self._next_name(lot_id)
        if self._directory.named(name) is None and await self._look_up(name):
            return  # an earlier process sent it: what it closed counts now
        known = self._directory.add(name, symbol)
        if known.is_accepted:
            return  # it works, though it was not listed yet
        answer = await self._broker.submit(body(lot_id, name, symbol, held, shares), Priority.CANCEL)
        # Fills in the answer are left to the stream, or to the next look, which know their ids.
        for one in translate.order_told(answer, self._directory, self._clock.now()).inputs:
            self._post(one)

    def _next_name(self, lot_id: str) -> str:
        """The first name that is not used up; one that may be under way is asked for under it again."""
        attempt = 1
        while True:
            name = ids.client_order_id(lot_id, "exit", attempt)
            known: Known | None = self._directory.named(name)
            if known is None or not known.is_over:
                return name
            attempt += 1


def body(lot_id: str, name: str, symbol: str, held: int, shares: int) -> dict[str, object]:
    """The request for a market order that reduces a lot.

    Args:
        held: Its shares, those of a short lot negative. shares: how many of them go.
    """
    side: Side = "sell" if held > 0 else "buy"
    return submit_body(
        SubmitOrder(
            ts_event=0,
            cause=0,
            client_order_id=name,
            lot_id=lot_id,
            strategy="",
            symbol=symbol,
            side=side,
            quantity=shares,
            type="market",
            order_class="simple",
            time_in_force="day",
            adds_exposure=False,
            role="exit",
        )
    )


def is_ours(order: wire.Order, directory: Directory) -> bool:
    """Whether we sent an order, or the one whose leg it is."""
    known = directory.of_broker(order.id) or directory.of_broker(order.replaces)
    return known.is_ours if known else ids.parse(order.client_order_id or "") is not None
