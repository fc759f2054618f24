"""What a person may ask of a running session: halt, resume, pause, resolve, explain, stop.

A command enters as an input of the operator's, ahead of what waits, and is answered once that input has been
handled.
"""

import asyncio
import difflib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import anyio.to_thread
import msgspec

from actors.screen.feed import Feed
from runtime.kernel.clock import Clock, happens_by, sleep_until
from runtime.kernel.gateway import Port
from runtime.kill_switch import NotLifted
from runtime.messages.base import Input
from runtime.messages.machine import ErrorResolved
from runtime.messages.risk import HaltLifted, HaltThrown, StrategyPaused
from runtime.messages.screen_wire import Answer, Ask
from runtime.text import one_line
from storage.database import DatabaseRefused
from storage.readers.chain import chain, nearest
from storage.readers.ledger import open_ledger

WAIT = 2_000_000_000
"""How long an input may take to be handled before the answer says that it was not, ns."""
ANSWERED = 1_500_000_000
"""How long a halt waits for the actors, and for the broker's answers to entries on their way, ns: less than
whoever asks waits."""
BEHIND = 200_000_000
"""How far the books may be behind, about, ns."""
EXPLAINED = 1
"""Schema of what `explain` prints as JSON."""

_NAMED = 5
"""Orders that an answer names; the others it counts."""

Command = Callable[[Ask], Awaitable[Answer]]
Unanswered = Callable[[Clock, int], Awaitable[Sequence[str]]]
"""Waits until a moment for the broker's answers to entries that have left; the ids of those without one."""


async def none_leave(_: Clock, __: int) -> Sequence[str]:
    """A simulated broker has every order as soon as it is sent."""
    return ()


class Switch(Protocol):
    """The kill switch of the session: a real one, or a replay's own."""

    def throw(self, reason: str, *, flatten: bool = False, everything: bool = False) -> object:
        """Halt; posts `HaltThrown`."""

    async def lift(self, by: str) -> None:
        """Resume; posts `HaltLifted`. Raises NotLifted."""


