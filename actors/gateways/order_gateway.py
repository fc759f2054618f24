"""Sends the executor's commands to the broker, each once, and finds out what became of it.

Right before an order that adds exposure leaves, the tape must be on the disk and the kill switch untouched.
An answer that never came is looked up by the order's own id until the fate is known; an entry that the
broker never had is abandoned, a reducing order is sent again under the same id, a cancellation is repeated.
Source: architecture 4; alpaca.md 3 and A; faults.md C and D.
"""

from collections.abc import Awaitable, Callable, Iterable

import anyio
import anyio.abc
import msgspec

from actors.broker import catch_up, sweep, translate, wire
from actors.broker.desk import Desk, Sending
from actors.broker.limiter import Priority
from actors.broker.order_bodies import replace_body, submit_body
from actors.broker.rest import NotSent, Rest
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused, StorageUnavailable
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.messages.base import Input, Message
from runtime.messages.trading import (
    CancelOrder,
    CancelRejected,
    LookUpOrder,
    OrderCanceled,
    OrderRejected,
    OrderUnknown,
    ReplaceOrder,
    SubmitOrder,
)

_SECOND = 1_000_000_000
_UNPROCESSABLE, _UNAUTHORIZED = 422, 401
_NOT_LIVE = frozenset(("filled", "canceled", "expired", "rejected", "replaced"))
_CANCELLING = frozenset(("pending_cancel",))


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for what, seconds of real time.

    Attributes:
        absent: An order counts as unknown to the broker only after so long and `lookups` definite noes.
        first, most: Pauses between attempts double from the first to the longest.
        entry: An entry that could not be sent for so long is given up; a reducing order never is.
        confirm: A cancellation that is not confirmed by then is looked up.
        late: When an abandoned entry is looked for once more.
        resends: How often a reducing order that the broker never had is sent again.
        at_once: Most commands under way; entries beyond are refused.
    """

    lookups: int = 5
    absent: float = 5.0
    first: float = 0.25
    most: float = 2.0
    entry: float = 10.0
    confirm: float = 30.0
    late: float = 30.0
    resends: int = 3
    at_once: int = 1000


DEFAULT_PATIENCE = Patience()


class OrderGateway(Gateway):
    """The only one who sends orders.

    Args:
        desk: What is under way; the same for every instance.
        clock: Market time, for what bears no time of the broker's.
        wall: Real time, for waits.
        sync: Waits until the tape is on the disk; raises StorageUnavailable if it is not.
        halted: Why nothing that adds exposure may leave, or empty. Called in a worker thread right before
            the bytes leave; raising counts as a halt.
    """

    def __init__(
        self,
        inbox: Inbox,
        port: Port,
        rest: Rest,
        desk: Desk,
        *,
        clock: Clock,
        wall: Clock,
        sync: Callable[[], Awaitable[None]],
        halted: Callable[[], str],
        patience: Patience = DEFAULT_PATIENCE,
        name: str = "order_gateway",
    ) -> None:
        super().__init__(name, inbox, port)
        self._rest = rest
        self._desk = desk
        self._clock = clock
        self._wall = wall
        self._sync = sync
        self._halted = halted
        self._patience = patience
        self._under_way = 0

    # ---- taking commands --------------------------------------------------------------------

    async def run(self) -> None:
        """Settle what an earlier instance left open, then take commands, none waiting for another."""
        async with anyio.create_task_group() as group:
            for sending in list(self._desk.sendings.values()):
                group.start_soon(self._counted, self._resume, sending)
            for cancel in list(self._desk.cancels.values()):
                group.start_soon(self._counted, self._cancel, cancel)
            async for command in self.inbox:
                self.current = command
                self._begin(command, group)
                self.current = None

    def _begin(self, command: Message, group: anyio.abc.TaskGroup) -> None:
        """Start what a command asks for, in the order in which commands came."""
        match command:
            case SubmitOrder():
                if command.client_order_id in self._desk.sendings:
                    return  # it is under way already: the same command twice is one order
                sending = self._desk.open(command)
                if command.adds_exposure and self._under_way >= self._patience.at_once:
                    self._reject(sending, 0, "not sent: too many orders under way")
                    return
                group.start_soon(self._counted, self._submit, sending)
            case CancelOrder():
                self._desk.cancels[command.client_order_id] = command
                self._desk.settled.clear()
                group.start_soon(self._counted, self._cancel, command)
            case ReplaceOrder():
                group.start_soon(self._counted, self._replace, command)
            case LookUpOrder():
                group.start_soon(self._counted, self._look_again, command)
            case _:
                raise NotImplementedError(f"{self.name} takes no {type(command).__name__}")

    async def _counted(self, work: Callable[..., Awaitable[None]], about: object) -> None:
        self._under_way += 1
        try:
            await work(about)
        finally:
            self._under_way -= 1

    async def cancel_all(self, entries_only: bool = False, deadline_s: float = 60.0) -> sweep.Swept:
        """Cancel every open order of the account, or our entries, and see that they are gone.

        Needs no decision actor; what it does comes back as the broker's events.
        """
        return await sweep.cancel_all(
            self._rest, self._wall, entries_only=entries_only, deadline_s=deadline_s, stop=self.stopping
        )

    async def close_all(self, deadline_s: float = 60.0) -> sweep.Swept:
        """Cancel everything, close every position and see that the account is flat; likewise."""
        return await sweep.close_all(self._rest, self._wall, deadline_s=deadline_s, stop=self.stopping)

    # ---- submitting -------------------------------------------------------------------------

    async def _resume(self, sending: Sending) -> None:
        """Go on with a submission that an earlier instance, or process, began."""
        if not sending.has_left:
            await self._submit(sending)
            return
        if await self._look_up(sending):
            self._desk.close(sending)
        elif sending.order.adds_exposure:
            await self._abandon(sending)
        else:
            await self._submit(sending)

    async def _submit(self, sending: Sending) -> None:
        order = sending.order
        try:
            body = submit_body(order)
        except ValueError as error:
            self._reject(sending, 0, f"not sent: {error}")
            return
        if order.adds_exposure and not await self._is_on_disk(sending):
            return
        begun, attempt = self._wall.now(), 0
        while True:
            failure = await self._post(sending, body)
            if failure is None:
                return
            if failure.is_unknown:
                self._tell_unknown(sending, failure.reason)
                if await self._look_up(sending):
                    self._desk.close(sending)
                    return
                if self.stopping.is_set():
                    return
                if order.adds_exposure or sending.posts > self._patience.resends:
                    await self._abandon(sending)
                    return
                continue
            waited = self._wall.now() - begun
            if order.adds_exposure and waited >= self._patience.entry * _SECOND:
                self._reject(sending, 0, f"not sent: {failure.reason}")
                return
            if waited >= self._patience.absent * _SECOND:
                self._tell_unknown(sending, f"not sent yet, trying on: {failure.reason}")
            if await self._pause(attempt, failure.retry_after):
                return
            attempt += 1

    async def _is_on_disk(self, sending: Sending) -> bool:
        """Wait for the tape; without it an order that adds exposure does not leave."""
        try:
            await self._sync()
        except StorageUnavailable as failure:
            self._reject(sending, 0, f"not sent: {failure}")
            return False
        return True

    async def _post(self, sending: Sending, body: dict[str, object]) -> BrokerUnavailable | None:
        """Send once; None when the fate is known and told, else why it is not."""
        order = sending.order
        priority = Priority.ENTRY if order.adds_exposure else Priority.EXIT
        with anyio.CancelScope() as scope:
            sending.scope = scope
            try:
                answer = await self._rest.submit(body, priority, lambda: self._last_look(sending))
            except NotSent as refusal:
                if not sending.is_withdrawn:
                    self._reject(sending, 0, f"not sent: {refusal}")
                    return None
            except BrokerRejected as refusal:
                if _is_duplicate(refusal):
                    return BrokerUnavailable("sent before: its id is in use")
                self._reject(sending, refusal.code or refusal.status, refusal.reason)
                return None
            except KeysRefused as refusal:
                self._reject(sending, _UNAUTHORIZED, str(refusal))
                return None
            except BrokerUnavailable as failure:
                if not sending.is_withdrawn or sending.has_left:
                    return failure
            else:
                self._tell(translate.order_told(answer, self._desk.directory, self._clock.now()).inputs)
                self._desk.close(sending)
                return None
        sending.scope = None
        if sending.has_left:
            return BrokerUnavailable("withdrawn while it was being sent")
        self._tell(
            [
                OrderCanceled(
                    ts_event=self._clock.now(), client_order_id=order.client_order_id, broker_order_id="",
                    symbol=order.symbol, reason="withdrawn before it was sent",
                )
            ]
        )  # fmt: skip
        self._desk.close(sending)
        return None

    def _last_look(self, sending: Sending) -> str:
        """Why it may not leave; in a worker thread, with nothing between this and the bytes."""
        if sending.order.adds_exposure:
            try:
                reason = self._halted()
            except Exception as error:  # noqa: BLE001 - fails closed: a look that fails is a halt
                reason = f"the kill switch cannot be looked at: {type(error).__name__}"
            if reason:
                return f"the kill switch is thrown: {reason}"
        return "" if sending.leave() else "withdrawn"

    async def _look_up(self, sending: Sending) -> bool:
        """Ask by client id until the fate is known; whether the broker has the order."""
        order = sending.order
        begun, misses, attempt = self._wall.now(), 0, 0
        while True:
            try:
                found = await self._read_by_name(order.client_order_id)
            except (BrokerUnavailable, BrokerRejected, KeysRefused):
                pass  # says nothing of the order
            else:
                if found:
                    return True
                misses += 1
                since = self._wall.now() - begun
                if misses >= self._patience.lookups and since >= self._patience.absent * _SECOND:
                    return False
            if await self._pause(attempt):
                return False
            attempt += 1

    async def _read_by_name(self, client_order_id: str) -> wire.Order | None:
        """The order with everything that was missed of it told."""
        found = await self._rest.order_by_client_id(client_order_id, priority=Priority.EXIT)
        if found is None:
            return None
        whole = await self._rest.order(found.id, priority=Priority.EXIT) or found
        directory = self._desk.directory
        self._tell(await catch_up.tell_all(self._rest, directory, whole, self._clock.now()))
        return whole

    async def _abandon(self, sending: Sending) -> None:
        """The broker never had it: told as dead; should it turn up after all it is cancelled."""
        if self.stopping.is_set():
            return
        order = sending.order
        self._reject(sending, 0, "abandoned: no answer came and the broker does not know it")
        await happens_by(self._wall, self.stopping, self._wall.now() + round(self._patience.late * _SECOND))
        if self.stopping.is_set():
            return
        try:
            found = await self._read_by_name(order.client_order_id)
            if found is not None and found.status not in _NOT_LIVE:
                await self._rest.cancel(found.id)
        except (BrokerUnavailable, BrokerRejected, KeysRefused):
            return  # the next comparison with the broker's open orders shows it

    # ---- cancelling, replacing, reading -----------------------------------------------------

    async def _cancel(self, command: CancelOrder) -> None:
        """Ask until it is answered and confirmed, or the order is over."""
        sending = self._desk.sendings.get(command.client_order_id)
        if sending is not None and not sending.withdraw():
            await sending.over.wait()
        elif sending is not None:
            self._desk.close_cancel(command)
            return
        attempt, failure = 0, ""
        while True:
            try:
                if await self._cancel_once(command):
                    break
            except (BrokerUnavailable, BrokerRejected) as error:
                failure, least = str(error), 0.0
            except KeysRefused as error:
                failure, least = str(error), self._patience.confirm
            else:
                continue
            if attempt == 0:
                self._say_unknown(command, f"cancellation unanswered, repeated: {failure}")
            if await self._pause(attempt, least):
                return
            attempt += 1
        self._desk.close_cancel(command)

    async def _cancel_once(self, command: CancelOrder) -> bool:
        """Ask once and wait for the confirmation; whether there is nothing more to do."""
        known = self._desk.directory.named(command.client_order_id)
        if known is not None and known.is_over:
            return True
        broker_id = (known.broker_order_id if known else "") or command.broker_order_id
        if not broker_id:
            found = await self._read_by_name(command.client_order_id)
            if found is None:
                self._refuse(command, "the broker does not know the order")
                return True
            broker_id = found.id
        try:
            await self._rest.cancel(broker_id)
        except BrokerRejected as refusal:
            order = await self._read(broker_id)
            if order is None or order.status not in _NOT_LIVE | _CANCELLING:
                self._refuse(command, refusal.reason)
                return True
            if order.status in _NOT_LIVE:
                return True
        self._desk.close_cancel(command)
        deadline = self._wall.now() + round(self._patience.confirm * _SECOND)
        if await happens_by(self._wall, self.stopping, deadline):
            return True
        known = self._desk.directory.named(command.client_order_id)
        if known is not None and known.is_over:
            return True
        order = await self._read(broker_id)
        return order is None or order.status in _NOT_LIVE

    async def _replace(self, command: ReplaceOrder) -> None:
        """Ask once; the broker's events say whether it happened."""
        known = self._desk.directory.named(command.client_order_id)
        broker_id = (known.broker_order_id if known else "") or command.broker_order_id
        try:
            answer = await self._rest.replace(broker_id, replace_body(command))
        except BrokerRejected as refusal:
            if "not changed" not in refusal.reason:
                self._refuse(command, refusal.reason)
        except (ValueError, KeysRefused) as error:
            self._refuse(command, str(error))
        except BrokerUnavailable as failure:
            if failure.is_unknown:
                await self._look_for_replacement(command, broker_id, failure.reason)
            else:
                self._refuse(command, failure.reason)
        else:
            translate.replacement_asked(answer, self._desk.directory)

    async def _look_for_replacement(self, command: ReplaceOrder, broker_id: str, reason: str) -> None:
        """Read the order until it shows that it was replaced, or that it was not."""
        begun, looks, attempt = self._wall.now(), 0, 0
        while not await self._pause(attempt):
            attempt += 1
            try:
                order = await self._read(broker_id)
                if order is not None and order.replaced_by:
                    await self._read(order.replaced_by)
                    return
            except (BrokerUnavailable, KeysRefused):
                continue
            looks += 1
            is_over = order is None or order.status in _NOT_LIVE
            is_late = self._wall.now() - begun >= self._patience.absent * _SECOND
            if is_over or (looks >= self._patience.lookups and is_late):
                self._refuse(command, f"the replacement did not happen: {reason}")
                return

    async def _look_again(self, command: LookUpOrder) -> None:
        """Read an order that was silent for too long; what was missed is told."""
        try:
            known = self._desk.directory.named(command.client_order_id)
            broker_id = (known.broker_order_id if known else "") or command.broker_order_id
            if broker_id:
                await self._read(broker_id)
            elif command.client_order_id not in self._desk.sendings:
                await self._read_by_name(command.client_order_id)
        except (BrokerUnavailable, BrokerRejected, KeysRefused):
            return  # who asked asks again

    async def _read(self, broker_order_id: str) -> wire.Order | None:
        """The order of a broker id, with everything that was missed of it told."""
        order = await self._rest.order(broker_order_id, priority=Priority.EXIT)
        if order is not None:
            directory = self._desk.directory
            self._tell(await catch_up.tell_all(self._rest, directory, order, self._clock.now()))
        return order

    # ---- telling ----------------------------------------------------------------------------

    def _tell(self, inputs: Iterable[Input]) -> None:
        for one in inputs:
            self.port("broker", one)

    def _reject(self, sending: Sending, code: int, reason: str) -> None:
        """It is dead: told, and off the desk."""
        order = sending.order
        known = self._desk.directory.named(order.client_order_id)
        if known is not None and code:
            known.is_over = True
        self.port(
            "broker",
            OrderRejected(
                ts_event=self._clock.now(), client_order_id=order.client_order_id, symbol=order.symbol,
                code=code, reason=reason,
            ),
        )  # fmt: skip
        self._desk.close(sending)

    def _tell_unknown(self, sending: Sending, reason: str) -> None:
        """Once for an order, and not if the stream has told of it meanwhile."""
        known = self._desk.directory.named(sending.order.client_order_id)
        if not sending.is_told_unknown and not (known and known.is_accepted):
            sending.is_told_unknown = True
            self._say_unknown(sending.order, reason)

    def _say_unknown(self, about: SubmitOrder | CancelOrder, reason: str) -> None:
        self.port(
            "broker",
            OrderUnknown(
                ts_event=self._clock.now(), client_order_id=about.client_order_id, symbol=about.symbol,
                reason=reason,
            ),
        )  # fmt: skip

    def _refuse(self, command: CancelOrder | ReplaceOrder, reason: str) -> None:
        known = self._desk.directory.named(command.client_order_id)
        self.port(
            "broker",
            CancelRejected(
                ts_event=self._clock.now(),
                client_order_id=command.client_order_id,
                broker_order_id=(known.broker_order_id if known else "") or command.broker_order_id,
                symbol=command.symbol,
                reason=reason,
            ),
        )

    async def _pause(self, attempt: int, at_least: float = 0.0) -> bool:
        """Wait before the next attempt; whether the end cut it short."""
        patience = self._patience
        seconds = max(min(patience.first * 2 ** min(attempt, 20), patience.most), at_least)
        return await happens_by(self._wall, self.stopping, self._wall.now() + round(seconds * _SECOND))


def _is_duplicate(refusal: BrokerRejected) -> bool:
    """Whether the broker has an order of this id already: ours, from an attempt whose answer was lost."""
    return refusal.status == _UNPROCESSABLE and "client_order_id must be unique" in refusal.reason
