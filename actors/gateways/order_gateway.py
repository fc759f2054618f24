"""Takes the executor's commands to the broker, none waiting for another, and survives the executor.

How an order is sent is in `broker.submissions`, how it is changed in `broker.amendments`; what is under way
stays on the `Desk` when this gateway ends, and the next instance goes on with it. Cancelling and closing
everything needs neither commands nor this gateway: `broker.sweep`.
Source: architecture 3 and 4.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio
import anyio.abc

from actors.broker import permits, snapshot
from actors.broker.amendments import Amendments
from actors.broker.desk import Desk, Sending
from actors.broker.order_line import DEFAULT_PATIENCE, SECOND, Line, Patience
from actors.broker.rest import Rest
from actors.broker.submissions import Submissions
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.log import get_logger
from runtime.messages.account import ReadAccount
from runtime.messages.base import Input, Message
from runtime.messages.broker import CancelOrder, LookUpOrder, ReplaceOrder, SubmitOrder

About = TypeVar("About")

_log = get_logger(__name__)


class OrderGateway(Gateway):
    """The only one who sends orders.

    Args:
        desk: What is under way; the same for every instance.
        clock: Market time, for what bears no time of the broker's.
        wall: Real time, for waits.
        sync: Waits until the tape is on the disk; raises StorageUnavailable if it is not. Called in the
            worker thread that sends.
        halted: Why nothing that adds exposure may leave, or empty. Called in a worker thread right before
            the bytes leave; raising counts as a halt.
        symbols: The session's, of which is asked whether they may be traded and sold short.
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
        sync: Callable[[], None],
        halted: Callable[[], str],
        patience: Patience = DEFAULT_PATIENCE,
        symbols: Sequence[str] = (),
        name: str = "order_gateway",
    ) -> None:
        super().__init__(name, inbox, port)
        self._desk = desk
        self._patience = patience
        self._line = Line(
            rest, desk, self._post, clock=clock, wall=wall, stopping=self.stopping, patience=patience
        )
        self._submissions = Submissions(self._line, sync, halted)
        self._amendments = Amendments(self._line)
        self._symbols = symbols
        self._under_way = 0
        self._is_reading = self._is_slow = False
        self._begun = 0
        self._looked_up: dict[str, None] = {}
        """Client ids of the orders that are being looked up."""
        self._reads: list[anyio.CancelScope] = []
        """What only asks, and is given up when the end comes."""

    def _post(self, message: Input) -> None:
        self.port("broker", message)

    async def run(self) -> None:
        """Settle what an earlier instance left open, then take commands.

        Raises:
            Exception: What one command's handling raised, if it was one alone; that command does not come
                back, the others under way go on with the next instance.
        """
        self._give_up_poison()
        try:
            async with anyio.create_task_group() as group:
                if self._symbols and not self._desk.has_assets:
                    group.start_soon(self._asking, self._read_assets, self._symbols)
                for sending in list(self._desk.sendings.values()):
                    group.start_soon(self._counted, self._submissions.resume, sending)
                for cancel in list(self._desk.cancels.values()):
                    group.start_soon(self._counted, self._amendments.cancel, cancel)
                for replacement in list(self._desk.replaces.values()):
                    group.start_soon(self._counted, self._amendments.settle, replacement)
                async for command in self.inbox:
                    self.current = command
                    self._begin(command, group)
                    self.current = None
                for scope in list(self._reads):
                    scope.cancel()  # it may wait a minute for its turn, and nobody is left to hear of it
        except ExceptionGroup as failures:
            if len(failures.exceptions) == 1:
                raise failures.exceptions[0] from None
            raise

    def _give_up_poison(self) -> None:
        """Tell of what crashed an instance; it is not tried again, the broker is compared with our books."""
        for about in self._desk.poison:
            if isinstance(about, Sending):
                if about.has_left:
                    self._line.unknown(about.order, "its handling failed")
                    self._desk.close(about)
                else:
                    self._line.reject(about, 0, "not sent: its handling failed")
            elif isinstance(about, CancelOrder | ReplaceOrder):
                self._line.refuse(about, "its handling failed")
                if isinstance(about, CancelOrder):
                    self._desk.close_cancel(about)
                else:
                    self._desk.close_replace(about)
        self._desk.poison.clear()

    def _begin(self, command: Message, group: anyio.abc.TaskGroup) -> None:
        """Start what a command asks for; commands about one order start in the order they came."""
        match command:
            case SubmitOrder():
                if command.client_order_id in self._desk.sendings:
                    return  # under way already: the same command twice is one order
                sending = self._desk.open(command)
                if command.adds_exposure and self._under_way >= self._patience.at_once:
                    self._line.reject(sending, 0, "not sent: too many orders under way")
                    return
                group.start_soon(self._counted, self._submissions.submit, sending)
            case CancelOrder():
                self._desk.open_cancel(command)
                group.start_soon(self._counted, self._amendments.cancel, command)
            case ReplaceOrder():
                self._desk.open_replace(command)
                group.start_soon(self._counted, self._amendments.replace, command)
            case LookUpOrder():
                if command.client_order_id not in self._looked_up:  # who asked asks again
                    self._looked_up[command.client_order_id] = None
                    group.start_soon(self._asking, self._look_up, command)
            case ReadAccount():
                if not self._is_reading:  # a broker that slow is not asked twice at a time
                    self._is_reading, self._begun = True, self._line.wall.now()
                    group.start_soon(self._asking, self._read_account, command)
                elif not self._is_slow:
                    self._tell_slow()
            case _:
                raise NotImplementedError(f"{self.name} takes no {type(command).__name__}")

    def _tell_slow(self) -> None:
        """Once for a reading that lasts as long as a cancellation may take."""
        lasted = (self._line.wall.now() - self._begun) / SECOND
        if lasted >= self._patience.confirm:
            self._is_slow = True
            waiting = self._line.rest.gate.depth
            _log.warning("our books go uncompared", seconds=round(lasted), waiting=waiting)

    async def _read_assets(self, symbols: Sequence[str]) -> None:
        """Tell what may not be traded or sold short; unread, the broker's own refusals tell it."""
        line = self._line
        self._desk.has_assets = True
        try:
            found = await permits.read(line.rest, symbols, line.clock.now())
        except (BrokerUnavailable, BrokerRejected, KeysRefused) as failure:
            _log.warning("the broker's assets could not be read", error=str(failure))
        else:
            self._post(found)

    async def _read_account(self, command: ReadAccount) -> None:
        """Answer with positions and open orders; without an answer the next time will do."""
        line = self._line
        try:
            found = await snapshot.take(line.rest, line.desk.directory, line.clock.now(), command.reason)
        except (BrokerUnavailable, BrokerRejected, KeysRefused) as failure:
            _log.warning("positions and open orders could not be read", error=str(failure))
        else:
            self._post(found)
        finally:
            self._is_reading = self._is_slow = False

    async def _look_up(self, command: LookUpOrder) -> None:
        """One look-up of an order at a time: those of an hour without answers are not all made up for."""
        try:
            await self._amendments.look_up(command)
        finally:
            self._looked_up.pop(command.client_order_id, None)

    async def _asking(self, work: Callable[[About], Awaitable[None]], about: About) -> None:
        """What changes nothing at the broker: the end does not wait for it."""
        if self.stopping.is_set():
            return
        with anyio.CancelScope() as scope:
            self._reads.append(scope)
            try:
                await self._counted(work, about)
            finally:
                self._reads.remove(scope)

    async def _counted(self, work: Callable[[About], Awaitable[None]], about: About) -> None:
        self._under_way += 1
        try:
            await work(about)
        except Exception:
            self._desk.poison.append(about)
            self.current = about.order if isinstance(about, Sending) else self.current
            raise
        finally:
            self._under_way -= 1
