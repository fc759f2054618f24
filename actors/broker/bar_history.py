"""Bars by REST: minutes for gaps in the stream and for baselines, days after the close.

Source: alpaca.md 4.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from actors.broker.http import Connection, Json
from actors.broker.limiter import ONE_KIND, Budget, Gate, Priority
from actors.broker.market_wire import MinuteBar
from actors.broker.rest import DEFAULT_TIMEOUTS, Timeouts
from config.secrets import Secrets
from runtime.errors import BrokerUnavailable
from runtime.kernel.clock import Clock
from runtime.log import get_logger
from runtime.text import one_line

SYMBOLS_A_REQUEST = 200
"""So many fit into an address."""
_PAGE = "10000"
_SECOND = 1_000_000_000

_log = get_logger(__name__)


class BarHistory:
    """The data host's bars.

    Args:
        url: Scheme and host of the data API. feed: iex, sip ...; always named, the default is not ours.
        clock: Real time, for the request budget (the data host has one of its own).
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
    ) -> None:
        self._url, self._keys, self._feed, self._timeouts = url, keys, feed, timeouts
        self._gate = Gate(Budget(requests_per_minute, kept=ONE_KIND, own=ONE_KIND), clock)
        self._turn = anyio.Lock()
        self._connection: Connection | None = None

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

    async def _bars(
        self, symbols: Sequence[str], start: int, end: int, timeframe: str, adjustment: str
    ) -> list[MinuteBar]:
        found: list[MinuteBar] = []
        for at in range(0, len(symbols), SYMBOLS_A_REQUEST):
            query = {
                "symbols": ",".join(symbols[at : at + SYMBOLS_A_REQUEST]),
                "timeframe": timeframe,
                "start": _text(start),
                "end": _text(end),
                "limit": _PAGE,
                "adjustment": adjustment,
                "feed": self._feed,
                "sort": "asc",
            }
            while True:
                page = await self._ask(query)
                found += _bars(page)
                token = page.get("next_page_token")
                if not isinstance(token, str) or not token:
                    break
                query["page_token"] = token
        return sorted(found, key=lambda bar: (bar.t, bar.S))

    async def _ask(self, query: Mapping[str, str]) -> dict[str, Any]:
        """One page, in its turn, in a thread, within its time."""
        await self._gate.enter(Priority.READ)
        asked = dict(query)
        async with self._turn:
            connection = self._connection or Connection(
                self._url, self._keys, (self._timeouts.connect, self._timeouts.read)
            )
            # Taken away while it is used: a thread that was given up keeps its own.
            self._connection = None
            answer: Json = None
            with anyio.move_on_after(self._timeouts.total):
                answer = await anyio.to_thread.run_sync(
                    lambda: connection.get("/stocks/bars", asked), abandon_on_cancel=True
                )
                self._connection = connection
        if not isinstance(answer, dict):
            raise BrokerUnavailable("no bars in time, or an answer that has none", is_unknown=False)
        return answer

    async def aclose(self) -> None:
        """Close the idle connection."""
        if self._connection is not None:
            self._connection.close()


def _bars(page: Mapping[str, Any]) -> list[MinuteBar]:
    by_symbol = page.get("bars") or {}
    if not isinstance(by_symbol, dict) or not all(isinstance(rows, list) for rows in by_symbol.values()):
        raise BrokerUnavailable("bars that are no bars", is_unknown=False)
    found: list[MinuteBar] = []
    bad: list[str] = []
    for symbol, rows in by_symbol.items():
        for row in rows:
            try:
                found.append(msgspec.convert({**row, "T": "b", "S": symbol}, MinuteBar))
            except (msgspec.ValidationError, ValueError, TypeError, RecursionError):
                bad.append(one_line(repr(row)[:120], 200))
    if bad:
        _log.error("bars read by REST cannot be used", count=len(bad), example=bad[0])
    return found


def _text(ts: int) -> str:
    return datetime.fromtimestamp(ts // _SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
