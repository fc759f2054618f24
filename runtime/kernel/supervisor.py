"""Keeps gateways running: one task group, each gateway caught by its own wrapper, restarted with back-off."""

import asyncio
import traceback
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import anyio
import anyio.abc
import msgspec

from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox, InboxFigures
from runtime.messages.base import Message
from runtime.messages.codec import encode

SECOND = 1_000_000_000
BACK_OFF_FIRST = SECOND // 10
BACK_OFF_MOST = 30 * SECOND
POISON_LIMIT = 4096

OnExceed = Literal["retry", "stop", "fail"]
"""Beyond its intensity a gateway is tried on at its back-off, stays down, or ends the supervisor."""


class GatewaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """How to make a gateway and what to do when it fails.

    Attributes:
        build: Makes an instance around its inbox; raising counts as a crash.
        transient: Whether ending by itself is fine; otherwise it is a crash.
        intensity, period: More than `intensity` crashes within `period` ns are escalated. A run of
            `period` without a crash also resets the back-off.
        stop_timeout: How long it may drain at shutdown before it is cancelled, ns.
        back_off_first, back_off_most: Delay before the first restart, and the longest one, ns.
    """

    name: str
    build: Callable[[Inbox], Gateway]
    inbox: Inbox
    transient: bool = False
    intensity: int = 3
    period: int = 60 * SECOND
    on_exceed: OnExceed = "retry"
    stop_timeout: int = 5 * SECOND
    back_off_first: int = BACK_OFF_FIRST
    back_off_most: int = BACK_OFF_MOST


class GatewayCrash(msgspec.Struct, frozen=True, kw_only=True):
    """One row for `error_log`.

    Attributes:
        at: ns UTC. attempt: crashes since the last healthy period. recent: within the period.
        verdict: What the supervisor does about it.
        delay: Back-off until the restart, ns; 0 if there is none.
        poison: The command being handled, encoded, cut at 4 KiB.
    """

    at: int
    gateway: str
    error: str
    exception_type: str
    traceback: str
    source_file: str
    line_number: int
    attempt: int
    recent: int
    verdict: Literal["restart", "escalated", "stopped", "failed", "stopping"]
    delay: int = 0
    message_type: str = ""
    poison: bytes = b""


class GatewayEnded(RuntimeError):
    """A gateway that should run for ever returned."""


class GatewayFailed(RuntimeError):
    """A gateway that nothing works without exceeded its restart intensity."""


class GatewayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What `status` shows of one gateway."""

    state: str
    crashes: int
    restarts: int
    inbox: InboxFigures


_ALL_TOLD = 8


def back_off(name: str, attempt: int, first: int = BACK_OFF_FIRST, most: int = BACK_OFF_MOST) -> int:
    """Delay before restart number `attempt` (from 1), ns: `first` doubling to `most`, 20 % either way.

    The jitter comes from the name and the number, so that gateways that fail together come back apart and
    two runs of one story agree.
    """
    plain = min(first << min(attempt - 1, 20), most)
    jitter = zlib.crc32(f"{name}:{attempt}".encode()) % 4001
    return min(plain * (8000 + jitter) // 10_000, most)


def is_worth_a_warning(attempt: int) -> bool:
    """Whether the failure of attempt number `attempt` (from 1) in a row is told as a warning, not as news.

    The first eight are, then each that doubles their number: an outage of a night is a dozen rows of the
    error log, not a thousand.
    """
    return attempt <= _ALL_TOLD or not attempt & (attempt - 1)


class _Child:
    def __init__(self, spec: GatewaySpec) -> None:
        self.spec = spec
        self.gateway: Gateway | None = None
        self.scope = anyio.CancelScope()
        self.stop = asyncio.Event()
        self.done = asyncio.Event()
        self.state = "starting"
        self.is_done = False
        self.crashes = 0
        self.restarts = 0
        self.attempt = 0
        self.recent: deque[int] = deque()

    def request_stop(self) -> bool:
        """Ask it to end; False if it could not even be asked."""
        self.stop.set()
        self.spec.inbox.close()
        try:
            if self.gateway is not None:
                self.gateway.request_stop()
        except Exception:  # noqa: BLE001 - one that fails to stop must not keep the others running
            return False
        return True

    def count(self, now: int, ran: int) -> None:
        """Book a crash after `ran` ns of running."""
        self.crashes += 1
        self.attempt = 1 if ran >= self.spec.period else self.attempt + 1
        self.recent.append(now)
        while self.recent[0] <= now - self.spec.period:
            self.recent.popleft()

    @property
    def exceeded(self) -> bool:
        return len(self.recent) > self.spec.intensity


class Supervisor:
    """Runs gateways until it is stopped.

    Args:
        record: Gets every crash; must not raise (if it does, that is counted and survived).
        escalate: Called each time a gateway is beyond its intensity.
    """

    def __init__(
        self,
        specs: Iterable[GatewaySpec],
        clock: Clock,
        *,
        record: Callable[[GatewayCrash], None],
        escalate: Callable[[GatewayCrash], None] = lambda crash: None,
    ) -> None:
        self._children = {spec.name: _Child(spec) for spec in specs}
        self._clock = clock
        self._hooks = record, escalate
        self.hook_failures = 0

    async def run(self) -> None:
        """Run all gateways; returns when all have ended.

        Raises:
            GatewayFailed: in a group, from a gateway with `on_exceed="fail"`; its siblings are cancelled.
        """
        async with anyio.create_task_group() as group:
            for child in self._children.values():
                group.start_soon(self._keep, child, name=child.spec.name)

    async def stop(self, order: Sequence[str] | None = None) -> list[str]:
        """Stop gateways one after the other, each drained until its deadline, then cancelled.

        Args:
            order: Names, first to stop first; those not named follow in reverse order of start.

        Returns:
            Who had to be cancelled.

        Raises:
            ValueError: a name that is not a gateway's; nothing was stopped.
        """
        named = list(order or ())
        if unknown := [name for name in named if name not in self._children]:
            raise ValueError(f"no such gateways: {', '.join(unknown)}")
        rest = [name for name in reversed(self._children) if name not in named]
        cancelled = []
        for name in (*named, *rest):
            child = self._children[name]
            asked = child.request_stop()
            deadline = self._clock.now() + (child.spec.stop_timeout if asked else 0)
            if not await happens_by(self._clock, child.done, deadline):
                cancelled.append(name)
                child.scope.cancel()
                # A gateway that will not even be cancelled must not keep the others from stopping.
                await happens_by(self._clock, child.done, self._clock.now() + child.spec.stop_timeout)
        return cancelled

    def figures(self) -> dict[str, GatewayFigures]:
        """State and counts by gateway."""
        return {
            name: GatewayFigures(
                state=child.state,
                crashes=child.crashes,
                restarts=child.restarts,
                inbox=child.spec.inbox.figures(),
            )
            for name, child in self._children.items()
        }

    async def _keep(self, child: _Child) -> None:
        try:
            with child.scope:
                # `stop` is a level, looked at before every start: no request can fall between restarts.
                while not child.stop.is_set():
                    delay = await self._run_once(child)
                    if delay is None:
                        break
                    child.state = "backing off"
                    if not await happens_by(self._clock, child.stop, self._clock.now() + delay):
                        child.restarts += 1
        finally:
            child.state = "done" if child.is_done else "stopped"
            child.spec.inbox.close()
            child.done.set()

    async def _run_once(self, child: _Child) -> int | None:
        """Run one instance to its end; the back-off before the next, None if there is none."""
        begun = self._clock.now()
        child.gateway = None
        try:
            child.gateway = child.spec.build(child.spec.inbox)
            child.state = "running"
            await child.gateway.run()
            if child.spec.transient or child.stop.is_set():
                child.is_done = not child.stop.is_set()
                return None
            raise GatewayEnded(f"{child.spec.name} ended by itself")
        except Exception as error:  # noqa: BLE001 - the supervisor's edge: every failure becomes a row
            return self._judge(child, error, begun)

    def _judge(self, child: _Child, error: Exception, begun: int) -> int | None:
        now = self._clock.now()
        child.count(now, now - begun)
        spec = child.spec
        verdict: Literal["restart", "escalated", "stopped", "failed", "stopping"] = "restart"
        if child.stop.is_set():
            verdict = "stopping"
        elif child.exceeded:
            verdict = {"retry": "escalated", "stop": "stopped", "fail": "failed"}[spec.on_exceed]  # type: ignore[assignment]
        delay = 0
        if verdict in ("restart", "escalated"):
            delay = back_off(spec.name, child.attempt, spec.back_off_first, spec.back_off_most)
        crash = _describe(child, error, now, verdict, delay)
        record, escalate = self._hooks
        self._tell(record, crash)
        if verdict in ("escalated", "stopped", "failed"):
            self._tell(escalate, crash)
        if verdict == "failed":
            raise GatewayFailed(f"{spec.name}: {crash.error}") from error
        return delay or None

    def _tell(self, hook: Callable[[GatewayCrash], None], crash: GatewayCrash) -> None:
        try:
            hook(crash)
        except Exception:  # noqa: BLE001 - a broken log must not take the gateways down with it
            self.hook_failures += 1


def _describe(
    child: _Child,
    error: Exception,
    now: int,
    verdict: Literal["restart", "escalated", "stopped", "failed", "stopping"],
    delay: int,
) -> GatewayCrash:
    frames = traceback.extract_tb(error.__traceback__)
    poison = child.gateway.current if child.gateway else None
    return GatewayCrash(
        at=now,
        gateway=child.spec.name,
        error=" ".join(f"{type(error).__name__}: {error}".split())[:500],
        exception_type=type(error).__name__,
        traceback="".join(traceback.format_exception(error)),
        source_file=frames[-1].filename if frames else "",
        line_number=(frames[-1].lineno or 0) if frames else 0,
        attempt=child.attempt,
        recent=len(child.recent),
        verdict=verdict,
        delay=delay,
        message_type=type(poison).__name__ if poison is not None else "",
        poison=_encoded(poison),
    )


def _encoded(poison: Message | None) -> bytes:
    if poison is None:
        return b""
    try:
        return encode(poison)[:POISON_LIMIT]
    except Exception:  # noqa: BLE001 - that it cannot be encoded may be what is wrong with it
        return repr(poison).encode(errors="replace")[:POISON_LIMIT]
