"""Plays sessions at a person's pace, on a socket: play, pause, step, speed, seek; stays open at the end.

A halt here is the run's own: an input of the operator's, no file. Going back plays a session again from its
start, with the commands it was given at their places, so books and tape of the first time stay true; new
commands are taken only where the playback has never been.
Source: terminal 1; architecture 1.
"""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread

from actors.gateways.db_writer import DbWriter
from actors.gateways.ui_server import UiServer
from actors.operator import Operator
from actors.paced_reel import Plan, Reel
from actors.paced_session import PacedSession
from runtime import control_socket, kill_switch
from runtime.error_fallback import FALLBACK
from runtime.error_sink import ErrorSink
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.crash_rows import recorder_of
from runtime.kernel.gateway import Gateway, Inbox
from runtime.kernel.supervisor import GatewaySpec, Supervisor
from runtime.messages.base import Input
from runtime.messages.machine import Source
from runtime.messages.risk import HaltLifted, HaltThrown
from runtime.messages.screen import Transport
from runtime.messages.screen_wire import Answer, Ask

SECOND = 1_000_000_000
QUIET = 600 * SECOND
"""Longest stretch of market time without an event that is waited through; a longer one is passed at once."""
PASSING = SECOND // 2
"""How long passing it takes."""
SLICE = 2_000_000
"""How long a seek runs before others do, ns."""
MOST_UNWRITTEN = 5_000
"""Inputs the books may be behind before the playback waits for them."""
SLOWEST, FASTEST = 0.1, 100_000.0
ACTING = ("halt", "flatten", "resume", "pause_strategy", "unpause_strategy", "resolve_error")
"""Commands that become inputs."""


