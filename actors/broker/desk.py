"""What is under way between us and the broker; it outlives the gateway's instances.

A command stays on the desk from when it is taken until its fate is known, so a gateway that was restarted, or
a process that was, looks up what its predecessor left open instead of sending it again.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from actors.broker.directory import Directory
from runtime.kernel.clock import Clock, happens_by
from runtime.messages.broker import CancelOrder, ReplaceOrder, SubmitOrder


class Sending:
    """One submission.

    Attributes:
        has_left: Whether the broker may have it: then only a look-up tells its fate.
        is_withdrawn: Whether it was cancelled before that. is_late: by us, for no turn came in time.
        failure: Why it could not be sent when last tried, or empty.
        over: Set once its fate is known.
        scope: What waits for its turn; cancelled with it.
    """

    def __init__(self, order: SubmitOrder, *, has_left: bool = False) -> None:
        self.order = order
        self.has_left = has_left
        self.is_withdrawn = self.is_late = False
        self.is_told_unknown = False
        self.failure = ""
        self.posts = 0
        self._attempt = self._left_in = self._looking = 0
        # A withdrawal on the loop and the bytes in their thread must not pass each other.
        self._lock = threading.Lock()
        self.over = asyncio.Event()
        self.scope: anyio.CancelScope | None = None

    @property
    def is_at_the_door(self) -> bool:
        """Whether a thread of its is having the last look before the bytes go."""
        return self._looking > 0

    @contextmanager
    def looking(self) -> Iterator[None]:
        """While a thread has the last look; one that was given up may have it beside the newest."""
        with self._lock:
            self._looking += 1
        try:
            yield
        finally:
            with self._lock:
                self._looking -= 1

    def give_up(self) -> None:
        """It has waited too long: take it back if it has not left."""
        if not self.is_withdrawn and self.withdraw():
            self.is_late = True

    def withdraw(self) -> bool:
        """Take it back if it has not left; whether that was in time."""
        with self._lock:
            if self.has_left:
                return False
            self.is_withdrawn = True
        if self.scope is not None:
            self.scope.cancel()
        return True

    def begin(self) -> int:
        """Begin an attempt to send it; its number."""
        with self._lock:
            self._attempt += 1
            return self._attempt

    def let_go(self, attempt: int) -> bool:
        """Nobody waits for an attempt any more: its bytes may not go now; whether they never went."""
        with self._lock:
            if self._attempt == attempt:
                self._attempt += 1
            return self._left_in != attempt

    def leave(self, attempt: int) -> bool:
        """Mark that its bytes go now, from whatever thread; False: it was taken back, they may not."""
        with self._lock:
            if self.is_withdrawn or attempt != self._attempt:
                return False
            self.has_left = True
            self._left_in = attempt
            self.posts += 1
            return True

    def stay(self) -> None:
        """The broker cannot have it after all: until its bytes go again it may be withdrawn."""
        with self._lock:
            self.has_left = False


class Desk:
    """Open submissions, cancellations and replacements, and the directory of the broker's orders.

    Args:
        passed: Told the client id of each submission whose fate is known.
    """

    def __init__(self, directory: Directory, passed: Callable[[str], None] = lambda name: None) -> None:
        self.directory = directory
        self._passed = passed
        self.sendings: dict[str, Sending] = {}
        self.cancels: dict[str, CancelOrder] = {}
        self.replaces: dict[str, ReplaceOrder] = {}
        self.poison: list[object] = []
        """What crashed an instance of the gateway: it is told of and not tried again."""
        self.has_assets = False
        """Whether it was asked which symbols may be traded."""
        self.settled = asyncio.Event()
        """Set exactly while nothing is open."""
        self.settled.set()

    def take_over(self, command: SubmitOrder | CancelOrder | ReplaceOrder) -> None:
        """Take in a command that an earlier process wrote on the tape and got no answer to.

        Before the gateway runs: submissions and replacements are then looked up, cancellations repeated.
        """
        if isinstance(command, SubmitOrder):
            self.open(command).has_left = True
        elif isinstance(command, CancelOrder):
            self.open_cancel(command)
        else:
            self.open_replace(command)

    def open(self, order: SubmitOrder) -> Sending:
        """Put a submission on the desk."""
        self.directory.add(order.client_order_id, order.symbol)
        sending = self.sendings[order.client_order_id] = Sending(order)
        self.settled.clear()
        return sending

    def open_cancel(self, command: CancelOrder) -> None:
        """Put a cancellation on the desk."""
        self.cancels[command.client_order_id] = command
        self.settled.clear()

    def open_replace(self, command: ReplaceOrder) -> None:
        """Put a replacement on the desk; a later one of the same order stands for both."""
        self.replaces[command.client_order_id] = command
        self.settled.clear()

    def close_replace(self, command: ReplaceOrder) -> None:
        """What became of a replacement is known, or asked for."""
        if self.replaces.get(command.client_order_id) is command:
            del self.replaces[command.client_order_id]
        self._look()

    def close(self, sending: Sending) -> None:
        """Its fate is known."""
        self.sendings.pop(sending.order.client_order_id, None)
        sending.over.set()
        self._passed(sending.order.client_order_id)
        self._look()

    def close_cancel(self, command: CancelOrder) -> None:
        """The broker answered a cancellation."""
        self.cancels.pop(command.client_order_id, None)
        self._look()

    async def unanswered(self, real: Clock, until: int) -> list[str]:
        """Client ids of entries that may be on their way to the broker, or there, and nobody knows yet.

        Asked after the kill switch was thrown, an empty answer means that none takes effect any more: who
        comes to the last look later sees the switch.

        Args:
            real: Time of waits. until: how long answers are waited for, ns of it.
        """
        for sending in [one for one in self.sendings.values() if _may_be_there(one)]:
            await happens_by(real, sending.over, until)
        return [name for name, one in self.sendings.items() if _may_be_there(one)]

    def _look(self) -> None:
        if not (self.sendings or self.cancels or self.replaces):
            self.settled.set()


def _may_be_there(sending: Sending) -> bool:
    return sending.order.adds_exposure and (sending.has_left or sending.is_at_the_door)
