"""The trade stream: what becomes of our orders, with a catch-up by REST after every connection.

It decides nothing: `broker.translate` says what an event means, `broker.catch_up` reads an order again. The
stream has no replay, so from the moment events are promised they are held back until the snapshot is told;
only then is it READY.
Source: alpaca.md 2.5.
"""

import asyncio
from collections.abc import Sequence

import anyio
import anyio.abc

from actors.broker import catch_up, snapshot, translate, wire
from actors.broker.directory import Directory
from actors.broker.limiter import Priority
from actors.broker.stream_faults import BackOff, StreamFault
from actors.broker.trade_feed import BrokerStreamFigures, Reads, rfc3339
from actors.broker.trade_socket import Event, EventSource
from actors.broker.trade_wire import Unreadable
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused, first_of
from runtime.kernel.clock import Clock, sleep_until
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.kernel.supervisor import back_off, is_worth_a_warning
from runtime.log import get_logger
from runtime.messages.base import Input
from runtime.messages.broker import BrokerStreamChanged, OrderFilled
from runtime.text import one_line

SECOND = 1_000_000_000
OVERLAP = 2 * SECOND
"""Fills are read from so long before the last one that was told: the broker's times are not exact."""
MOST_HELD = 100_000
"""Events held back during a catch-up; more mean that something else is wrong."""
MOST_ASKED = 8
"""Readings of an order that may lag behind the stream before its events are let go (and told as an error)."""
PATIENCE = 3
"""An order that could not be read so often makes the stream NOT READY until it can."""

_log = get_logger(__name__)


