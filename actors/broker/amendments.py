"""Cancelling, replacing and reading again orders that the broker has.

A cancellation is repeated until it is answered and watched until it is confirmed; it can be asked for twice
without harm. A replacement is asked for once: the broker's events, or the order itself, say whether it
happened.
Source: alpaca.md 3.4 and 3.5; faults.md D 37-40.
"""

from actors.broker import catch_up, executions, order_steps, translate, wire
from actors.broker.directory import Known
from actors.broker.order_bodies import replace_body
from actors.broker.order_line import NOT_LIVE, SECOND, Line
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.messages.broker import CancelOrder, LookUpOrder, OrderRejected, ReplaceOrder


class Amendments:
    """Changes and ends orders."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def cancel(self, command: CancelOrder) -> None:
        """Ask until it is answered and confirmed, or the order is over."""
        line = self._line
        sending = line.desk.sendings.get(command.client_order_id)
        if sending is not None:
            if sending.withdraw():
                line.desk.close_cancel(command)
                return
            await sending.over.wait()
        attempt = 0
        while True:
            try:
                if await self._is_done(command):
                    break
                continue
            except (BrokerUnavailable, BrokerRejected) as error:
                failure, least = str(error), 0.0
            except KeysRefused as error:
                failure, least = str(error), line.patience.confirm
            if attempt == 0:
                line.unknown(command, f"cancellation unanswered, repeated: {failure}")
            if await line.pause(attempt, least):
                return
            attempt += 1
        line.desk.close_cancel(command)

    async def _is_done(self, command: CancelOrder) -> bool:
        """Ask once and wait for the confirmation; whether there is nothing more to do."""
        line = self._line
        if line.is_over(command.client_order_id):
            return True
        broker_id = line.broker_id(command)
        if not broker_id:
            found = await line.read_by_name(command.client_order_id)
            if found is None:
                line.refuse(command, "the broker does not know the order")
                return True
            broker_id = found.id
        try:
            await line.rest.cancel(broker_id)
        except BrokerRejected as refusal:
            order = await line.read(broker_id)
            if order is not None and order.status in NOT_LIVE:
                # Too late: what became of it is told. What has taken its place is cancelled instead.
                return order.status != "replaced" or line.broker_id(command) == broker_id
            if order is None or order.status != "pending_cancel":
                line.refuse(command, refusal.reason)
                return True
        line.desk.close_cancel(command)
        if await line.ends_within(line.patience.confirm) or line.is_over(command.client_order_id):
            return True
        order = await line.read(broker_id)
        return order is None or order.status in NOT_LIVE

    async def settle(self, command: ReplaceOrder) -> None:
        """Find out about a replacement whose answer an earlier instance, or process, did not get.

        It is asked for again where the order works at another price: asking twice changes nothing.
        """
        line, attempt = self._line, 0
        while True:
            try:
                order = await line.read(line.broker_id(command))
                if order is not None and order.replaced_by:
                    order = await line.read(order.replaced_by)
                break
            except (BrokerUnavailable, BrokerRejected, KeysRefused):
                if await line.pause(attempt):
                    return
                attempt += 1
        if order is None or order.status in NOT_LIVE:
            line.refuse(command, "the order is over")
        elif not _has_prices(order, command):
            await self.replace(command)
            return
        line.desk.close_replace(command)

    async def replace(self, command: ReplaceOrder) -> None:
        """Ask for other prices."""
        if await self._is_answered(command):
            self._line.desk.close_replace(command)

    async def _is_answered(self, command: ReplaceOrder) -> bool:
        """Ask, and find out what became of it; False if the end cut that short."""
        line = self._line
        broker_id = line.broker_id(command)
        try:
            answer = await line.rest.replace(broker_id, replace_body(command))
        except BrokerRejected as refusal:
            if "not changed" not in refusal.reason:
                line.refuse(command, refusal.reason)
        except (ValueError, KeysRefused) as error:
            line.refuse(command, str(error))
        except BrokerUnavailable as failure:
            if failure.is_unknown:
                return await self._look_for_replacement(command, broker_id, failure.reason)
            line.refuse(command, failure.reason)
        else:
            translate.replacement_asked(answer, line.desk.directory)
        return True

    async def _look_for_replacement(self, command: ReplaceOrder, broker_id: str, reason: str) -> bool:
        """Read the order until it shows that it was replaced, or that it was not; False: cut short."""
        line = self._line
        begun, looks, attempt = line.wall.now(), 0, 0
        while not await line.pause(attempt):
            attempt += 1
            try:
                order = await line.read(broker_id)
                if order is not None and order.replaced_by:
                    await line.read(order.replaced_by)
                    return True
            except (BrokerUnavailable, BrokerRejected, KeysRefused):
                continue
            looks += 1
            is_over = order is None or order.status in NOT_LIVE
            is_late = line.wall.now() - begun >= line.patience.absent * SECOND
            if is_over or (looks >= line.patience.lookups and is_late):
                line.refuse(command, f"the replacement did not happen: {reason}")
                return True
        return False

    async def _tell_again(self, known: Known, broker_order_id: str, command: LookUpOrder) -> None:
        """Everything of an order that was told before, for one who has missed some of it."""
        line = self._line
        order = await line.rest.order(broker_order_id)
        if order is None:
            return
        if order_steps.cumulative_of(order, known) < known.filled:
            await self._take_back(known, broker_order_id)
        now = line.clock.now()
        line.tell(executions.again(known, order, command.filled, now))
        known.tell_anew()
        line.tell(await catch_up.tell_all(line.rest, line.desk.directory, order, now))
        if command.cancelling and order.status not in (*NOT_LIVE, "pending_cancel"):
            line.refuse(command, "no cancellation is under way")

    async def _take_back(self, known: Known, broker_order_id: str) -> None:
        """The broker has fewer shares of an order than were told: if it stays so, fills were taken back."""
        line = self._line
        if await line.ends_within(line.patience.absent):  # what it answers may be behind what it told
            return
        told = known.filled
        order = await line.rest.order(broker_order_id)
        activities = await line.rest.fills(order_id=broker_order_id)
        if order is not None and known.filled == told:
            line.tell(executions.unmade(known, order, activities, line.clock.now()))

    async def _is_absent(self, client_order_id: str) -> bool:
        """Whether the broker goes on to say that it has no such order, which nobody here is sending."""
        line, attempt = self._line, 0
        begun = line.wall.now()
        while attempt < line.patience.lookups or line.wall.now() - begun < line.patience.absent * SECOND:
            if await line.read_by_name(client_order_id) is not None:
                return False
            if await line.pause(attempt) or client_order_id in line.desk.sendings:
                return False
            attempt += 1
        return True

    async def look_up(self, command: LookUpOrder) -> None:
        """Read an order that was silent for too long; what was missed is told.

        One that the broker never had is told as dead: whoever waits for it, a lot without its stop it may be,
        would wait for ever.
        """
        line = self._line
        if command.client_order_id in line.desk.sendings or command.client_order_id in line.desk.cancels:
            return  # in hand already
        known = line.desk.directory.named(command.client_order_id)
        broker_id = (known.broker_order_id if known else "") or command.broker_order_id
        try:
            if broker_id and known is not None and command.filled >= 0:
                await self._tell_again(known, broker_id, command)
            elif broker_id:
                await line.read(broker_id)
            elif await self._is_absent(command.client_order_id):
                line.post(
                    OrderRejected(
                        ts_event=line.clock.now(), client_order_id=command.client_order_id,
                        symbol=command.symbol, code=0, reason="the broker does not know it",
                    )
                )  # fmt: skip
        except (BrokerUnavailable, BrokerRejected, KeysRefused):
            return  # who asked asks again


def _has_prices(order: wire.Order, command: ReplaceOrder) -> bool:
    """Whether an order works at the prices that were asked for."""
    pairs = ((order.limit_price, command.limit_price), (order.stop_price, command.stop_price))
    return all(asked is None or wire.number(price) == asked for price, asked in pairs)