class PacedPlayback:
    """Plays until it is stopped.

    Args:
        real: Time of waits. errors: what the process logs at WARNING and above.
        ready: Called once the socket is there.
    """

    def __init__(
        self, plan: Plan, *, real: Clock, errors: ErrorSink, ready: Callable[[], None] = lambda: None
    ) -> None:
        self._plan = plan
        self._real = real
        self._errors = errors
        self._ready = ready
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()
        self.is_playing = True
        self.speed = plan.speed
        self._anchor = (0, 0)
        """Real and market time at one moment."""
        self._goal: Callable[[], bool] | None = None
        self._goal_at = 0
        self._wanted: int | None = None
        """A session that is to be begun again."""
        self._db = DbWriter(
            plan.root,
            plan.books,
            mode="replay",
            capacity=4 * MOST_UNWRITTEN,
            errors=errors,
            fallback=plan.root / plan.settings.log.dir / FALLBACK,
        )
        self.reel = Reel(plan, self._db, errors, now=self.now, real=real.now, transport=self.transport)
        self._operator = Operator(
            lambda: self.reel.feed,
            self._post,
            self,
            strategies=tuple(one.name for one in plan.settings.strategies if one.enabled),
            root=plan.root,
            now=self.now,
            real=real,
            stop=self.stop,
            more=self._transport_commands(),
        )

    # ---- life -------------------------------------------------------------------------------

    def stop(self) -> None:
        """End; books and tape are whole up to here."""
        self._stop.set()
        self._changed.set()

    async def run(self) -> None:
        """Play, and stay, until stopped.

        Raises:
            DataError: A session cannot be used. ExceptionGroup: the books cannot be written.
        """
        await self._turn_to(0)
        rules = self._plan.settings.supervision
        supervisor = Supervisor(
            [
                GatewaySpec(
                    name="ui_server",
                    build=self._ui_server,
                    inbox=Inbox(),
                    stop_timeout=round(rules.drain_timeout_s * SECOND),
                )
            ],
            self._real,
            record=recorder_of(self._errors),
        )
        async with anyio.create_task_group() as group:
            await group.start(self._db.run)
            group.start_soon(supervisor.run)
            try:
                await self._play()
            finally:
                with anyio.CancelScope(shield=True):
                    await supervisor.stop()
                self._db.close()

    def _ui_server(self, inbox: Inbox) -> Gateway:
        return UiServer(
            inbox,
            lambda source, message: None,
            listen=lambda: control_socket.listen(self._plan.root),
            leave=lambda: control_socket.remove(self._plan.root),
            source=self.reel.shown,
            answer=self.answer,
            real=self._real,
            ready=self._ready,
        )

    @property
    def session(self) -> PacedSession:
        """The session in hand."""
        return self.reel.session

    # ---- pace -------------------------------------------------------------------------------

    def now(self) -> int:
        """Market time, which goes on between two events while it plays."""
        session = self.session
        if self.speed <= 0 or not self.is_playing or self._goal is not None:
            return session.at
        return min(max(self._market_now(), session.at), session.due())

    def _market_now(self) -> int:
        real, market = self._anchor
        return market + round((self._real.now() - real) * self.speed)

    def _rebase(self) -> None:
        """Count market time from here on."""
        self._anchor = (self._real.now(), self.session.at)

    async def _play(self) -> None:
        while not self._stop.is_set():
            if (again := self._wanted) is not None:
                self._wanted = None
                await self._turn_to(again)
            elif self.session.is_over and not self.reel.is_ended:
                await self.reel.finish()
                await self._turn_to(self.reel.place + 1)
            elif self._db.depth > MOST_UNWRITTEN:
                await happens_by(self._real, self._stop, self._real.now() + SLICE)
            elif self.reel.is_ended and self._goal is None:
                await self._arrive()
            elif self._goal is not None:
                await self._rush()
            elif not self.is_playing:
                await self._rest()
            elif self.speed <= 0:
                await self._hurry(lambda: False)
            else:
                await self._wait_and_step()

    async def _arrive(self) -> None:
        """Stand at the end."""
        await self.reel.finish()
        self.is_playing = False
        await self._rest()

    async def _turn_to(self, place: int) -> None:
        """Begin a session, for the first time or again."""
        await self.reel.begin(place)
        self._rebase()

    async def _rest(self) -> None:
        await self._changed.wait()
        self._changed.clear()
        self._rebase()

    async def _wait_and_step(self) -> None:
        """Wait for the next event at the speed, unless something is asked for meanwhile."""
        session, (real, market) = self.session, self._anchor
        due = session.due()
        if due - session.at > QUIET:
            until = self._real.now() + PASSING
        else:
            until = real + round((due - market) / self.speed)
        if await happens_by(self._real, self._changed, until):
            at = self.now()
            self._changed.clear()
            self._anchor = (self._real.now(), at)
            return
        if due - session.at > QUIET:
            self._anchor = (self._real.now(), due)
        session.step()
        await anyio.lowlevel.checkpoint()

    async def _rush(self) -> None:
        """Go to where a seek wants to be."""
        goal = self._goal
        if goal is None or not await self._hurry(goal):
            return
        if self._goal is goal:
            self._goal = None
            self.session.at = max(self.session.at, min(self._goal_at, self.session.due()))
            self._rebase()

    async def _hurry(self, is_there: Callable[[], bool]) -> bool:
        """Step for one slice; whether the goal is reached, or the end."""
        begun, session = self._real.now(), self.session
        is_met = is_there()
        while not (is_met or session.is_over) and self._real.now() - begun < SLICE:
            session.step()
            is_met = is_there()
        await anyio.lowlevel.checkpoint()
        return is_met or self.reel.is_ended

    # ---- what is asked ----------------------------------------------------------------------

    async def answer(self, ask: Ask) -> Answer:
        """Do what a screen asks."""
        if ask.command in ACTING:
            await self.reel.between()
            async with self.reel.turning:
                if self.reel.is_past:
                    return Answer(ok=False, text="this has been played before: seek on to act again")
                if self.session.is_over:
                    return Answer(ok=False, text="it stands at its end")
                return await self._operator(ask)
        return await self._operator(ask)

    def _post(self, source: Source, message: Input) -> None:
        self.session.give(message, self.now())
        self._changed.set()

    def throw(self, reason: str, *, flatten: bool = False, everything: bool = False) -> None:
        """Halt this run."""
        said = HaltThrown(ts_event=self.now(), reason=reason, flatten=flatten, everything=everything)
        self._post("operator", said)

    async def lift(self, by: str) -> None:
        """Resume this run; a HALT file that `halt` has left in its root goes too.

        Raises:
            NotLifted: The file or its directory is in the way.
        """
        at = self._real.now()
        found = await anyio.to_thread.run_sync(kill_switch.look, self._plan.root)
        if found.halted and not found.is_absent:
            await anyio.to_thread.run_sync(lambda: kill_switch.lift(self._plan.root, by, at=at))
        self._post("operator", HaltLifted(ts_event=self.now(), by=by))

    def transport(self) -> Transport:
        """Where the playback stands."""
        header = self.session.header
        return Transport(
            playing=self.is_playing,
            ended=self.reel.is_ended,
            speed=self.speed,
            session=header.session,
            starts=header.starts,
            at=self.now(),
            ends=header.ends,
            place=self.reel.place,
            sessions=len(self._plan.sessions),
            orders=self.session.orders,
        )

    def _transport_commands(self) -> dict[str, Callable[[Ask], Awaitable[Answer]]]:
        return {
            "play": self._on_play,
            "pause": self._on_pause,
            "step": self._on_step,
            "speed": self._on_speed,
            "seek": self._on_seek,
            "seek_order": self._on_seek_order,
        }

    async def _on_play(self, _: Ask) -> Answer:
        if self.reel.is_ended:
            return Answer(ok=False, text="it stands at its end: seek back to play on")
        self.is_playing = True
        self._changed.set()
        return Answer(ok=True, text=f"playing, {self.speed:g} market seconds a second")

    async def _on_pause(self, _: Ask) -> Answer:
        self.session.at = max(self.session.at, self.now())
        self.is_playing, self._goal = False, None
        self._changed.set()
        return Answer(ok=True, text="paused")

    async def _on_step(self, _: Ask) -> Answer:
        if self.reel.is_ended:
            return Answer(ok=False, text="it stands at its end")
        async with self.reel.turning:
            self.is_playing, self._goal = False, None
            self.session.step_on()
        self._changed.set()
        return Answer(ok=True, text="one minute on")

    async def _on_speed(self, ask: Ask) -> Answer:
        speed = ask.value
        if speed != 0 and not SLOWEST <= speed <= FASTEST:
            return Answer(ok=False, text=f"a speed is from {SLOWEST:g} to {FASTEST:g}, or 0: at once")
        at = self.now()
        self.speed = speed
        self._anchor = (self._real.now(), at)
        self._changed.set()
        words = f"{speed:g} market seconds a second" if speed else "as fast as it goes"
        return Answer(ok=True, text=words)

    async def _on_seek(self, ask: Ask) -> Answer:
        if not 0 < ask.value < 2**63:
            return Answer(ok=False, text="seek to which time? ns since 1970, UTC")
        at = round(ask.value)
        if at < self.now():
            self._wanted = self.reel.place_of(at)
        self._goal_at = at
        self._goal = lambda: self.session.due() > at
        self._changed.set()
        return Answer(ok=True, text="on the way there")

    async def _on_seek_order(self, _: Ask) -> Answer:
        if self.reel.is_ended:
            return Answer(ok=False, text="there is no order after the end")
        place, orders = self.reel.place, self.session.orders
        self._goal_at = 0
        self.is_playing = False  # it is to be looked at
        self._goal = lambda: (
            (self.reel.place == place and self.session.orders > orders)
            or (self.reel.place > place and self.session.orders > 0)
        )
        self._changed.set()
        return Answer(ok=True, text="on the way to the next order")