class Operator:
    """Answers commands.

    Args:
        feed: Says when an input has been handled. post: where inputs go.
        switch: Thrown and lifted. strategies: names that may be paused.
        root: Whose books are explained. clock: market time. real: time of waits.
        stop: Ends the session in order.
        external: What the account has beside ours, in words; empty: nothing. more: further commands, by name.
        unanswered: Says which entries may be on their way to the broker.
    """

    def __init__(
        self,
        feed: Callable[[], Feed],
        post: Port,
        switch: Switch,
        *,
        strategies: tuple[str, ...],
        root: Path,
        now: Callable[[], int],
        real: Clock,
        stop: Callable[[], None],
        external: Callable[[], str] = lambda: "",
        more: Mapping[str, Command] | None = None,
        unanswered: Unanswered = none_leave,
    ) -> None:
        self._feed, self._post, self._switch = feed, post, switch
        self._strategies = strategies
        self._root = root
        self._now, self._real = now, real
        self._stop = stop
        self._external = external
        self._unanswered = unanswered
        self._commands: dict[str, Command] = {
            "hello": self._hello,
            "halt": self._halt,
            "flatten": self._flatten,
            "external": self._name_external,
            "resume": self._resume,
            "pause_strategy": self._pause,
            "unpause_strategy": self._unpause,
            "resolve_error": self._resolve,
            "explain": self._explain,
            "stop": self._end,
            **(more or {}),
        }

    async def __call__(self, ask: Ask) -> Answer:
        """Do what is asked."""
        command = self._commands.get(ask.command)
        if command is None:
            name = one_line(ask.command, 40)
            near = difflib.get_close_matches(name, self._commands, n=1)
            hint = f", did you mean {near[0]}?" if near else ""
            return Answer(ok=False, text=f"no command {name!r}{hint}")
        return await command(ask)

    # ---- the kill switch --------------------------------------------------------------------

    async def _halt(self, ask: Ask) -> Answer:
        reason = one_line(ask.reason.strip()) or f"halt by {ask.by}"
        wish = {"flatten": ask.flatten or ask.everything, "everything": ask.everything}
        until = self._real.now() + ANSWERED
        done = await self._handled(
            HaltThrown, lambda: self._switch.throw(reason, **wish), lambda _: True, until=until
        )
        text = f"halted: no entry leaves any more, {await self._on_their_way(until)}"
        others = self._external()
        if ask.everything:
            text += "; everything in the account is being cancelled and closed"
            text += f", not ours too: {others}" if others else ""
        elif ask.flatten:
            text += "; our orders are being cancelled and our positions closed"
            text += f"; not ours, and left: {others} (`halt --flatten --all` closes it too)" if others else ""
        if wish["flatten"]:
            text += (
                "; that goes on until it is done: `status` shows what is left, an alert says when it is flat"
            )
        return Answer(ok=True, text=text if done else f"{text} (the actors have not been told yet)")

    async def _on_their_way(self, until: int) -> str:
        """Entries that left before the switch was thrown, in words."""
        names = await self._unanswered(self._real, until)
        if not names:
            return "none is on its way"
        others = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return (
            f"no answer yet to {', '.join(names[:_NAMED])}{others}: "
            "what the broker has of them is looked up and cancelled"
        )

    async def _flatten(self, ask: Ask) -> Answer:
        return await self._halt(msgspec.structs.replace(ask, flatten=True))

    async def _name_external(self, _: Ask) -> Answer:
        return Answer(ok=True, text=self._external())

    async def _resume(self, ask: Ask) -> Answer:
        handled = self._feed().expect(lambda message: type(message) is HaltLifted)
        try:
            await self._switch.lift(ask.by)
        except NotLifted as error:
            self._feed().forget(handled)
            return Answer(ok=False, text=f"trading stays halted: {error}")
        return self._told(await self._by_then(handled), "resumed: entries may leave again")

    # ---- strategies and errors --------------------------------------------------------------

    async def _pause(self, ask: Ask) -> Answer:
        return await self._set_paused(ask, paused=True)

    async def _unpause(self, ask: Ask) -> Answer:
        return await self._set_paused(ask, paused=False)

    async def _set_paused(self, ask: Ask, *, paused: bool) -> Answer:
        name = ask.strategy or ask.target
        if name not in self._strategies:
            near = difflib.get_close_matches(name[:40], self._strategies, n=1)
            hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(self._strategies)}"
            return Answer(ok=False, text=f"no strategy {one_line(name, 40)!r}{hint}")
        said = StrategyPaused(ts_event=self._now(), strategy=name, paused=paused, by=ask.by)
        done = await self._posted(said)
        words = "paused: it enters nothing, what it holds stays protected" if paused else "unpaused"
        return self._told(done, f"{name} is {words}")

    async def _resolve(self, ask: Ask) -> Answer:
        error_id = one_line(ask.target.strip(), 100)
        if not error_id:
            return Answer(ok=False, text="which error? `target` is empty")
        said = ErrorResolved(ts_event=self._now(), error_id=error_id, by=ask.by, note=one_line(ask.note))
        return self._told(await self._posted(said), f"error {error_id} is resolved")

    # ---- the rest ---------------------------------------------------------------------------

    async def _hello(self, _: Ask) -> Answer:
        return Answer(ok=True, text=str(os.getpid()))

    async def _explain(self, ask: Ask) -> Answer:
        """What the books do not know yet may be on its way to them."""
        wanted, until = one_line(ask.target.strip(), 200), self._real.now() + WAIT
        while True:
            answer = await anyio.to_thread.run_sync(explain, self._root, wanted)
            if answer.ok or self._real.now() >= until:
                return answer
            await sleep_until(self._real, self._real.now() + BEHIND)

    async def _end(self, _: Ask) -> Answer:
        self._stop()
        return Answer(ok=True, text="the engine ends in order; stops and targets stay at the broker")

    # ---- inputs -----------------------------------------------------------------------------

    async def _posted(self, said: Input) -> bool:
        """Post an input of the operator's; whether it was handled in time."""
        return await self._handled(
            type(said), lambda: self._post("operator", said), lambda message: message is said
        )

    async def _handled(
        self,
        kind: type[Input],
        do: Callable[[], object],
        which: Callable[[Input], bool],
        *,
        until: int | None = None,
    ) -> bool:
        handled = self._feed().expect(lambda message: type(message) is kind and which(message))
        try:
            do()
        except BaseException:
            self._feed().forget(handled)
            raise
        return await self._by_then(handled, until)

    async def _by_then(self, handled: asyncio.Event, until: int | None = None) -> bool:
        if await happens_by(self._real, handled, until or self._real.now() + WAIT):
            return True
        self._feed().forget(handled)
        return False

    @staticmethod
    def _told(done: bool, text: str) -> Answer:
        return Answer(ok=done, text=text if done else "it was taken, but has not been handled yet")


def explain(root: Path, id: str) -> Answer:
    """The chain of causes of a signal, an order, a fill or a trade, as `explain --json` prints it."""
    try:
        with open_ledger(root) as ledger:
            found = chain(ledger, id)
            near = [] if found else nearest(ledger, id)
    except DatabaseRefused as error:
        return Answer(ok=False, text=one_line(str(error)))
    if found is None:
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        return Answer(ok=False, text=f"the books know no signal, order, fill or trade {id}{hint}")
    return Answer(ok=True, body=msgspec.json.encode({"schema": EXPLAINED, **found}).decode())
