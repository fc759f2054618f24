"""The trading host's REST, as coroutines that answer with our structs.

Every call takes its turn at the gate, runs in a worker thread on a connection of its own, and ends within its
time. Orders, cancellations and reads have lanes of their own, so that slow reads never hold up an order.
Source: alpaca.md 3 and A.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import anyio
import anyio.to_thread
import msgspec

from actors.broker import wire
from actors.broker.http import Connection, Json
from actors.broker.limiter import Budget, Gate, Priority
from actors.broker.order_bodies import (
    has_intent,
    is_about_form,
    may_be_for_intent,
    why_it_opens,
    without_intent,
)
from config.secrets import Secrets
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock
from runtime.log import get_logger
from runtime.text import one_line

T = TypeVar("T")

_PAGE_ORDERS, _PAGE_FILLS = 500, 100
_NOT_FOUND, _UNPROCESSABLE = 404, 422

_log = get_logger(__name__)


class NotSent(Exception):
    """The last look before sending said no; nothing left the machine."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, real time: to connect, between two pieces of an answer, and for the whole call."""

    connect: float = 3.0
    read: float = 5.0
    total: float = 10.0


DEFAULT_TIMEOUTS = Timeouts()


class _Lane:
    """Connections that share a fate: a stalled one is never waited for by another lane."""

    def __init__(self, make: Callable[[], Connection], width: int) -> None:
        self._make = make
        self._idle: deque[Connection] = deque()
        self.limiter = anyio.CapacityLimiter(width)

    def run(self, send: Callable[[Connection], Json]) -> Json:
        """Use a connection of its own for one request; called in a worker thread."""
        try:
            connection = self._idle.popleft()
        except IndexError:
            connection = self._make()
        try:
            return send(connection)
        finally:
            # Also from a thread that was given up: by then its request has ended.
            self._idle.append(connection)

    def close(self) -> None:
        while self._idle:
            self._idle.popleft().close()


