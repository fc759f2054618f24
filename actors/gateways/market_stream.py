"""One connection to the data feed; its minutes, corrections and halts become inputs.

It decides nothing. What a frame says is read by `broker.market_wire`, joined by `broker.minute_join` and
posted by `broker.market_outlet`; what a failure means is told by `broker.stream_faults`. After every
connection the gap is read by REST.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

import anyio
import anyio.abc
import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from actors.broker import market_wire
from actors.broker.market_feed import (
    GapReader,
    HeardMinutes,
    History,
    Hours,
    MarketStreamSettings,
    StreamFigures,
    StreamSymbols,
    heard_on,
    minute_of,
)
from actors.broker.market_handshake import Handshake, Say
from actors.broker.market_outlet import MarketOutlet
from actors.broker.market_time import MarketTime
from actors.broker.market_wire import (
    MINUTE,
    AnyItem,
    DailyBar,
    MinuteBar,
    Refused,
    Status,
    Subscribed,
    Success,
    UpdatedBar,
    WireBar,
)
from actors.broker.minute_join import MinuteJoin, Quarantine
from actors.broker.right_of_way import RightOfWay
from actors.broker.stream_faults import BackOff, StreamFault
from actors.broker.websocket import opened, until
from config.secrets import Secrets
from runtime.errors import first_of
from runtime.kernel.clock import Clock, happens_by, sleep_until
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.log import get_logger
from runtime.messages.base import Message

SECOND = 1_000_000_000

_BARS_ONLY = {MinuteBar}
_ABOUT_MINUTES = (MinuteBar, UpdatedBar)
_ABOUT_STREAM = (Success, Refused, Subscribed)

_log = get_logger(__name__)


class MarketStream(Gateway):
    """Keeps one data connection and posts what it says.

    Args:
        symbols: What to stream first (`broker.stream_symbols` chooses). hours: When silence is a fault.
        join: The session's minutes; the same object for every instance.
        refused: Where `join` counts refused bars.
        history: For gaps; None: they are not read.
        clock: Market time. real: Time of time-outs and waits; the same clock unless market time is driven.
        running: Keeps the running day by symbol, as last told, for all instances.
        way: A minute takes it, and what comes behind on the stream waits for it.
        gap_from: First minute to read by REST on the first connection, ns UTC; 0: none.
        market_time: Keeps a driven market time at the broker's; None: it is real time.
    """

    def __init__(
        self,
        name: str,
        inbox: Inbox,
        port: Port,
        *,
        settings: MarketStreamSettings,
        secrets: Secrets,
        symbols: Sequence[str],
        hours: Hours,
        join: MinuteJoin,
        refused: Quarantine,
        history: History | None,
        clock: Clock,
        real: Clock,
        running: dict[str, DailyBar] | None = None,
        way: RightOfWay | None = None,
        gap_from: int = 0,
        market_time: MarketTime | None = None,
    ) -> None:
        super().__init__(name, inbox, port)
        self.figures = StreamFigures()
        self.daily = {} if running is None else running
        self._settings, self._secrets = settings, secrets
        self._symbols = tuple(symbols)
        self._hours = hours
        self._join = join
        self._outlet = MarketOutlet(port, clock, join, refused, _ns(settings.quarantine_s), way)
        self._gaps = GapReader(
            name, history, real, tries=settings.backfill_tries, first_wait=_ns(settings.retry_first_s)
        )
        self._clock, self._real = clock, real
        self._way = way
        self._market_time = market_time
        self._back_off = BackOff(
            name,
            first=_ns(settings.retry_first_s),
            most=_ns(settings.retry_most_s),
            slow_first=_ns(settings.slow_first_s),
            slow_most=_ns(settings.slow_most_s),
            lasting=_ns(settings.lasting_s),
        )
        self._gap = join.last_told or gap_from
        self._handshake = self._new_handshake()
        self._socket: ClientConnection | None = None
        self._heard = 0
        self._ready_since: int | None = None
        self._minutes, self._doubtful = HeardMinutes(hours), 0
        self._changed = asyncio.Event()
        self._backfilling: anyio.CancelScope | None = None
        self._group: anyio.abc.TaskGroup | None = None

    # ---- the tasks --------------------------------------------------------------------------

    async def run(self) -> None:
        """Stream until stopped; what goes wrong inside ends the gateway and the supervisor decides."""
        failure: Exception | None = None
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                group.start_soon(self._tell_in_time)
                group.start_soon(self._stay_connected)
                await super().run()
                group.cancel_scope.cancel()
        except ExceptionGroup as raised:
            failure = first_of(raised)
        finally:
            self.figures.state = "stopped"
        if failure is not None:
            raise failure
        self._outlet.tell(self._clock.now(), final=True)

    async def handle(self, command: Message) -> None:
        """Change what is streamed."""
        if not isinstance(command, StreamSymbols):
            await super().handle(command)
            return
        self._symbols = command.symbols
        self._join.await_symbols(self._symbols)
        self._changed.set()
        if self._socket is not None:
            try:
                for say in self._handshake.want(self._symbols):
                    await self._send(say)
            except ConnectionClosed:
                _log.info("the connection broke off; the next one subscribes to the new symbols")

    async def _tell_in_time(self) -> None:
        """Tell minutes and refusals when they are due."""
        outlet = self._outlet
        while True:
            outlet.news.clear()
            due = outlet.due()
            if due is None:
                await outlet.news.wait()
            elif not await happens_by(self._clock, outlet.news, due):
                outlet.tell(self._clock.now())

    async def _stay_connected(self) -> None:
        self._outlet.feed(False, "connecting")
        self._outlet.owed()
        while True:
            try:
                await self._connect()
            except StreamFault as fault:
                await self._recover(fault)

    async def _recover(self, fault: StreamFault) -> None:
        """Say what happened, then wait as long as this kind of fault takes."""
        self._outlet.feed(False, fault.reason)
        now = self._real.now()
        ready_for = 0 if self._ready_since is None else now - self._ready_since
        self._ready_since = None
        if fault.remedy == "stop":
            self.figures.state = "refused"
            _log.critical("market stream stopped: a person must act", code=fault.code, reason=fault.reason)
            self._changed.clear()
            await self._changed.wait()
            return
        delay = self._back_off.after(fault.remedy, ready_for)
        self.figures.state = "waiting"
        level = _log.error if fault.code == 407 else _log.warning
        level = level if self._back_off.is_news(fault.reason) else _log.info
        level("market stream lost", code=fault.code, reason=fault.reason, attempt=self._back_off.attempt)
        # Only time ends the wait: a new choice of symbols must not become a way round it.
        await sleep_until(self._real, now + delay)

    # ---- one connection ---------------------------------------------------------------------

    async def _connect(self) -> None:
        """One connection from its opening to its end.

        Raises:
            StreamFault: How it ended.
        """
        settings = self._settings
        self.figures.state = "connecting"
        self._handshake = self._new_handshake()
        self._join.await_symbols(self._symbols)
        headers = {"Content-Type": f"application/{settings.encoding}"}
        try:
            async with opened(settings.url, settings.limits, headers) as self._socket:
                self.figures.connections += 1
                with until(self._real, self._real.now() + _ns(settings.handshake_s)) as scope:
                    while self._handshake.state != "live":
                        await self._read_one()
                if scope.cancelled_caught:
                    state = self._handshake.state
                    raise StreamFault("retry", f"no answer while {state} for {settings.handshake_s:g} s")
                self._live()
                await self._read_on()
        finally:
            self._socket = None
            self._stop_backfill()
            # What was on its way when it broke may be lost, so the last minute heard is read again too.
            if self._heard:
                self._gap = min(self._gap or self._heard, minute_of(self._heard) - MINUTE)

    async def _read_on(self) -> None:
        """Read until the connection ends or proves mute."""
        silence = self._settings.silence_s
        with heard_on(self._clock, self._hours, _ns(silence), lambda: self._heard) as scope:
            while True:
                await self._read_one()
        if scope.cancelled_caught:
            raise StreamFault("retry", f"connected but mute for {silence:g} s of market time")

    async def _read_one(self) -> None:
        """Read one frame, post what it says and answer it."""
        assert self._socket is not None
        if self._way is not None:
            await self._way.free.wait()
        # Undecoded: a text frame that is no UTF-8 is our business to refuse, not the library's to die of.
        data = await self._socket.recv(decode=False)
        for say in self._take(data):
            await self._send(say)

    async def _send(self, say: Say) -> None:
        assert self._socket is not None
        if self._settings.encoding == "msgpack":
            await self._socket.send(msgspec.msgpack.encode(say))
        else:
            await self._socket.send(msgspec.json.encode(say), text=True)

    def _take(self, data: bytes) -> list[Say]:
        """Take in one frame; what to answer."""
        frame = market_wire.decode(data)
        now = self._clock.now()
        figures = self.figures
        figures.frames += 1
        figures.items += len(frame.items)
        figures.bad += len(frame.bad)
        figures.ignored += frame.ignored
        if frame.bad:
            self._outlet.refuse(frame.bad)
            self._doubt(now)
        if set(map(type, frame.items)) == _BARS_ONLY:  # what every minute's order waits for
            self._heard = now
            self._look_at_time(cast(MinuteBar, frame.items[0]).ts, now)
            self._outlet.take(cast(Sequence[WireBar], frame.items), now)
            says: list[Say] = []
        else:
            says = self._sort(frame.items, now)
        self._outlet.settle(now)
        return says

    def _sort(self, items: Sequence[AnyItem], now: int) -> list[Say]:
        """Take in items of several kinds; what to answer."""
        bars: list[WireBar] = []
        says: list[Say] = []
        for item in items:
            if isinstance(item, _ABOUT_STREAM):
                says += self._handshake.receive(item)
                continue
            self._heard = now
            if isinstance(item, _ABOUT_MINUTES):
                bars.append(item)
                if isinstance(item, MinuteBar):
                    self._look_for_gap(item.ts, now)
            elif isinstance(item, DailyBar):
                self.daily[item.S] = item
            elif isinstance(item, Status) and (status := market_wire.trading_status(item, now)) is not None:
                self._outlet.status(status)
        if bars:
            self._outlet.take(bars, now)
        return says

    def _live(self) -> None:
        """The wanted set is acknowledged: read the gap, then say that the feed is up."""
        now = self._clock.now()
        self._heard = max(self._heard, now)
        self._ready_since = self._real.now()
        self._minutes.begin(now)
        self.figures.state = "live"
        self.figures.missing = missing = self._handshake.missing
        if missing:
            _log.error(
                "symbols not streamed: the server does not acknowledge them", symbols=", ".join(missing)
            )
        if self._handshake.missing_channels:
            _log.warning("channels not streamed", channels=", ".join(self._handshake.missing_channels))
        reason = f"without {', '.join(missing)}" if missing else ""
        assert self._group is not None
        self._stop_backfill()
        scope = self._backfilling = anyio.CancelScope()
        self._group.start_soon(self._catch_up, scope, reason)

    # ---- the gap ----------------------------------------------------------------------------

    def _stop_backfill(self) -> None:
        if self._backfilling is not None:
            self._backfilling.cancel()
            self._backfilling = None

    async def _catch_up(self, scope: anyio.CancelScope, reason: str) -> None:
        """Read the gap, say that the feed is up, and later what REST did not have yet."""
        with scope:
            if self._market_time is not None and await self._market_time.agree():
                self._heard = now = self._clock.now()
                self._minutes.begin(now)
                if now > self._hours.open and not self._join.last_told:
                    self._gap = self._hours.open
            last = minute_of(self._clock.now()) - MINUTE
            is_behind = self._gap > 0
            await self._read_gap(last)
            self._outlet.feed(True, reason)
            if is_behind:
                await sleep_until(self._clock, last + MINUTE + _ns(self._settings.settle_s))
                await self._backfill(last, last + MINUTE)

    def _look_at_time(self, ts: int, now: int) -> None:
        """A minute that cannot be, by our clock, has a driven market time compared with the broker's."""
        if self._market_time is not None and self._market_time.is_odd(ts, now):
            assert self._group is not None
            self._group.start_soon(self._market_time.agree)
        self._look_for_gap(ts, now)

    def _look_for_gap(self, ts: int, now: int) -> None:
        """A minute of market hours of which nobody told may have been lost on its way: it is read by REST."""
        if lost := self._minutes.lost_before(ts, now):
            self._doubt(now, lost)

    def _doubt(self, now: int, start: int = 0) -> None:
        """What came, or did not, may have been bars: minutes from `start` (0: the last) are read by REST."""
        start = start or minute_of(now) - MINUTE
        if self._doubtful:
            self._doubtful = min(self._doubtful, start)
            return
        self._doubtful = start
        assert self._group is not None
        self._group.start_soon(self._reread, now + _ns(self._settings.reread_s))

    async def _reread(self, at: int) -> None:
        await sleep_until(self._clock, at)
        start, self._doubtful = self._doubtful, 0  # what comes while we read is a doubt of its own
        if not await self._backfill(start, minute_of(self._clock.now()) - MINUTE):
            self._gap = min(self._gap or start, start)

    async def _read_gap(self, last: int) -> None:
        """Read from where the gap begins to a minute; it is closed unless the connection broke meanwhile."""
        start, connections = self._gap, self.figures.connections
        if not start or not await self._backfill(start, last):
            return
        if self._socket is not None and self.figures.connections == connections:
            self._gap = 0

    async def _backfill(self, start: int, end: int) -> bool:
        """Read the minutes from `start` to `end`; whether REST answered."""
        bars = await self._gaps.read(self._symbols, start, end)
        if bars is None:
            return False
        self.figures.backfilled += len(bars)
        self._outlet.backfill(bars, self._clock.now())
        return True

    def _new_handshake(self) -> Handshake:
        return Handshake(self._symbols, self._secrets, channels=self._settings.channels)


def _ns(seconds: float) -> int:
    return round(seconds * SECOND)
