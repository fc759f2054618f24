"""Cancels and closes past the decision actors when they cannot do it themselves.

`Emergency` watches what every input causes and knows what is left undone; it outlives the gateway's
instances and a restart, for it hears a tape that is fed again. `EmergencyExit` does it by `broker.sweep`:

- portfolio, breaker or executor given up: entries are cancelled; what rests beside them stays;
- a halt that the executor has not confirmed in time: entries are cancelled;
- a halt that wants our lots closed, with the executor given up: our orders are cancelled and our shares
  closed, by orders of the lots' own names: what is ours the directory of orders says, which needs no
  decision actor, and what those orders trade is booked on the lots;
- a halt that wants `EXTERNAL` closed too: when our lots are flat, or the executor is given up, all orders of
  the account are cancelled and all its positions closed.

While the executor lives, closing our lots is its business: it knows what else each lot needs.
Source: architecture 3 and 5; faults.md E 47 and 51.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal, NamedTuple

import anyio

from actors.broker.sweep import Sweeper
from actors.broker.sweep_steps import Swept
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.log import get_logger
from runtime.messages.account import AccountSwept
from runtime.messages.base import Input, Message
from runtime.messages.machine import ActorStopped
from runtime.messages.risk import HaltConfirmed, HaltLifted, HaltThrown

MONEY_ACTORS = ("portfolio", "breaker", "executor")
_SECOND = 1_000_000_000

_log = get_logger(__name__)


class Wish(NamedTuple):
    """What is to be done past the decision actors.

    Attributes:
        patience: Whether they are given the time to do it first.
        is_alone: Whether there is no executor to close our lots.
    """

    what: Literal["entries", "orders", "everything", "ours"]
    why: str
    patience: bool = False
    is_alone: bool = False


class Emergency:
    """Observer that knows what the decision actors leave undone.

    Args:
        cancel_protective: Whether a halt cancels stops and targets too.

    Attributes:
        changed: Set when the wish may have changed.
    """

    def __init__(self, *, cancel_protective: bool = False, halted: bool = False) -> None:
        self.changed = asyncio.Event()
        self._cancel_protective = cancel_protective
        self._halted = halted
        self._flatten = self._everything = self._is_confirmed = False
        self._stopped: dict[str, str] = {}
        self._done: Wish | None = None

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        if isinstance(message, HaltThrown):
            self._halted, self._is_confirmed = True, False
            self._flatten = self._flatten or message.flatten
            self._everything = self._everything or message.everything
            self._tell()
        elif isinstance(message, HaltLifted):
            self._halted = self._flatten = self._everything = self._is_confirmed = False
            self._tell()
        for said in caused:
            if type(said) is HaltConfirmed:
                self._is_confirmed = True
                self._tell()
            elif type(said) is ActorStopped and said.actor in MONEY_ACTORS:
                self._stopped[said.actor] = said.reason
                self._tell()

    def _tell(self) -> None:
        self._done = None
        self.changed.set()

    @property
    def wish(self) -> Wish | None:
        """What is to be done now and was not done yet."""
        wish = self._wish()
        return None if wish == self._done else wish

    def _wish(self) -> Wish | None:
        dead = "; ".join(f"{name} stopped: {reason}" for name, reason in self._stopped.items())
        if "executor" in self._stopped and self._halted:
            if self._everything:
                return Wish("everything", f"the whole account is to be closed and {dead}", is_alone=True)
            if self._flatten:
                return Wish("ours", f"our lots are to be closed and {dead}")
            if self._cancel_protective:
                return Wish("orders", f"the kill switch is thrown and {dead}")
        if self._everything and self._is_confirmed:
            return Wish("everything", "our lots are closed; what is not ours is to be closed too")
        if dead:
            return Wish("entries", dead)
        if self._halted and not self._is_confirmed:
            return Wish("entries", "the halt is not confirmed", patience=True)
        return None

    def did(self, wish: Wish) -> None:
        """A wish is fulfilled."""
        self._done = wish


class EmergencyExit(Gateway):
    """Fulfils the wishes of an `Emergency`; takes no commands.

    Args:
        patience: Seconds of real time that the decision actors have to confirm a halt.
        clock: Market time, of what it posts. wall: real time.
    """

    def __init__(
        self,
        name: str,
        inbox: Inbox,
        port: Port,
        *,
        emergency: Emergency,
        sweeper: Sweeper,
        patience: float,
        clock: Clock,
        wall: Clock,
    ) -> None:
        super().__init__(name, inbox, port)
        self._emergency = emergency
        self._sweeper = sweeper
        self._patience = round(patience * _SECOND)
        self._clock, self._wall = clock, wall

    async def run(self) -> None:
        """Wait for wishes and fulfil them until asked to stop."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._work)
            await super().run()
            group.cancel_scope.cancel()

    async def _work(self) -> None:
        emergency = self._emergency
        while True:
            emergency.changed.clear()
            wish = emergency.wish
            if wish is None:
                await emergency.changed.wait()
            elif not wish.patience or not await self._is_settled():
                await self._fulfil(wish)

    async def _is_settled(self) -> bool:
        """Give the decision actors their time; whether something has changed meanwhile."""
        return await happens_by(self._wall, self._emergency.changed, self._wall.now() + self._patience)

    async def _fulfil(self, wish: Wish) -> None:
        """Do it until it is done, or until something else is wanted."""
        log = _log.warning if wish.patience else _log.critical
        log("cancelling past the decision actors", what=wish.what, why=wish.why)
        changed = self._emergency.changed
        if wish.what == "everything":
            swept = await self._sweeper.close_all(ours=wish.is_alone, stop=changed)
        elif wish.what == "ours":
            swept = await self._sweeper.close_ours(stop=changed)
        else:
            swept = await self._sweeper.cancel_all(entries_only=wish.what == "entries", stop=changed)
        self._tell(wish, swept)
        if swept.is_done:
            self._emergency.did(wish)

    def _tell(self, wish: Wish, swept: Swept) -> None:
        if swept.is_done:
            _log.warning("nothing is left of it at the broker", what=wish.what)
        else:
            _log.error("not done yet", what=wish.what, left=", ".join(swept.left[:20]), reason=swept.reason)
        self.port(
            "broker",
            AccountSwept(
                ts_event=self._clock.now(), what=wish.what, done=swept.is_done, left=swept.left, why=wish.why
            ),
        )
