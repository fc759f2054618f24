"""Sending an order once, and finding out what became of it.

Right before an order that adds exposure leaves, the tape must be on the disk and the kill switch untouched.
A lost answer is looked up by the order's own id: an entry that the broker never had is abandoned, a reducing
order is sent again under the same id.
Source: architecture 4; alpaca.md A; faults.md C 28-34 and D 46.
"""

import threading
from collections.abc import Callable

import anyio

from actors.broker import translate
from actors.broker.desk import Sending
from actors.broker.limiter import Priority
from actors.broker.order_bodies import is_duplicate, submit_body
from actors.broker.order_line import NOT_LIVE, SECOND, Line
from actors.broker.rest import NotSent
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused, StorageUnavailable
from runtime.messages.broker import OrderCanceled

_UNAUTHORIZED = 401


class SharedSync:
    """One wait for the disk serves everybody who asked before it began; from worker threads.

    Args:
        sync: Waits until everything written so far is on the disk; raises StorageUnavailable if it is not.
        patience: How long one waits for another's wait, seconds.
    """

    def __init__(self, sync: Callable[[], None], patience: float = 5.0) -> None:
        self._sync = sync
        self._patience = patience
        self._turn, self._counting = threading.Lock(), threading.Lock()
        self._asked = 0
        self._served = 0

    def __call__(self) -> None:
        """Wait until what was written before this call is on the disk; raises as `sync`."""
        with self._counting:
            self._asked += 1
            mine = self._asked
        if not self._turn.acquire(timeout=self._patience):
            raise StorageUnavailable(f"the disk did not answer within {self._patience:g} s")
        try:
            if self._served >= mine:
                return
            with self._counting:
                upto = self._asked
            self._sync()
            self._served = upto
        finally:
            self._turn.release()


