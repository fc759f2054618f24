"""Bars by REST: minutes for gaps in the stream and for baselines, days after the close.

Source: alpaca.md 4.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import msgspec

from actors.broker.bar_pages import bars_of, columns_of
from actors.broker.http import Connection
from actors.broker.limiter import ONE_KIND, Budget, Gate, Priority
from actors.broker.market_wire import MinuteBar
from actors.broker.rest import DEFAULT_TIMEOUTS, Timeouts
from config.secrets import Secrets
from runtime.errors import BrokerUnavailable
from runtime.kernel.clock import Clock
from storage.loaders.own_minutes import Minutes

SYMBOLS_A_REQUEST = 200
"""So many fit into an address."""
LONGEST = 4_000
"""Bytes of symbols in one address where as many as possible are asked for; servers take 8,000 in all."""
_COMMA = len("%2C")
_PAGE = 10_000
_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_DAY = 1_440 * _MINUTE

Read = TypeVar("Read")


class BarHistory:
    """The data host's bars.

    Args:
        url: Scheme and host of the data API. feed: iex, sip ...; always named, the default is not ours.
        clock: Real time, for the request budget (the data host has one of its own).
        lines: How many questions may be under way at once, each on a connection of its own.
        gate: A request budget that is shared with others; None: one of its own.
    """

    def __init__(
        self,
        url: str,
        keys: Secrets,
        clock: Clock,
        *,
        feed: str = "iex",
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        requests_per_minute: int = 200,
        lines: int = 1,
        gate: Gate | None = None,
    ) -> None:
        self._url, self._keys, self._feed, self._timeouts = url, keys, feed, timeouts
        self._gate = gate or data_gate(requests_per_minute, clock)
        self._turns = anyio.Semaphore(lines)
        self._idle: list[Connection] = []

    async def minute_bars(self, symbols: Sequence[str], start: int, end: int) -> list[MinuteBar]:
        """Bars that start from `start` to `end` (ns UTC, both included), by time; what has none is absent.

        Raises:
            BrokerUnavailable: No answer; ask again.
            BrokerRejected: The plan does not cover the feed. KeysRefused: The keys are wrong.
        """
        return await self._bars(symbols, start, end, "1Min", "raw")

    async def daily_bars(
        self, symbols: Sequence[str], start: int, end: int, *, adjustment: str = "raw"
    ) -> list[MinuteBar]:
        """Daily bars, stamped with New York's midnight, that start from `start` to `end`; as `minute_bars`.

        Args:
            adjustment: `raw`, `split` or `all` (dividends too), as of the newest bar.
        """
        return await self._bars(symbols, start, end, "1Day", adjustment)

    async def daily_columns(
        self, symbols: Sequence[str], start: int, end: int, *, adjustment: str
    ) -> Minutes:
        """The same bars in columns, likewise: best of symbols that `daily_groups` puts together."""
        pages = await self._read(symbols, start, end, "1Day", adjustment, columns_of)
        return await anyio.to_thread.run_sync(lambda: Minutes.joined(pages))

    async def minute_columns(self, symbols: Sequence[str], start: int, end: int) -> Minutes:
        """The same bars in columns, in any order: for many of them, at a fraction of the cost."""
        most = _PAGE // max(1, (end - start) // _MINUTE + 1)
        parts = [
            await self._read(names, start, end, "1Min", "raw", columns_of) for names in _groups(symbols, most)
        ]
        return await anyio.to_thread.run_sync(
            lambda: Minutes.joined([page for pages in parts for page in pages])
        )

    async def _bars(
        self, symbols: Sequence[str], start: int, end: int, timeframe: str, adjustment: str
    ) -> list[MinuteBar]:
        found: list[MinuteBar] = []
        for at in range(0, len(symbols), SYMBOLS_A_REQUEST):
            names = symbols[at : at + SYMBOLS_A_REQUEST]
            for page in await self._read(names, start, end, timeframe, adjustment, bars_of):
                found += page
        return sorted(found, key=lambda bar: (bar.t, bar.S))

    async def _read(
        self,
        symbols: Sequence[str],
        start: int,
        end: int,
        timeframe: str,
        adjustment: str,
        read: Callable[[bytes], tuple[Read, str]],
    ) -> list[Read]:
        """All pages of one question."""
        query = {
            "symbols": ",".join(symbols),
            "timeframe": timeframe,
            "start": _text(start),
            "end": _text(end),
            "limit": str(_PAGE),
            "adjustment": adjustment,
            "feed": self._feed,
            "sort": "asc",
        }
        found: list[Read] = []
        while True:
            page, token = await self._ask(query, read)
            found.append(page)
            if not token:
                return found
            query["page_token"] = token

    async def corporate_actions(self, query: Mapping[str, str]) -> dict[str, Any]:
        """One page of announcements; raises as `minute_bars`."""
        page, _ = await self._ask(query, _object_of, "/corporate-actions", "v1")
        return page

    async def _ask(
        self,
        query: Mapping[str, str],
        read: Callable[[bytes], tuple[Read, str]],
        path: str = "/stocks/bars",
        version: str = "v2",
    ) -> tuple[Read, str]:
        """One page and the token of the next, in its turn, asked and read in a thread, within its time."""
        await self._gate.enter(Priority.READ)
        asked = dict(query)
        async with self._turns:
            # Taken away while it is used: a thread that was given up keeps its own.
            connection = self._idle.pop() if self._idle else self._connection()

            with anyio.move_on_after(self._timeouts.total):
                try:
                    found = await anyio.to_thread.run_sync(
                        lambda: read(connection.get_bytes(path, asked, version=version)),
                        abandon_on_cancel=True,
                    )
                except BrokerUnavailable as error:
                    if error.retry_after:
                        self._gate.pause(error.retry_after)
                    raise
                self._idle.append(connection)
                return found
        raise BrokerUnavailable("no answer in time", is_unknown=False)

    def _connection(self) -> Connection:
        return Connection(self._url, self._keys, (self._timeouts.connect, self._timeouts.read))

    async def aclose(self) -> None:
        """Close idle connections."""
        while self._idle:
            self._idle.pop().close()


def data_gate(requests_per_minute: int, clock: Clock) -> Gate:
    """The data host's request budget; `clock` is real time."""
    return Gate(Budget(requests_per_minute, kept=ONE_KIND, own=ONE_KIND), clock)


def daily_groups(symbols: Sequence[str], start: int, end: int) -> list[list[str]]:
    """Symbols of one request each, so that all their days from `start` to `end` (ns UTC) fit into a page."""
    weekdays = (end - start) // _DAY * 5 // 7 + 3
    return list(_groups(symbols, _PAGE // weekdays))


def _object_of(body: bytes) -> tuple[dict[str, Any], str]:
    try:
        page = msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise BrokerUnavailable("an answer that says nothing", is_unknown=False) from None
    return page, ""


def _groups(symbols: Sequence[str], most: int) -> Iterator[list[str]]:
    """Symbols of one request each: so many at most, and no longer an address than `LONGEST`."""
    group: list[str] = []
    length = 0
    for name in symbols:
        cost = len(name) + _COMMA
        if group and (len(group) >= most or length + cost > LONGEST):
            yield group
            group, length = [], 0
        group.append(name)
        length += cost
    if group:
        yield group


def _text(ts: int) -> str:
    return datetime.fromtimestamp(ts // _SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
