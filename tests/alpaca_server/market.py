"""Bars the test pushed or laid in: the last price of a symbol, and pages of history for REST."""

import base64
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.alpaca_server.clock import midnight, rfc3339


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar; `t` is its start in ns UTC, prices in USD, volume in shares."""

    symbol: str
    t: int
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741
    c: Decimal
    v: int = 1_000
    n: int | None = 10
    vw: Decimal | None = None

    def json(self, *, kind: str | None = None, t: Any = None) -> dict[str, Any]:
        """As data endpoints and the stream write it.

        Args:
            kind: "b", "u" or "d" for the stream: then `T` and `S` come first.
            t: The timestamp as the encoding wants it; None: text.
        """
        head = {} if kind is None else {"T": kind, "S": self.symbol}
        written = {
            **head,
            "o": number(self.o), "h": number(self.h), "l": number(self.l), "c": number(self.c),
            "v": self.v, "t": rfc3339(self.t) if t is None else t,
        }  # fmt: skip
        if self.n is not None:
            written["n"] = self.n
        vwap = self.vw if self.vw is not None else (self.h + self.l + self.c) / 3
        if self.n is not None:
            written["vw"] = number(round(vwap, 6))
        return written


def number(amount: Decimal) -> float | int:
    """A JSON number without a needless point."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


class Market:
    """Bars by timeframe and symbol, ascending."""

    def __init__(self) -> None:
        self._bars: dict[tuple[str, str], list[Bar]] = {}
        self.last: dict[str, Bar] = {}
        """Newest minute bar of each symbol."""
        self._days: dict[str, tuple[int, Bar]] = {}
        """Running bar of each symbol's day, and the moment up to which it has been summed."""
        self.corporate_actions: dict[str, list[dict[str, Any]]] = {}

    def put(self, bar: Bar, timeframe: str = "1Min") -> None:
        """Keep a bar; one of the same start is replaced."""
        bars = self._bars.setdefault((timeframe, bar.symbol), [])
        at = bisect_left(bars, bar.t, key=lambda one: one.t)
        if at < len(bars) and bars[at].t == bar.t:
            bars[at] = bar
        else:
            bars.insert(at, bar)
        if timeframe == "1Min":
            if bar.symbol in self._days and bar.t <= self._days[bar.symbol][0]:
                del self._days[bar.symbol]
            known = self.last.get(bar.symbol)
            if known is None or known.t <= bar.t:
                self.last[bar.symbol] = bar

    def between(self, symbol: str, timeframe: str, start: int, end: int) -> list[Bar]:
        """Bars that start from `start` to `end`, both included."""
        bars = self._bars.get((timeframe, symbol), [])
        low = bisect_left(bars, start, key=lambda one: one.t)
        return bars[low : bisect_right(bars, end, key=lambda one: one.t)]

    def price(self, symbol: str) -> Decimal | None:
        """Last close, USD."""
        bar = self.last.get(symbol)
        return None if bar is None else bar.c

    def day_so_far(self, symbol: str, moment: int) -> Bar | None:
        """The running bar of the New York day, stamped with its midnight."""
        begins = midnight(moment)
        until, day = self._days.get(symbol, (0, None))
        if day is not None and (day.t != begins or until > moment):
            day = None
        bars = self.between(symbol, "1Min", begins if day is None else until + 1, moment)
        for bar in bars:
            first = bar if day is None else day
            day = Bar(
                symbol=symbol, t=begins, o=first.o, h=max(first.h, bar.h), l=min(first.l, bar.l), c=bar.c,
                v=bar.v + (0 if day is None else day.v), n=(bar.n or 0) + (0 if day is None else day.n or 0),
            )  # fmt: skip
        if day is not None:
            self._days[symbol] = moment, day
        return day

    def page(
        self,
        symbols: list[str],
        timeframe: str,
        span: tuple[int, int],
        limit: int,
        token: str,
        descending: bool,
    ) -> tuple[dict[str, list[dict[str, Any]]], str | None]:
        """One page over all symbols: sorted by symbol, then time; the limit counts points.

        Returns:
            Bars by symbol, and the token of the next page, None at the end.
        """
        rows = []
        for symbol in sorted(set(symbols)):
            bars = self.between(symbol, timeframe, *span)
            rows += bars[::-1] if descending else bars
        skip = int(base64.b64decode(token)) if token else 0
        found: dict[str, list[dict[str, Any]]] = {}
        for bar in rows[skip : skip + limit]:
            found.setdefault(bar.symbol, []).append(_rest(bar))
        more = skip + limit < len(rows)
        return found, base64.b64encode(str(skip + limit).encode()).decode() if more else None

    def latest(self, symbols: list[str]) -> dict[str, dict[str, Any]]:
        """Newest minute bar of each symbol that has one."""
        return {symbol: _rest(self.last[symbol]) for symbol in sorted(symbols) if symbol in self.last}


def _rest(bar: Bar) -> dict[str, Any]:
    written = bar.json()
    return {"t": written.pop("t"), **written}
