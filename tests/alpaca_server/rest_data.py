"""The market-data API: bars of the past in pages, the latest ones, quotes, snapshots, corporate actions."""

from collections.abc import Callable
from typing import Any

from tests.alpaca_server import corporate
from tests.alpaca_server.calls import Answer, Call
from tests.alpaca_server.clock import MINUTE, midnight, ns, rfc3339
from tests.alpaca_server.market import number
from tests.alpaca_server.paper import PaperBroker
from tests.alpaca_server.refusals import Refused

Handler = Callable[[Call], Answer]
_TIMEFRAMES = ("1Min", "5Min", "15Min", "30Min", "1Hour", "1Day")
_FEEDS = ("iex", "sip", "otc", "boats", "delayed_sip", "overnight")
_RECENT = 15 * MINUTE


class DataApi:
    """Handlers over the bars that were pushed or laid in."""

    def __init__(self, broker: PaperBroker) -> None:
        self._broker = broker
        self._market = broker.market

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler."""
        return [
            ("GET", "/v2/stocks/bars", self.bars),
            ("GET", "/v2/stocks/bars/latest", self.latest_bars),
            ("GET", "/v2/stocks/quotes/latest", self.latest_quotes),
            ("GET", "/v2/stocks/trades/latest", self.latest_trades),
            ("GET", "/v2/stocks/snapshots", self.snapshots),
            ("GET", "/v2/stocks/{symbol}/bars", self.bars_of_one),
            ("GET", "/v1/corporate-actions", self.corporate_actions),
        ]

    def bars(self, call: Call) -> Answer:
        found, token = self._page(call, call.symbols())
        return Answer(body={"bars": found, "next_page_token": token})

    def bars_of_one(self, call: Call) -> Answer:
        symbol = call.path["symbol"]
        found, token = self._page(call, [symbol])
        return Answer(body={"symbol": symbol, "bars": found.get(symbol, []), "next_page_token": token})

    def _page(self, call: Call, symbols: list[str]) -> tuple[dict[str, list[dict[str, Any]]], str | None]:
        query = call.query
        if not symbols:
            raise _bad("symbols is required")
        timeframe = query.get("timeframe", "")
        if timeframe not in _TIMEFRAMES:
            raise _bad(f"invalid timeframe: {timeframe}")
        now = self._broker.clock.now()
        try:
            start = ns(query["start"]) if query.get("start") else midnight(now)
            end = ns(query["end"]) if query.get("end") else now
        except ValueError:
            raise _bad("invalid start or end") from None
        self._check_feed(query.get("feed"), end)
        limit = query.get("limit", "1000")
        if not limit.isdigit() or not 1 <= int(limit) <= 10_000:
            raise _bad("limit must be between 1 and 10000")
        return self._market.page(
            symbols,
            timeframe,
            (start, end),
            int(limit),
            query.get("page_token", ""),
            query.get("sort") == "desc",
        )

    def _check_feed(self, feed: str | None, end: int | None) -> None:
        if feed is not None and feed not in _FEEDS:
            raise _bad(f"invalid feed: {feed}")
        recent = end is None or end > self._broker.clock.now() - _RECENT
        if feed == "sip" and recent and not self._broker.options.sip:
            raise Refused(403, 42_210_000, "subscription does not permit querying recent SIP data")

    def latest_bars(self, call: Call) -> Answer:
        self._check_feed(call.query.get("feed"), None)
        return Answer(body={"bars": self._market.latest(call.symbols())})

    def latest_quotes(self, call: Call) -> Answer:
        self._check_feed(call.query.get("feed"), None)
        return Answer(body={"quotes": {s: q for s in call.symbols() if (q := self._quote(s)) is not None}})

    def latest_trades(self, call: Call) -> Answer:
        self._check_feed(call.query.get("feed"), None)
        return Answer(body={"trades": {s: t for s in call.symbols() if (t := self._trade(s)) is not None}})

    def snapshots(self, call: Call) -> Answer:
        self._check_feed(call.query.get("feed"), None)
        now, body = self._broker.clock.now(), {}
        for symbol, minute in self._market.latest(call.symbols()).items():
            day = self._market.day_so_far(symbol, now)
            body[symbol] = {
                "latestTrade": self._trade(symbol),
                "latestQuote": self._quote(symbol),
                "minuteBar": minute,
                "dailyBar": day and day.json(),
            }
        return Answer(body=body)

    def _quote(self, symbol: str) -> dict[str, Any] | None:
        bar = self._market.last.get(symbol)
        if bar is None:
            return None
        half = self._broker.options.spread / 2
        return {
            "t": rfc3339(bar.t + MINUTE), "bx": "V", "bp": number(bar.c - half), "bs": 1, "ax": "V",
            "ap": number(bar.c + half), "as": 1, "c": ["R"], "z": "C",
        }  # fmt: skip

    def _trade(self, symbol: str) -> dict[str, Any] | None:
        bar = self._market.last.get(symbol)
        if bar is None:
            return None
        return {"t": rfc3339(bar.t + MINUTE - 1), "x": "V", "p": number(bar.c), "s": 100, "c": ["@"], "i": 1,
                "z": "C"}  # fmt: skip

    def corporate_actions(self, call: Call) -> Answer:
        return Answer(body=corporate.page(self._market.corporate_actions, call.query, call.symbols()))


def _bad(message: str) -> Refused:
    return Refused(400, 40_010_001, message)
