"""Which notices become alerts, when, and through which sinks: rules, folding, a limit. Time is given.

The same event of the same subject is told once in a window; at its end it is told how often it came again.
No more than so many alerts go out in any hour; what is beyond becomes one digest when there is room, and
CRITICAL alerts have a limit of their own, so that a storm of warnings never hides a halt. A stream that is
down is told after a grace, and not at all when it is back by then.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from actors.alerting.notices import Notice, StreamNotice
from config.alerts import LEVELS, AlertEvent, AlertLevel, AlertRule, Alerts
from runtime.messages.base import Message

_SECOND = 1_000_000_000
_HOUR = 3_600 * _SECOND
_REMEMBERED = 1_000
FIRST_CONNECTION = 12
"""Graces that a stream has for its first connection."""

WAITING, NO_SINK, LIMITED = "waiting", "not sent: no sink", "not sent: too many in an hour, told in a digest"


class Alert(Message, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """What a person is told; never on a tape.

    Attributes:
        id: The same for its repetition. last_seen: when it happened last, ns UTC.
        delivery: `waiting`, or why it is not sent.
        is_repeat: It was told when it began; this tells how often it came since.
    """

    id: str
    event: AlertEvent
    level: AlertLevel
    component: str
    title: str
    body: str
    sinks: tuple[str, ...]
    occurrences: int = 1
    last_seen: int = 0
    delivery: str = WAITING
    is_repeat: bool = False


class _Window(msgspec.Struct):
    """What was told, since when it is counted, how often it came since, and how often before that."""

    alert: Alert
    begun: int
    again: int = 0
    last: int = 0
    before: int = 1


class _Stream(msgspec.Struct):
    since: int
    due: int
    reason: str
    is_up: bool = False
    was_up: bool = False
    is_told: bool = False


class _Held(msgspec.Struct):
    id: str
    since: int
    counts: dict[str, int]
    sinks: dict[str, None]


class Router:
    """Decides about one notice after the other.

    Args:
        sinks: Names of those that have an address, in order.
    """

    def __init__(self, settings: Alerts, sinks: Sequence[str]) -> None:
        self._settings = settings
        self._sinks = tuple(sinks)
        self._window = round(settings.window_min * 60 * _SECOND)
        self._grace = round(settings.stream_grace_s * _SECOND)
        self._windows: dict[tuple[str, str, str], _Window] = {}
        self._streams: dict[str, _Stream] = {}
        self._sent: dict[bool, deque[int]] = {True: deque(), False: deque()}
        self._held: dict[bool, _Held] = {}
        self._now = 0
        self.due = 0
        """When `flush` has something to tell, ns UTC; 0: nothing is waiting."""

    # ---- what happens -----------------------------------------------------------------------

    def take(self, notice: Notice | StreamNotice, at: int, id: str) -> list[Alert]:
        """Take in what happened.

        Args:
            at: When, ns UTC; an earlier time than the last counts as that. id: names the alert it may become.

        Returns:
            What is told because of it, and what was due before it.
        """
        told = self.flush(at)
        if isinstance(notice, Notice):
            told += self._told(notice, id)
        else:
            told += self._stream(notice, id)
        self.due = self._next()
        return told

    def flush(self, at: int) -> list[Alert]:
        """Tell what is due by now: streams still down, repetitions, digests."""
        self._now = max(self._now, at)
        told: list[Alert] = []
        for key, window in list(self._windows.items()):
            if window.begun + self._window <= self._now:
                if not window.again:
                    del self._windows[key]
                told += self._again(window)
        for name, stream in self._streams.items():
            if not stream.is_up and not stream.is_told and stream.due <= self._now:
                stream.is_told = True
                told += self._told(_stream_down(name, stream), f"{name}-{stream.since}")
        for is_critical in (True, False):
            if is_critical in self._held and self._has_room(is_critical):
                told.append(self._digest(is_critical))
        self.due = self._next()
        return told

    def connect_anew(self) -> None:
        """The process has started again: streams have the grace of a first connection."""
        self._streams = {name: stream for name, stream in self._streams.items() if stream.is_told}
        self.due = self._next()

    def close(self) -> list[Alert]:
        """The session is over: what was counted and not told yet; a digest is not waited for."""
        told = [alert for window in self._windows.values() for alert in self._again(window)]
        self._windows.clear()
        self.due = 0
        return told

    def _next(self) -> int:
        times = [one.due for one in self._streams.values() if not one.is_up and not one.is_told]
        times += [one.begun + self._window for one in self._windows.values() if one.again]
        times += [self._sent[is_critical][0] + _HOUR for is_critical in self._held]
        return min(times, default=0)

    # ---- rules ------------------------------------------------------------------------------

    def _told(self, notice: Notice, id: str) -> Iterator[Alert]:
        rules = [rule for rule in self._settings.rules if matches(rule, notice)]
        if not rules:
            return
        key = notice.event, notice.component, notice.subject
        window = self._windows.get(key)
        if window is not None:
            window.again += 1
            window.last = self._now
            return
        asked = dict.fromkeys(name for rule in rules for name in (rule.sinks or self._sinks))
        sinks = tuple(name for name in asked if name in self._sinks)
        alert = Alert(
            ts_event=self._now,
            id=id,
            event=notice.event,
            level=notice.level,
            component=notice.component,
            title=notice.title,
            body=notice.body,
            sinks=sinks,
            last_seen=self._now,
            delivery=WAITING if sinks else NO_SINK,
        )
        self._windows[key] = _Window(alert, self._now)
        while len(self._windows) > _REMEMBERED:
            del self._windows[next(iter(self._windows))]
        yield self._limited(alert, 1)

    def _again(self, window: _Window) -> Iterator[Alert]:
        if not window.again:
            return
        first, count = window.alert, window.again
        window.before += count
        window.begun, window.again = self._now, 0
        alert = msgspec.structs.replace(
            first,
            occurrences=window.before,
            last_seen=window.last,
            title=f"{count} more in {self._settings.window_min:g} min: {first.title}",
            is_repeat=True,
        )
        yield self._limited(alert, count)

    # ---- the limit --------------------------------------------------------------------------

    def _limited(self, alert: Alert, count: int) -> Alert:
        """The alert, or what becomes of it when there is no room for it."""
        if not alert.sinks:
            return alert
        is_critical = alert.level == "CRITICAL"
        if is_critical not in self._held and self._has_room(is_critical):
            self._sent[is_critical].append(self._now)
            return alert
        held = self._held.setdefault(is_critical, _Held(f"{alert.id}-held", self._now, {}, {}))
        held.counts[alert.event] = held.counts.get(alert.event, 0) + count
        held.sinks |= dict.fromkeys(alert.sinks)
        return msgspec.structs.replace(alert, delivery=LIMITED)

    def _has_room(self, is_critical: bool) -> bool:
        sent = self._sent[is_critical]
        while sent and sent[0] + _HOUR <= self._now:
            sent.popleft()
        return len(sent) < self._settings.most_an_hour

    def _digest(self, is_critical: bool) -> Alert:
        held = self._held.pop(is_critical)
        self._sent[is_critical].append(self._now)
        count = sum(held.counts.values())
        return Alert(
            ts_event=held.since,
            id=held.id,
            event="held_back",
            level="CRITICAL" if is_critical else "WARNING",
            component="alerts",
            title=f"{count} alerts were held back",
            body=", ".join(f"{number} {event}" for event, number in held.counts.items()),
            sinks=tuple(held.sinks),
            occurrences=count,
            last_seen=self._now,
        )

    # ---- streams ----------------------------------------------------------------------------

    def _stream(self, change: StreamNotice, id: str) -> Iterator[Alert]:
        known = self._streams.get(change.stream)
        was_up = known is not None and known.was_up
        if change.is_up:
            self._streams[change.stream] = _Stream(self._now, 0, "", is_up=True, was_up=True)
            if known is not None and known.is_told:
                seconds = (self._now - known.since) // _SECOND
                yield from self._told(_stream_up(change.stream, seconds), id)
        elif known is None or known.is_up:
            grace = self._grace if was_up else self._grace * FIRST_CONNECTION
            self._streams[change.stream] = _Stream(self._now, self._now + grace, change.reason, was_up=was_up)
            yield from self.flush(self._now) if not grace else ()
        else:
            known.reason = change.reason or known.reason


def matches(rule: AlertRule, notice: Notice) -> bool:
    """Whether a rule wants this told."""
    return (
        LEVELS.index(notice.level) >= LEVELS.index(rule.level)
        and (not rule.events or notice.event in rule.events)
        and (not rule.components or notice.component in rule.components)
    )


def _stream_down(name: str, stream: _Stream) -> Notice:
    return Notice(
        event="stream_down",
        level="ERROR",
        component=name,
        subject=name,
        title=f"the stream {name} is down: no entries",
        body=stream.reason,
    )


def _stream_up(name: str, seconds: int) -> Notice:
    return Notice(
        event="stream_up",
        level="INFO",
        component=name,
        subject=name,
        title=f"the stream {name} is up again after {seconds} s",
    )