class Submissions:
    """Sends orders.

    Args:
        sync: Waits until the tape is on the disk; raises StorageUnavailable if it is not. Called in the
            worker thread that sends, right before the look at `halted`.
        halted: Why nothing that adds exposure may leave, or empty. Called in a worker thread right before
            the bytes leave; raising counts as a halt.
    """

    def __init__(self, line: Line, sync: Callable[[], None], halted: Callable[[], str]) -> None:
        self._line = line
        self._sync = SharedSync(sync)
        self._halted = halted

    async def resume(self, sending: Sending) -> None:
        """Go on with a submission that an earlier instance, or process, began."""
        if not sending.has_left:
            await self.submit(sending)
        elif await self._look_up(sending):
            self._line.desk.close(sending)
        elif self._line.stopping.is_set():
            return
        elif sending.order.adds_exposure:
            await self._abandon(sending)
        else:
            await self.submit(sending)

    async def submit(self, sending: Sending) -> None:
        """Send an order and stay with it until its fate is known and told.

        What was decided holds for a while only: an entry that waits longer, for the disk, for the broker or
        for its turn among the requests, is given up.
        """
        if not sending.order.adds_exposure:
            await self._submit(sending)
            return
        wall = self._line.wall
        patience = round(self._line.patience.entry * SECOND)
        forget = wall.call_at(wall.now() + patience, sending.give_up)
        try:
            await self._submit(sending)
        finally:
            forget()

    async def _submit(self, sending: Sending) -> None:
        order, line = sending.order, self._line
        try:
            body = submit_body(order)
        except ValueError as error:
            line.reject(sending, 0, f"not sent: {error}")
            return
        begun, attempt = line.wall.now(), 0
        while (failure := await self._post(sending, body)) is not None:
            if failure.is_unknown:
                if await self._is_settled(sending, failure.reason):
                    return
                continue
            sending.stay()
            sending.failure = failure.reason
            waited = line.wall.now() - begun
            if order.adds_exposure and waited >= line.patience.entry * SECOND:
                line.reject(sending, 0, f"not sent: {failure.reason}")
                return
            if waited >= line.patience.absent * SECOND:
                self._tell_unknown(sending, f"not sent yet, trying on: {failure.reason}")
            # An exit asks again before the limit is reset: the gate lets it pass, later each time.
            if await line.pause(attempt, failure.retry_after if order.adds_exposure else 0.0):
                return
            attempt += 1

    async def _is_settled(self, sending: Sending, reason: str) -> bool:
        """After a lost answer: whether nothing more is to be done; else it is to be sent again."""
        self._tell_unknown(sending, reason)
        if await self._look_up(sending):
            self._line.desk.close(sending)
            return True
        if self._line.stopping.is_set():
            return True  # it stays on the tape without an answer: the next start looks it up
        if sending.order.adds_exposure or sending.posts > self._line.patience.resends:
            await self._abandon(sending)
            return True
        return False

    async def _post(self, sending: Sending, body: dict[str, object]) -> BrokerUnavailable | None:
        """Send once; None when the fate is known and told, else why it is not."""
        attempt = sending.begin()
        try:
            failure = await self._attempt(sending, body, attempt)
        finally:
            # Its thread may still wait for the disk: what nobody waits for any more must not leave later.
            never_left = sending.let_go(attempt)
        if failure is not None and failure.is_unknown and never_left:
            return BrokerUnavailable(failure.reason, is_unknown=False)
        return failure

    async def _attempt(
        self, sending: Sending, body: dict[str, object], attempt: int
    ) -> BrokerUnavailable | None:
        line = self._line
        if sending.is_withdrawn and not sending.has_left:
            self._tell_withdrawn(sending)
            return None
        priority = Priority.ENTRY if sending.order.adds_exposure else Priority.EXIT
        with anyio.CancelScope() as scope:
            sending.scope = scope
            try:
                answer = await line.rest.submit(body, priority, lambda: self._last_look(sending, attempt))
            except NotSent as refusal:
                if not sending.is_withdrawn:
                    line.reject(sending, 0, f"not sent: {refusal}")
                    return None
            except BrokerRejected as refusal:
                if is_duplicate(refusal):
                    return BrokerUnavailable("sent before: its id is in use")
                line.reject(sending, refusal.code or refusal.status, refusal.reason)
                return None
            except KeysRefused as refusal:
                line.reject(sending, _UNAUTHORIZED, str(refusal))
                return None
            except BrokerUnavailable as failure:
                if not sending.is_withdrawn or sending.has_left:
                    return failure
            else:
                # Fills in the answer are left to the stream, which knows their ids.
                line.tell(translate.order_told(answer, line.desk.directory, line.clock.now()).inputs)
                line.desk.close(sending)
                return None
        if sending.has_left:
            return BrokerUnavailable("withdrawn while it was being sent")
        self._tell_withdrawn(sending)
        return None

    def _last_look(self, sending: Sending, attempt: int) -> str:
        """Why it may not leave; in a worker thread, with nothing between this and the bytes."""
        if not sending.order.adds_exposure:
            return "" if sending.leave(attempt) else "withdrawn"
        before, sending.failure = sending.failure, "the tape was not on the disk in time"
        try:
            self._sync()
        except StorageUnavailable as error:
            return str(error)
        sending.failure = before
        # Said before the look: whoever threw the switch and finds nobody here knows that none passed it.
        with sending.looking():
            reason = self._why_halted()
            if reason:
                return f"the kill switch is thrown: {reason}"
            return "" if sending.leave(attempt) else "withdrawn"

    def _why_halted(self) -> str:
        try:
            return self._halted()
        except Exception as error:  # noqa: BLE001 - fails closed: a look that fails is a halt
            return f"it cannot be looked at ({type(error).__name__})"

    async def _look_up(self, sending: Sending) -> bool:
        """Ask by client id until the fate is known; whether the broker has the order."""
        line = self._line
        begun, misses, attempt = line.wall.now(), 0, 0
        while True:
            try:
                found = await line.read_by_name(sending.order.client_order_id)
            except (BrokerUnavailable, BrokerRejected, KeysRefused):
                pass  # says nothing of the order
            else:
                if found is not None:
                    return True
                misses += 1
                since = line.wall.now() - begun
                if misses >= line.patience.lookups and since >= line.patience.absent * SECOND:
                    return False
            if await line.pause(attempt):
                return False
            attempt += 1

    async def _abandon(self, sending: Sending) -> None:
        """The broker never had it: told as dead; should it turn up after all it is cancelled."""
        line = self._line
        line.reject(sending, 0, "abandoned: no answer came and the broker does not know it")
        if await line.ends_within(line.patience.late):
            return
        try:
            found = await line.read_by_name(sending.order.client_order_id)
            if found is not None and found.status not in NOT_LIVE:
                await line.rest.cancel(found.id)
        except (BrokerUnavailable, BrokerRejected, KeysRefused):
            return  # the next comparison with the broker's open orders shows it

    def _tell_unknown(self, sending: Sending, reason: str) -> None:
        """Once for an order, and not if the stream has told of it meanwhile."""
        known = self._line.desk.directory.named(sending.order.client_order_id)
        if not sending.is_told_unknown and not (known and known.is_accepted):
            sending.is_told_unknown = True
            self._line.unknown(sending.order, reason)

    def _tell_withdrawn(self, sending: Sending) -> None:
        line, order = self._line, sending.order
        if sending.is_late:
            why = sending.failure or f"no turn came within {line.patience.entry:g} s"
            line.reject(sending, 0, f"not sent: {why}")
            return
        line.post(
            OrderCanceled(
                ts_event=line.clock.now(), client_order_id=order.client_order_id, broker_order_id="",
                symbol=order.symbol, reason="withdrawn before it was sent",
            )
        )  # fmt: skip
        line.desk.close(sending)