class Rest:
    """The account's REST client.

    Args:
        url: Scheme and host of the trading API.
        keys: Revealed only where the connection is made.
        clock: Real time, for the request budget.

    Every call raises BrokerRejected, BrokerUnavailable or KeysRefused; what a call adds is said there.
    """

    def __init__(
        self,
        url: str,
        keys: Secrets,
        clock: Clock,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        requests_per_minute: int = 200,
        width: int = 4,
    ) -> None:
        def connect() -> Connection:
            return Connection(url, keys, (timeouts.connect, timeouts.read))

        self.gate = Gate(Budget(requests_per_minute), clock)
        self._timeouts = timeouts
        self._takes_intent = True
        self._lanes = {priority: _Lane(connect, width) for priority in Priority}

    # ---- orders -----------------------------------------------------------------------------

    async def submit(
        self,
        body: Mapping[str, object],
        priority: Priority,
        last_look: Callable[[], str] = lambda: "",
    ) -> wire.Order:
        """POST an order once.

        Args:
            body: With a `client_order_id`.
            last_look: Called in the worker thread right before the bytes leave, when every wait is over;
                says why the order may not leave, or nothing.

        Raises:
            NotSent: The last look said no.
        """
        if has_intent(body) and not self._takes_intent:
            answer = await self._post_without_intent(body, priority, last_look)
        else:
            try:
                answer = await self._post(body, priority, last_look)
            except BrokerRejected as refusal:
                if not may_be_for_intent(body, refusal):
                    raise
                answer = await self._post_without_intent(body, priority, last_look)
                self._takes_intent = not is_about_form(refusal)
                _log.warning("an exit was taken without its position_intent only", reason=refusal.reason)
        order = _read(answer, wire.Order)
        asked = body["client_order_id"]
        if order.client_order_id != asked or (order.qty is None and order.notional is None):
            raise BrokerUnavailable(f"an answer that is not about {asked}")
        return order

    async def _post(
        self, body: Mapping[str, object], priority: Priority, last_look: Callable[[], str]
    ) -> Json:
        def send(connection: Connection) -> Json:
            if reason := last_look():
                raise NotSent(reason)
            return connection.post("/orders", body)

        return await self._call(priority, send, changes=True)

    async def _post_without_intent(
        self, body: Mapping[str, object], priority: Priority, last_look: Callable[[], str]
    ) -> Json:
        """Send an exit that cannot say that it is one, once it is seen that there is something to close.

        Where the broker does not tell, it goes: better an exit than shares without a stop.
        """
        symbol = str(body["symbol"])
        try:
            position = await self.position(symbol, priority=priority)
        except (BrokerUnavailable, BrokerRejected, KeysRefused) as failure:
            _log.warning("an exit goes without a look at its position", symbol=symbol, error=str(failure))
        else:
            if reason := why_it_opens(body, position):
                raise BrokerRejected(reason, status=_UNPROCESSABLE)
        return await self._post(without_intent(body), priority, last_look)

    async def replace(self, broker_order_id: str, body: Mapping[str, object]) -> wire.Order:
        """PATCH an order; the answer is the order that is to take its place."""
        path = f"/orders/{quote(broker_order_id, safe='')}"
        return _read(
            await self._call(Priority.EXIT, lambda at: at.patch(path, body), changes=True), wire.Order
        )

    async def cancel(self, broker_order_id: str) -> None:
        """Ask for a cancellation; that it is answered does not mean that it is done."""
        path = f"/orders/{quote(broker_order_id, safe='')}"
        await self._call(Priority.CANCEL, lambda at: at.delete(path), changes=True)

    async def cancel_all(self) -> list[wire.Outcome]:
        """Ask for the cancellation of every open order of the account; one outcome each."""
        return _read(
            await self._call(Priority.CANCEL, lambda at: at.delete("/orders"), changes=True) or [],
            list[wire.Outcome],
        )

    async def close_all(self) -> list[wire.Outcome]:
        """Ask for market orders that close every position; one outcome each."""
        return _read(
            await self._call(Priority.CANCEL, lambda at: at.delete("/positions"), changes=True) or [],
            list[wire.Outcome],
        )

    async def close_position(self, symbol: str, shares: int | None = None) -> wire.Order:
        """Ask for a market order that closes one position, or so many shares of it."""
        path = f"/positions/{quote(symbol, safe='')}"
        query = {} if shares is None else {"qty": str(shares)}
        answer = await self._call(Priority.CANCEL, lambda at: at.delete(path, query), changes=True)
        return _read(answer, wire.Order)

    async def order(self, broker_order_id: str) -> wire.Order | None:
        """The order with its legs; None only if the broker itself says there is none."""
        path = f"/orders/{quote(broker_order_id, safe='')}"
        return await self._find(lambda at: at.get(path, {"nested": "true"}), wire.Order, Priority.LOOK_UP)

    async def order_by_client_id(self, client_order_id: str) -> wire.Order | None:
        """The order of a client id, likewise; its legs may be missing: `order` has them."""
        query = {"client_order_id": client_order_id, "nested": "true"}
        return await self._find(
            lambda at: at.get("/orders:by_client_order_id", query), wire.Order, Priority.LOOK_UP
        )

    async def orders(
        self,
        *,
        status: str = "open",
        symbols: Iterable[str] = (),
        nested: bool = True,
        after: str = "",
        priority: Priority = Priority.READ,
    ) -> list[wire.Order]:
        """Every order of a status (open, closed, all), oldest first, page by page.

        Args:
            after: RFC 3339; only orders submitted later.
        """
        query = {
            "status": status,
            "limit": str(_PAGE_ORDERS),
            "direction": "asc",
            "nested": "true" if nested else "false",
        }
        names = ",".join(symbols)
        if names:
            query["symbols"] = names
        if after:
            query["after"] = after
        found: list[wire.Order] = []
        while True:
            page = _read(await self._get("/orders", query, priority), list[wire.Order])
            found += page
            if len(page) < _PAGE_ORDERS:
                return found
            query.pop("after", None)
            query["after_order_id"] = page[-1].id

    # ---- the account ------------------------------------------------------------------------

    async def account(self, *, priority: Priority = Priority.READ) -> wire.Account:
        """Money and permissions."""
        return _read(await self._get("/account", priority=priority), wire.Account)

    async def positions(self, *, priority: Priority = Priority.READ) -> list[wire.Position]:
        """All positions; a short one has a negative quantity."""
        return _read(await self._get("/positions", priority=priority), list[wire.Position])

    async def position(self, symbol: str, *, priority: Priority = Priority.READ) -> wire.Position | None:
        """The position in one symbol; None only if the broker itself says there is none."""
        path = f"/positions/{quote(symbol, safe='')}"
        return await self._find(lambda at: at.get(path), wire.Position, priority)

    async def fills(self, *, order_id: str = "", after: str = "") -> list[wire.Activity]:
        """FILL activities, oldest first, page by page: a fill that was missed waits for no list.

        Args:
            order_id: Of one order only. after: RFC 3339; only those made later.
        """
        query = {"direction": "asc", "page_size": str(_PAGE_FILLS)}
        if order_id:
            query["order_id"] = order_id
        if after:
            query["after"] = after
        found: list[wire.Activity] = []
        while True:
            page = _read(
                await self._get("/account/activities/FILL", query, Priority.LOOK_UP), list[wire.Activity]
            )
            found += page
            if len(page) < _PAGE_FILLS:
                return found
            query["page_token"] = page[-1].id

    async def clock(self) -> wire.ClockReading:
        """The broker's clock."""
        return _read(await self._get("/clock"), wire.ClockReading)

    async def calendar(self, start: str, end: str) -> list[wire.CalendarDay]:
        """Trading days between two ISO dates, both included."""
        return _read(await self._get("/calendar", {"start": start, "end": end}), list[wire.CalendarDay])

    async def asset(self, symbol: str) -> wire.Asset | None:
        """What may be done with a symbol; None if the broker does not know it."""
        path = f"/assets/{quote(symbol, safe='')}"
        return await self._find(lambda at: at.get(path), wire.Asset, Priority.READ)

    async def assets(self) -> list[wire.Asset]:
        """Every active US equity; those that cannot be read are left out."""
        found = await self._get("/assets", {"status": "active", "asset_class": "us_equity"})
        if not isinstance(found, list):
            raise BrokerUnavailable("assets that are no list", is_unknown=False)
        return [asset for one in found if (asset := _maybe(one, wire.Asset)) is not None]

    async def aclose(self) -> None:
        """Close idle connections."""
        for lane in self._lanes.values():
            lane.close()

    # ---- sending ----------------------------------------------------------------------------

    async def _get(
        self, path: str, query: Mapping[str, str] | None = None, priority: Priority = Priority.READ
    ) -> Json:
        asked = dict(query or {})
        return await self._call(priority, lambda at: at.get(path, asked))

    async def _find(self, send: Callable[[Connection], Json], kind: type[T], priority: Priority) -> T | None:
        try:
            return _read(await self._call(priority, send), kind)
        except BrokerRejected as refusal:
            if refusal.status == _NOT_FOUND:
                return None
            raise

    async def _call(
        self, priority: Priority, send: Callable[[Connection], Json], *, changes: bool = False
    ) -> Json:
        """One request in its turn, in a thread, within its time."""
        await self.gate.enter(priority)
        lane = self._lanes[priority]
        has_begun = False

        def work() -> Json:
            nonlocal has_begun
            has_begun = True
            return lane.run(send)

        with anyio.move_on_after(self._timeouts.total):
            try:
                answer = await anyio.to_thread.run_sync(work, limiter=lane.limiter, abandon_on_cancel=True)
            except BrokerUnavailable as failure:
                if failure.retry_after:
                    self.gate.pause(failure.retry_after)
                raise
            except (BrokerRejected, KeysRefused):
                self.gate.answered(priority)
                raise
            self.gate.answered(priority)
            return answer
        # The thread ends by itself, at its socket's time-out; its answer is looked up like any lost one.
        raise BrokerUnavailable("no answer in time", is_unknown=changes and has_begun)


def _read(body: Json, kind: type[T]) -> T:
    """A decoded answer as our struct.

    Raises:
        BrokerUnavailable: It is something else; what it was about must be looked up.
    """
    try:
        return msgspec.convert(body, kind)
    except (ValueError, RecursionError) as error:
        raise BrokerUnavailable(f"an answer that is no {_name(kind)}: {one_line(str(error), 200)}") from None


def _maybe(body: Any, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(body, kind)
    except (ValueError, RecursionError):
        return None


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))