class BrokerStream(Gateway):
    """Keeps one trade stream and posts what it says.

    Args:
        source: The transport. rest: Snapshots and lookups.
        directory: Which of the broker's orders is which of ours; shared with the order gateway.
        clock: Market time. real: Time of waits.
        told_until: Time of the last fill that is already on the tape, ns UTC; 0: fills are not asked for
            beyond those that orders lack.
        is_first: Whether it is the first instance of its process.
    """

    def __init__(
        self,
        name: str,
        inbox: Inbox,
        port: Port,
        *,
        source: EventSource,
        rest: Reads,
        directory: Directory,
        clock: Clock,
        real: Clock,
        waits: BackOff | None = None,
        told_until: int = 0,
        is_first: bool = True,
    ) -> None:
        super().__init__(name, inbox, port)
        self.figures = BrokerStreamFigures()
        self._source, self._rest = source, rest
        self._directory = directory
        self._clock, self._real = clock, real
        self._waits = waits or BackOff(name)
        self._told_until = told_until
        self._unread_since = 0
        self._is_first_word = self._is_first_look = is_first
        self._told: tuple[bool, str] | None = None
        self._is_caught_up = self._is_stuck = False
        self._held: list[Event] | None = []
        """Events that wait for the snapshot; None: none has to."""
        self._behind: dict[str, list[wire.TradeUpdate]] = {}
        """Orders to read again by REST, with their events that wait for it."""
        directory.behind = self._behind  # a catch-up reads what an earlier instance left
        self._asked: dict[str, int] = {}
        self._look = asyncio.Event()
        self._reading = anyio.CancelScope()
        self._catching_up: anyio.CancelScope | None = None
        self._fault: StreamFault | None = None
        self._group: anyio.abc.TaskGroup | None = None

    @property
    def is_ready(self) -> bool:
        """Whether every later event of our orders will be posted."""
        return self._told == (True, "")

    # ---- the tasks --------------------------------------------------------------------------

    async def run(self) -> None:
        """Stream until stopped; what goes wrong inside ends the gateway and the supervisor decides."""
        failure: Exception | None = None
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                group.start_soon(self._stay_connected)
                group.start_soon(self._look_up)
                await super().run()
                group.cancel_scope.cancel()
        except ExceptionGroup as raised:
            failure = first_of(raised)
        finally:
            self.figures.state = "stopped"
        if failure is not None:
            raise failure

    async def _stay_connected(self) -> None:
        self._tell_ready("connecting")
        while True:
            begun = self._real.now()
            try:
                await self._connect()
            except StreamFault as fault:
                await self._recover(fault, self._real.now() - begun)

    async def _recover(self, fault: StreamFault, lasted: int) -> None:
        """Say what happened, then wait as long as this kind of fault takes."""
        self._tell_ready(fault.reason)
        if fault.remedy == "stop":
            self.figures.state = "refused"
            _log.critical("trade stream stopped: a person must act", code=fault.code, reason=fault.reason)
            await asyncio.Event().wait()
            return
        delay = self._waits.after(fault.remedy, lasted)
        self.figures.state = "waiting"
        level = _log.warning if self._waits.is_news(fault.reason) else _log.info
        level("trade stream lost", code=fault.code, reason=fault.reason, attempt=self._waits.attempt)
        await sleep_until(self._real, self._real.now() + delay)

    # ---- one connection ---------------------------------------------------------------------

    async def _connect(self) -> None:
        """One connection from its opening to its end.

        Raises:
            StreamFault: How it ended.
        """
        self.figures.state = "connecting"
        self._fault = None
        try:
            async with self._source.open() as events:
                self.figures.connections += 1
                self._begin_catch_up()
                self._reading = anyio.CancelScope()
                with self._reading:
                    while True:
                        for event in await events.next():
                            self._take(event)
            raise self._ended()
        finally:
            self._is_caught_up = False
            if self._catching_up is not None:
                self._catching_up.cancel()

    def _ended(self) -> StreamFault:
        return self._fault or StreamFault("retry", "the trade stream ended")

    def _take(self, event: Event) -> None:
        """Take in one event, now or after the snapshot."""
        self.figures.events += 1
        if self._held is None:
            self._apply(event)
        elif len(self._held) < MOST_HELD:
            self._held.append(event)
        else:
            self._give_up(StreamFault("slow", "more events than can be held back during a catch-up"))

    def _apply(self, event: Event) -> None:
        """Post what an event means; what is missing is read by REST."""
        if isinstance(event, Unreadable):
            self.figures.unreadable += 1
            _log.error(
                "an event of the trade stream cannot be read", order=event.order_id, example=event.example
            )
            if event.order_id:
                self._read_later(event.order_id)
            else:
                self._begin_catch_up("an event could not be read")
            return
        if event.order.id in self._behind:
            self._behind[event.order.id].append(event)
            return
        if event.event not in _KNOWN:
            self.figures.unknown += 1
            kind = one_line(event.event, 40)
            _log.warning(
                "an event of an unknown kind: its order is read again", kind=kind, order=event.order.id
            )
        told = translate.update_told(event, self._directory, self._clock.now())
        self.figures.external += told.is_external
        self._post(told.inputs)
        for order_id in told.lookups:
            self._read_later(order_id, event)

    def _post(self, inputs: Sequence[Input]) -> None:
        for message in inputs:
            if type(message) is OrderFilled:
                self._told_until = max(self._told_until, message.ts_event)
            self.port("broker", message)

    def _give_up(self, fault: StreamFault) -> None:
        """End the connection from another task."""
        self._fault = self._fault or fault
        self._reading.cancel()

    # ---- ready or not -----------------------------------------------------------------------

    def _tell_ready(self, reason: str = "") -> None:
        """Post whether the stream is ready, and each new reason why it is not."""
        ready = self._is_caught_up and not self._is_stuck
        if ready:
            self.figures.state = "ready"
            reason = ""
        if (ready, reason) != self._told:
            self._told = ready, reason
            started, self._is_first_word = self._is_first_word, False
            now = self._clock.now()
            change = BrokerStreamChanged(ts_event=now, ready=ready, reason=reason, started=started)
            self.port("broker", change)

    # ---- the snapshot -----------------------------------------------------------------------

    def _begin_catch_up(self, why: str = "") -> None:
        """Hold events back and read the snapshot; a catch-up under way is begun anew."""
        if self._held is None:
            self._held = []
        self._is_caught_up = False
        self._tell_ready(why or "catching up")
        self.figures.state = "catching up"
        if self._catching_up is not None:
            self._catching_up.cancel()
        scope = self._catching_up = anyio.CancelScope()
        assert self._group is not None
        self._group.start_soon(self._catch_up, scope)

    async def _catch_up(self, scope: anyio.CancelScope) -> None:
        """Tell what REST says, then what was held back, compare, then READY."""
        attempt = 0
        with scope:
            while not self._is_caught_up:
                attempt += 1
                self.figures.catch_ups += 1
                try:
                    await self._snapshot()
                    self._is_caught_up = self._release() and await self._compared()
                except KeysRefused as error:
                    self._give_up(StreamFault("stop", str(error), 401))
                    return
                except (BrokerUnavailable, BrokerRejected) as error:
                    level = _log.warning if is_worth_a_warning(attempt) else _log.info
                    level("the trade stream's catch-up failed", attempt=attempt, error=str(error))
                if not self._is_caught_up:
                    await sleep_until(self._real, self._real.now() + back_off(f"{self.name}:rest", attempt))
            self._tell_ready()

    def _release(self) -> bool:
        """Apply what was held back; False if something among it could not be read and names no order.

        What that was may have happened after the snapshot was read.
        """
        held, self._held = self._held or [], None
        nameless = [one for one in held if isinstance(one, Unreadable) and not one.order_id]
        for event in held:
            if event not in nameless:
                self._apply(event)
        if nameless:
            self._held = []
            self.figures.unreadable += len(nameless)
            _log.error("events could not be read", count=len(nameless), example=nameless[0].example)
        return not nameless

    async def _compared(self) -> bool:
        """Have the books compared with the broker's positions and open orders."""
        reason: snapshot.Reason = "start" if self._is_first_look else "reconnect"
        self._post([await snapshot.take(self._rest, self._directory, self._clock.now(), reason)])
        self._is_first_look = False
        return True

    async def _snapshot(self) -> None:
        """Read and tell our orders that are not open any more, the open ones, fills, the account.

        In this order: an exit trades after its entry has, and is told after it.
        """
        rest, directory = self._rest, self._directory
        since = self._unread_since or self._told_until
        listed = await rest.orders(status="open", symbols=(), nested=False, priority=Priority.LOOK_UP)
        seen = {order.id for order in listed}
        for known in directory.unfinished():
            if known.broker_order_id in seen:
                continue
            gone = await self._read(known.broker_order_id, known.client_order_id)
            if gone is None:
                directory.deny(known)
            else:
                self._post(await catch_up.tell_all(rest, directory, gone, self._clock.now()))
        for order in listed:
            self._post(await catch_up.tell_all(rest, directory, order, self._clock.now()))
        await self._fills_since(since)
        account = translate.account(await rest.account(priority=Priority.LOOK_UP), self._clock.now())
        if account is not None:
            self._post([account])

    async def _read(self, broker_order_id: str, client_order_id: str) -> wire.Order | None:
        """One of our orders; None if the broker does not know it: its fate is the order gateway's matter."""
        if broker_order_id:
            return await self._rest.order(broker_order_id)
        found = await self._rest.order_by_client_id(client_order_id)
        return None if found is None else await self._rest.order(found.id)

    async def _fills_since(self, since: int) -> None:
        if not since:
            return
        behind: dict[str, None] = {}
        self._unread_since = since
        found = await catch_up.fills(self._rest, self._directory, after=rfc3339(since - OVERLAP))
        self._unread_since = since if self._directory.unanswered else 0
        for activity in found:
            told = translate.activity_told(activity, self._directory, self._clock.now())
            self._post(told.inputs)
            behind |= dict.fromkeys(told.lookups)
        for order_id in behind:
            self._post(await catch_up.read_again(self._rest, self._directory, order_id, self._clock.now()))

    # ---- orders read again ------------------------------------------------------------------

    def _read_later(self, order_id: str, event: wire.TradeUpdate | None = None) -> None:
        """Have an order read again; what the event says is looked for again afterwards."""
        waiting = self._behind.setdefault(order_id, [])
        if event is not None and event.event in _TOLD_BY_ORDER:
            waiting.append(event)
        self._look.set()

    async def _look_up(self) -> None:
        """Read orders again by REST, one after the other; their events wait for it."""
        failures = 0
        while True:
            if not self._behind:
                self._look.clear()
                await self._look.wait()
            order_id = next(iter(self._behind))
            try:
                inputs = await catch_up.read_again(self._rest, self._directory, order_id, self._clock.now())
            except (BrokerUnavailable, BrokerRejected, KeysRefused) as error:
                failures += 1
                level = _log.warning if is_worth_a_warning(failures) else _log.info
                level("an order cannot be read again", order=order_id, attempt=failures, error=str(error))
                if failures >= PATIENCE:
                    self._is_stuck = True
                    self._tell_ready(f"order {order_id} cannot be read")
                await self._pause(failures)
                continue
            failures = 0
            self.figures.lookups += 1
            waiting = self._behind.pop(order_id)
            self._post(inputs)
            for event in waiting:
                self._apply(event)
            await self._compare(order_id)
            if self._is_stuck:
                self._is_stuck = False
                self._tell_ready()

    async def _compare(self, order_id: str) -> None:
        """REST may be behind the stream: ask again, a little later each time, but not for ever."""
        if order_id not in self._behind:
            self._asked.pop(order_id, None)
            return
        asked = self._asked[order_id] = self._asked.get(order_id, 0) + 1
        if asked >= MOST_ASKED:
            del self._behind[order_id], self._asked[order_id]
            _log.error("REST does not confirm what the trade stream said", order=order_id, asked=asked)
            return
        await self._pause(asked)

    async def _pause(self, attempt: int) -> None:
        await sleep_until(self._real, self._real.now() + back_off(f"{self.name}:order", attempt))


_TOLD_BY_ORDER = translate.FILLS | translate.STEPS
"""Kinds that are told again without harm: the order's cumulative quantity and status guard them."""
_KNOWN = translate.FILLS | translate.CORRECTIONS | translate.REFUSALS | translate.STEPS
