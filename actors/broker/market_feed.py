"""How the market stream is kept, when its silence is a fault, and how a gap in it is read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import anyio
import msgspec

from actors.broker.market_handshake import CHANNELS
from actors.broker.market_wire import MINUTE, WireBar
from actors.broker.websocket import SocketLimits
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock, sleep_until
from runtime.kernel.supervisor import back_off
from runtime.log import get_logger
from runtime.messages.base import Message

_log = get_logger(__name__)


class MarketStreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the stream is kept; seconds of real time unless said otherwise.

    Attributes:
        url: With scheme and path, for example wss://stream.data.alpaca.markets/v2/iex.
        encoding: What is asked for, msgpack or json; the answers may be in either.
        handshake_s: From the open connection to the last acknowledgement.
        silence_s: Without a word in market hours the connection is mute; seconds of market time.
        quarantine_s: Refused bars are told at most so often; seconds of market time.
        reread_s: After something unreadable its minute is read by REST so much later; market time.
        settle_s: Bars that REST did not have yet are asked for again after so long; market time.
        lasting_s: A connection that was ready for so long starts the waits anew.
        backfill_tries: How often a gap is asked for before it is given up.
    """

    url: str
    encoding: str = "msgpack"
    channels: tuple[str, ...] = CHANNELS
    limits: SocketLimits = SocketLimits()
    handshake_s: float = 15.0
    silence_s: float = 90.0
    quarantine_s: float = 1.0
    reread_s: float = 5.0
    settle_s: float = 75.0
    lasting_s: float = 30.0
    retry_first_s: float = 0.5
    retry_most_s: float = 30.0
    slow_first_s: float = 5.0
    slow_most_s: float = 60.0
    backfill_tries: int = 5


class StreamSymbols(Message, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A command to the market stream: from now on these symbols, and no others."""

    symbols: tuple[str, ...]


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """When the market must be heard: the session's open and close, ns UTC."""

    open: int
    close: int

    def mute_at(self, heard: int, silence: int) -> int | None:
        """When silence since `heard` proves the stream mute; None: not today any more.

        The first bar comes a minute after the open; what is silent after the close is no fault.
        """
        at = max(heard, self.open + MINUTE) + silence
        return at if at <= self.close else None


class HeardMinutes:
    """Which minutes of market hours nobody told of although the connection lived."""

    def __init__(self, hours: Hours) -> None:
        self._hours = hours
        self._last = 0

    def begin(self, now: int) -> None:
        """Listen from the running minute on: those before it are of the gap."""
        self._last = minute_of(now) - MINUTE

    def lost_before(self, ts: int, now: int) -> int:
        """Hear of a minute; the first one before it that should have come and did not, 0: none (ns UTC)."""
        if ts > min(now, self._hours.close):
            return 0
        due = max(self._last + MINUTE, self._hours.open)
        self._last = max(self._last, ts)
        return due if ts > due else 0


@contextmanager
def heard_on(
    clock: Clock, hours: Hours, silence: int, heard: Callable[[], int]
) -> Iterator[anyio.CancelScope]:
    """Cancel the block when the stream proves mute; `cancelled_caught` tells whether it did.

    Args:
        clock: Market time. silence: How long it may last, ns. heard: When the last word came, ns UTC.
    """
    cancel: Callable[[], None] = lambda: None  # noqa: E731 - replaced by each look
    with anyio.CancelScope() as scope:

        def look() -> None:
            nonlocal cancel
            at = hours.mute_at(heard(), silence)
            if at is None:
                return
            if at <= clock.now():
                scope.cancel()
            else:
                cancel = clock.call_at(at, look)

        look()
        try:
            yield scope
        finally:
            cancel()


class StreamFigures(msgspec.Struct):
    """What came through, for `status` and the screen.

    Attributes:
        bad: Items and frames that could not be read. ignored: items of kinds nobody asked for.
        connections: How often it was connected. backfilled: bars read by REST.
        missing: Symbols the server does not acknowledge.
    """

    state: str = "starting"
    frames: int = 0
    items: int = 0
    bad: int = 0
    ignored: int = 0
    connections: int = 0
    backfilled: int = 0
    missing: tuple[str, ...] = ()


class History(Protocol):
    """Where bars missed by the stream are read."""

    async def minute_bars(self, symbols: Sequence[str], start: int, end: int) -> Sequence[WireBar]:
        """Minute bars that start from `start` to `end` (ns UTC, both included).

        Raises:
            BrokerUnavailable: No answer; ask again. BrokerRejected, KeysRefused: There is no point in it.
        """


class GapReader:
    """Asks for missed bars until they come, or until it was asked often enough.

    Args:
        name: The gateway's, for the jitter of its waits. real: Time of the waits.
        tries: How often a gap is asked for. first_wait: Before the second time, ns.
    """

    def __init__(
        self, name: str, history: History | None, real: Clock, *, tries: int, first_wait: int
    ) -> None:
        self._name = name
        self._history = history
        self._real = real
        self._tries = tries
        self._first_wait = first_wait

    async def read(self, symbols: Sequence[str], start: int, end: int) -> Sequence[WireBar] | None:
        """Bars of the minutes from `start` to `end`, both included; None if REST gives none."""
        if self._history is None or end < start:
            return ()
        for attempt in range(1, self._tries + 1):
            try:
                return await self._history.minute_bars(symbols, start, end)
            except BrokerUnavailable as error:
                _log.warning("missed bars could not be read", attempt=attempt, error=str(error))
                wait = back_off(f"{self._name}:rest", attempt, self._first_wait)
                await sleep_until(self._real, self._real.now() + wait)
            except (BrokerRejected, KeysRefused) as error:
                _log.error("missed bars are refused", error=str(error))
                break
        _log.error("a gap in the bars stays open", first=start, last=end)
        return None


def minute_of(ts: int) -> int:
    """Start of the minute a moment lies in, ns UTC."""
    return ts - ts % MINUTE
